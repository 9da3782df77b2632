"""What a run is compared with: `last-good`, a run, `git:REF`, or a window of nights.

last-good     the newest run of the same fleet, before this one, that the gate passed; one of the same models and targets before any other
RUN           an id of the history or its beginning, or the folder of a run
git:REF       the newest other run of that commit of the code under test
window:N      the last N nights of the same fleet: facts of the newest good one, numbers of all
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from driftgate.core.errors import UsageError
from driftgate.core.facts import CellFacts
from driftgate.core.records import Agent, Cell, Manifest
from driftgate.history.database import Database
from driftgate.history.importing import facts_of_plan
from driftgate.history.queries import RunSummary, facts_in, run_named, runs_of, runs_of_commit
from driftgate.machine.store import RunStore

USUAL_NIGHTS = 90


@dataclass(frozen=True)
class Baseline:
    """The good state: what it was called for, each cell's facts, where they were computed, and the nights whose numbers count.
    `of_more`: the run was asked for a part of the fleet and this one was not, so that what it alone has isn't missing."""

    name: str
    run_id: str
    agents: tuple[Agent, ...]
    facts: Mapping[Cell, CellFacts]
    nights: tuple[RunSummary, ...]
    of_more: bool = False


def find_baseline(name: str, run: Manifest, database: Database, output: Path) -> Baseline | None:
    """The baseline that `name` means for this run; None where `last-good` or a window finds nothing yet (a first night).

    Raises UsageError for a name that means nothing, or a run, commit or folder that isn't there.
    """
    folder = _folder(name, output)
    if not database.exists():
        if folder is not None:
            return _of_folder(name, folder, run, ())
        _refuse_unless_first_night(name)
        return None
    with database.reading() as connection:
        nights = runs_of(connection, fleet=run.fleet, before=run.started_at, most=_length(name))
        nights = tuple(night for night in nights if night.run_id != run.run_id)
        if folder is not None:
            return _of_folder(name, folder, run, nights)
        chosen = _chosen(connection, name, run, nights)
        if chosen is None:
            return None
        other = _is_of_more(chosen.config, run)
        return Baseline(name, chosen.run_id, chosen.agents, facts_in(connection, chosen), nights, other)


def _chosen(connection: Connection, name: str, run: Manifest, nights: tuple[RunSummary, ...]) -> RunSummary | None:
    if name == "last-good":
        good = runs_of(connection, fleet=run.fleet, before=run.started_at, verdict="passed", most=USUAL_NIGHTS)
        return newest_like(run, [night for night in good if night.run_id != run.run_id])
    if _is_window(name):
        return newest_like(run, [night for night in nights if night.verdict == "passed"]) or newest_like(run, nights)
    if name.startswith("git:"):
        commit = _commit(name.removeprefix("git:"))
        found = [one for one in runs_of_commit(connection, run.fleet, commit) if one.run_id != run.run_id]
        if not found:
            asked = f"no other run of fleet {run.fleet} at {name} ({commit[:12]})"
            raise UsageError(asked, where="--baseline", mend="see `driftgate history list`")
        return found[0]
    chosen = run_named(connection, name, where="--baseline")
    _refuse_itself(chosen.run_id, run)
    return chosen


def newest_like(run: Manifest, known: Sequence[RunSummary]) -> RunSummary | None:
    """The newest that was asked for the same models and targets: one of a part of the fleet (`--model`, `--top`) says nothing of the rest.
    Where there is none (the configuration has changed), the newest of all."""
    asked = _selection(run.config)
    return next((one for one in known if _selection(one.config) == asked), None) or next(iter(known), None)


def _is_of_more(config: Mapping[str, Any], run: Manifest) -> bool:
    return run.part and _selection(config) != _selection(run.config)


def _selection(config: Mapping[str, Any]) -> tuple[object, ...]:
    hub = config.get("hub") or {}
    return (
        *(config.get(name) for name in ("models", "targets", "shard")),
        {key: value for key, value in hub.items() if key != "endpoint"},
    )


def _refuse_itself(chosen: str, run: Manifest) -> None:
    if chosen == run.run_id:
        raise UsageError("a run cannot be its own baseline", where="--baseline", mend="name an earlier one")


def _folder(name: str, output: Path) -> RunStore | None:
    """The run on disk that the name means, if it is a path or an id there."""
    if name == "last-good" or ":" in name:
        return None
    for place in (Path(name), output / name):
        if (place / "plan.json").is_file() and (place / "run.json").is_file():
            return RunStore(place)
    return None


def _of_folder(name: str, store: RunStore, run: Manifest, nights: tuple[RunSummary, ...]) -> Baseline:
    manifest = store.manifest()
    _refuse_itself(manifest.run_id, run)
    facts, other = {one.cell: one for one in facts_of_plan(store)}, _is_of_more(manifest.config, run)
    return Baseline(name, manifest.run_id, store.agents(), facts, nights, other)


def _refuse_unless_first_night(name: str) -> None:
    if name != "last-good" and not _is_window(name):
        raise UsageError(
            f"no baseline {name[:200]!r}: there is no history yet",
            where="--baseline",
            mend="`driftgate history import RUN`, or give the folder of a run",
        )


def _is_window(name: str) -> bool:
    return re.fullmatch(r"window:[1-9]\d{0,3}", name) is not None


def _length(name: str) -> int:
    """How many nights of numbers. Raises UsageError for a window without a length."""
    if name.startswith("window") and not _is_window(name):
        raise UsageError(f"{name[:80]!r} is no window", where="--baseline", mend="for example window:30")
    return int(name.partition(":")[2]) if _is_window(name) else USUAL_NIGHTS


def _commit(reference: str) -> str:
    """The commit that a name of git's means here. Raises UsageError where git doesn't know it."""
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError as error:
        raise UsageError("git is not installed", where="--baseline", mend="name a run instead") from error
    if answer.returncode != 0:
        raise UsageError(f"git knows no commit {reference[:80]!r} here", where="--baseline", mend="name a run instead")
    return answer.stdout.strip()
