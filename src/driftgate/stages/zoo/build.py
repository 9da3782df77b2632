"""Build one zoo model in memory: a shrunk configuration, the architecture's class, weights from a seed."""

from __future__ import annotations

import torch
import transformers
from transformers import PreTrainedModel

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.sources import zoo
from driftgate.stages.blame import blaming, or_missing
from driftgate.stages.zoo.shrink import shrink
from driftgate.stages.zoo.weights import construct, initialise


def build(model_type: str, architecture: str | None = None, seed: int = 0) -> PreTrainedModel:
    """A tiny model in float32 and eval mode, the same bytes for the same seed in every process.

    Raises UsageError for a name that transformers doesn't have, StageFailure(`unavailable`) where the architecture
    needs a package that isn't installed, StageFailure(`load`) for whatever else its constructor raises.
    """
    reference = zoo.parse(f"{model_type}/{architecture}" if architecture else model_type)
    assert reference.architecture is not None
    with blaming(or_missing(FailureKind.LOAD), f"{reference.architecture} cannot be built tiny"):
        model_class = getattr(transformers, reference.architecture)
        config = shrink(reference.model_type)
        config.architectures = [reference.architecture]
        config.dtype = torch.float32
        model: PreTrainedModel = construct(lambda: model_class._from_config(config, dtype=torch.float32), seed)
    initialise(model, seed)
    model.train(False)
    return model


def build_timm(name: str, seed: int = 0) -> torch.nn.Module:
    """A timm architecture with random weights. Raises StageFailure(`unavailable`) without the extra."""
    try:
        import timm
    except ImportError as error:
        raise StageFailure(
            FailureKind.UNAVAILABLE, "zoo:timm needs timm", hint="pip install 'driftgate[timm]'"
        ) from error
    if not timm.is_model(name):
        raise StageFailure(FailureKind.CONFIG, f"timm has no architecture {name[:80]!r}")
    model: torch.nn.Module = construct(lambda: timm.create_model(name, pretrained=False), seed)
    initialise(model, seed)
    return model.eval()
