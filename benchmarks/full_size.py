"""Tiny models against full-size ones: published checkpoints' sizes with random weights, both through the pipeline of `configs/field.yaml`.

python -m benchmarks full_size              all of them, ten minutes and more
python -m benchmarks.full_size [NAME…]      the table alone, of these checkpoints

A tiny model stands for its type as long as the real one breaks at the same ids and gets the same verdict from the exporters. The sizes
are data (`benchmarks/data/full_size.yaml`), each with the paper or card that gives them; no layer is left out, nothing is downloaded.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.harness import DRIFTGATE, ROOT, Figure, run_timed
from driftgate.core.errors import UsageError, did_you_mean
from driftgate.core.records import ExplainPayload, ExportPayload, InputsPayload, StageRecord
from driftgate.machine.store import RunStore

TITLE = "Tiny models against full-size ones"
DATA = ROOT / "benchmarks" / "data" / "full_size.yaml"
FIELD = ROOT / "configs" / "field.yaml"
OWN = ("models", "expectations")
"""Keys of the field's configuration that are this benchmark's own; but for the targets and limits the rest stays as it is there."""
LIMITS = {"time": 900, "memory": "10GB", "jobs": 1}


@dataclass(frozen=True)
class Checkpoint:
    """A published model: what its paper or card says of its size."""

    checkpoint: str
    model_type: str
    source: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Side:
    """What the pipeline said of one model: `breaks` are the ids of the graph breaks (None: explain did not pass), `export` is
    the verdict, of a failed one its kind too."""

    parameters: int
    breaks: tuple[str, ...] | None
    events: int
    export: str
    exporter: str
    eager: bool
    peak_bytes: int
    seconds: float

    @classmethod
    def of(cls, records: Sequence[StageRecord]) -> Side:
        """From the records of one model."""
        by_stage = {record.stage: record for record in records}
        inputs, explain, export = (by_stage[name].payload for name in ("inputs", "explain", "export"))
        broken = isinstance(explain, ExplainPayload)
        failure = by_stage["export"].failure
        return cls(
            parameters=(inputs.parameters or 0) if isinstance(inputs, InputsPayload) else 0,
            breaks=tuple(sorted({one.gb_id or one.gb_type for one in explain.breaks})) if broken else None,
            events=explain.break_count if broken else 0,
            export=failure.kind.value if failure else by_stage["export"].verdict.value,
            exporter=(export.exporter or "") if isinstance(export, ExportPayload) else "",
            eager=by_stage["infer"].passed,
            peak_bytes=max(record.peak_rss_bytes or 0 for record in records),
            seconds=sum(record.duration_s for record in records),
        )


@dataclass(frozen=True)
class Row:
    """A checkpoint's size beside the tiny model of its type."""

    known: Checkpoint
    tiny: Side
    full: Side

    @property
    def breaks_alike(self) -> bool:
        return self.tiny.breaks is not None and self.tiny.breaks == self.full.breaks

    @property
    def exports_alike(self) -> bool:
        return self.tiny.export == self.full.export

    @property
    def is_alike(self) -> bool:
        """Whether the tiny model stands for this one."""
        return self.breaks_alike and self.exports_alike


def rows(names: Sequence[str] = ()) -> list[Row]:
    """The checkpoints of the table (or those named), each built, run and taken away again. Raises UsageError for an unknown name."""
    known = checkpoints()
    for name in names:
        if name not in known:
            raise UsageError(f"no checkpoint {name[:80]!r} in {DATA.name}", mend=did_you_mean(name, known))
    return [compared(known[name]) for name in names or known]


def checkpoints() -> dict[str, Checkpoint]:
    """All of the table, by name."""
    return {row["checkpoint"]: Checkpoint(**row) for row in yaml.safe_load(DATA.read_text("utf-8"))}


