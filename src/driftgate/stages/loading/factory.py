"""`python:package.module:factory`: call the user's own code for a module."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from torch import nn

from driftgate.core.errors import StageFailure, did_you_mean
from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import blaming

EXPECTED = "a factory takes nothing and returns a torch.nn.Module, or (module, inputs) with inputs a dict or a tuple"


def from_factory(name: str) -> tuple[nn.Module, Any]:
    """The module, and the inputs if the factory gives some (a mapping or a sequence), else None.

    Raises StageFailure(`load`) for a factory that isn't there, that raises, or that returns something else.
    """
    factory = factory_named(name)
    with blaming(FailureKind.LOAD, f"the factory {name} raised"):
        made = factory()
    return _unpack(made, name)


def factory_named(name: str) -> Any:
    """The callable itself, imported with the current folder first on the path. Raises StageFailure(`load`)."""
    module_name, _, attribute = name.partition(":")
    put_first(Path.cwd())
    with blaming(FailureKind.LOAD, f"cannot import {module_name}", hint="run from the folder that holds it"):
        found: Any = importlib.import_module(module_name)
    for part in attribute.split("."):
        found = _attribute(found, part, name)
    if not callable(found):
        raise StageFailure(FailureKind.LOAD, f"{name} is a {type(found).__name__}, not a function", hint=EXPECTED)
    return found


def put_first(folder: Path) -> None:
    """Put a folder first on the import path, once."""
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


def _attribute(owner: Any, name: str, reference: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError as error:
        public = [key for key in vars(owner) if not key.startswith("_") and callable(getattr(owner, key))]
        raise StageFailure(
            FailureKind.LOAD, f"python:{reference}: there is no {name!r}", hint=did_you_mean(name, public)
        ) from error


def _unpack(made: Any, name: str) -> tuple[nn.Module, Any]:
    module, inputs = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, nn.Module):
        raise StageFailure(FailureKind.LOAD, f"{name} returned {_kind(made)}", hint=EXPECTED)
    if inputs is not None and not isinstance(inputs, dict | list | tuple):
        raise StageFailure(FailureKind.LOAD, f"{name} returned inputs of type {_kind(inputs)}", hint=EXPECTED)
    return module, inputs


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(type(item).__name__ for item in value[:4])})"
    return type(value).__name__
