"""One model at a desk: a reference, or a model of a run, in a scratch run of its own, so that what is asked leaves no trace in the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, cast

import click

from driftgate import __version__
from driftgate.cli import options
from driftgate.cli.session import Session, begin_run, settings_of
from driftgate.core.errors import UsageError, did_you_mean
from driftgate.core.records import Cell, Lock, LockEntry, Manifest, Plan, StageRecord
from driftgate.core.references import parse_reference
from driftgate.core.verdicts import FailureKind
from driftgate.executors.take_over import take_over
from driftgate.machine.files import cache_root
from driftgate.machine.settings import Config, Document, Settings
from driftgate.machine.store import RunStore
from driftgate.machine.tolerances import keep_tolerances, tolerances_in

TARGETS = ("torch-eager-cpu", "ort-cpu")
"""What is measured when nobody says; Inductor takes minutes to compile for each size."""


_OPTIONS = (
    options.limits,
    click.option("--budget", type=options.DURATION, metavar="TIME", help="For the times of one cell, like 5s."),
    options.formats,
    options.output,
    options.targets,
    options.models,
    options.run_option,
)


@dataclass(frozen=True)
class Subject:
    """What a call is about: a reference, or a model of a run, on which targets, with which limits."""

    reference: str | None
    run_name: str | None
    models: tuple[str, ...]
    output: Path
    overrides: options.Overrides
    use_cache: bool = True
    budget: float | None = None

    def settings(self, config: Config) -> Settings:
        """The flags on top of a configuration. A run that took no times does not keep a desk from taking them."""
        settings = self.overrides.apply(config)
        changes = {"enabled": True} | ({"budget": self.budget} if self.budget is not None else {})
        return settings.model_copy(update={"latency": settings.latency.model_copy(update=changes)})


@dataclass(frozen=True)
class Desk:
    """A scratch run with one model in it. `targets` are those asked for; `origin` is the run that the model was taken from."""

    store: RunStore
    settings: Settings
    entry: LockEntry
    targets: tuple[str, ...]
    use_cache: bool
    origin: RunStore | None = None

    def conduct(self, cells: Iterable[Cell], inputs: Path = Path("inputs")) -> None:
        """Take cells to their records. A mistake in a person's own inputs file or factory is a UsageError."""
        todo = tuple(cells)
        plan = self.store.plan()
        self.store.write_plan(plan.model_copy(update={"cells": tuple(dict.fromkeys((*plan.cells, *todo)))}))
        Session(self.store, self.settings, use_cache=self.use_cache, inputs=inputs).conduct(todo)
        for record in self.records(todo):
            if record.failure is not None and record.failure.kind is FailureKind.CONFIG:
                raise UsageError(record.failure.message)

    def records(self, cells: Iterable[Cell]) -> list[StageRecord]:
        """The records of these cells, in order."""
        return [record for cell in cells if (record := self.store.record(cell)) is not None]


def of_a_model(command: options.Command) -> options.Command:
    """The options of a question about one model; they arrive as one `subject`, and `form`."""

    @wraps(command)
    def gathered(
        reference: str | None,
        run_name: str | None,
        models: tuple[str, ...],
        targets: tuple[str, ...],
        output: Path,
        no_cache: bool,
        budget: float | None,
        **rest: Any,
    ) -> Any:
        names = ("jobs", "no_latency", "time_limit", "memory_limit")
        overrides = options.Overrides((), targets, **{name: rest.pop(name) for name in names})
        subject = Subject(reference, run_name, models, output, overrides, not no_cache, budget)
        return command(subject=subject, **rest)

    decorated: Any = gathered
    for option in (*_OPTIONS, click.argument("reference", required=False)):
        decorated = option(decorated)
    return cast("options.Command", decorated)


def open_desk(subject: Subject, name: str, *, targets: tuple[str, ...] = TARGETS) -> Desk:
    """The scratch run. `name` is the command's, `targets` what it measures when neither the call nor a run names any."""
    if (subject.reference is None) == (subject.run_name is None):
        raise UsageError(f"{name} takes a reference or --run", mend=f"try `driftgate {name} zoo:bert`, or --run latest")
    if subject.overrides.no_latency:
        raise UsageError(f"{name} is about times", mend="leave out --no-latency")
    if subject.reference is None:
        return _from_run(subject)
    if subject.models:
        raise UsageError("--model goes with --run", mend="give the reference alone")
    return _from_reference(subject, subject.reference, targets)


def _from_reference(subject: Subject, reference: str, targets: tuple[str, ...]) -> Desk:
    parse_reference(options.one_model(reference))
    config = Config(Settings(models=(reference,), targets=targets), Document.of("the call"), Path.cwd())
    settings = subject.settings(config)
    named = Config(settings, Document.of("the call"), Path.cwd(), {"models": reference})
    store = begin_run(named, settings, _scratch())
    (entry,) = store.lock().models
    _plan_nothing(store, settings)
    return Desk(store, settings, entry, settings.targets, subject.use_cache)


def _from_run(subject: Subject) -> Desk:
    origin = RunStore.find(subject.run_name or "", subject.output)
    stored = Config(settings_of(origin), Document.of("run.json"), origin.root)
    settings = subject.settings(stored)
    entry = _chosen(origin.lock().models, subject.models)
    store = RunStore.create(_scratch())
    started = datetime.now(UTC)
    config = settings.model_dump(mode="json")
    store.write_manifest(
        Manifest(run_id=store.run_id, fleet=settings.fleet, driftgate=__version__, started_at=started, config=config)
    )
    store.write_lock(Lock(models=(entry,)))
    keep_tolerances(store, tolerances_in(origin))  # a desk judges as the run does
    _plan_nothing(store, settings)
    for stage in ("pull", "inputs", "export"):
        take_over(origin, store, Cell(model=entry.slug, stage=stage))
    return Desk(store, settings, entry, settings.targets, subject.use_cache, origin)


def _chosen(entries: tuple[LockEntry, ...], models: tuple[str, ...]) -> LockEntry:
    """The one model that is asked about."""
    if len(models) > 1:
        raise UsageError("one --model at a time", mend="call once for each")
    found = [entry for entry in entries if not models or models[0] in (entry.slug, entry.ref)]
    names = [entry.slug for entry in entries]
    if not found:
        name = models[0] if models else ""
        mend = did_you_mean(name, [*names, *(entry.ref for entry in entries)], most=6)
        raise UsageError(f"{name[:80]!r} is no model of this run", where="--model", mend=mend)
    if len(found) > 1:
        shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
        raise UsageError(f"this run has {len(names)} models", mend=f"name one with --model ({shown})")
    return found[0]


def _scratch() -> Path:
    return cache_root() / "scratch"


def _plan_nothing(store: RunStore, settings: Settings) -> None:
    store.write_plan(Plan(run_id=store.run_id, fleet=settings.fleet, cells=()))
