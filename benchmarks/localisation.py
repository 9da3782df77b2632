"""Drift that names the node: faults put into exported graphs of the zoo, and how often the node that is named is the one at fault.

The graphs are exported once, into a folder of the cache; `python -m benchmarks localisation` takes some minutes after that.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from safetensors.numpy import load_file, save_file

from benchmarks.harness import Figure
from benchmarks.large_graph import memory
from benchmarks.zoo_graphs import copied_run, culprit_part, exported, runs, searched
from driftgate.core.records import DriftPayload
from driftgate.testing.onnx_faults import FAULTS

TITLE = "Localisation"
EACH = 6
"""Faults of each kind put into each model; those that move no output beyond tolerance don't count."""
PAIRS = 300
LARGE_BYTES = 5_000_000


def measure() -> list[Figure]:
    """Faults, fault-free pairs, the time of a tiny BERT, the memory of a large graph."""
    graphs = exported()
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as place:
        faults = inject(graphs, Path(place), EACH)
        quiet, forced = fault_free(graphs, Path(place), PAIRS)
        held, sought = against_torch(graphs, Path(place))
        seconds = tiny_bert(graphs["bert"], Path(place))
        ratio, normal = memory(Path(place))
    low, high = exact_interval(faults.right, faults.counted)
    small = sum(size <= LARGE_BYTES for size in faults.sizes) / len(faults.sizes)
    kinds = ", ".join(
        f"{kind} {faults.by_kind[kind, True]}/{faults.by_kind[kind, True] + faults.by_kind[kind, False]}"
        for kind in FAULTS
    )
    return [
        Figure("faults that move an output beyond tolerance", faults.counted, "faults", 300, False, kinds),
        Figure(
            "the node named is the one at fault",
            100 * faults.right / faults.counted,
            "%",
            95,
            False,
            f"{faults.right} of {faults.counted}, exact 95 % interval {100 * low:.2f} to {100 * high:.2f} %",
        ),
        Figure(
            "against eager torch: named, or among the nodes it stands for",
            100 * held / sought,
            "%",
            95,
            False,
            f"{held} of {sought}",
        ),
        Figure(f"culprits named in {PAIRS} fault-free pairs", quiet, "culprits", 0),
        Figure("the same, with the search forced though nothing drifts", forced, "culprits", 0),
        Figure("tiny BERT, two files: both runs, culprit, reproduction", seconds["files"], "s", 2),
        Figure("tiny BERT, eager torch against the exported file", seconds["torch"], "s", 2),
        Figure(
            "reproductions of at most 5 MB",
            100 * small,
            "%",
            90,
            False,
            f"the largest {max(faults.sizes) / 1e6:.2f} MB",
        ),
        Figure("reproductions that run by themselves and still differ", 100 * faults.repeats / faults.tried, "%"),
        Figure("peak memory of the search in a large graph, normal run = 1", ratio, "×", 1.5, note=f"{normal:.0f} MB"),
    ]


# -- faults ----------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What became of the faults: `sizes` are bytes of reproductions, `repeats` of `tried` still differed in a process of their own."""

    counted: int = 0
    right: int = 0
    by_kind: Counter[tuple[str, bool]] = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=list)
    repeats: int = 0
    tried: int = 0


def inject(graphs: dict[str, Path], place: Path, each: int, seed: int = 0) -> Tally:
    """Put faults of every kind into every graph, and see what the search names."""
    tally = Tally()
    for name, folder in graphs.items():
        for kind, fault in FAULTS.items():
            for number in range(each):
                draw = np.random.default_rng([seed, number, *f"{name} {kind}".encode()])
                model = onnx.load(folder / "model.onnx")
                at_fault = fault(model, draw)
                if at_fault is None:
                    break
                onnx.save(model, place / "faulty.onnx")
                _count(tally, kind, name, at_fault, searched(folder, place / "faulty.onnx", place), place)
    return tally


def _count(tally: Tally, kind: str, name: str, at_fault: set[str], payload: DriftPayload | None, place: Path) -> None:
    if payload is None:
        return
    culprit = payload.culprit
    right = culprit is not None and culprit.node in at_fault
    tally.counted += 1
    tally.right += right
    tally.by_kind[kind, right] += 1
    if not right:
        told = culprit.node if culprit else payload.culprit_note
        print(f"missed: {kind} in {name} at {sorted(at_fault)}: {told}", file=sys.stderr)
    if culprit is not None and culprit.repro_bytes is not None:
        tally.sizes.append(culprit.repro_bytes)
        if tally.counted % 10 == 0:
            script = place / "work" / "repro" / "repro.py"
            tally.tried += 1
            tally.repeats += subprocess.run([sys.executable, script], capture_output=True, check=False).returncode == 1


