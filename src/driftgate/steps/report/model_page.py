"""One model's page: what every cell of it said, why it failed, and the command that repeats it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftgate.core import latency_words
from driftgate.core.break_words import counts_beside
from driftgate.core.records import (
    Cell,
    DriftPayload,
    ExpectedFailure,
    ExplainPayload,
    ExportPayload,
    InferPayload,
    StageRecord,
    TensorDrift,
)
from driftgate.core.rules.base import repeat_command
from driftgate.machine.store import RunStore
from driftgate.steps.report.frame import Frame, ModelCells
from driftgate.steps.report.latency import latency_rows, scale_end
from driftgate.steps.report.marks import Square
from driftgate.steps.report.overview import Row

MOST_BREAKS = 40
MOST_OPERATORS = 40
MOST_TENSORS = 100
MOST_FILES = 100
MOST_FINDINGS = 20


@dataclass(frozen=True)
class CellView:
    """A cell as its section shows it. `log` and `record_file` are names in the model's folder, None where there is no such file."""

    cell: Cell
    record: StageRecord | None
    square: Square
    expected: ExpectedFailure | None
    command: str
    record_file: str | None
    log: str | None
    details: dict[str, Any]


@dataclass(frozen=True)
class ModelFile:
    """A file of the model's folder, for download."""

    name: str
    size: int


def model_context(store: RunStore, frame: Frame, model: ModelCells, row: Row) -> dict[str, Any]:
    """What the template of a model's page needs."""
    here = folder_files(store.model_folder(model.slug))
    records = [record for _, record in model.cells if record]
    rows = latency_rows(records)
    findings = frame.findings_by_model.get(model.slug, [])
    return {
        "model": model,
        "entry": frame.entries.get(model.slug),
        "views": [_view(frame, cell, record, row, here) for cell, record in model.cells],
        "latency": rows,
        "latency_end": scale_end(rows) if rows else None,
        "findings": findings[:MOST_FINDINGS],
        "more_findings": len(findings[MOST_FINDINGS:]),
        "files": [ModelFile(name, size) for name, size in sorted(here.items())[:MOST_FILES]],
        "more_files": max(0, len(here) - MOST_FILES),
    }


def folder_files(folder: Path) -> dict[str, int]:
    """Name → bytes of the plain files of a model's folder; links are nobody's download."""
    if not folder.is_dir():
        return {}
    plain = (path for path in folder.iterdir() if not path.is_symlink() and path.is_file())
    return {path.name: path.stat().st_size for path in plain if not path.name.startswith(".")}


def _view(frame: Frame, cell: Cell, record: StageRecord | None, row: Row, here: dict[str, int]) -> CellView:
    return CellView(
        cell=cell,
        record=record,
        square=row.squares[cell.name],
        expected=frame.expected.get((cell.model, cell.name)),
        command=repeat_command(frame.run, cell),
        record_file=_among(f"{cell.name}.json", here),
        log=_among(f"{cell.name}.log", here),
        details=_details(record),
    )


def _among(name: str, here: dict[str, int]) -> str | None:
    return name if name in here else None


def _details(record: StageRecord | None) -> dict[str, Any]:
    """What is worked out from a payload before the template sees it."""
    match record.payload if record else None:
        case ExplainPayload() as explain:
            return _explain_details(explain)
        case ExportPayload() as export:
            return _histogram(export)
        case DriftPayload() as drift:
            tensors = sorted(drift.tensors, key=_how_bad, reverse=True)
            return {
                "tensors": tensors[:MOST_TENSORS],
                "more_tensors": len(tensors[MOST_TENSORS:]),
                "float64": any(tensor.reference_error is not None for tensor in tensors),
            }
        case InferPayload() as infer:
            return {"facts": latency_words.facts(infer)}
        case _:
            return {}


def _explain_details(explain: ExplainPayload) -> dict[str, Any]:
    breaks = sorted(explain.breaks, key=lambda one: -one.count)
    return {
        "breaks": breaks[:MOST_BREAKS],
        "more_breaks": len(breaks[MOST_BREAKS:]),
        "counts_beside": tuple(counts_beside(explain)),
    }


def _histogram(export: ExportPayload) -> dict[str, Any]:
    bars = sorted(export.op_histogram.items(), key=lambda item: (-item[1], item[0]))
    rest = bars[MOST_OPERATORS:]
    return {"bars": bars[:MOST_OPERATORS], "more_kinds": len(rest), "more_nodes": sum(number for _, number in rest)}


def _how_bad(tensor: TensorDrift) -> tuple[bool, int, float]:
    return not tensor.within_tolerance, tensor.nonfinite_mismatch, tensor.max_abs or 0.0
