"""What measuring adds: our p50 against a loop of nothing but the runtime, what the parent uses meanwhile, and what a cell costs besides.

Both loops run in one process on one session, a block of the one and a block of the other in turn, so that the machine treats them alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.harness import Figure
from driftgate.cli.session import Session, begin_run
from driftgate.core.records import Cell, InferPayload, PullPayload
from driftgate.core.statistics import paired_ratio
from driftgate.executors.local import LocalPool
from driftgate.executors.task import Task, TaskEnd
from driftgate.machine.files import cache_root
from driftgate.machine.isolation.family import descendants
from driftgate.machine.jobs import Bench, Job
from driftgate.machine.samples import load_samples
from driftgate.machine.settings import Config, Document, Settings
from driftgate.machine.state import process_seconds
from driftgate.machine.store import RunStore
from driftgate.pipeline import STAGE_OF, WARM
from driftgate.targets.base import Plan
from driftgate.targets.onnx_runtime import OrtCpu
from driftgate.targets.timing import StoppingRule, collect, take

TITLE = "Overhead of measuring"

ROUNDS = 100
BLOCK_S = 0.05
FEWEST = 2
CELLS = 3
WATCHED_S = 10.0
MODEL = "zoo:bert"
SPINS = "while True: pass"


@dataclass(frozen=True)
class Size:
    """A chain of matrix products that takes about `seconds` here."""

    name: str
    seconds: float
    width: int
    rows: int


SIZES = (Size("50 µs", 50e-6, 64, 16), Size("1 ms", 1e-3, 128, 64), Size("20 ms", 20e-3, 256, 256))


def measure() -> list[Figure]:
    """Alone and beside a busy neighbour; then a real cell in a warmed worker."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as name:
        place = Path(name)
        for size in SIZES:
            target = started(size, place)
            figures.append(overhead(size, target, "alone"))
            with neighbour():
                figures.append(overhead(size, target, "beside a busy neighbour"))
        return [*figures, *cell_figures(place)]


# -- our loop against a bare one -----------------------------------------------------------------------------------


def started(size: Size, place: Path) -> OrtCpu:
    """A target with a model of this size, started and run once."""
    layers = 1
    for _ in range(4):  # what one layer takes tells how many are needed, and a few tell it better
        path = chain(size, layers, place / f"{size.width}-{layers}.onnx")
        target = OrtCpu()
        inputs = np.random.default_rng(0).standard_normal((size.rows, size.width)).astype(np.float32)
        target.prepare_to_run(Plan({"x": inputs}, onnx=path))
        layers = max(1, round(layers * size.seconds / typical(target)))
    return target


def chain(size: Size, layers: int, path: Path) -> Path:
    """x·W·W·… with one small W, so that the model's time is arithmetic, not memory."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    names = ["x", *(f"h{i}" for i in range(layers - 1)), "y"]
    weight = np.eye(size.width, dtype=np.float32) + 1e-3
    graph = helper.make_graph(
        [helper.make_node("MatMul", [names[i], "w"], [names[i + 1]]) for i in range(layers)],
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size.rows, size.width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [size.rows, size.width])],
        [numpy_helper.from_array(weight / weight.sum(0), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)
    return path


def typical(target: OrtCpu) -> float:
    """Seconds of one run."""
    return median(bare(target._session, target._feed, 50)) * 1e-9


def bare(session: Any, feed: dict[str, Any], count: int) -> list[int]:
    """The loop that anybody would write."""
    times = []
    for _ in range(count):
        began = time.perf_counter_ns()
        session.run(None, feed)
        times.append(time.perf_counter_ns() - began)
    return times


def ours(target: OrtCpu, count: int) -> list[int]:
    """The loop that every latency cell runs."""
    times: array[int] = array("q")
    with target.bound() as run:
        take(run, count, time.perf_counter_ns, 1 << 62, times)
    return times.tolist()


def overhead(size: Size, target: OrtCpu, where: str) -> Figure:
    """By how much our p50 exceeds the bare one's, block beside block: microseconds, against 1 % of it or 5 µs, whichever is more."""
    count = max(FEWEST, int(BLOCK_S / size.seconds))
    blocks: tuple[list[list[int]], list[list[int]]] = ([], [])
    for number in range(ROUNDS):
        loops = [
            lambda: blocks[0].append(bare(target._session, target._feed, count)),
            lambda: blocks[1].append(ours(target, count)),
        ]
        for loop in loops if number % 2 == 0 else reversed(loops):
            loop()
    p50 = [median(time for block in side for time in block) * 1e-3 for side in blocks]
    ratio = paired_ratio(*blocks)
    low, high = ratio.interval or (ratio.ratio, ratio.ratio)
    note = f"p50 {p50[0]:,.0f} and {p50[1]:,.0f} µs; ratio {ratio.ratio:.4f}, 95 % {low:.4f}…{high:.4f}"
    name = f"our p50 less the bare loop's, {size.name} model, {where}"
    return Figure(name, (ratio.ratio - 1) * p50[0], "µs", max(5.0, p50[0] / 100), note=note)


