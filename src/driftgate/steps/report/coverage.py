"""The coverage of runs: one row a model, read from the records of any number of runs (the shares of a fleet, or several fleets)."""

from __future__ import annotations

from collections.abc import Iterable

from driftgate.core.coverage import Columns, Row, row_of
from driftgate.core.errors import UsageError
from driftgate.core.records import ModelIdentity
from driftgate.machine.store import RunStore
from driftgate.steps.report.frame import Frame, ModelCells, each_model


def columns_of(frame: Frame) -> Columns:
    """The cells of a run's scoreboard; the reference is the first target of its plan."""
    reference, *candidates = frame.targets or ("",)
    cells = (cell for cells in frame.planned.values() for cell in cells if cell.stage == "drift")
    return Columns(reference, tuple(candidates), frozenset(cell.target for cell in cells if cell.target is not None))


def row_in(frame: Frame, model: ModelCells) -> Row:
    """The row of one model of a run."""
    identity = model.identity or ModelIdentity(
        ref=model.slug, slug=model.slug, family="unknown", task="other", modality="other", architecture="unknown"
    )
    excuses = ((cell.name, frame.expected.get((model.slug, cell.name))) for cell, _ in model.cells)
    expected = {name: told.reason for name, told in excuses if told is not None}
    return row_of(identity, (record for _, record in model.cells if record is not None), expected)


def coverage_of(stores: Iterable[RunStore]) -> tuple[list[Row], Columns]:
    """The rows of all runs, by reference, and their columns. Of two rows of one model the later run's counts.

    Raises UsageError where a run has no plan or the references of two runs differ, MachineryError for a record that does not validate.
    """
    rows: dict[str, Row] = {}
    columns: list[Columns] = []
    for store in sorted(stores, key=lambda store: store.run_id):
        frame = Frame.of(store)
        columns.append(columns_of(frame))
        for model in each_model(store, frame):
            row = row_in(frame, model)
            rows[row.ref] = row
    candidates = dict.fromkeys(name for one in columns for name in one.candidates)
    compared = frozenset(name for one in columns for name in one.compared)
    references = {one.reference for one in columns} - {""}  # a share may be empty
    if len(references) > 1:
        told = ", ".join(sorted(references))
        raise UsageError(f"these runs have different references ({told})", mend="ask about the runs of one reference")
    return [rows[ref] for ref in sorted(rows)], Columns(next(iter(references), ""), tuple(candidates), compared)
