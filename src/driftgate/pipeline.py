"""The whole pipeline on one screen.

    pull ─► inputs ─► explain
                 └──► export ─► infer(target 1 … n) ─► drift      each cell a job in a process of its own
                                                         │
                                              gate ─► repro ─► report ─► publish ─► archive      steps over the whole run, in the parent

A cell stage is a plain function from a job to a payload; an executor runs it and always leaves one record. A step reads a
run and writes about it. Which cells a run has stands below; what each of them needs, in `core/needs.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

from driftgate.core.culprits import COMPARE, CULPRIT, join_culprit, worth_a_search
from driftgate.core.ladder import join_attempts
from driftgate.core.needs import DYNAMIC, reads_onnx, upstream
from driftgate.core.records import Cell, CellResult, LockEntry
from driftgate.executors.spec import CellStage
from driftgate.machine.settings import HubSettings, Settings
from driftgate.sources import SOURCES
from driftgate.targets import needs_own_process

WARM = "driftgate.stages.warm:warm"
WARM_LIGHTLY = "driftgate.stages.warm:imports"
WORTH_WARMING = 12
"""From this many cells on, one first call of every compiler in the server costs less than one in each worker."""


def _pull_is_fresh(cell: Cell, entry: LockEntry) -> bool:
    """The Hub's client reads its environment at import; what needs torch to be there (zoo, python) takes the server's."""
    del cell
    return entry.scheme not in {"zoo", "python"}


def _files_there(entry: LockEntry, models: Path) -> bool:
    return bool(SOURCES.load(entry.scheme)(HubSettings()).present(entry, models))


def _infer_is_fresh(cell: Cell, entry: LockEntry) -> bool:
    del entry
    return needs_own_process(cell.target or "")


def _without_latency(result: CellResult) -> CellResult:
    """A time belongs to the night in which it was taken."""
    if result.payload is None:
        return result
    untimed = result.payload | dict.fromkeys(
        ("latency", "throughput", "conditions", "memory", "energy", "samples_file")
    )
    untimed |= {"components": {}, "component_times": {}, "component_notes": {}}
    kept = tuple(file for file in result.artifacts if file.name != result.payload.get("samples_file"))
    return result.model_copy(update={"payload": untimed, "artifacts": kept})


STAGES = (
    CellStage("pull", "driftgate.stages.pull:pull", fresh=_pull_is_fresh, there=_files_there),
    CellStage("inputs", "driftgate.stages.inputs.stage:inputs"),
    CellStage("explain", "driftgate.stages.explain:explain", reads=lambda s: s.explain.model_dump()),
    CellStage(
        "export",
        "driftgate.stages.export:export",
        parts=lambda s: s.export.exporters,
        every_part=lambda s: s.export.stop == "never",
        join=join_attempts,
        reads=lambda s: s.export.model_dump(),
    ),
    CellStage(
        "infer",
        "driftgate.stages.infer:infer",
        fresh=_infer_is_fresh,
        reads=lambda s: {"reference": s.reference, "fp64": s.drift.fp64},
        reuse=lambda s: not s.latency.enabled,
        keeps=_without_latency,
    ),
    CellStage(
        "drift",
        "driftgate.stages.drift:drift",
        fresh=_infer_is_fresh,
        parts=lambda s: (COMPARE, CULPRIT) if s.drift.culprit else (None,),
        part_functions={CULPRIT: "driftgate.stages.culprit.stage:culprit"},
        goes_on=worth_a_search,
        join=join_culprit,
        reads=lambda s: {
            "reference": s.reference,
            "drift": s.drift.model_dump(exclude={"tolerances"}),  # the run carries what is in that file
            "opset": s.export.opset,
        },
    ),
)

PROFILE = CellStage("profile", "driftgate.stages.profile:profile", fresh=_infer_is_fresh, reuse=lambda s: False)
"""Asked for at a desk alone (`driftgate profile`): no run plans it."""

STEPS = MappingProxyType(
    {
        "gate": "driftgate.steps.gate:gate",
        "repro": "driftgate.diagnose.repro:write_repros",
        "report": "driftgate.steps.report:build_report",
        "publish": "driftgate.steps.publish:push",
        "archive": "driftgate.steps.archive:archive",
    }
)
"""Step → "module:function", in the order in which `driftgate run` takes them."""

PIPELINE = (*(stage.name for stage in STAGES), *STEPS)
STAGE_OF = MappingProxyType({stage.name: stage for stage in (*STAGES, PROFILE)})


def plan_cells(entries: Iterable[LockEntry], settings: Settings) -> tuple[Cell, ...]:
    """Every cell of a run, model by model, in the order of the stages."""
    return tuple(cell for entry in entries for cell in cells_of_model(entry.slug, settings))


def cells_of_model(slug: str, settings: Settings) -> tuple[Cell, ...]:
    """The cells of one model: with `export.dynamic`, what reads ONNX runs once more at a second size."""
    candidates = [target for target in settings.targets if target != settings.reference]
    runs: list[tuple[str, str | None]] = [(target, None) for target in (settings.reference, *candidates)]
    drifts: list[tuple[str, str | None]] = [(target, None) for target in candidates]
    exports: list[str | None] = [None]
    if settings.export.dynamic:
        exports.append(DYNAMIC)
        second: list[tuple[str, str | None]] = [(target, DYNAMIC) for target in candidates if reads_onnx(target)]
        runs += [(settings.reference, DYNAMIC), *second] if second else []
        drifts += second
    return (
        *(Cell(model=slug, stage=stage) for stage in ("pull", "inputs", "explain")),
        *(Cell(model=slug, stage="export", variant=variant) for variant in exports),
        *(Cell(model=slug, stage="infer", target=target, variant=variant) for target, variant in runs),
        *(Cell(model=slug, stage="drift", target=target, variant=variant) for target, variant in drifts),
    )


def closure(cell: Cell, reference: str) -> tuple[Cell, ...]:
    """The cell and everything it needs, in an order in which they can run."""
    found: dict[Cell, None] = {}

    def visit(current: Cell) -> None:
        for need in upstream(current, reference):
            visit(need)
        found.setdefault(current)

    visit(cell)
    return tuple(found)
