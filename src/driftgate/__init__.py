"""Driftgate: a compile-and-export regression pipeline for fleets of models.

`driftgate.explain(model, inputs)` says where torch.compile cuts a model of this process; everything else is the command line's.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "explain"]


def __getattr__(name: str) -> Any:
    """torch is imported when `explain` is asked for, not before."""
    if name == "explain":
        return import_module("driftgate.desk.in_process").explain
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
