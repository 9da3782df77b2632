"""The report of a thousand models: how long it takes, its largest page, and the memory of the process that builds it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Figure
from driftgate.testing.runs import Story, synthetic_run

TITLE = "Report"
MODELS = 1000
_PROGRAM = """
import pathlib, sys, time
from driftgate.machine.store import RunStore
from driftgate.steps.report import build_report
store = RunStore(pathlib.Path(sys.argv[1]))
began = time.perf_counter()
build_report(store)
print(time.perf_counter() - began)
print(pathlib.Path("/proc/self/status").read_text())
"""


def measure() -> list[Figure]:
    """One build, in a process of its own, over a bad night: seven of ten models fail, one breaks, one needs a second exporter.

    Its pages are on disk, synced one by one, when the clock stops.
    """
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as name:
        store = synthetic_run(Path(name), models=MODELS, stories=tuple(Story))
        call = [sys.executable, "-c", _PROGRAM, str(store.root)]
        out = subprocess.run(call, capture_output=True, text=True, check=True).stdout
        pages = [path.stat().st_size for path in (store.root / "report").rglob("*") if path.is_file()]
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", out)[0]) * 1024 / 1e6
    return [
        Figure(f"report of {MODELS:,} models × 8 cells", float(out.split()[0]), "s", 10, note=f"{len(pages):,} files"),
        Figure("largest page", max(pages) / 1e6, "MB", 2),
        Figure("peak memory of the process", peak, "MB", 150),
    ]
