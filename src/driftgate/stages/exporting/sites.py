"""Where in the model an export failed: the operator, the module it sits in, the line of the user's code.

An exporter's message rarely says so, but the exception still holds the frames that led to it: in a frame of the translator stands
the node that it gave up on, which knows its module; in frames of the model's own code stand the modules themselves.
"""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from linecache import getline
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from driftgate.core.breaks import shorten
from driftgate.core.records import SourceLine
from driftgate.stages.blame import OURS

MACHINERY = tuple(
    f"{part}/"
    for part in (
        OURS,
        sysconfig.get_paths()["stdlib"],
        *(
            str(Path(torch.__file__).parent.parent / name)
            for name in ("torch", "onnxscript", "onnx_ir", "onnx", "sympy")
        ),
        str(Path(torch.__file__).parent.parent / "transformers" / "exporters"),
    )
)
"""Code below these is never the user's."""
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)(?:\n\s+(?P<code>[^\n]+))?')
_SCOPE = re.compile(r"(?P<class>[^/]*)::(?P<name>[^/]*)")
_INDEXED = re.compile(r"\[(\w+)\]|\['([^']+)'\]")


@dataclass(frozen=True)
class Site:
    """What is known of the place; `module` is the path below the model, empty for the model itself."""

    operator: str | None = None
    module: str | None = None
    module_class: str | None = None
    source: SourceLine | None = None


def site_of(error: BaseException, root: nn.Module) -> Site:
    """The place of the deepest exception that knows one."""
    frames = [(frame, line) for cause in _chain(error) for frame, line in _frames(cause)]
    names = {id(module): name for name, module in _root(frames, root).named_modules()}
    nodes = (found for frame, _ in reversed(frames) if (found := _of_node(frame.f_locals)) is not None)
    return next(nodes, None) or _of_frames(frames, names)


def raised_by_torch(error: BaseException) -> bool:
    """Whether code of torch or of an exporter raised the deepest exception: not the model's own, whatever it did before."""
    deepest = list(_chain(error))[-1]
    frames = [frame for frame, _ in _frames(deepest)]
    return bool(frames) and not _is_users(frames[-1])


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """From the outermost exception down to its cause."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    entry = error.__traceback__
    while entry is not None:
        yield entry.tb_frame, entry.tb_lineno
        entry = entry.tb_next


def _root(frames: list[tuple[FrameType, int]], root: nn.Module) -> nn.Module:
    """The model that was traced: an exporter may have made a copy of the one that it was given."""
    of_its_class = (frame.f_locals["self"] for frame, _ in frames if type(frame.f_locals.get("self")) is type(root))
    return next(of_its_class, root)


def _of_node(found: Mapping[str, Any]) -> Site | None:
    """What a frame holds under the names that the translators use for the node at hand."""
    for name in ("node", "n"):
        node = found.get(name)
        if isinstance(node, torch.fx.Node) and node.op == "call_function":
            return _of_fx(node)
        if isinstance(node, torch._C.Node):
            return _of_torchscript(node)
    return None


def _of_fx(node: torch.fx.Node) -> Site:
    """The innermost module of the stack that the node was recorded under."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, module_class = stack[-1] if stack else (None, None)
    return Site(
        operator=str(node.target),
        module=None if path is None else _path(str(path)),
        module_class=_class_name(module_class),
        source=_from_text(node.meta.get("stack_trace") or ""),
    )


def _of_torchscript(node: Any) -> Site:
    """`pkg.Positional::/pkg.Outer::model/pkg.Inner::layers.1`: the first two are the wrapper and the model itself."""
    scopes = [_SCOPE.fullmatch(part) for part in node.scopeName().split("/")]
    below = [scope for scope in scopes if scope is not None][1:]
    return Site(
        operator=str(node.kind()),
        module=".".join(scope["name"] for scope in below[1:]) if below else None,
        module_class=_class_name(below[-1]["class"]) if below else None,
        source=_from_text(_torchscript_stack(node)),
    )


def _torchscript_stack(node: Any) -> str:
    """TorchScript names the innermost line (`file.py:12:0`) in `sourceRange`, torch's own as a rule; then nothing is known."""
    match = re.search(r"(?P<file>\S+\.py)(?:\((?P<a>\d+)\)|:(?P<b>\d+))", node.sourceRange())
    return f'File "{match["file"]}", line {match["a"] or match["b"]}, in forward' if match else ""


def _path(text: str) -> str:
    """`L['self'].layers[0].attn` and `layers.0.attn` alike."""
    bare = text.removeprefix("L['self']").removeprefix(".")
    return _INDEXED.sub(lambda match: f".{match[1] or match[2]}", bare)


def _class_name(found: object) -> str | None:
    """`BertLayer`, of a class or of its dotted name."""
    if found is None:
        return None
    return found.__name__ if isinstance(found, type) else str(found).rpartition(".")[2]


def _from_text(stack: str) -> SourceLine | None:
    """The deepest line of the user's in a stack as torch writes it."""
    for match in reversed(list(_FRAME.finditer(stack))):
        if not match["file"].startswith(MACHINERY):
            code = match["code"] or getline(match["file"], int(match["line"]))
            return _line(match["file"], int(match["line"]), match["function"], code)
    return None


def _of_frames(frames: list[tuple[FrameType, int]], names: Mapping[int, str]) -> Site:
    source = next((_source(frame, line) for frame, line in reversed(frames) if _is_users(frame)), None)
    for frame, _ in reversed(frames):
        module = frame.f_locals.get("self")
        if isinstance(module, nn.Module) and id(module) in names:
            return Site(module=names[id(module)], module_class=type(module).__name__, source=source)
    return Site(source=source)


def _is_users(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not file.startswith((*MACHINERY, "<"))


def _source(frame: FrameType, line: int) -> SourceLine:
    file = frame.f_code.co_filename
    return _line(file, line, frame.f_code.co_name, getline(file, line, frame.f_globals))


def _line(file: str, line: int, function: str, code: str) -> SourceLine:
    return SourceLine(file=shorten(file), line=line, function=function, code=code.strip() or None)
