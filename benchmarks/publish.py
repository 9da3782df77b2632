"""Publishing five hundred models to a real Pushgateway: reading the run, the first push, the same again, and the size of what is sent."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Figure
from driftgate.history.database import Database
from driftgate.sinks.endpoint import Endpoint
from driftgate.sinks.pushgateway import Gateway
from driftgate.steps.publish import push, write_metrics
from driftgate.testing.runs import Story, synthetic_run
from driftgate.testing.servers import pushgateway

TITLE = "Publishing"
MODELS = 500
BOUND_SECONDS = 60


def measure() -> list[Figure]:
    """A bad night, pushed into an empty Pushgateway and then over itself; the second push is what every night costs."""
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as name:
        store = synthetic_run(Path(name), models=MODELS, stories=tuple(Story))
        began = time.perf_counter()
        groups = write_metrics(store, Database.at(None, Path(name)))
        read = time.perf_counter() - began
        size = (store.root / "metrics.prom").stat().st_size
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        with pushgateway(Path(name)) as url, Gateway(Endpoint(url)) as gateway:
            first = _timed(lambda: push(groups, gateway))
            again = _timed(lambda: push(groups, gateway, prune=True))
        served = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    samples = sum(len(group.samples) for group in groups)
    night = f"{MODELS} models × 8 cells, {samples:,} samples"
    return [
        Figure(f"metrics.prom of {night}", read, "s", note=f"{size / 1e6:.2g} MB"),
        Figure("publishing it the first time, reading included", read + first, "s", BOUND_SECONDS),
        Figure("publishing it again with --prune, reading included", read + again, "s", BOUND_SECONDS),
        Figure("one push among all the others", again / len(groups) * 1e3, "ms"),
        Figure("the server's own processor time for both", served, "s", note="it checks every series at every push"),
    ]


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