@contextmanager
def neighbour() -> Iterator[None]:
    """A process that spins on the last core, and this one kept to the first, as far as there are two."""
    cores = sorted(os.sched_getaffinity(0))
    other = subprocess.Popen([sys.executable, "-c", SPINS])
    os.sched_setaffinity(other.pid, {cores[-1]})
    os.sched_setaffinity(0, {cores[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, set(cores))
        other.kill()
        other.wait()


# -- a cell in a warmed worker --------------------------------------------------------------------------------------


def cell_figures(place: Path) -> Iterator[Figure]:
    """Latency cells of a tiny BERT: what each costs besides its runs, and what our other processes use while it measures."""
    store, settings = prepared(place)
    cells = [cell for cell in store.plan().cells if cell.stage == "infer"]
    with LocalPool(1, warm=WARM, lock_folder=place / "locks") as pool:
        finish(pool, task_of(store, settings, cells[0], place))  # the server warms up for the first
        for cell in cells:
            costs = [fixed_seconds(finish(pool, task_of(store, settings, cell, place))) for _ in range(CELLS)]
            yield Figure(f"latency cell of {cell.target} in a warmed worker, besides its runs", median(costs), "s", 1.0)
        pool.submit(
            replace(task_of(store, settings, cells[-1], place), function="benchmarks.overhead:measures_for_long")
        )
        pool.wait(WATCHED_S / 2)
        parent, others = processor_seconds(pool, WATCHED_S / 2)
        pool.wait(10 * WATCHED_S)
    watched = f"over {WATCHED_S / 2:.0f} s"
    yield Figure("the parent's share of a core while a worker measures", parent, "%", 1.0, note=watched)
    yield Figure("that of the guardian and the warmed server together", others, "%", note=watched)


def measures_for_long(job: Job, bench: Bench) -> PullPayload:
    """A stage that does nothing but take times, until its budget is used up."""
    rule = StoppingRule(budget=2 * WATCHED_S, precision=1e-9, most_samples=10**9)
    with bench.alone():
        samples = collect(lambda: sum(range(20_000)), rule)
    return PullPayload(files=len(samples.nanoseconds), bytes=0, downloaded_bytes=0, source=job.cell.name)


def prepared(place: Path) -> tuple[RunStore, Settings]:
    """A run of one model with everything done but its inferences."""
    asked = {
        "models": [MODEL],
        "targets": ["torch-eager-cpu", "ort-cpu"],
        "export": {"dynamic": False},
        "fleet": "overhead",
    }
    settings = Settings.model_validate(asked)
    store = begin_run(Config(settings, Document.of("benchmarks.overhead"), Path.cwd()), settings, place)
    cells = [cell for cell in store.plan().cells if cell.stage in {"pull", "inputs", "export"}]
    Session(store, settings).conduct(cells)
    return store, settings


def task_of(store: RunStore, settings: Settings, cell: Cell, place: Path) -> Task:
    """An infer cell as the conductor would submit it."""
    work = Path(tempfile.mkdtemp(dir=place))
    job = Job(
        run=store.root, work=work, cache=cache_root() / "models", inputs=place, cell=cell,
        entry=store.lock().models[0], settings=settings,
    )  # fmt: skip
    return Task(work.name, job, STAGE_OF["infer"].function, False, 600.0, settings.limits.memory)


def finish(pool: LocalPool, task: Task) -> TaskEnd:
    """The end of a task that must end well."""
    pool.submit(task)
    while not (ends := pool.wait(600.0)):
        pass
    if ends[0].result.failure is not None:
        raise RuntimeError(f"{task.job.cell.name}: {ends[0].result.failure.message}")
    return ends[0]


def fixed_seconds(end: TaskEnd) -> float:
    """What the cell took besides the runs of all its loops: loading, starting, reading the machine, writing, ending."""
    payload = InferPayload.model_validate(end.result.payload)
    streams = load_samples(end.task.job.work / str(payload.samples_file)).values()
    runs = sum(sum(stream.nanoseconds) + sum(stream.warmup_nanoseconds) for stream in streams)
    return end.duration_s - runs * 1e-9 - payload.first_s


def processor_seconds(pool: LocalPool, seconds: float) -> tuple[float, float]:
    """Percent of a core that this process uses while it waits for the pool, and that all below it but the worker do."""
    family = descendants(os.getpid())
    before, own = {pid: process_seconds(pid) for pid in family}, time.process_time()
    if pool.wait(seconds):
        raise RuntimeError("the worker ended before it was watched")
    used = sorted(process_seconds(pid) - before[pid] for pid in family)
    return 100 * (time.process_time() - own) / seconds, 100 * sum(used[:-1]) / seconds
