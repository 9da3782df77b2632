"""sweep, profile and queue: how right the queueing figures are, what a profiler costs, what a sweep costs per cell."""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import DRIFTGATE, Figure, run_timed
from driftgate.core.queueing import Draws, GeneralQueue, MarkovQueue, estimates, largest_load, sojourns
from driftgate.core.queueing.loads import simulated_largest_load

TITLE = "Sweep, profile, queue"
LOADS = (0.3, 0.5, 0.8, 0.9)
QUANTILES = (0.5, 0.95, 0.99)
SEEDS = 200
EXPONENTIAL = -np.log1p(-(np.arange(20_000) + 0.5) / 20_000)
TARGETS = ("torch-eager-cpu", "ort-cpu")


def measure() -> list[Figure]:
    """Against exact results where there are some; the rest on the zoo's BERT, in a cache of its own."""
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as name:
        place = Path(name)
        return [*queueing(place), *profiles(place), *sweep(place)]


def queueing(place: Path) -> list[Figure]:
    """The simulation and the transform against M/M/1 and M/D/1."""
    times = place / "times.json"
    times.write_text(json.dumps([1e-3 * value for value in EXPONENTIAL[:2000]]))
    call = run_timed([*DRIFTGATE, "queue", "--samples", str(times), "--limit", "30ms"])
    return [
        Figure("p99 simulated against exact M/M/1, worst of 30, 50, 80, 90 % busy", 100 * worst_simulated(), "%", 5),
        Figure("p50, p95, p99 by the transform against exact M/M/1, worst", 100 * worst_transform(), "%", 0.5),
        Figure("mean simulated against exact M/D/1 at 80 % busy", 100 * constant_server(), "%", 2),
        Figure(
            f"95 % intervals of p95 that hold the truth, {SEEDS} seeds, 60 % busy", 100 * held(), "%", 90, most=False
        ),
        Figure(
            "load at which p99 breaks a limit, against the closed form, worst of three limits", 100 * limits(), "%", 2
        ),
        Figure("the whole call: six loads, three methods, a limit; 2,000 service times", call, "s"),
    ]


def simulated(busy: float, service: object = EXPONENTIAL, **more: int) -> list[float]:
    """Mean, p50, p95, p99 of one simulation."""
    return [figure.value for figure in estimates(sojourns(Draws.of(service, **more), busy), QUANTILES)]


def worst_simulated() -> float:
    """Largest relative error of p99."""
    return max(abs(simulated(busy)[3] / MarkovQueue(busy, 1.0).sojourn_quantile(0.99) - 1) for busy in LOADS)


def worst_transform() -> float:
    """Largest relative error of a quantile."""
    return max(
        abs(GeneralQueue(busy, EXPONENTIAL).sojourn_quantile(q) / MarkovQueue(busy, 1.0).sojourn_quantile(q) - 1)
        for busy in LOADS
        for q in QUANTILES
    )


def constant_server() -> float:
    """Relative error of the mean sojourn, which is 3 service times."""
    return abs(simulated(0.8, np.ones(10))[0] / 3 - 1)


def held() -> float:
    """The share of intervals that hold the exact p95."""
    exact = MarkovQueue(0.6, 1.0).sojourn_quantile(0.95)
    found = (estimates(sojourns(Draws.of(EXPONENTIAL, seed=s, requests=5_000), 0.6), [0.95])[1] for s in range(SEEDS))
    return sum(figure.low <= exact <= figure.high for figure in found) / SEEDS


def limits() -> float:
    """Largest relative error of the breaking load, by simulation and by bisection over the transform."""
    draws, worst = Draws.of(EXPONENTIAL), 0.0
    for limit in (8.0, 20.0, 40.0):
        exact = 1 - math.log(100) / limit
        by_transform = largest_load(lambda rate: GeneralQueue(rate, EXPONENTIAL).sojourn_quantile(0.99), limit, 1.0)
        simulation = simulated_largest_load(draws, 0.99, limit, 1.0)
        worst = max(worst, abs(by_transform / exact - 1), abs(simulation.value / exact - 1))
    return worst


def profiles(place: Path) -> list[Figure]:
    """What each profiler adds to a step of a tiny BERT and of a larger one, and how much of it no operator accounts for."""
    figures = []
    for title, model in (("tiny BERT", "zoo:bert"), ("BERT of six layers, width 256", "python:larger:bert")):
        (place / "larger.py").write_text(LARGER)
        for record in told(place, "profile", model):
            payload = record["payload"]
            figures.append(Figure(f"{title}, {record['target']}: step without profiler", 1e3 * payload["p50_s"], "ms"))
            figures.append(Figure(f"{title}, {record['target']}: the profiler adds", 100 * payload["overhead"], "%"))
            outside = 100 * payload["outside_s"] / payload["step_s"]
            figures.append(Figure(f"{title}, {record['target']}: of the profiled step outside operators", outside, "%"))
    return figures


def sweep(place: Path) -> list[Figure]:
    """Wall seconds of a sweep, per timed cell."""
    began = time.perf_counter()
    rows = told(place, "sweep", "zoo:bert", "--batch", "1,2,4", "--size", "16,64")["rows"]
    seconds = time.perf_counter() - began
    return [
        Figure("sweep of 3 batches × 2 lengths × 2 targets, inputs and exports included", seconds, "s"),
        Figure("per timed cell", seconds / len(rows), "s"),
    ]


def told(place: Path, command: str, model: str, *more: str) -> Any:
    """What a command prints as JSON."""
    words = [*DRIFTGATE, command, model, *more, "--format", "json", "--budget", "4s"]
    chosen = [word for target in TARGETS for word in ("--target", target)]
    env = os.environ | {"DRIFTGATE_CACHE": str(place / "cache")}
    done = subprocess.run([*words, *chosen], cwd=place, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command} {model} ended {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


LARGER = """\
import torch
from transformers import BertConfig, BertModel


def bert():
    torch.manual_seed(0)
    config = BertConfig(hidden_size=256, num_hidden_layers=6, num_attention_heads=4, intermediate_size=1024, vocab_size=1000)
    return BertModel(config), {"input_ids": torch.arange(128).reshape(1, 128)}
"""
