"""Make the inputs of a model from the model itself.

    make_inputs(model, folder, identity, None, seed=0) → ModelInputs in two sizes

First its own processor (a sentence, a picture, a sound), then rules over its configuration and its forward's signature
for what is still missing. Every tensor says how it was made; a processor that failed to load is a note, never silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.stages.inputs.axes import axes_of
from driftgate.stages.inputs.contents import ModelInputs, Tensors
from driftgate.stages.inputs.media import image_size
from driftgate.stages.inputs.media_tokens import placeholders, rows_per_sample
from driftgate.stages.inputs.ordered import NO_ORDERS, Orders
from driftgate.stages.inputs.processor import load_processors, process
from driftgate.stages.inputs.request import DEFAULT_SIZES, Identity, Request
from driftgate.stages.inputs.rules import RULES, unknown, wanted
from driftgate.stages.inputs.words import embedding_rows

NEVER = frozenset({"labels", "return_loss", "past_key_values"})


def make_inputs(
    module: nn.Module,
    folder: Path | None,
    identity: Identity,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    seed: int = 0,
    orders: Orders = NO_ORDERS,
) -> ModelInputs:
    """Inputs in two sizes. `folder` is the model's repository, or None; `sizes` maps an axis to its two lengths; what is in `orders`
    goes before the processor's work and the rules'.

    Raises StageFailure(`inputs`) when the forward requires something that no rule knows, naming it.
    """
    lengths = dict(DEFAULT_SIZES) | dict(sizes or {})
    processors, notes = load_processors(folder) if folder is not None and orders.uses_processor else ([], [])
    how: dict[str, str] = {}
    left_out: dict[str, str] = {}
    made = [
        _one_size(
            Request(module, {a: pair[i] for a, pair in lengths.items()}, seed, without=orders.without),
            orders,
            processors,
            how,
            left_out,
            notes,
        )
        for i in (0, 1)
    ]
    first, second = _alike(made, how, left_out)
    if not first:
        raise _no_inputs(module, identity)
    return ModelInputs(
        first=first,
        second=second,
        axes={name: orders.axes.get(name) or axes_of(name, tensor) for name, tensor in first.items()},
        arguments=_arguments(module),
        how=how,
        sizes=lengths,
        left_out=left_out,
        notes=tuple(dict.fromkeys(notes)),
        seed=seed,
    )


def _alike(made: Sequence[Tensors], how: dict[str, str], left_out: dict[str, str]) -> list[Tensors]:
    """The tensors that every size has: some processors give a mask only for a batch of more than one."""
    common = set.intersection(*(set(tensors) for tensors in made))
    for name in {name for tensors in made for name in tensors} - common:
        left_out[name] = "the processor makes it for one of the two sizes alone"
        how.pop(name, None)
    return [{name: tensor for name, tensor in tensors.items() if name in common} for tensors in made]


def _one_size(
    request: Request,
    orders: Orders,
    processors: list[Any],
    how: dict[str, str],
    left_out: dict[str, str],
    notes: list[str],
) -> Tensors:
    orders.make(request, how)
    for processor in processors:
        _from_processor(processor, request, how, left_out, notes)
    _check_image_size(request, notes)
    for name in wanted(request):
        if name == "input_ids" and name not in orders.tensors:  # pixels are there by now: RULES has them first
            _check_media_tokens(request, notes)
        if name == "attention_mask":
            _check_text_mask(request, notes)
        if name not in request.made:
            rule = RULES[name](request)
            request.made[name], how[name] = rule.tensor, rule.how
    missing = unknown(request)
    if missing:
        raise StageFailure(
            FailureKind.INPUTS,
            f"{type(request.module).__name__}.forward requires {', '.join(missing)}, which no rule can make",
            hint="provide inputs/SLUG.yaml or inputs/SLUG.safetensors",
        )
    return {name: request.made[name] for name in _in_order(request)}


def _from_processor(
    processor: Any, request: Request, how: dict[str, str], left_out: dict[str, str], notes: list[str]
) -> None:
    try:
        tensors, made_of = process(processor, request)
    except (ImportError, ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError) as error:
        notes.append(
            f"{type(processor).__name__} failed, rules used instead: {type(error).__name__}: {str(error)[:200]}"
        )
        return
    for name, tensor in tensors.items():
        if name in NEVER or not request.accepts(name):
            left_out[name] = f"{type(request.module).__name__}.forward does not take it"
        else:
            request.made[name], how[name] = tensor, made_of


def _check_image_size(request: Request, notes: list[str]) -> None:
    """Drop a processor's pictures where a person ordered another size: it resizes every picture to its own."""
    pixels = request.made.get("pixel_values")
    if pixels is None or pixels.dim() < 4 or not {"height", "width"} & set(request.sizes):
        return
    found, ordered = tuple(pixels.shape[-2:]), image_size(request)
    if found != ordered:
        notes.append(
            f"the processor makes pictures of {found[0]} × {found[1]}, ordered are {ordered[0]} × {ordered[1]}: made by rule"
        )
        for name in ("pixel_values", "pixel_mask"):
            request.made.pop(name, None)


