"""A workplace: a folder of its own in which `driftgate` is called as a user calls it, and in which nothing may be left running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from driftgate.core.records import StageRecord
from driftgate.machine.store import RunStore
from driftgate.testing.lab import MARK, Lab

SMALL = {
    "fleet": "faults",
    "targets": ["torch-eager-cpu", "ort-cpu"],
    "explain": {"second_shape": False},
    "export": {"exporters": ["dynamo"], "dynamic": False},
    "latency": {"enabled": False},
    "limits": {"time": 60, "memory": "2GB"},
}
"""A configuration with seven cells per model, each of them quick."""


@dataclass(frozen=True)
class Ended:
    """How a call ended, as its user saw it."""

    code: int
    out: str
    err: str


@dataclass
class Workplace(Lab):
    """`outputs/`, a cache and temporary files of its own; every process started here carries its mark."""

    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What the calls inherit: only this place's folders, no colours, no proxies."""
        own = {"DRIFTGATE_CACHE": "cache", "TMPDIR": "tmp", "HOME": "home"}
        folders = {name: str(self.folder / folder) for name, folder in own.items()}
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        return kept | folders | {MARK: self.mark, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}

    def config(self, *models: str, **changes: object) -> Path:
        """A configuration file: `SMALL` with these models and changes."""
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(SMALL | {"models": list(models)} | changes))
        return path

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Begin a call of `driftgate`."""
        process = subprocess.Popen(
            [sys.executable, "-m", "driftgate", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def call(self, *arguments: str | Path, **environment: str) -> Ended:
        """Call `driftgate` and wait for its end."""
        return self.end_of(self.start(*arguments, **environment))

    def end_of(self, process: subprocess.Popen[str], patience: float = 240) -> Ended:
        """Wait for the end of a call, so many seconds at most."""
        out, err = process.communicate(timeout=patience)
        return Ended(process.returncode, out, err)

    @property
    def store(self) -> RunStore:
        """The newest run."""
        return RunStore.find("latest", self.folder / "outputs")

    def records(self) -> dict[str, StageRecord]:
        """The newest run's records by "model/cell"; every planned cell must have one."""
        store = self.store
        missing = [str(cell) for cell in store.plan().cells if store.record(cell) is None]
        assert not missing, f"scheduled, but without a record: {missing}"
        return {str(record.cell): record for record in store.records()}

    def events(self) -> list[dict[str, object]]:
        """The newest run's event log."""
        (path,) = (self.store.root / "agents").glob("*.events.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]

    def leftovers(self) -> list[Path]:
        """Unfinished files anywhere in the newest run."""
        return [
            path for path in self.store.root.rglob("*") if path.name.endswith(".tmp") or path.parent.name == ".work"
        ]


@contextmanager
def workplace_in(folder: Path) -> Iterator[Workplace]:
    """A workplace. At the end none of its processes may be left but calls that the test itself broke off: those are ended."""
    place = Workplace(folder, uuid.uuid4().hex)
    for name in ("tmp", "home"):
        (folder / name).mkdir()
    try:
        yield place
    finally:
        for process in place.started:
            if process.poll() is None:  # its test failed, and never came to its end
                process.kill()
                process.communicate()
    assert place.settles(lambda: not place.processes()), f"left running: {place.processes()}"
