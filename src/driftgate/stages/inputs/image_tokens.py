"""Vision-language models: which token stands for a piece of an image, and how many pieces one image has."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.stages.inputs.request import Request

_NAMES = ("image_token_id", "image_token_index")


def features_method(module: nn.Module) -> Any:
    """`get_image_features` of the module, or of a direct part of it (heads leave it to their base), or None."""
    owners = (part for part in (module, *module.children()) if hasattr(part, "get_image_features"))
    return getattr(next(owners, None), "get_image_features", None)


def image_token(module: nn.Module) -> int | None:
    """The id that the model replaces by image features, or None where images don't stand in the text."""
    config = getattr(module, "config", None)
    if features_method(module) is None:
        return None
    return next((token for name in _NAMES if isinstance(token := getattr(config, name, None), int)), None)


def features_require(module: nn.Module) -> set[str]:
    """What `get_image_features` must be given beside the pixels (`image_sizes` where images are cut into crops)."""
    takes = inspect.signature(features_method(module)).parameters.values()
    return {p.name for p in takes if p.default is p.empty and p.kind is not p.VAR_KEYWORD}


def rows_per_sample(request: Request) -> int:
    """How many image tokens one sample needs: the rows of `get_image_features`, counted by calling it."""
    method = features_method(request.module)
    takes = inspect.signature(method).parameters
    given = {name: tensor for name, tensor in request.made.items() if name in takes}
    with torch.no_grad():
        features = method(**given)
    rows = sum(tensor.numel() // tensor.shape[-1] for tensor in _tensors(features))
    if rows == 0 or rows % request.batch:
        raise StageFailure(
            FailureKind.INPUTS, f"get_image_features gave {rows} rows for {request.batch} images: cannot place tokens"
        )
    return rows // request.batch


def _tensors(features: Any) -> Iterator[Tensor]:
    """The projected features: transformers returns a tensor, a sequence of them, or an output with `pooler_output`."""
    pooled = getattr(features, "pooler_output", None)
    if pooled is not None:
        yield from _tensors(pooled)
    elif isinstance(features, Tensor):
        yield features
    elif isinstance(features, list | tuple):
        for item in features:
            yield from _tensors(item)
