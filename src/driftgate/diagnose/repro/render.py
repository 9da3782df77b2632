"""Python source from templates in which every value is a literal.

What a script is made of comes from configurations, records and files that others wrote. So a template cannot paste: whatever
stands in `{{ … }}` becomes a Python literal on one line, quotes and control characters escaped, before it reaches the text.
Only what is marked `Code` here goes in as it is.
"""

from __future__ import annotations

import ast
import math
import pprint
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined

from driftgate.core.errors import DriftgateError

WIDTH = 110
MOST_BYTES = 200_000


class NoRepro(DriftgateError):
    """There can be no script for a cell, and why."""


class Code(str):
    """Source text of our own, which is not quoted."""

    __slots__ = ()


def render(template: str, **values: Any) -> str:
    """The script. Raises NoRepro for values that have no literal, and for a script that nobody would read."""
    text = _environment().get_template(f"{template}.py.j2").render(values)
    if len(text) > MOST_BYTES:
        raise NoRepro(f"the script would have {len(text):,} characters; its arguments are too large")
    return text


def literal(value: Any) -> str:
    """The value as Python source, on one line. Raises NoRepro for anything but the types of JSON, and tuples of them."""
    if isinstance(value, Code):
        return value
    if isinstance(value, Undefined):
        return str(value)  # which raises, and says what is missing
    _check(value)
    return repr(value)


def over_lines(value: Any) -> Code:
    """The value as Python source, wrapped where it is long; not for comments."""
    _check(value)
    return Code(pprint.pformat(value, width=WIDTH, sort_dicts=False))


def raw(pattern: str) -> Code:
    """A regular expression as Python source, as people write it where that says the same."""
    quoted = f'r"{pattern}"'
    try:
        same = ast.literal_eval(quoted) == pattern
    except SyntaxError:
        same = False
    return Code(quoted if same else literal(pattern))


def _check(value: Any) -> None:
    if type(value) is dict:
        for key, item in value.items():
            _check(key)
            _check(item)
    elif type(value) in (list, tuple):
        for item in value:
            _check(item)
    elif type(value) not in (str, int, float, bool, type(None)) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        raise NoRepro(f"a {type(value).__name__} cannot be written into a script")


@cache
def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - source text, no page: `finalize` quotes every value
        loader=PackageLoader("driftgate.diagnose.repro"),
        undefined=StrictUndefined,
        finalize=literal,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters |= {"over_lines": over_lines, "raw": raw}
    return environment
