"""The whole field: every model type that transformers maps to an architecture, tiny, through the fleet of `configs/field.yaml`.

python -m benchmarks field              run it, an hour and more, and write docs/coverage.md
python -m benchmarks.field RUN…         the same figures from runs that are there (the shares of one fleet)
"""

from __future__ import annotations

import importlib.metadata
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness import DRIFTGATE, ROOT, Figure, run_timed
from driftgate.core.records import DriftPayload, ExplainPayload, ExportPayload, InputsPayload, StageRecord
from driftgate.core.text import plural
from driftgate.core.verdicts import FailureKind, Verdict
from driftgate.machine.store import RunStore

TITLE = "The field"
PAGE = ROOT / "docs" / "coverage.md"
EAGER, ORT = "torch-eager-cpu", "ort-cpu"
STEPS = (
    ("pull", None),
    ("inputs", None),
    ("explain", None),
    ("export", None),
    ("infer", EAGER),
    ("infer", ORT),
    ("drift", ORT),
)
MOST_BYTES = 2e9
MOST_PARAMETERS = 1e6


@dataclass(frozen=True)
class Row:
    """One architecture: its record of each step."""

    ref: str
    modality: str
    architecture: str
    records: dict[tuple[str, str | None], StageRecord]

    def passed(self, stage: str, target: str | None = None) -> bool:
        record = self.records.get((stage, target))
        return record is not None and record.verdict is Verdict.PASSED

    def failed_at(self) -> StageRecord | None:
        """The first step that did not do its job, for a reason of its own."""
        found = (self.records.get(step) for step in STEPS)
        return next((r for r in found if r is not None and r.failure is not None and not _follows(r)), None)

    @property
    def seconds(self) -> float:
        return sum(record.duration_s for record in self.records.values())


def _follows(record: StageRecord) -> bool:
    return record.failure is not None and record.failure.kind is FailureKind.UPSTREAM


def rows_of(stores: Iterable[RunStore]) -> list[Row]:
    """Every architecture of some runs, by reference; of two records of one cell the last counts."""
    rows: dict[str, Row] = {}
    for store in stores:
        for record in store.records():
            model = record.model
            row = rows.setdefault(model.ref, Row(model.ref, model.modality, model.architecture, {}))
            row.records[record.stage, record.target] = record
    return [rows[ref] for ref in sorted(rows)]


def figures(rows: Sequence[Row]) -> Iterator[Figure]:
    """What the project asks of the field, and what it got."""
    eager = [row for row in rows if row.passed("infer", EAGER)]
    explained = [row for row in eager if row.passed("explain")]
    exported = [row for row in eager if row.passed("export")]
    ran = [row for row in exported if row.passed("infer", ORT)]
    steady = [row for row in ran if not _is_random(row)]
    near = [row for row in steady if row.passed("drift", ORT)]
    yield Figure("types of the field", len(rows), "types")
    yield Figure("run eagerly", len(eager), "types", 600, most=False)
    yield _share("explained, of those", explained, eager, 100)
    yield _share("exported to ONNX by any exporter, of those", exported, eager, 88)
    yield _share("run by ONNX Runtime, of the exported", ran, exported, 99)
    yield _share("within tolerance, of those that agree with themselves", near, steady, 98)
    sizes = [p.parameters for row in rows if (p := _payload(row, "inputs", InputsPayload)) and p.parameters]
    if sizes:
        yield Figure("median of the parameters", statistics.median(sizes), "parameters", MOST_PARAMETERS)
    peaks = [max(record.peak_rss_bytes or 0 for record in row.records.values()) for row in rows]
    yield Figure(
        "workers within 2 GB", 100 * sum(peak <= MOST_BYTES for peak in peaks) / len(peaks), "%", 99, most=False
    )
    for stage, target in STEPS:
        spent = sum(r.duration_s for row in rows if (r := row.records.get((stage, target))) is not None)
        yield Figure(
            f"spent in {' '.join(filter(None, (stage, target)))}", spent / 60, "min", note="of one worker's time"
        )


def _share(name: str, part: Sequence[Row], whole: Sequence[Row], least: float) -> Figure:
    share = 100 * len(part) / len(whole) if whole else 0.0
    return Figure(name, share, "%", least, most=False, note=f"{len(part)} of {len(whole)}")


def _is_random(row: Row) -> bool:
    record = row.records.get(("drift", ORT))
    return record is not None and record.failure is not None and record.failure.kind is FailureKind.NONDETERMINISTIC


