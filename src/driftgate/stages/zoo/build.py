"""Build one zoo model in memory: a shrunk configuration, the architecture's class, weights from a seed."""

from __future__ import annotations

import torch
import transformers
from transformers import PretrainedConfig, PreTrainedModel

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
    with blaming(or_missing(FailureKind.LOAD), f"{reference.architecture} cannot be built tiny"):
        config = shrink(reference.model_type)
    return build_from(config, reference.architecture, seed)


def build_from(config: PretrainedConfig, architecture: str, seed: int = 0) -> PreTrainedModel:
    """The same from a configuration of any size. Raises StageFailure as `build` does."""
    with blaming(or_missing(FailureKind.LOAD), f"{architecture} cannot be built"):
        model_class = getattr(transformers, architecture)
        config.architectures = [architecture]
        config.dtype = torch.float32
        model: PreTrainedModel = construct(lambda: model_class._from_config(config, dtype=torch.float32), seed)
    initialise(model, seed)
    model.train(False)
    return model
