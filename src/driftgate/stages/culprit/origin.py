"""From a node of an exported file back to the model: module path, source line and its code, as the exporter noted them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

import onnx

from driftgate.core.breaks import shorten

SCOPES, STACK = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.stack_trace"
CODE_LENGTH = 300
_FRAME = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+), in [^\n]*(?:\n(?!\s*File ")\s*(?P<code>[^\n]*))?')


@dataclass(frozen=True)
class Origin:
    """`module` is the path of the module ("" for the model itself), `source` is `file:line` of the innermost frame outside
    torch, `code` its line. None for what the file does not tell."""

    module: str | None = None
    source: str | None = None
    code: str | None = None


def origin(nodes: Iterable[onnx.NodeProto]) -> Origin:
    """Where the first node that tells it comes from; nodes that an optimizer made tell nothing."""
    for node in nodes:
        told = {entry.key: entry.value for entry in node.metadata_props}
        if SCOPES in told or STACK in told:
            return Origin(_module(told.get(SCOPES, "")), *_source(told.get(STACK, "")))
    return Origin()


def _module(scopes: str) -> str | None:
    """The scopes go from the model to the operator itself; the one before that is the module."""
    try:
        names = ast.literal_eval(scopes) if scopes else []
    except (ValueError, SyntaxError):
        return None
    if not isinstance(names, list) or len(names) < 2:
        return None
    return str(names[-2])


def _source(stack: str) -> tuple[str | None, str | None]:
    frames = [(shorten(match["file"]), match["line"], match["code"]) for match in _FRAME.finditer(stack)]
    users = [frame for frame in frames if not frame[0].startswith("torch/")]
    if not frames:
        return None, None
    file, line, code = (users or frames)[-1]
    return f"{file}:{line}", (code or "").strip()[:CODE_LENGTH] or None
