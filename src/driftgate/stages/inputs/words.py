"""Token ids and what goes with them, by rule."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from driftgate.stages.inputs.media_tokens import placeholders, rows_per_sample
from driftgate.stages.inputs.request import Made, Request, configs


def token_ids(request: Request) -> Made:
    """Ids in the vocabulary, special ones avoided; behind the first one, tokens for the images and sounds that the model puts there."""
    vocabulary = _vocabulary(request)
    shape = (request.batch, request.sizes["sequence"])
    ids = _plain_ids(request, "input_ids", shape, vocabulary)
    how = "config.vocab_size"
    for place in reversed([place for place in placeholders(request.module) if place.is_made(request)]):
        rows = rows_per_sample(place, request)
        ids = torch.cat([ids[:, :1], torch.full((request.batch, rows), place.token), ids[:, 1:]], dim=1)
        how += f", {rows} {place.medium.name} tokens counted by {place.medium.method}"
    return Made(ids, how)


def _vocabulary(request: Request) -> int:
    """How many ids the text part knows: a querying part may have a vocabulary of its own, a class may round its table up."""
    try:
        own = request.config.get_text_config()
    except (ValueError, AttributeError):  # several of them, or no configuration of transformers
        own = None
    size = getattr(own, "vocab_size", None)
    words = size if isinstance(size, int) else int(request.setting("vocab_size", "n_words", default=32))
    return min(words, embedding_rows(request.module) or words)


def embedding_rows(module: nn.Module) -> int | None:
    """How many ids the table of embeddings holds; None where the module has no such table."""
    try:
        table = module.get_input_embeddings()  # type: ignore[operator]
    except (NotImplementedError, AttributeError):
        return None
    return table.num_embeddings if isinstance(table, nn.Embedding) else None


def decoder_ids(request: Request) -> Made:
    """A transducer, whose forward takes its decoder's state by this name, is given one label at a time."""
    vocabulary = request.setting("decoder_vocab_size", default=None) or request.setting("vocab_size", default=32)
    shape = (request.batch, 1 if request.accepts("decoder_cache") else request.sizes["decoder_sequence"])
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


def media_token_types(request: Request) -> Made:
    ids = request.made["input_ids"]
    kinds = torch.zeros_like(ids)
    for place in placeholders(request.module):
        kinds[ids == place.token] = place.medium.type_id
    return Made(kinds, "1 at image tokens, 2 at video, 3 at audio")


def table_places(request: Request) -> Made:
    """Segment, column, row and ranks of each word of a table, each within its own vocabulary: (batch, sequence, 7)."""
    shape, sizes = request.made["input_ids"].shape, request.config.type_vocab_sizes
    columns = [request.integers(f"token_type_ids/{i}", tuple(shape), 0, size) for i, size in enumerate(sizes)]
    return Made(torch.stack(columns, dim=-1), "config.type_vocab_sizes")


def token_types(request: Request) -> Made:
    if getattr(request.config, "type_vocab_sizes", None):
        return table_places(request)
    return Made(torch.zeros_like(request.made["input_ids"]), "zeros: all of it is the prompt")


def query_ids(request: Request) -> Made:
    """The instruction that a querying transformer reads beside the picture, with a vocabulary of its own."""
    vocabulary = request.config.qformer_config.vocab_size
    shape = (request.batch, request.sizes["sequence"])
    return Made(_plain_ids(request, "qformer_input_ids", shape, vocabulary), "config.qformer_config.vocab_size")


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


def encoder_states(request: Request) -> Made:
    width = request.setting("encoder_hidden_size", "cross_attention_hidden_size", "hidden_size", default=32)
    shape = (request.batch, request.sizes["sequence"], width)
    return Made(request.normal("encoder_hidden_states", shape), "config.encoder_hidden_size")
