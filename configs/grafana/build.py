#!/usr/bin/env python3
"""Write the boards: `python configs/grafana/build.py`. They are committed; a test holds them against this script, byte by byte."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from boards import breaks, drift, fleet, latency, model

HERE = Path(__file__).resolve().parent
BOARDS = {
    "fleet": fleet.BOARD,
    "breaks": breaks.BOARD,
    "drift": drift.BOARD,
    "latency": latency.BOARD,
    "model": model.BOARD,
}


def build(folder: Path) -> None:
    """One file a board."""
    for name, board in BOARDS.items():
        text = json.dumps(board.json(), indent=1, ensure_ascii=False) + "\n"
        (folder / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dashboards")
