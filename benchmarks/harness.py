"""What every benchmark shares: a figure with its bound, a calibration loop, running commands, writing the table.

Absolute times depend on the machine: each stands beside the time of a fixed loop of plain Python, taken in the same run.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DRIFTGATE = [sys.executable, "-m", "driftgate"]
CALIBRATION_ROUNDS = 2_000_000


@dataclass(frozen=True)
class Figure:
    """One number. `bound` is what the project asks for, `most` whether it is an upper bound (else a lower one)."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    most: bool = True
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the bound is kept; None if there is none."""
        if self.bound is None:
            return None
        return self.value <= self.bound if self.most else self.value >= self.bound


def calibration_seconds() -> float:
    """Median of five runs of a fixed loop: how fast this machine is just now."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        total = 0
        for number in range(CALIBRATION_ROUNDS):
            total += number & 7
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def run_timed(
    command: Sequence[str], *, cwd: Path = ROOT, env: dict[str, str] | None = None, codes: tuple[int, ...] = (0,)
) -> float:
    """Wall seconds of a command. Raises RuntimeError, with the end of what it said, for another exit code."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=os.environ | (env or {}), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode not in codes:
        raise RuntimeError(f"{' '.join(command)} ended {done.returncode}: {done.stderr[-2000:]}")
    return seconds


def children_peak_mb() -> float:
    """Largest resident size of any child that has ended so far, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000


def markdown(title: str, command: str, figures: Sequence[Figure], calibration: float) -> str:
    """The section of one benchmark."""
    lines = [
        f"## {title}",
        "",
        f"`{command}`, calibration loop {calibration * 1e3:.0f} ms",
        "",
        "| what | measured | asked | |",
        "|---|---|---|---|",
    ]
    for figure in figures:
        asked = "" if figure.bound is None else f"{'≤' if figure.most else '≥'} {figure.bound:g} {figure.unit}"
        mark = {None: "", True: "kept", False: "**missed**"}[figure.holds]
        note = f" ({figure.note})" if figure.note else ""
        lines.append(f"| {figure.name}{note} | {figure.value:.3g} {figure.unit} | {asked} | {mark} |")
    return "\n".join(lines) + "\n"
