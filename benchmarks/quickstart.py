"""The quickstart against the plain way (`benchmarks/plain.py`), in one run; its second run; the whole demo.

Latency is off and no cache is used where the two ways are compared; both do the same work on the same inputs. Inductor is
left out of the comparison and reported apart, with an empty cache each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.harness import DRIFTGATE, ROOT, Figure, run_timed

TITLE = "The quickstart"
PLAIN = [sys.executable, str(ROOT / "benchmarks" / "plain.py")]
THREADS = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
TARGETS = ["--target", "torch-eager-cpu", "--target", "ort-cpu"]


def measure() -> list[Figure]:
    """All of it: about ten minutes on two cores."""
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as name:
        place = Path(name)
        env = {"DRIFTGATE_CACHE": str(place / "cache"), "TORCHINDUCTOR_CACHE_DIR": str(place / "inductor")}
        out = place / "outputs"
        config = ROOT / "configs" / "quickstart.yaml"
        demo = run_timed([*DRIFTGATE, "run", "--output", str(out)], env=env)
        fill = [*DRIFTGATE, "run", "--no-latency", "--output", str(out)]
        run_timed(fill, env=env)
        again = min(run_timed(fill, env=env) for _ in range(3))
        ours = run_timed(
            [*DRIFTGATE, "run", str(config), "--no-latency", "--no-cache", *TARGETS, "--output", str(out)], env=env
        )
        jobs = list(plain_jobs(newest(out), place))
        two = timed_plain(jobs, workers=2)
        one = timed_plain(jobs, workers=1)
    return [
        Figure("`make demo` after setup, nothing cached", demo, "s", 240),
        Figure("second run, nothing changed, `--no-latency`", again, "s", 3),
        Figure("explain, export, eager, ONNX Runtime, drift: Driftgate, 2 jobs", ours, "s"),
        Figure("the plain way, one process at a time", one, "s"),
        Figure("the plain way, two at a time", two, "s"),
        Figure("faster than the plain way, one at a time", one / ours, "×", 4, most=False),
        Figure("faster than the plain way at equal jobs", two / ours, "×", 2.5, most=False),
    ]


def newest(output: Path) -> Path:
    """The folder of the newest run."""
    return max(path for path in output.iterdir() if path.is_dir())


def plain_jobs(run: Path, place: Path) -> Iterator[list[list[str]]]:
    """For each model the commands of its stages, in order; the second exporter where the first one failed."""
    zoo = next((place / "cache" / "zoo").iterdir())
    for entry in json.loads((run / "models.lock.json").read_text())["models"]:
        folder, inputs = zoo / entry["name"], run / "models" / entry["slug"]
        work = place / "plain" / entry["slug"]
        work.mkdir(parents=True, exist_ok=True)
        attempts = json.loads((inputs / "export.json").read_text())["payload"]["attempts"]
        exports = {"dynamo": "export", "transformers": "export_transformers"}
        stages = ["explain", *(exports[attempt["exporter"]] for attempt in attempts), "eager"]
        if any(attempt["verdict"] == "passed" for attempt in attempts):
            stages += ["ort", "drift"]
        yield [[*PLAIN, stage, str(folder), str(inputs), str(work)] for stage in stages]


def timed_plain(jobs: Sequence[Sequence[Sequence[str]]], *, workers: int) -> float:
    """Seconds for all models, `workers` of them at a time, the stages of a model one after the other."""
    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run_model, jobs))
    return time.perf_counter() - began


def run_model(commands: Sequence[Sequence[str]]) -> None:
    """Failures are part of the work: an export that fails costs time as well."""
    for command in commands:
        subprocess.run(
            command, env=os.environ | THREADS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
