"""The runs of the field: each fleet begun, gone on with where it was cut off, or left alone where it is done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from benchmarks import timm_site
from benchmarks.harness import DRIFTGATE, ROOT
from driftgate.cli.options import Overrides
from driftgate.core.errors import ExitCode
from driftgate.machine.cache import code_version
from driftgate.machine.files import write_atomic
from driftgate.machine.runs import run_ids
from driftgate.machine.settings import load_config
from driftgate.machine.store import RunStore

CODE, SECTION, CACHE = "code.txt", "section.md", "cache"
FULL_SIZE = "full_size"
UNLIKE = ", unlike"
TIMM = "zoo:timm/"
STOPPED = (130, 143)


@dataclass(frozen=True)
class Fleet:
    """A part of the field that is a run. `site` gives a folder of packages that the project's own environment lacks."""

    name: str
    config: str
    site: Callable[[], Path | None] | None = None


FLEETS = {
    "transformers": Fleet("transformers", "configs/field.yaml"),
    "timm": Fleet("timm", "configs/field-timm.yaml", timm_site.site),
}
PARTS = (*FLEETS, FULL_SIZE)


@dataclass(frozen=True)
class Call:
    """What was asked for. `told` are runs and sections of which a whole page tells already: they are made anew."""

    output: Path
    shard: str | None = None
    models: tuple[str, ...] = ()
    told: frozenset[str] = frozenset()

    @property
    def narrowed(self) -> bool:
        return bool(self.shard or self.models)

    def folder(self, part: str) -> Path:
        return self.output / part

    def models_of(self, fleet: Fleet) -> tuple[str, ...]:
        """The named models that are the fleet's."""
        return tuple(ref for ref in self.models if ref.startswith(TIMM) == (fleet.name == "timm"))


def conduct(part: str, call: Call) -> int:
    """Bring a part to its end: the exit code of its command, 0 where there is nothing to do."""
    return _fleet(FLEETS[part], call) if part in FLEETS else full_size(call)


def finished(part: str, call: Call) -> RunStore | None:
    """The last run of a fleet, if it came to its end and is of the plan that is asked for."""
    last = latest(call.folder(part))
    return last if last is not None and is_done(last) and same_plan(last, FLEETS[part], call) else None


def latest(folder: Path) -> RunStore | None:
    """The last run of a folder."""
    ids = run_ids(folder)
    return RunStore(folder / ids[-1]) if ids else None


def is_done(store: RunStore) -> bool:
    """Whether the gate has judged it."""
    return store.has("run.json") and store.manifest().verdict is not None


def same_plan(store: RunStore, fleet: Fleet, call: Call) -> bool:
    """Whether the run has the configuration of today."""
    asked = Overrides(models=call.models_of(fleet), shard=call.shard).apply(load_config(ROOT / fleet.config))
    return store.has("run.json") and store.manifest().config == asked.model_dump(mode="json")


def same_code(folder: Path) -> bool:
    """Whether what lies in the folder was begun with the code of today."""
    code = folder / CODE
    return code.is_file() and code.read_text() == code_version()


def stamp_of(section: Path) -> str:
    """When a section was made, and whether it found models unlike: its first line."""
    return section.read_text("utf-8").partition("\n")[0].strip("<!-> ")


def _fleet(fleet: Fleet, call: Call) -> int:
    folder, environment = call.folder(fleet.name), dict(os.environ)
    last = latest(folder)
    alike = last is not None and same_code(folder) and same_plan(last, fleet, call)
    if last is not None and alike and is_done(last) and last.run_id not in call.told:
        print(f"{fleet.name}: {last.run_id} is done", flush=True)
        return 0
    if fleet.site is not None:
        site = fleet.site()
        if site is None:
            return int(ExitCode.MACHINERY)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(site), environment.get("PYTHONPATH"))))
    if last is not None and alike and not is_done(last):
        command = [*DRIFTGATE, "run", "--resume", last.run_id]
    else:
        if last is not None and not is_done(last):
            print(f"{fleet.name}: {last.run_id} is of another plan or of other code: a new run begins", flush=True)
        command = _begin(fleet, call)
    command += ["--output", str(folder), "--no-cache", "--no-confirm"]
    # models that were built some other day would make it look faster
    environment["DRIFTGATE_CACHE"] = str(folder / CACHE)
    print(f"{fleet.name}: driftgate {' '.join(command[len(DRIFTGATE) :])}", flush=True)
    ended = _watched(command, environment)
    if ended in (0, 1):
        shutil.rmtree(folder / CACHE, ignore_errors=True)
    return ended


def _begin(fleet: Fleet, call: Call) -> list[str]:
    folder = call.folder(fleet.name)
    shutil.rmtree(folder / CACHE, ignore_errors=True)
    write_atomic(folder / CODE, code_version())
    models = [word for model in call.models_of(fleet) for word in ("--model", model)]
    shard = ["--shard", call.shard] if call.shard else []
    return [*DRIFTGATE, "run", str(ROOT / fleet.config), *models, *shard]


def full_size(call: Call, command: Sequence[str] = (sys.executable, "-m", "benchmarks.full_size")) -> int:
    """The full-size models beside the tiny ones: their section, kept in a file. 1 if one is unlike its tiny model."""
    folder = call.folder(FULL_SIZE)
    section = folder / SECTION
    if section.is_file() and same_code(folder) and stamp_of(section) not in call.told:
        print(f"{FULL_SIZE}: {section} is there", flush=True)
        return int(stamp_of(section).endswith(UNLIKE))
    print(f"{FULL_SIZE}: python -m benchmarks.full_size", flush=True)
    section.unlink(missing_ok=True)  # cut off now, it would be taken for one of this code
    write_atomic(folder / CODE, code_version())
    said = folder / f"{SECTION}.part"
    with said.open("w", encoding="utf-8") as stream:
        code = _watched(command, os.environ, stream)
    if code in (0, 1):
        stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}{UNLIKE if code else ''}"
        write_atomic(section, f"<!-- {stamp} -->\n{said.read_text('utf-8')}")
    return code


def _watched(command: Sequence[str], environment: Mapping[str, str], stream: IO[str] | None = None) -> int:
    """The exit code of a command that is seen at work. Whoever stops us stops it, and it ends in its own way."""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream) as child:
        before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        try:
            child.wait()
        except KeyboardInterrupt:  # the terminal sent it to the command, too
            child.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode  # as a shell says it
