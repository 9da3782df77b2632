"""Token ids and what goes with them, by rule."""

from __future__ import annotations

import torch
from torch import Tensor

from driftgate.stages.inputs.image_tokens import image_token, rows_per_sample
from driftgate.stages.inputs.request import Made, Request, configs


def token_ids(request: Request) -> Made:
    """Ids in the vocabulary, special ones avoided; image tokens first where the model replaces them by an image."""
    vocabulary = request.setting("vocab_size", "n_words", default=32)
    shape = (request.batch, request.sizes["sequence"])
    ids = _plain_ids(request, "input_ids", shape, vocabulary)
    token = image_token(request.module)
    if token is None or "pixel_values" not in request.made:
        return Made(ids, "config.vocab_size")
    rows = rows_per_sample(request)
    ids = torch.cat([ids[:, :1], torch.full((request.batch, rows), token), ids[:, 1:]], dim=1)
    return Made(ids, f"config.vocab_size, {rows} image tokens counted by get_image_features")


def decoder_ids(request: Request) -> Made:
    vocabulary = request.setting("decoder_vocab_size", default=None) or request.setting("vocab_size", default=32)
    shape = (request.batch, request.sizes["decoder_sequence"])
    ids = _plain_ids(request, "decoder_input_ids", shape, vocabulary)
    start = request.setting("decoder_start_token_id", default=None)
    if isinstance(start, int) and 0 <= start < vocabulary:
        ids[:, 0] = start
    return Made(ids, "config.vocab_size, config.decoder_start_token_id")


def _plain_ids(request: Request, name: str, shape: tuple[int, ...], vocabulary: int) -> Tensor:
    """Ids that mean words: what a special token stands for (padding, an image, the end) changes the computation."""
    special = {
        value
        for config in configs(request.config)
        for key, value in vars(config).items()
        if key.endswith(("token_id", "token_index")) and isinstance(value, int)
    }
    words = [number for number in range(min(vocabulary, 100_000)) if number not in special] or [0]
    return torch.tensor(words)[request.integers(name, shape, 0, len(words))]


def ones_like_ids(request: Request) -> Made:
    return Made(torch.ones_like(request.made["input_ids"]), "ones, like input_ids")


def image_token_types(request: Request) -> Made:
    is_image = torch.eq(request.made["input_ids"], image_token(request.module) or 0)
    return Made(is_image.long(), "1 at image tokens")


def boxes(request: Request) -> Made:
    """Left, top, right, bottom of each word on a page of 1000 × 1000, corners in order."""
    rows = request.made["input_ids"]
    corner = request.integers("bbox", (*rows.shape, 2), 0, 500)
    return Made(torch.cat([corner, corner + 100], dim=-1), "boxes on a page of 1000")


def hidden_states(request: Request) -> Made:
    width = request.setting("hidden_size", "encoder_hidden_size", "d_model", default=32)
    return Made(
        request.normal("hidden_states", (request.batch, request.sizes["sequence"], width)), "config.hidden_size"
    )
