"""How long a person waits for `driftgate --help`, and what it imports."""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.harness import DRIFTGATE, Figure, run_timed

TITLE = "Command line"
HEAVY = {"torch", "transformers", "onnx", "onnxruntime", "numpy"}


def measure() -> list[Figure]:
    """Median of eleven calls."""
    seconds = statistics.median(run_timed([*DRIFTGATE, "--help"]) for _ in range(11))
    program = "import sys; from driftgate.cli import run_command; run_command(['--help']); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    heavy = HEAVY & set(out.splitlines()[-1].split())
    return [
        Figure("`driftgate --help`", seconds, "s", 0.3, note="median of 11"),
        Figure("heavy modules imported", len(heavy), "modules", 0, note=", ".join(sorted(heavy))),
    ]
