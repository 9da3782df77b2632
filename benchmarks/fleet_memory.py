"""Memory of the parent with a fleet of a thousand models: it holds no record longer than needed and imports nothing heavy."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from benchmarks.harness import DRIFTGATE, ROOT, Figure

TITLE = "Memory of the parent"
MODELS = 1000


def measure() -> list[Figure]:
    """Runs `pull` (plan, lock, a thousand cells through the pool) and `gate` + `report` over a thousand fake models."""
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as name:
        place = Path(name)
        config = place / "fleet.yaml"
        models = [f"python:benchmarks.fakes:model_{number:04}" for number in range(MODELS)]
        config.write_text(json.dumps({"fleet": "fake", "models": models, "targets": ["torch-eager-cpu", "ort-cpu"]}))
        out = ["--output", str(place / "outputs")]
        pull = peak_mb([*DRIFTGATE, "pull", str(config), *out], place)
        gate = peak_mb([*DRIFTGATE, "gate", "--run", "latest", *out], place)
        report = peak_mb([*DRIFTGATE, "report", "--run", "latest", *out], place)
    return [
        Figure("pull of 1,000 models through the pool", pull, "MB", 150),
        Figure("gate over 1,000 models", gate, "MB", 150),
        Figure("report over 1,000 models", report, "MB", 150),
    ]


def peak_mb(command: list[str], place: Path) -> float:
    """Largest resident size of the command itself, not of its children, in MB: VmHWM when it has done its work."""
    program = (
        "import sys, pathlib\nfrom driftgate.cli import run_command\ncode = run_command(sys.argv[1:])\n"
        "print(pathlib.Path('/proc/self/status').read_text(), file=sys.stderr)"
    )
    env = os.environ | {"DRIFTGATE_CACHE": str(place / "cache"), "PYTHONPATH": str(ROOT)}
    call = [command[0], "-c", program, *command[3:]]
    done = subprocess.run(call, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return int(re.findall(r"VmHWM:\s+(\d+) kB", done.stderr)[-1]) / 1000
