"""Model: everything of one model, its logs beneath."""

from __future__ import annotations

from typing import Any

from boards import panels
from boards.breaks import reasons
from boards.latency import SHOWN
from boards.schema import Board, Json, Panel, steps
from boards.series import Query, by, now, series, unit, verdicts
from boards.shared import MODEL, help_of, variables

_PLAIN: Json = {"thresholds": steps((None, "blue"))}


def _about() -> tuple[Panel, ...]:
    columns = {name: name for name in ("ref", "family", "task", "modality", "architecture")}
    return (
        panels.table(
            "Model",
            "What it is.",
            "none",
            now(series("driftgate_model_info", "model")),
            columns=columns,
            width=12,
            height=4,
        ),
        _number("Graph breaks", "driftgate_graph_breaks"),
        _number("fullgraph=True", "driftgate_fullgraph_passed", **panels.passed("accepted", "refused")),
        _number("Compile time", "driftgate_compile_seconds"),
    )


def _number(title: str, metric: str, **defaults: Any) -> Panel:
    query = Query(f"max({series(metric, 'model')})", instant=True)
    return panels.stat(title, help_of(metric), unit(metric), query, **(defaults or _PLAIN))


def _verdicts() -> tuple[Panel, ...]:
    ended = verdicts(*(series(metric, "model") for metric in ("driftgate_stage_verdict", "driftgate_stage_passed")))
    cells = Query(ended, "{{stage}} {{target}} {{variant}}")
    tries = Query(series("driftgate_export_attempt_passed", "model"), "{{exporter}} {{variant}}")
    return (
        panels.over_time(
            "Cells", "How each cell ended, run after run.", "none", cells, width=16, height=10, **panels.verdicts()
        ),
        panels.over_time(
            "Exporters",
            help_of("driftgate_export_attempt_passed"),
            "bool_yes_no",
            tries,
            width=8,
            height=10,
            **panels.passed(),
        ),
    )


def _breaks() -> tuple[Panel, ...]:
    chosen = series("compile_breaks_total", "model")
    over_time = Query(by("sum", "reason", chosen), "{{reason}}")
    about = "Graph breaks of this model, run after run. Empty without a break."
    return (
        panels.lines("Graph breaks", about, "short", over_time, stacked=True, width=10, height=10),
        reasons(chosen, width=14),
    )


def _of_targets() -> tuple[Panel, ...]:
    where = ("model", "target")
    latency = Query(series("driftgate_latency_seconds", *where, stat=SHOWN), "{{target}} {{variant}} {{stat}}")
    drift = Query(
        by("max", "target, tensor", series("driftgate_tensor_drift_max_abs", *where)), "{{target}} {{tensor}}"
    )
    return (
        panels.lines("Latency", help_of("driftgate_latency_seconds"), unit("driftgate_latency_seconds"), latency),
        panels.lines(
            "Drift",
            help_of("driftgate_tensor_drift_max_abs"),
            unit("driftgate_tensor_drift_max_abs"),
            drift,
            logarithmic=True,
        ),
    )


def _of_cells() -> tuple[Panel, ...]:
    legend = "{{stage}} {{target}} {{variant}}"
    both = ("driftgate_stage_duration_seconds", "Duration"), ("driftgate_peak_rss_bytes", "Peak memory")
    return tuple(
        panels.lines(title, help_of(metric), unit(metric), Query(series(metric, "model"), legend))
        for metric, title in both
    )


def _logs() -> Panel:
    query = '{app="driftgate"} | model=~"$model"'
    return panels.logs("Logs", "What happened to this model: start, verdict, break, finding; newest first.", query)


BOARD = Board(
    MODEL,
    "Driftgate: Model",
    "Everything of one model: verdicts, graph breaks, drift, latency, memory, and its logs.",
    variables(one_model=True),
    (_about(), _verdicts(), _breaks(), _of_targets(), _of_cells(), (_logs(),)),
)