def _check_media_tokens(request: Request, notes: list[str]) -> None:
    """Drop a processor's ids when they don't hold one token for each row of an image's or a sound's features.

    Every processor wants its media announced in its own way (a start token, a chat template); the rule counts rows.
    """
    ids = request.made.get("input_ids")
    if ids is None:
        return
    wrong = _misplaced(request, ids)
    known = embedding_rows(request.module)
    if wrong is None and known is not None and int(ids.max()) >= known:
        wrong = f"ids up to {int(ids.max())} for a vocabulary of {known}"
    if wrong is not None:
        notes.append(f"the processor placed {wrong}: ids made by rule")
        for name in ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"):
            request.made.pop(name, None)


def _misplaced(request: Request, ids: Tensor) -> str | None:
    for place in placeholders(request.module):
        if place.is_made(request):
            found, rows = int((ids == place.token).sum()), rows_per_sample(place, request) * request.batch
            if found != rows:
                return f"{found} {place.medium.name} tokens for {rows} rows of features"
    return None


def _check_text_mask(request: Request, notes: list[str]) -> None:
    """Drop an extractor's mask over frames or samples where the model takes it for one over the text."""
    ids, mask = request.made.get("input_ids"), request.made.get("attention_mask")
    if ids is not None and mask is not None and mask.shape[:2] != ids.shape[:2]:
        notes.append(f"the processor's mask is {mask.shape[-1]} long, the text {ids.shape[-1]}: made by rule")
        del request.made["attention_mask"]


def _in_order(request: Request) -> list[str]:
    """Names in the order of the rules, so that a file's bytes do not depend on a processor's order."""
    ranked = list(RULES)
    return sorted(request.made, key=lambda name: (ranked.index(name) if name in ranked else len(ranked), name))


def _arguments(module: nn.Module) -> dict[str, Any]:
    """What must be said in the call: no cache, for a decoder whose forward can be told."""
    request = Request(module, {}, 0)
    has_cache = request.setting("use_cache") is not None and request.accepts("use_cache")
    return {"use_cache": False} if has_cache else {}


def _no_inputs(module: nn.Module, identity: Identity) -> StageFailure:
    return StageFailure(
        FailureKind.INPUTS,
        f"cannot tell what {type(module).__name__} takes ({identity.modality or 'no modality'}, no processor, no config)",
        hint="provide inputs/SLUG.yaml or inputs/SLUG.safetensors",
    )


def tensor_summary(tensors: Mapping[str, Tensor]) -> str:
    """`input_ids int64 1x8, pixel_values float32 1x3x32x32`: for logs and reports."""
    return ", ".join(
        f"{n} {str(t.dtype).removeprefix('torch.')} {'x'.join(map(str, t.shape))}" for n, t in tensors.items()
    )
