"""Build one timm architecture in memory, smaller where it lets itself be, with weights from a seed; save it as a repository of timm's.

An architecture of timm is a function whose keywords reach the constructor of its class. Two of them mean the same wherever they are
taken: how many blocks stand behind each other (`depth`, or a number for each stage in `depths`), and the size of the picture. What
the class itself shows of them decides; what does not build, does not run or is not smaller with them stays as it is.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import attempt, blaming, or_missing
from driftgate.stages.loading.timm import check_known, import_timm
from driftgate.stages.zoo.weights import construct, initialise

DEPTHS = ("depth", "depths", "layers")
BLOCKS = 2  # of each stage: enough for kinds of blocks that alternate
SIDE = 224
LOUD = 10.0  # deviation of the scores

Arguments = dict[str, Any]


def build_timm(name: str, arguments: Arguments, seed: int = 0) -> nn.Module:
    """An architecture in eval mode, the same bytes for the same seed in every process.

    Raises StageFailure(`unavailable`) where timm, or a package that it needs, isn't installed, StageFailure(`load`) for whatever else
    the constructor raises.
    """
    timm = _timm_with(name)
    with blaming(or_missing(FailureKind.LOAD), f"timm's {name} cannot be built"):
        model: nn.Module = construct(lambda: timm.create_model(name, pretrained=False, **arguments), seed)
    initialise(model.eval(), seed)
    with blaming(FailureKind.LOAD, f"timm's {name} does not run"):
        _level(model, seed)
    return model


def _level(model: nn.Module, seed: int) -> None:
    """Scale the classifier down by a power of two where scores are far from one: tolerances are made for scores of that order, and sums
    of many branches that nobody trained grow to hundreds."""
    classifier = model.get_classifier() if hasattr(model, "get_classifier") else None  # type: ignore[operator]
    if not isinstance(classifier, nn.Linear):
        return
    size = model.pretrained_cfg["input_size"]  # type: ignore[index]
    with torch.no_grad():
        scores = model(torch.randn(1, *size, generator=torch.Generator().manual_seed(seed)))
        spread = float(scores.std())
        if spread > LOUD:
            for parameter in classifier.parameters():
                parameter.mul_(2.0 ** -math.ceil(math.log2(spread)))


def save_timm(name: str, folder: Path, seed: int = 0) -> None:
    """Write weights (safetensors), name and arguments of a small form of an architecture. Raises as `build_timm` does."""
    arguments = smaller(name)
    state = build_timm(name, arguments, seed).state_dict()
    # Each a copy: safetensors refuses tensors that share memory, as CoaT's layers do.
    apart = {key: tensor.contiguous().clone() for key, tensor in state.items()}
    save_file(apart, folder / "model.safetensors")
    config = {"architecture": name, "model_args": arguments}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def smaller(name: str) -> Arguments:
    """Keywords for `timm.create_model` that make an architecture smaller; none for one that takes none. Raises as `build_timm` does."""
    arguments: Arguments = {}
    least = _measured(name, arguments)
    with blaming(or_missing(FailureKind.LOAD), f"timm's {name} cannot be built"):
        module = _on_meta(name, arguments)
    for candidate in _candidates(module):
        measured = _measured(name, arguments | candidate)
        if least and measured and measured != least and all(map(int.__le__, measured, least)):
            arguments, least = arguments | candidate, measured
    return arguments


def _candidates(module: nn.Module) -> Iterator[Arguments]:
    for keyword, parameter in inspect.signature(type(module).__init__).parameters.items():
        if keyword in DEPTHS and (depth := _shallow(parameter.default)):
            yield {keyword: depth}
    channels, *sides = module.pretrained_cfg["input_size"]  # type: ignore[index]
    if max(sides) > SIDE:
        yield {"pretrained_cfg_overlay": {"input_size": [channels, SIDE, SIDE]}}


def _shallow(default: object) -> int | list[int] | None:
    """Fewer blocks than a default of the class; None for one that counts no blocks."""
    if isinstance(default, int):
        return min(default, BLOCKS)
    if isinstance(default, list | tuple) and all(isinstance(count, int) for count in default):
        return [min(count, BLOCKS) for count in default]
    return None


def _measured(name: str, arguments: Arguments) -> tuple[int, int] | None:
    """Parameters, and numbers of one picture; None where the architecture doesn't build or run with these arguments."""
    found: list[tuple[int, int]] = []

    def run() -> None:
        module = _on_meta(name, arguments)
        picture = torch.empty(1, *module.pretrained_cfg["input_size"], device="meta")  # type: ignore[index]
        with torch.no_grad():
            module.eval()(picture)
        found.append((sum(parameter.numel() for parameter in module.parameters()), picture.numel()))

    attempt(run)
    return found[0] if found else None


def _on_meta(name: str, arguments: Arguments) -> nn.Module:
    """The module without memory for its weights."""
    timm = _timm_with(name)
    with torch.device("meta"):
        module: nn.Module = timm.create_model(name, pretrained=False, **arguments)
    return module


def _timm_with(name: str) -> Any:
    """The package, which has this architecture."""
    timm = import_timm(f"zoo:timm/{name}")
    check_known(name, timm)
    return timm
