"""The catalogue of timm: its architectures by module family, read from the installed package as text, and which one stands for a family.

    zoo:timm/*          one architecture for each module family, its smallest
    zoo:timm/**         every architecture
    zoo:timm/resnet*    those whose names match

Nothing of timm is imported. Parameters cannot be counted in a text, so the smallest of each family stand in `timm_smallest.json`,
which `python -m driftgate.stages.zoo.timm_smallest` makes from an installed timm.
"""

from __future__ import annotations

import functools
import json
import re
from fnmatch import fnmatchcase
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from driftgate.core.errors import UsageError, did_you_mean

PREFIX = "zoo:timm/"
EXTRA = "pip install 'driftgate[timm]'"
ONE_OF_EACH, ALL = "*", "**"
TABLE = "timm_smallest.json"

_REGISTERED = re.compile(r"^@register_model\s*\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)


def family_of(name: str, *, where: str | None = None) -> str:
    """The module of timm that has an architecture. Raises UsageError with the nearest name, and where timm is not installed."""
    known = {architecture: family for family, names in families(where=where).items() for architecture in names}
    if name in known:
        return known[name]
    if not name:
        mend = f"write {PREFIX}resnet18, {PREFIX}{ONE_OF_EACH} for one of each family, or {PREFIX}{ALL} for all"
        raise UsageError("timm is no model but a library", where=where, mend=mend)
    bare = name.partition(".")[0]
    mend = f"its weights are random here: write {PREFIX}{bare}" if bare in known else did_you_mean(name, known)
    raise UsageError(f"timm has no architecture {name[:80]!r}", where=where, mend=mend)


def matching(pattern: str, *, where: str | None = None) -> tuple[str, ...]:
    """The references that `zoo:timm/PATTERN` stands for. Raises UsageError where it stands for none, and without timm."""
    names = pattern.removeprefix(PREFIX)
    found = (
        [representative(family) for family in families(where=where)]
        if names == ONE_OF_EACH
        else sorted(
            name for of_family in families(where=where).values() for name in of_family if fnmatchcase(name, names)
        )
    )
    if not found:
        mend = f"{PREFIX}{ONE_OF_EACH} stands for one of each family, {PREFIX}{ALL} for all"
        raise UsageError(f"{pattern[:80]} stands for no model", where=where, mend=mend)
    return tuple(PREFIX + name for name in found)


def representative(family: str) -> str:
    """The architecture that stands for a family: its smallest; its first where timm is newer than the table and it is not in there."""
    names = families()[family]
    smallest = smallest_of_each().get(family)
    return smallest if smallest in names else names[0]


def families(*, where: str | None = None) -> dict[str, tuple[str, ...]]:
    """Module → its architectures in the order of the file. Raises UsageError where timm is not installed."""
    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        raise UsageError(f"{PREFIX}… needs timm, which is not installed", where=where, mend=EXTRA)
    return _registered(Path(spec.origin).parent / "models")


@functools.cache
def _registered(folder: Path) -> dict[str, tuple[str, ...]]:
    found = {file.stem: tuple(_REGISTERED.findall(file.read_text("utf-8"))) for file in sorted(folder.glob("*.py"))}
    return {family: names for family, names in found.items() if names}


@functools.cache
def smallest_of_each() -> dict[str, str]:
    """Module → the architecture with the fewest parameters, by the table."""
    table = json.loads((resources.files("driftgate.sources") / TABLE).read_text("utf-8"))
    return {family: row["architecture"] for family, row in table["families"].items()}
