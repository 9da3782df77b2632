"""Reading `tolerances.yaml`, with file, line and key for every mistake, and the copy of the table that a run carries."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

from driftgate.core.errors import UsageError, did_you_mean
from driftgate.core.tolerances import ToleranceTable
from driftgate.machine.settings.load import Document, load_yaml, read_text, validate
from driftgate.machine.store import RunStore

NAME = "tolerances.yaml"
"""The copy that a run carries: what its outputs are judged by."""
_HEAD = "# What the outputs of this run are judged by: the whole table, as it was when they were last judged.\n"


@cache
def packaged_tolerances() -> ToleranceTable:
    """Driftgate's own table (package data; `configs/tolerances.yaml` is its copy)."""
    path = Path(str(files("driftgate"))) / "data" / NAME
    return _parsed(read_text(path), str(path), None)


def tolerances_in(store: RunStore) -> ToleranceTable:
    """The table that was put into the run; Driftgate's own for a run that has none."""
    if not store.has(NAME):
        return packaged_tolerances()
    path = store.root / NAME
    return _parsed(read_text(path), str(path), None)


def keep_tolerances(store: RunStore, table: ToleranceTable) -> None:
    """Put the whole table into the run, so that judging it again, anywhere and later, says the same."""
    data = table.model_dump(mode="json", exclude_none=True)
    store.write_text(NAME, _HEAD + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000))


def load_tolerances(path: Path, targets: Collection[str]) -> ToleranceTable:
    """The table of a person's file: its rows for the dtypes that it names, Driftgate's own rows for the other dtypes.

    `targets` are those that there are. Raises UsageError.
    """
    return _parsed(read_text(path), str(path), targets).over(packaged_tolerances())


def _parsed(text: str, name: str, targets: Collection[str] | None) -> ToleranceTable:
    document = load_yaml(text, name=name)
    table = validate(ToleranceTable, document)
    for number, problem in table.problems():
        raise UsageError(problem, where=document.where("tolerances", number))
    if targets is not None:
        _check_targets(table, document, targets)
    return table


def _check_targets(table: ToleranceTable, document: Document, targets: Collection[str]) -> None:
    for number, row in enumerate(table.tolerances):
        for target in row.target or ():
            if target not in targets:
                where = document.where("tolerances", number, "target")
                raise UsageError(f"there is no target {target!r}", where=where, mend=did_you_mean(target, targets))
