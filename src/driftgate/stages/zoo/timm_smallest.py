"""Make the table of the smallest architecture of each module family of timm.

    python -m driftgate.stages.zoo.timm_smallest > src/driftgate/sources/timm_smallest.json

Every architecture is built on the meta device, without memory for its weights: some minutes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import torch

from driftgate.core.verdicts import FailureKind
from driftgate.sources.timm_catalogue import families
from driftgate.stages.blame import blaming
from driftgate.stages.loading.timm import import_timm


def table() -> dict[str, Any]:
    """The version of timm, and for each family its smallest architecture with the number of its parameters."""
    timm = import_timm("the table")
    rows = {family: smallest(names, timm) for family, names in families().items()}
    return {"timm": timm.__version__, "families": rows}


def smallest(names: Iterable[str], timm: Any) -> dict[str, Any]:
    """The architecture with the fewest parameters; of equals the first by name."""
    count, name = min((parameters(name, timm), name) for name in names)
    return {"architecture": name, "parameters": count}


def parameters(name: str, timm: Any) -> int:
    """How many parameters an architecture has."""
    with blaming(FailureKind.LOAD, f"timm's {name} cannot be built on the meta device"), torch.device("meta"):
        module: torch.nn.Module = timm.create_model(name, pretrained=False)
    return sum(parameter.numel() for parameter in module.parameters())


if __name__ == "__main__":
    sys.stdout.write(json.dumps(table(), indent=1) + "\n")
