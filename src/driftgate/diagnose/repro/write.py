"""repro: for each broken cell of a run a script that repeats it without Driftgate, with the files it needs beside it.

    models/SLUG/repro/explain.py  export.dynamo.py  infer.ort-cpu@dynamic.py  inputs.safetensors  config.json …

The folder can be copied anywhere. What an earlier call left there and no longer applies is removed; folders in it belong to
others (the culprit of a drift).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from pydantic import ValidationError

from driftgate.core.errors import DamagedRecordError
from driftgate.core.records import Agent, Cell, ExportPayload, InputsPayload, LockEntry, StageRecord
from driftgate.diagnose.repro.broken import Broken, broken_in
from driftgate.diagnose.repro.building import building_of
from driftgate.diagnose.repro.inputs import call_of
from driftgate.diagnose.repro.render import NoRepro
from driftgate.diagnose.repro.script import RECOGNISE, Circumstances, Script, recogniser, script_of
from driftgate.machine.files import cache_root, replacing, write_atomic
from driftgate.machine.settings import Settings
from driftgate.machine.store import RunStore
from driftgate.steps.report.commands import script_command


@dataclass(frozen=True)
class Repro:
    """A broken cell and its script, or the reason why there is none. `exporter` is set for a try of the export ladder."""

    cell: Cell
    exporter: str | None
    script: Path | None
    reason: str | None = None

    @property
    def name(self) -> str:
        """The cell within its model, and which exporter's try it is."""
        return f"{self.cell.name} ({self.exporter})" if self.exporter else self.cell.name

    @property
    def command(self) -> str | None:
        """How to call the script from here."""
        return script_command(self.script) if self.script else None


def write_repros(
    store: RunStore, *, slugs: Iterable[str] = (), models: Path | None = None, python_path: Path | None = None
) -> tuple[Repro, ...]:
    """Write the scripts of a run, or of some of its models, and say for each broken cell where its script is.

    `models` is the cache of pulled models (default: this machine's), `python_path` the folder that `python:` references are imported
    from (default: the current one). Raises MachineryError where the disk refuses.
    """
    wanted = frozenset(slugs)
    desk = _Desk(store, models or cache_root() / "models", python_path or Path.cwd())
    found: list[Repro] = []
    for slug, records in groupby(store.records(), key=lambda record: record.model.slug):
        if not wanted or slug in wanted:
            found += desk.write(slug, list(records))
    return tuple(found)


@dataclass(frozen=True)
class _Desk:
    """What the scripts of all models share."""

    store: RunStore
    models: Path
    python_path: Path

    @cached_property
    def entries(self) -> dict[str, LockEntry]:
        return {entry.slug: entry for entry in self.store.lock().models}

    @cached_property
    def agents(self) -> dict[str, Agent]:
        return {agent.agent: agent for agent in self.store.agents()}

    @cached_property
    def settings(self) -> Settings:
        try:
            return Settings.model_validate(self.store.manifest().config)
        except ValidationError as error:
            first = error.errors()[0]
            raise DamagedRecordError(f"{self.store.root / 'run.json'}: config: {first['msg']}") from error

    def write(self, slug: str, records: list[StageRecord]) -> list[Repro]:
        """The scripts of a model; those that its drifts have brought themselves are listed with them."""
        folder = self.store.repro_folder(slug)
        scripts: dict[str, Script] = {}
        found: list[Repro] = []
        for one in (one for record in records for one in broken_in(record)):
            try:
                scripts[one.script] = self._script(slug, records, one)
                found.append(Repro(one.record.cell, one.exporter, folder / one.script))
            except NoRepro as why:
                found.append(Repro(one.record.cell, one.exporter, None, str(why)))
        _fill(folder, scripts)
        drifts = [record.cell for record in records if record.stage == "drift"]
        return found + [Repro(cell, None, script) for cell in drifts for script in self.store.repro_scripts(cell)]

    def _script(self, slug: str, records: list[StageRecord], broken: Broken) -> Script:
        folder = self.store.model_folder(slug)
        payload = next((r.payload for r in records if isinstance(r.payload, InputsPayload)), None)
        if slug not in self.entries:
            raise NoRepro("models.lock.json does not have this model")
        around = Circumstances(
            building=building_of(self.entries[slug], self.models, self.python_path),
            call=call_of(self.store.inputs_meta(slug), payload, folder, self.settings.seed),
            agent=self.agents.get(broken.record.agent),
            settings=self.settings,
            onnx=dict(_onnx_files(folder, records)),
        )
        return script_of(broken, around)


def _onnx_files(folder: Path, records: list[StageRecord]) -> Iterator[tuple[str | None, Path]]:
    for record in records:
        if isinstance(record.payload, ExportPayload) and record.payload.file:
            path = folder / Path(record.payload.file).name
            if path.is_file() and not path.is_symlink():
                yield record.variant, path


def _fill(folder: Path, scripts: dict[str, Script]) -> None:
    """Make the folder hold these scripts and their files, and no others of ours."""
    files = {name: path for script in scripts.values() for name, path in script.files.items()}
    for name, path in files.items():
        with path.open("rb") as source, replacing(folder / name) as target:
            shutil.copyfileobj(source, target)
    texts = {name: script.text for name, script in scripts.items()} | ({RECOGNISE: recogniser()} if scripts else {})
    for name, text in texts.items():
        write_atomic(folder / name, text)
    if folder.is_dir():
        _sweep(folder, frozenset((*files, *texts)))


def _sweep(folder: Path, kept: frozenset[str]) -> None:
    for path in folder.iterdir():
        if path.name not in kept and (path.is_symlink() or not path.is_dir()):
            path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