def _payload(row: Row, stage: str, kind: type, target: str | None = None):  # type: ignore[no-untyped-def]
    record = row.records.get((stage, target))
    return record.payload if record is not None and isinstance(record.payload, kind) else None


def page(rows: Sequence[Row], found: Sequence[Figure]) -> str:
    """docs/coverage.md: the figures, totals by modality, what fails by cause, and a line for each architecture."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers", "onnxruntime")
    )
    lines = [
        "# Coverage: every architecture that transformers has",
        "",
        f"Made by `make field` on {datetime.now(UTC):%Y-%m-%d} with {versions}. Tiny models with random weights; nothing is downloaded.",
        "",
        "| what | measured | asked |",
        "|---|---|---|",
        *(f"| {f.name}{f' ({f.note})' if f.note else ''} | {f.value:,.4g} {f.unit} | {_asked(f)} |" for f in found),
        "",
        "## By modality",
        "",
        "| modality | types | eager | explained | exported | ONNX Runtime | within tolerance |",
        "|---|---|---|---|---|---|---|",
        *_by_modality(rows),
        "",
        "## What fails, by cause",
        "",
        *_by_cause(rows),
        "",
        "## Every architecture",
        "",
        "| type | architecture | eager | graph breaks | exporter | ONNX Runtime | drift, largest | seconds |",
        "|---|---|---|---|---|---|---|---|",
        *map(_line, rows),
        "",
    ]
    return "\n".join(lines)


def _asked(figure: Figure) -> str:
    return "" if figure.bound is None else f"{'≤' if figure.most else '≥'} {figure.bound:,.4g} {figure.unit}"


def _by_modality(rows: Sequence[Row]) -> Iterator[str]:
    steps = (("infer", EAGER), ("explain", None), ("export", None), ("infer", ORT), ("drift", ORT))
    for modality in sorted({row.modality for row in rows}):
        of_it = [row for row in rows if row.modality == modality]
        counts = (sum(row.passed(*step) for row in of_it) for step in steps)
        yield f"| {modality} | {len(of_it)} | {' | '.join(map(str, counts))} |"


def _by_cause(rows: Sequence[Row]) -> Iterator[str]:
    causes: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        record = row.failed_at()
        if record is not None and record.failure is not None:
            words = record.failure.message.splitlines()[0][:160].replace("|", "¦")
            causes.setdefault((record.stage, record.failure.kind.value, words), []).append(row.ref.removeprefix("zoo:"))
    for (stage, kind, words), types in sorted(causes.items(), key=lambda item: (-len(item[1]), item[0])):
        yield f"- {plural(len(types), 'type')} at {stage}, `{kind}`: {words} ({', '.join(types)})"


def _line(row: Row) -> str:
    explain, export = _payload(row, "explain", ExplainPayload), _payload(row, "export", ExportPayload)
    drift = _payload(row, "drift", DriftPayload, ORT)
    largest = max((t.max_abs for t in drift.tensors if t.max_abs is not None), default=None) if drift else None
    cells = (
        row.ref.removeprefix("zoo:"),
        row.architecture,
        _word(row, "infer", EAGER),
        str(explain.break_count) if explain else _word(row, "explain"),
        export.exporter if export and row.passed("export") else _word(row, "export"),
        _word(row, "infer", ORT),
        f"{largest:.1e}" if largest is not None and row.passed("drift", ORT) else _word(row, "drift", ORT),
        f"{row.seconds:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _word(row: Row, stage: str, target: str | None = None) -> str:
    record = row.records.get((stage, target))
    if record is None:
        return "–"
    if record.verdict is Verdict.PASSED:
        return "yes"
    return "–" if record.failure is None or _follows(record) else record.failure.kind.value


def measure() -> list[Figure]:
    """The whole fleet, once."""
    with tempfile.TemporaryDirectory(prefix="driftgate-field-") as folder:
        command = [*DRIFTGATE, "run", str(ROOT / "configs" / "field.yaml"), "--output", folder, "--no-confirm"]
        minutes = run_timed(command, codes=(0, 1)) / 60
        rows = rows_of([RunStore.find("latest", Path(folder))])
    found = [*figures(rows), Figure("the whole field", minutes, "min", 75)]
    PAGE.write_text(page(rows, found), "utf-8")
    return found


def main(names: Sequence[str]) -> int:
    """Figures and causes of runs that are there."""
    rows = rows_of(RunStore(Path(name)) for name in names)
    found = list(figures(rows))
    print(page(rows, found))
    print(Counter(row.modality for row in rows), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
