"""`driftgate doctor`: which targets work here; for each that doesn't, why and what mends it. Also compiler, disk, memory."""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import click

from driftgate.core.errors import ExitCode
from driftgate.targets import TARGETS

ENOUGH_DISK = 10 * 10**9
ENOUGH_MEMORY = 4 * 10**9


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `needed`: without it the default targets do not work."""

    name: str
    works: bool
    says: str
    mend: str = ""
    needed: bool = True


@click.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="How to print.")
def doctor(form: str) -> int:
    """Look at this machine: targets, compiler, headers, disk, memory, optional packages. Ends 1 if something needed is missing."""
    checks = [*_targets(), *_compiler(), *_room(), *_extras()]
    if form == "json":
        click.echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        _print(checks)
    return ExitCode.FINE if all(check.works for check in checks if check.needed) else ExitCode.REGRESSIONS


def _targets() -> list[Check]:
    found = []
    for name in TARGETS.names():
        target = TARGETS.load(name)
        reason = target.available()
        missing = "" if reason is None else reason
        why, _, mend = missing.partition("; ")
        found.append(Check(f"target {name}", reason is None, why or "works", mend, needed=name.endswith("-cpu")))
    return found


def _compiler() -> list[Check]:
    compiler = os.environ.get("CXX") or "g++"
    path = shutil.which(compiler)
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return [
        Check("C++ compiler", path is not None, path or f"no {compiler} on the PATH", "apt-get install g++"),
        Check("Python headers", headers.is_file(), str(headers), "apt-get install python3-dev"),
    ]


def _room() -> list[Check]:
    from driftgate.core.text import human_bytes
    from driftgate.machine.files import cache_root
    from driftgate.machine.provenance import cores_allowed, memory_bytes

    found = []
    for name, place in (
        ("runs", Path.cwd()),
        ("cache", cache_root()),
        ("temporary files", Path(tempfile.gettempdir())),
    ):
        there = next(folder for folder in (place, *place.parents) if folder.is_dir())
        free = shutil.disk_usage(there).free
        fine = free >= ENOUGH_DISK and os.access(there, os.W_OK)
        says = f"{human_bytes(free)} free in {there}" if os.access(there, os.W_OK) else f"{there} cannot be written"
        found.append(Check(f"disk for {name}", fine, says, "free some space, or set DRIFTGATE_CACHE / --output"))
    memory = memory_bytes()
    found.append(Check("memory", memory >= ENOUGH_MEMORY, human_bytes(memory), "4 GB are the least"))
    found.append(Check("processors", cores_allowed() > 0, f"{cores_allowed()} allowed"))
    return found


def _extras() -> list[Check]:
    packages = (("timm", "timm: and zoo:timm/… models", "pip install 'driftgate[timm]'"),)
    return [
        Check(f"package {name}", find_spec(name) is not None, what, mend, needed=False) for name, what, mend in packages
    ]


def _print(checks: list[Check]) -> None:
    from driftgate.cli.show import print_rows

    rows = []
    for check in checks:
        mark = "✓" if check.works else ("✗" if check.needed else "–")
        rows.append((mark, check.name, check.says if check.works or not check.mend else f"{check.says}: {check.mend}"))
    print_rows(("", "what", "says"), rows)