def exact_interval(right: int, counted: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share, by bisection over the binomial distribution."""
    half = (1 - level) / 2
    low = 0.0 if right == 0 else _solve(lambda p: _at_least(right, counted, p) - half)
    high = 1.0 if right == counted else _solve(lambda p: _at_least(right + 1, counted, p) - (1 - half))
    return low, high


def _at_least(least: int, counted: int, p: float) -> float:
    return math.fsum(math.comb(counted, k) * p**k * (1 - p) ** (counted - k) for k in range(least, counted + 1))


def _solve(rising) -> float:  # type: ignore[no-untyped-def]
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return low


# -- no faults -------------------------------------------------------------------------------------------------------


def fault_free(graphs: dict[str, Path], place: Path, pairs: int) -> tuple[int, int]:
    """Culprits named where there is nothing to name: by the command, and by a search that is forced though nothing drifts."""
    named = forced = done = 0
    while done < pairs:
        for folder in graphs.values():
            for candidate in twins(folder, place):
                if done >= pairs:
                    return named, forced
                inputs = other_inputs(folder, place, done)
                payload = searched(Path(inputs.parent), candidate, place)
                named += payload is not None and payload.culprit is not None
                forced += names_something(folder, candidate, inputs, place)
                done += 1
    return named, forced


def twins(folder: Path, place: Path) -> Iterator[Path]:
    """The same computation in another file: written again in another order, and as the runtime changes it at two levels."""
    model = onnx.load(folder / "model.onnx")
    weights = sorted(model.graph.initializer, key=lambda tensor: tensor.name, reverse=True)
    del model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend(weights)
    onnx.save(model, place / "again.onnx")
    yield place / "again.onnx"
    for level in (GraphOptimizationLevel.ORT_ENABLE_BASIC, GraphOptimizationLevel.ORT_ENABLE_EXTENDED):
        options = SessionOptions()
        options.graph_optimization_level = level
        options.log_severity_level = 4
        options.optimized_model_filepath = str(place / "optimised.onnx")
        InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        if runs(place / "optimised.onnx", folder / "inputs.safetensors"):
            yield place / "optimised.onnx"


def other_inputs(folder: Path, place: Path, seed: int) -> Path:
    """The model beside inputs of other values: floating ones drawn anew, integers in another order."""
    draw = np.random.default_rng(seed)
    there = place / "drawn"
    there.mkdir(exist_ok=True)
    arrays = load_file(folder / "inputs.safetensors")
    changed = {name: _drawn(array, draw) for name, array in arrays.items()}
    save_file(changed, there / "inputs.safetensors")
    (there / "model.onnx").unlink(missing_ok=True)
    os.link(folder / "model.onnx", there / "model.onnx")
    return there / "inputs.safetensors"


def _drawn(array: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    if array.dtype.kind == "f":
        return (array + 0.1 * draw.standard_normal(array.shape)).astype(array.dtype)
    return array


def names_something(folder: Path, candidate: Path, inputs: Path, place: Path) -> bool:
    """Whether a node's own error is beyond tolerance anywhere in the graph that the runtime makes of the candidate."""
    from driftgate.stages.culprit.graphs import read_graph
    from driftgate.stages.culprit.runtime import Level, Runtime
    from driftgate.stages.culprit.sources import OnnxSource
    from driftgate.stages.culprit.survey import survey

    with tempfile.TemporaryDirectory(dir=place) as work:
        reference, runtime = read_graph(folder / "model.onnx", Path(work)), Runtime()
        feed = {name: array for name, array in load_file(inputs).items() if name in reference.inputs}
        graph = runtime.optimised(candidate, Level.FULL, Path(work))
        return survey(graph, OnnxSource(reference, runtime, feed), feed, runtime).culprit is not None


# -- time and memory -------------------------------------------------------------------------------------------------


def tiny_bert(folder: Path, place: Path) -> dict[str, float]:
    """Seconds of a search, in a process where everything is imported, the second time."""
    model = onnx.load(folder / "model.onnx")
    FAULTS["weight"](model, np.random.default_rng(1))
    onnx.save(model, place / "faulty.onnx")
    seconds = {}
    for _ in range(2):
        began = time.perf_counter()
        payload = searched(folder, place / "faulty.onnx", place)
        seconds["files"] = time.perf_counter() - began
        assert payload is not None
        assert payload.culprit is not None
    run = copied_run(folder, place / "bert")
    shutil.copy(place / "faulty.onnx", run / "models" / folder.name / "model.onnx")
    for number in range(2):
        began = time.perf_counter()
        payload = culprit_part(run, folder.name, place / f"torch-{number}")
        seconds["torch"] = time.perf_counter() - began
        assert payload.culprit is not None
    return seconds


# -- against torch ---------------------------------------------------------------------------------------------------


def against_torch(graphs: dict[str, Path], place: Path, each: int = 1) -> tuple[int, int]:
    """Faults put into exported files, the reference being the module itself: how often what is named holds the node at fault."""
    held = sought = 0
    for name, folder in graphs.items():
        run = copied_run(folder, place / f"run-{name}")
        for kind, fault in FAULTS.items():
            for number in range(each):
                model = onnx.load(folder / "model.onnx")
                at_fault = fault(model, np.random.default_rng([number, *f"torch {name} {kind}".encode()]))
                if at_fault is None:
                    break
                onnx.save(model, place / "faulty.onnx")
                if searched(folder, place / "faulty.onnx", place) is None:
                    continue
                shutil.copy(place / "faulty.onnx", run / "models" / folder.name / "model.onnx")
                payload = culprit_part(run, folder.name, place / "torch-work")
                named = {payload.culprit.node, *payload.culprit.covers} if payload.culprit else set()
                sought += 1
                held += bool(named & at_fault)
                if not named & at_fault:
                    told = sorted(named) or payload.culprit_note
                    print(f"missed against torch: {kind} in {name} at {sorted(at_fault)}: {told}", file=sys.stderr)
        shutil.rmtree(run)
    return held, sought
