"""Inductor on the quickstart's models, apart from the rest: a compiler's cache that is empty at the start, on both sides.

Driftgate's models share one cache within the run, as they do every night; so do the plain way's.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from benchmarks.harness import DRIFTGATE, ROOT, Figure, run_timed
from benchmarks.quickstart import PLAIN, newest, timed_plain

TITLE = "Inductor"


def measure() -> list[Figure]:
    """The infer cells of torch-inductor-cpu, latency off, against one cold process per model, two at a time."""
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as name:
        place = Path(name)
        out = place / "outputs"
        env = {"DRIFTGATE_CACHE": str(place / "cache")}
        on = ["--output", str(out), "--no-cache"]
        run_timed([*DRIFTGATE, "pull", str(ROOT / "configs" / "quickstart.yaml"), *on], env=env)
        run_timed([*DRIFTGATE, "inputs", "--run", "latest", *on], env=env)
        infer = [*DRIFTGATE, "infer", "--run", "latest", "--target", "torch-inductor-cpu", "--no-latency", *on]
        ours = run_timed(infer, env=env)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(place / "plain-inductor")
        plain = timed_plain([[command] for command in commands(newest(out), place)], workers=2)
        del os.environ["TORCHINDUCTOR_CACHE_DIR"]
    return [
        Figure("twelve models, Driftgate, 2 jobs", ours, "s"),
        Figure("twelve models, one cold process each, two at a time", plain, "s"),
        Figure("faster than the plain way at equal jobs", plain / ours, "×"),
    ]


def commands(run: Path, place: Path) -> list[list[str]]:
    """The plain way's call for each model of the run."""
    zoo = next((place / "cache" / "zoo").iterdir())
    found = []
    for entry in json.loads((run / "models.lock.json").read_text())["models"]:
        work = place / "plain" / entry["slug"]
        work.mkdir(parents=True, exist_ok=True)
        found.append([*PLAIN, "inductor", str(zoo / entry["name"]), str(run / "models" / entry["slug"]), str(work)])
    return found
