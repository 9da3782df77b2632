"""Running reproduction scripts as a stranger would: from a copy of their folder, in a process that has no Driftgate."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

LAUNCHER = Path(__file__).parent / "clean_process.py"


@dataclass(frozen=True)
class Ended:
    """How a script ended, and all that it printed."""

    code: int
    output: str


def run_copies(scripts: Iterable[Path], elsewhere: Path, *, warm: bool = True) -> dict[str, Ended]:
    """Copy each script's folder below `elsewhere` and run it there: "MODEL/SCRIPT" → how it ended. `warm` imports what they all need
    once, and forks."""
    names = {}
    for script in scripts:
        folder = elsewhere / script.parent.parent.name
        if not folder.exists():
            copytree(script.parent, folder)
        names[str(folder / script.name)] = f"{folder.name}/{script.name}"
    ended = launch(names, elsewhere, warm=warm)
    return {names[one["script"]]: Ended(one["code"], one["output"]) for one in ended}


def launch(scripts: Iterable[str], elsewhere: Path, *, warm: bool) -> list[dict[str, str | int]]:
    """In an environment with nothing in it."""
    call = [sys.executable, "-I", str(LAUNCHER), *(["--warm"] if warm else []), *scripts]
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(elsewhere), "TMPDIR": str(elsewhere), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(call, cwd="/", env=bare, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
