"""What the truth costs: the counting pass, with its listener and the trace it keeps, against plain `torch._dynamo.explain`.

Both ways are taken in turn in one process, so that a busy machine slows both; the ratio counts.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch._dynamo

from benchmarks.harness import Figure
from driftgate.stages.explaining.counting import count_breaks
from driftgate.stages.explaining.fullgraph import check_fullgraph
from driftgate.stages.explaining.second_shape import try_second_shape
from driftgate.stages.loading import Ready
from driftgate.testing.subjects import zoo_subject

TITLE = "Explain"
MODELS = ("bert", "gpt2", "vit", "whisper", "resnet", "wav2vec2", "longformer", "llava")
ROUNDS = 5


def measure() -> list[Figure]:
    """Medians over five rounds for each model, then over the models."""
    torch.set_num_threads(1)
    ratios, plain, truth, fullgraph, second = [], [], [], [], []
    for model in MODELS:
        subject = zoo_subject(f"zoo:{model}")
        theirs, ours = in_turn(subject)
        ratios.append(ours / theirs)
        plain.append(theirs)
        truth.append(ours)
        fullgraph.append(seconds(lambda subject=subject: check_fullgraph(subject)))  # type: ignore[misc]
        second.append(seconds(lambda subject=subject: try_second_shape(subject)))  # type: ignore[misc]
    shown = f"{len(MODELS)} models, {ROUNDS} rounds each, median"
    return [
        Figure("plain `torch._dynamo.explain`", statistics.median(plain), "s", note=shown),
        Figure("counting pass", statistics.median(truth), "s", note=shown),
        Figure("counting pass against plain explain", statistics.median(ratios), "×", 1.3, note="median of the models"),
        Figure("the dearest of the models", max(ratios), "×", note=MODELS[ratios.index(max(ratios))]),
        Figure("fullgraph, which can be switched off", statistics.median(fullgraph), "s"),
        Figure("second size, which can be switched off", statistics.median(second), "s"),
    ]


def in_turn(subject: Ready) -> tuple[float, float]:
    """Median seconds of plain explain and of the counting pass."""
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as folder:
        ways = (lambda: plainly(subject), lambda: count_breaks(subject, Path(folder) / "trace.gz"))
        for way in ways:
            way()
        rounds = [[seconds(way) for way in ways] for _ in range(ROUNDS)]
    theirs, ours = zip(*rounds, strict=True)
    return statistics.median(theirs), statistics.median(ours)


def plainly(subject: Ready) -> object:
    """What a person would call."""
    with torch.no_grad():
        return subject.call(torch._dynamo.explain(subject.module))


def seconds(call: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
