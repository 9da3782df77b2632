"""Which submodule of the model was at work when dynamo met a break.

A break is written into the trace while dynamo's frames are still there. What they interpret knows its `self`: the deepest of its
translators hangs on the exception that is being handled, the ones around it are its parents, and above dynamo come the real Python
frames of the code that runs compiled by now. A `self` that is one of the model's modules gives the path; whatever is not found (this
reads attributes that torch does not promise) gives None, never a guess.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FrameType
from typing import Any

from torch import nn
from torch._dynamo.symbolic_convert import InstructionTranslatorBase
from torch._dynamo.variables.base import VariableTracker

from driftgate.core.break_places import Owner

DYNAMO = "/torch/_dynamo/"
SELF = "self"
COMPILED = "_orig_mod"


def names_of(model: nn.Module) -> dict[int, str]:
    """Identity of each module → its path, the first of several. The shell that torch.compile puts around a module has no name."""
    names: dict[int, str] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), ".".join(part for part in path.split(".") if part != COMPILED))
    return names


def owners(names: Mapping[int, str]) -> tuple[Owner, ...]:
    """The stack at the break that is being logged just now, innermost first. Called from a handler of the trace's logger."""
    python = list(_frames(sys._getframe(1)))
    try:
        deepest = next((found for frame in python if (found := _deepest(frame))), None)
        return (*_interpreted(deepest, names), *_running(python, names))
    except AttributeError:  # another torch keeps this elsewhere: a path that can't be known must not cost the count
        return ()


def regions() -> int:
    """How many compiled regions the code runs in just now: 1, or more where one calls another that was compiled by itself."""
    return sum(
        frame.f_code.co_name == "compile_wrapper" and DYNAMO in frame.f_code.co_filename
        for frame in _frames(sys._getframe(1))
    )


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _deepest(frame: FrameType) -> InstructionTranslatorBase | None:
    """The innermost translator that an exception held in one of dynamo's frames went through; else the frame's own."""
    if DYNAMO not in frame.f_code.co_filename:
        return None
    held = [value for value in frame.f_locals.values() if issubclass(type(value), BaseException)]
    for error in held:
        for below in _chain(error):
            found = _translators(below)
            if found:
                return found[-1]
    own = frame.f_locals.get(SELF)
    return own if isinstance(own, InstructionTranslatorBase) else None


def _chain(error: BaseException) -> list[BaseException]:
    """The exception and what it was raised from, the first cause first."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain[::-1]


def _translators(error: BaseException) -> list[InstructionTranslatorBase]:
    found = []
    entry = error.__traceback__
    while entry is not None:
        own = entry.tb_frame.f_locals.get(SELF)
        if isinstance(own, InstructionTranslatorBase):
            found.append(own)
        entry = entry.tb_next
    return found


def _interpreted(translator: InstructionTranslatorBase | None, names: Mapping[int, str]) -> Iterator[Owner]:
    while translator is not None:
        code = translator.f_code
        own = _own_self(translator)
        lost = (
            own is None and translator.parent is not None and _has_self(code)
        )  # above dynamo the same self is there again
        yield Owner(code.co_filename, code.co_name, names.get(id(own)), hidden=lost)
        translator = translator.parent


def _has_self(code: CodeType) -> bool:
    return SELF in (*code.co_varnames, *code.co_cellvars, *code.co_freevars)


def _own_self(translator: InstructionTranslatorBase) -> Any:
    """What `self` is in the interpreted function, or None."""
    if SELF in translator.f_locals:
        return translator.f_locals[SELF]
    variable = translator.symbolic_locals.get(SELF)
    return None if variable is None else _value(variable, translator.output.side_effects.store_attr_mutations)


def _value(variable: VariableTracker, stored: Mapping[VariableTracker, Mapping[str, VariableTracker]]) -> Any:
    """The object that a variable stands for. Read without asking the variable, which may be lazy: looking must not make it."""
    held = vars(variable)
    if "_cache" in held:
        lazy = held["_cache"]
        return lazy.value if lazy.vt is None else _value(lazy.vt, stored)
    if "pre_existing_contents" in held:
        contents = stored.get(variable, {}).get("cell_contents", held["pre_existing_contents"])
        return None if contents is None else _value(contents, stored)
    return held.get("value", variable)


def _running(frames: list[FrameType], names: Mapping[int, str]) -> Iterator[Owner]:
    """The real Python frames above dynamo."""
    for frame in frames:
        if DYNAMO not in frame.f_code.co_filename:
            yield Owner(frame.f_code.co_filename, frame.f_code.co_name, names.get(id(frame.f_locals.get(SELF))))
