"""Models that put pictures or sounds into a text: which token stands for a piece of one, and how many pieces there are.

The pieces are counted by asking the model itself (`get_image_features`, `get_audio_features`), never computed.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import blaming
from driftgate.stages.inputs.request import Request, configs


@dataclass(frozen=True, slots=True)
class Medium:
    """What stands in a text: the inputs that carry it, the model's method for its features, the fields that name its token."""

    name: str
    inputs: tuple[str, ...]
    method: str
    tokens: tuple[str, ...]
    type_id: int


MEDIA = (
    Medium("image", ("pixel_values",), "get_image_features", ("image_token_id", "image_token_index"), 1),
    Medium(
        "video",
        ("pixel_values_videos", "pixel_values"),
        "get_video_features",
        ("video_token_id", "video_token_index"),
        2,
    ),
    Medium(
        "audio",
        ("input_features", "input_values"),
        "get_audio_features",
        ("audio_token_id", "audio_token_index"),
        3,
    ),
)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A medium that a model takes inside its text, the id that its features replace, and the method that makes them."""

    medium: Medium
    token: int
    features: Any

    def carriers(self) -> set[str]:
        """The medium's inputs that the method takes: a class for videos alone calls them `pixel_values`."""
        return set(self.medium.inputs) & set(inspect.signature(self.features).parameters)

    def given(self, request: Request) -> dict[str, Tensor]:
        """What has been made of the medium so far, as the method takes it, or the base that it hands everything on to."""
        parts = (request.module, *request.module.children())
        methods = [method for part in parts if (method := getattr(part, self.medium.method, None)) is not None]
        takes = {name for method in methods for name in inspect.signature(method).parameters}
        return {name: tensor for name, tensor in request.made.items() if name in takes}

    def is_made(self, request: Request) -> bool:
        return bool(self.carriers() & set(request.made))


def placeholders(module: nn.Module) -> list[Placeholder]:
    """One for each medium whose features stand in the module's text."""
    tree = configs(getattr(module, "config", None))
    found = []
    for medium in MEDIA:
        method = _method(module, medium)
        named = (getattr(node, name, None) for node in tree for name in medium.tokens)
        token = next((value for value in named if isinstance(value, int)), None)
        if method is not None and token is not None:
            found.append(Placeholder(medium, token, method))
    return found


def _method(module: nn.Module, medium: Medium) -> Any:
    """A method of the module, or of a direct part of it, or None. A head may hand everything on to its base: the one that says what it
    takes is preferred."""
    found = [getattr(part, medium.method) for part in (module, *module.children()) if hasattr(part, medium.method)]
    plain = (method for method in found if set(medium.inputs) & set(inspect.signature(method).parameters))
    return next(plain, next(iter(found), None))


def features_require(placeholder: Placeholder) -> set[str]:
    """What the method must be given beside the medium itself (`image_sizes` where images are cut into crops)."""
    takes = inspect.signature(placeholder.features).parameters.values()
    return {p.name for p in takes if p.default is p.empty and p.kind is not p.VAR_KEYWORD}


def rows_per_sample(placeholder: Placeholder, request: Request) -> int:
    """How many tokens one sample needs: the rows of its features, counted by making them. Raises StageFailure(`inputs`)."""
    method = placeholder.medium.method
    with blaming(FailureKind.INPUTS, f"{method} fails on the inputs made for it"), torch.no_grad():
        features = placeholder.features(**placeholder.given(request))
    rows = sum(tensor.numel() // tensor.shape[-1] for tensor in _tensors(features))
    if rows == 0 or rows % request.batch:
        raise StageFailure(
            FailureKind.INPUTS,
            f"{method} gave {rows} rows for a batch of {request.batch}: cannot place tokens",
        )
    return rows // request.batch


def _tensors(features: Any) -> Iterator[Tensor]:
    """The projected features: transformers returns a tensor, a sequence of them, or an output."""
    pooled = getattr(features, "pooler_output", None)
    pooled = getattr(features, "last_hidden_state", None) if pooled is None else pooled
    if pooled is not None:
        yield from _tensors(pooled)
    elif isinstance(features, Tensor):
        yield features
    elif isinstance(features, list | tuple):
        for item in features:
            yield from _tensors(item)
