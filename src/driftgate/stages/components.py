"""The latency budget around an inference: what its user's program does before it (pre) and after it (post), run for real.

    pre     the processor that the model ships, on sentences, pictures and sounds that are ready: tokenising, resizing, normalising
    post    scores to answers: softmax and the most likely classes, or the most likely tokens and their text

Both are timed by the loop that times the inference, with a small budget of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from driftgate.core.statistics import Samples
from driftgate.stages.blame import attempt, describe
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.inputs.processor import load_processors, preparing
from driftgate.stages.inputs.request import Request
from driftgate.stages.numerics import class_axis
from driftgate.targets.timing import Run, StoppingRule, collect

MOST_CLASSES = 5
TOKEN_SCORES = 3
"""Axes of the scores of tokens: batch, sequence, and a vocabulary that is as large as the tokenizer's, or padded."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Components:
    """What was measured, by `pre` and `post`; `notes` say what each was, or why there is none."""

    samples: dict[str, Samples] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """Something to be timed, and what it is; `run` None where there is nothing."""

    run: Run | None
    what: str


def component_rule(budget: float) -> StoppingRule:
    """Half a second each at most, and never more than a tenth of the inference's own budget."""
    return StoppingRule(
        budget=min(0.5, budget / 10),
        precision=0.05,
        fewest_warmups=5,
        most_warmups=50,
        fewest_samples=30,
        most_samples=2_000,
        least_warmup_s=0.0,
        least_sampling_s=0.02,
    )


def measure_components(works: Mapping[str, Work], rule: StoppingRule) -> Components:
    """Time what there is to time. What fails at its first run is a note: it says nothing of the inference."""
    found = Components(notes={name: work.what for name, work in works.items()})
    for name, work in works.items():
        error = attempt(work.run) if work.run is not None else None
        if error is not None:
            found.notes[name] = f"{work.what} fails: {describe(error)}"
        elif work.run is not None:
            found.samples[name] = collect(work.run, rule)
    return found


def around(
    inputs: ModelInputs, size: int, folder: Path | None, outputs: Mapping[str, Array], task: str
) -> dict[str, Work]:
    """Pre and post of one model. `size` 0 or 1 says which of the two sizes the inference ran at; `folder` is the model's repository."""
    makers = {how.partition(":")[0] for how in inputs.how.values()}
    processors = load_processors(folder)[0] if folder else []
    tokenizer = next((t for p in processors if hasattr(t := getattr(p, "tokenizer", p), "batch_decode")), None)
    own = [processor for processor in processors if type(processor).__name__ in makers]
    return {"pre": _pre(inputs, size, own), "post": _post(outputs, task, tokenizer)}


def _pre(inputs: ModelInputs, size: int, processors: list[Any]) -> Work:
    if not processors:
        return Work(None, "no processor of the model's made its inputs")
    request = Request(nn.Identity(), {axis: pair[size] for axis, pair in inputs.sizes.items()}, inputs.seed)
    steps = [preparing(processor, request) for processor in processors]
    names = " and ".join(type(processor).__name__ for processor in processors)
    return Work(steps[0] if len(steps) == 1 else lambda: [step() for step in steps], names)


def _post(outputs: Mapping[str, Array], task: str, tokenizer: Any) -> Work:
    axes = {name: class_axis(name, task, array.ndim) for name, array in outputs.items()}
    name = next((name for name, axis in axes.items() if axis is not None and outputs[name].size), None)
    if name is None:
        return Work(None, f"the outputs of {task} are used as they are")
    scores = np.moveaxis(outputs[name], axes[name] or -1, -1)
    if scores.ndim == TOKEN_SCORES and tokenizer is not None and scores.shape[-1] >= len(tokenizer):
        return Work(lambda: tokenizer.batch_decode(scores.argmax(-1)), f"the most likely tokens of {name}, decoded")
    return Work(lambda: most_likely(scores), f"softmax of {name}, its {MOST_CLASSES} most likely classes")


def most_likely(scores: Array) -> tuple[Array, Array]:
    """Probabilities and indices of the likeliest classes along the last axis, the likeliest first."""
    shifted = scores.astype(np.float32)
    shifted = np.exp(shifted - shifted.max(-1, keepdims=True))
    shifted /= shifted.sum(-1, keepdims=True)
    best = np.argsort(-shifted, -1)[..., :MOST_CLASSES]
    return np.take_along_axis(shifted, best, -1), best
