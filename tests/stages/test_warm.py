"""Warming saves time and changes nothing that a worker finds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def facts(how: str, folder: Path) -> dict[str, Any]:
    out = folder / f"{how}.json"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "facts_of_a_process.py"), how, str(out)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=280)
    return dict(json.loads(out.read_text()))


def test_a_fork_of_the_warmed_process_finds_what_a_cold_process_finds(tmp_path: Path) -> None:
    cold, forked = facts("cold", tmp_path), facts("forked", tmp_path)
    assert cold["broken"]["break_count"] == 3
    assert forked == cold
