"""Judging a run from the command line: find its baseline, ask the rules, take the run into the history."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.core.records import Finding, Findings, Manifest
from driftgate.machine.store import RunStore

if TYPE_CHECKING:
    from driftgate.core.gate_settings import LatencySettings
    from driftgate.history.database import Database
    from driftgate.steps.against import Against


def judged(
    store: RunStore,
    baseline: str | None,
    *,
    expectations: Path | None = None,
    owners: Path | None = None,
    confirm: bool = True,
) -> Findings:
    """The findings of a run, against what `baseline` means (None: by the expectations alone); the history has the run afterwards.
    Without `confirm` no process is launched, and a suspect latency is a warning."""
    from driftgate.history.database import Database
    from driftgate.machine.gate_settings import gate_settings_in
    from driftgate.steps.against import headline
    from driftgate.steps.finding_events import log_findings
    from driftgate.steps.gate import gate

    settings = gate_settings_in(store)
    with closing(Database.at(None, store.root.parent)) as database:
        against = _against(store, baseline, database)
        database.refuse_unless_writable()
        slower = []
        if against is not None:
            click.echo(headline(against), err=True)
            slower = _slower(store, against, settings.latency, confirm=confirm)
        findings = gate(
            store, expectations, owners_file=owners, against=against, settings=settings, slower=slower, history=database
        )
    log_findings(store, findings)
    return findings


def check_judging(name: str | None, run: Manifest, output: Path) -> None:
    """Tell before hours of work what would end them: a baseline that means nothing (UsageError), a history that cannot be written."""
    from driftgate.history.baseline import find_baseline
    from driftgate.history.database import Database

    with closing(Database.at(None, output)) as database:
        if name is not None:
            find_baseline(name, run, database, output)
        if database.exists():
            database.refuse_unless_writable()


def _slower(store: RunStore, against: Against, settings: LatencySettings, *, confirm: bool) -> list[Finding]:
    """What is said of tonight's latencies: confirmed by launching anew, or suspected."""
    from driftgate.diagnose.slowdowns import confirm_night
    from driftgate.machine.cache_rooms import prune_benches
    from driftgate.machine.files import cache_root
    from driftgate.steps.slower import night_of, unconfirmed

    night = night_of(store, against)
    if not (confirm and settings.confirm and night.cells):
        return list(unconfirmed(store, night, settings))
    found = confirm_night(store, night, against, settings, cache_root(), lambda text: click.echo(text, err=True))
    prune_benches(cache_root())
    return found


def _against(store: RunStore, name: str | None, database: Database) -> Against | None:
    from driftgate.history.baseline import find_baseline
    from driftgate.steps.against import Against

    if name is None:
        return None
    found = find_baseline(name, store.manifest(), database, store.root.parent)
    if found is None:
        click.echo(f"no baseline yet ({name}): judged by the expectations alone", err=True)
        return None
    return Against.of(found, store.agents(), database)
