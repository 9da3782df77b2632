"""How long a person waits at a desk: `driftgate explain` from the prompt, and `driftgate.explain` in a process that has torch."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import DRIFTGATE, Figure, run_timed

TITLE = "At a desk"
_MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(4))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        print("a break")
        return x * x.max().item()

def factory():
    return Net(), {"x": torch.ones(2, 16)}
"""
_PROGRAM = """
import time
began = time.perf_counter()
import driftgate, mine
driftgate.explain
print(time.perf_counter() - began)
for _ in range(3):
    model, inputs = mine.factory()
    began = time.perf_counter()
    driftgate.explain(model, inputs)
    print(time.perf_counter() - began)
"""


def measure() -> list[Figure]:
    """Each command in a process of its own, from the prompt to the last line; nothing is taken from the cache."""
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as name:
        folder = Path(name)
        (folder / "mine.py").write_text(_MODEL)
        environment = {"DRIFTGATE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
        call = [*DRIFTGATE, "explain", "--no-cache"]
        imports = run_timed([sys.executable, "-c", "import driftgate.stages.explain"], cwd=folder, env=environment)
        own = run_timed([*call, "python:mine:factory"], cwd=folder, env=environment)
        zoo = run_timed([*call, "zoo:bert"], cwd=folder, env=environment)
        load, first, *others = _in_process(folder)
    return [
        Figure("`driftgate explain python:mine:factory`", own, "s", 15, note="a small model of one's own, two breaks"),
        Figure("`driftgate explain zoo:bert`", zoo, "s", 30, note="fullgraph and a second size included"),
        Figure("of that, a bare import of what explain needs", imports, "s", note="torch, dynamo, transformers"),
        Figure("`import driftgate; driftgate.explain`", load, "s"),
        Figure("`driftgate.explain(model, inputs)`, first call", first, "s", 5),
        Figure("the same, later calls", min(others), "s", 1),
    ]


def _in_process(folder: Path) -> list[float]:
    """Seconds of the import, then of three calls."""
    call = [sys.executable, "-c", _PROGRAM]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.splitlines() if line[:1].isdigit()]
