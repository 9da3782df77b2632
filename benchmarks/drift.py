"""What it costs to compare two large outputs: time beside plain numpy on whole arrays, and memory beyond the arrays themselves."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.harness import ROOT, Figure

TITLE = "Comparing outputs"
ELEMENTS = 50_000_000
ROW = 50_000
ROUNDS = 3
PLAIN, TENSOR, SCORES = "plain", "tensor", "scores"


def measure() -> list[Figure]:
    """50 million float32 elements, each way in a process of its own, the rounds in turn; the fastest round counts."""
    seconds: dict[str, list[float]] = {PLAIN: [], TENSOR: [], SCORES: []}
    extra: dict[str, float] = {}
    for _ in range(ROUNDS):
        for way, times in seconds.items():
            took, extra[way] = _in_a_process(way)
            times.append(took)
    best = {way: min(times) for way, times in seconds.items()}
    million = ELEMENTS / 1e6
    return [
        Figure("one tensor, all metrics", best[TENSOR] / million * 1e3, "ms per million elements"),
        Figure("scores of 50,000 classes, all metrics", best[SCORES] / million * 1e3, "ms per million elements"),
        Figure("one tensor beside five metrics in plain numpy", best[TENSOR] / best[PLAIN], "×", 1.5),
        Figure("scores beside five metrics in plain numpy", best[SCORES] / best[PLAIN], "×", 1.5),
        Figure("memory beyond the arrays, one tensor", extra[TENSOR], "MB", 50),
        Figure("memory beyond the arrays, scores", extra[SCORES], "MB", 50),
        Figure("the same in plain numpy", extra[PLAIN], "MB"),
    ]


def _in_a_process(way: str) -> tuple[float, float]:
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "benchmarks.drift", way]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    took, extra = done.stdout.split()
    return float(took), float(extra)


def _main(way: str) -> None:
    """Prints processor seconds, and the peak beyond what the arrays and imports take, in MB."""
    import numpy as np

    random = np.random.default_rng(0)
    left = random.standard_normal((ELEMENTS // ROW, ROW), dtype=np.float32)
    right = left.copy()
    for number in range(len(right)):
        right[number] += random.standard_normal(ROW, dtype=np.float32) * np.float32(1e-6)
    work = _ways()[way]
    work(left[:1], right[:1])  # imports, first calls
    before = _peak_mb()
    began = time.process_time()
    work(left, right)
    print(time.process_time() - began, _peak_mb() - before)


def _ways() -> dict[str, Callable[..., object]]:
    from driftgate.core.drift import compare
    from driftgate.core.records import Tolerance

    tolerance = Tolerance(atol=1e-4, rtol=1e-3, reason="a benchmark")
    return {
        PLAIN: _plain,
        TENSOR: lambda left, right: compare("x", left, right, tolerance),
        SCORES: lambda left, right: compare("x", left, right, tolerance, class_axis=-1),
    }


def _plain(left, right) -> tuple[object, ...]:  # type: ignore[no-untyped-def]
    """Max-abs, MAE, RMSE, cosine and the tolerance, as one writes them down."""
    import numpy as np

    wide, other = left.astype(np.float64), right.astype(np.float64)
    distance = np.abs(other - wide)
    flat, against = wide.reshape(-1), other.reshape(-1)
    cosine = flat @ against / np.linalg.norm(flat) / np.linalg.norm(against)
    within = bool((distance <= 1e-4 + 1e-3 * np.abs(wide)).all())
    return distance.max(), distance.mean(), np.sqrt(np.square(distance).mean()), cosine, within


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    _main(sys.argv[1])
