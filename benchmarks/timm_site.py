"""timm and torchvision in a folder of their own, for the runs that need them: the project's own environment has neither.

    PYTHONPATH=$(python -m benchmarks.timm_site) driftgate run configs/field-timm.yaml

Both go in without their dependencies, which the environment has, torch above all: nothing in it may move.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.harness import ROOT

PACKAGES = ("timm", "torchvision")
SITE = ROOT / "build" / "timm"
MARK = ".constraints"


def site(folder: Path = SITE) -> Path | None:
    """The folder, installed once for each state of constraints.txt; None, with pip's first error on stderr, where pip cannot."""
    pins = (ROOT / "constraints.txt").read_bytes()
    mark = folder / MARK
    if mark.is_file() and mark.read_bytes() == pins:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    options = ("--quiet", "--no-deps", "--constraint", str(ROOT / "constraints.txt"), "--target", str(folder))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, *PACKAGES], capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = (line for line in done.stderr.splitlines() if line.startswith("ERROR"))
        print(f"timm cannot be installed: {next(errors, f'pip ended with {done.returncode}')}", file=sys.stderr)
        return None
    mark.write_bytes(pins)
    return folder


if __name__ == "__main__":
    found = site()
    if found is None:
        sys.exit(3)
    print(found)
