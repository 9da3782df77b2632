"""The exporter's table of ONNX functions, built once per process instead of once per export.

`torch.onnx.export` calls `ONNXRegistry.from_torchlib` every time: 500 functions are parsed again from their source, 0.35 s that
do not depend on the model. A warmed server builds the table once and every worker forked from it hands the exporter a copy.
The graphs are the same (a test compares them); a torch whose internals look different is refused aloud.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from driftgate.core.errors import MachineryError

ATTRIBUTES = ("functions", "_opset_version", "_register")


def keep_registry() -> None:
    """Make `ONNXRegistry.from_torchlib` build each opset's table once. Idempotent. Raises MachineryError if torch's
    registry is not what this was written for."""
    from torch.onnx._internal.exporter import _registration

    registry_class: Any = _registration.ONNXRegistry
    if getattr(registry_class.from_torchlib, "kept_by_driftgate", False):
        return
    built = registry_class.from_torchlib
    blank = registry_class()
    lacking = [name for name in ATTRIBUTES if not hasattr(blank, name)]
    if lacking or set(vars(blank)) != {"functions", "_opset_version"}:
        raise MachineryError(
            f"torch.onnx's ONNXRegistry has changed (it lacks {lacking or 'nothing'}, holds {sorted(vars(blank))}): "
            "driftgate.stages.exporting.registry must be adapted to this torch"
        )

    @cache
    def table(opset_version: int) -> Any:
        return built(opset_version=opset_version)

    def from_torchlib(cls: Any, opset_version: int = blank._opset_version) -> Any:
        kept = table(opset_version)
        copy = cls()
        copy._opset_version = kept._opset_version
        copy.functions = {target: list(metas) for target, metas in kept.functions.items()}
        return copy

    from_torchlib.kept_by_driftgate = True  # type: ignore[attr-defined]
    registry_class.from_torchlib = classmethod(from_torchlib)
    # it says for each function of torchvision that torchvision is not installed, at every export
    logging.getLogger(_registration.__name__).setLevel(logging.ERROR)