def compared(known: Checkpoint) -> Row:
    """Both sizes of a type in one run, with a cache of its own: what is half a gigabyte is kept nowhere."""
    with tempfile.TemporaryDirectory(prefix="driftgate-full-size-") as name:
        place = Path(name)
        folder = place / known.checkpoint
        architecture = build(known, folder)
        config = {key: value for key, value in yaml.safe_load(FIELD.read_text("utf-8")).items() if key not in OWN}
        models = [f"zoo:{known.model_type}/{architecture}", f"local:{folder}"]
        config |= {"models": models, "targets": [config["reference"]], "limits": LIMITS}
        (place / "config.yaml").write_text(yaml.safe_dump(config))
        command = [*DRIFTGATE, "run", str(place / "config.yaml"), "--output", str(place / "runs"), "--no-confirm"]
        run_timed(command, env={"DRIFTGATE_CACHE": str(place / "cache")}, codes=(0, 1))
        records = list(RunStore.find("latest", place / "runs").records())
    tiny, full = ([record for record in records if record.model.ref == ref] for ref in models)
    return Row(known, Side.of(tiny), Side.of(full))


def build(known: Checkpoint, folder: Path) -> str:
    """Save the full-size model with random weights, as the zoo saves its own; returns its architecture, the type's preferred one."""
    from transformers import AutoConfig
    from transformers.utils.logging import disable_progress_bar

    from driftgate.sources.zoo import ZooModel, architectures
    from driftgate.stages.zoo.build import build_from
    from driftgate.stages.zoo.repository import save

    disable_progress_bar()  # type: ignore[no-untyped-call]
    first = architectures()[known.model_type][0]
    model = build_from(AutoConfig.for_model(known.model_type, **known.fields), first.name)
    row = ZooModel(known.checkpoint, known.model_type, first.name, first.task, first.modality, known.source)
    save(model, folder, row)
    return first.name


def section(found: Sequence[Row]) -> list[str]:
    """A table in Markdown; below it what it took, and where the sizes are from."""
    alike = sum(row.is_alike for row in found)
    minutes = sum(row.full.seconds for row in found) / 60
    peak = max(row.full.peak_bytes for row in found) / 1e9
    return [
        f"{alike} of {len(found)} full-size models break at the same ids and get the same verdict at export as the tiny model of their"
        f" type. They took {minutes:.1f} minutes of one worker's time, {peak:.1f} GB at most.",
        "",
        "| checkpoint | parameters, full size | tiny | ids of breaks (events), full size | tiny | export, full size | tiny | alike |",
        "|---|---|---|---|---|---|---|---|",
        *map(_line, found),
        "",
        *(f"- {row.known.checkpoint}: {row.known.source}" for row in found),
    ]


def _line(row: Row) -> str:
    cells = (
        f"{row.known.checkpoint} (`{row.known.model_type}`)",
        *(f"{side.parameters:,}" for side in (row.full, row.tiny)),
        *(_breaks(side) for side in (row.full, row.tiny)),
        *(f"{side.export} {side.exporter}".strip() for side in (row.full, row.tiny)),
        "yes" if row.is_alike else "**no**",
    )
    return f"| {' | '.join(cells)} |"


def _breaks(side: Side) -> str:
    if side.breaks is None:
        return "not explained"
    return f"{', '.join(side.breaks)} ({side.events})" if side.breaks else "none"


def figures(found: Sequence[Row]) -> Iterator[Figure]:
    """How many are alike, and what the full size costs."""
    types, count = "of the types", len(found)
    yield Figure("full-size models that run eagerly", sum(row.full.eager for row in found), types, count, most=False)
    yield Figure("break at the same ids as the tiny one", sum(r.breaks_alike for r in found), types, count, most=False)
    yield Figure("get the same verdict at export", sum(r.exports_alike for r in found), types, count, most=False)
    yield Figure("largest full-size model", max(row.full.parameters for row in found) / 1e6, "M parameters", 400)
    yield Figure("peak memory of a worker", max(row.full.peak_bytes for row in found) / 1e9, "GB")
    yield Figure("the full-size cells", sum(row.full.seconds for row in found) / 60, "min", note="of one worker's time")
    yield Figure("the tiny ones", sum(row.tiny.seconds for row in found) / 60, "min", note="of one worker's time")


def measure() -> list[Figure]:
    """All of them; the table goes to the terminal."""
    found = rows()
    print(*section(found), sep="\n", flush=True)
    return list(figures(found))


def main(names: Sequence[str]) -> int:
    """The table of the named checkpoints; 1 where one is unlike its tiny model, 2 for an unknown name."""
    try:
        found = rows(names)
    except UsageError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    print(*section(found), sep="\n")
    return int(not all(row.is_alike for row in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
