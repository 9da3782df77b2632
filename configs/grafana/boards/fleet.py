"""Fleet: is all well, since when, and where not."""

from __future__ import annotations

from typing import Any

from boards import panels
from boards.schema import Board, Json, Panel, board_link, override, steps
from boards.series import Query, by, now, of_family, series, unit, verdicts
from boards.shared import FLEET, help_of, to_model, variables

DAY = 86400
_AGES: Json = {"thresholds": steps((None, "green"), (1.5 * DAY, "orange"), (2 * DAY, "red"))}
_SEVERITY: Json = {"thresholds": steps((None, "green"), (1, "red"))}
_SUSPECT: Json = {"thresholds": steps((None, "green"), (1, "orange"))}


def _findings(title: str, severity: str, **defaults: Any) -> Panel:
    expr = f"sum({series('driftgate_findings', severity=severity)})"
    about = f"Findings of severity {severity} in the newest run; 0 is good, and no data means no run."
    return panels.stat(title, about, "short", Query(expr, instant=True), **defaults)


def _numbers() -> tuple[Panel, ...]:
    verdict = Query(by("max", "fleet", series("driftgate_run_passed")), "{{fleet}}", instant=True)
    last = f"time() - max({series('driftgate_last_run_timestamp_seconds')})"
    good = f"time() - max({series('driftgate_last_good_run_timestamp_seconds')})"
    models = f"count({series('driftgate_model_info', 'family')})"
    plain: Json = {"thresholds": steps((None, "blue"))}
    return (
        panels.stat("Verdict", help_of("driftgate_run_passed"), "bool_yes_no", verdict, **panels.passed()),
        _findings("Errors", "error", **_SEVERITY),
        _findings("Warnings", "warning", **_SUSPECT),
        panels.stat("Age of data", "Since the newest run began.", "s", Query(last, instant=True), **_AGES),
        panels.stat(
            "Last success", "Since the newest run began that the gate passed.", "s", Query(good, instant=True), **_AGES
        ),
        panels.stat(
            "Models", "Models of the newest run, in the chosen families.", "short", Query(models, instant=True), **plain
        ),
    )


def _fleets() -> Panel:
    """The one panel that looks at every fleet."""
    return panels.table(
        "Fleets",
        "The newest run of every fleet; click one to see it on this board.",
        "s",
        now("time() - max by (fleet) (driftgate_last_run_timestamp_seconds)"),
        now("max by (fleet) (driftgate_run_passed)"),
        columns={"fleet": "fleet", "Value #A": "age", "Value #B": "verdict"},
        overrides=[
            override("fleet", links=[board_link("This fleet", FLEET, fleet="${__value.raw}")]),
            override("verdict", **_coloured(panels.passed())),
        ],
        width=8,
    )


def _coloured(defaults: Json) -> Json:
    return {"unit": "none", "mappings": defaults["mappings"], "custom__cellOptions": {"type": "color-text"}}


def _found() -> Panel:
    return panels.table(
        "Findings",
        "What the gate found, by rule and severity. Empty on a good day; the run's report has the sentences.",
        "short",
        now(by("sum", "rule, severity", series("driftgate_findings")) + " > 0"),
        columns={"severity": "severity", "rule": "rule", "Value": "findings"},
        sort_by="Value",
        width=8,
    )


def _alerts() -> Panel:
    return panels.table(
        "Alerts",
        "What fires in Prometheus just now, of any fleet. Empty on a good day.",
        "short",
        now('ALERTS{alertname=~"Driftgate.+", alertstate="firing"}'),
        columns={"alertname": "alert", "fleet": "fleet", "severity": "severity", "rule": "rule"},
        width=8,
    )


def _matrix() -> Panel:
    ended = verdicts(
        *(of_family(series(metric, "model")) for metric in ("driftgate_stage_verdict", "driftgate_stage_passed"))
    )
    return panels.matrix(
        "Verdicts, model × stage",
        "How each cell of the newest run ended. Click a model for everything about it.",
        "none",
        now(f'label_join({ended}, "cell", " ", "stage", "target", "variant")'),
        row="model",
        column="cell",
        row_links=[to_model()],
        **panels.verdicts(),
    )


def _exports() -> Panel:
    expr = by("max", "model", of_family(series("driftgate_export_passed", "model")))
    about = help_of("driftgate_export_passed")
    return panels.over_time("Export matrix", about, "bool_yes_no", Query(expr, "{{model}}"), **panels.passed())


def _history() -> tuple[Panel, ...]:
    cells = Query(by("sum", "verdict", series("driftgate_cells")), "{{verdict}}")
    shares = Query(by("avg", "stage, target", of_family(series("driftgate_stage_passed"))), "{{stage}} {{target}}")
    found = Query(by("sum", "rule", series("driftgate_findings", severity="error|warning")) + " > 0", "{{rule}}")
    return (
        panels.lines("Cells by verdict", help_of("driftgate_cells"), "short", cells, stacked=True, width=8),
        panels.lines(
            "Share of passed cells", "Per stage and target, of the chosen families.", "percentunit", shares, width=8
        ),
        panels.lines(
            "Findings by rule",
            "Errors and warnings, run after run. Empty while all is well.",
            "short",
            found,
            stacked=True,
            width=8,
        ),
    )


def _run() -> tuple[Panel, ...]:
    columns = {name: name for name in ("run_id", "verdict", "commit", "version", "torch", "baseline")}
    about = help_of("driftgate_run_duration_seconds")
    duration = Query(f"max({series('driftgate_run_duration_seconds')})", "run")
    waiting = Query(by("sum", "agent", series("driftgate_log_records_pending")), "{{agent}} waiting")
    shipped = Query(by("sum", "agent", series("driftgate_log_records_shipped_total")), "{{agent}} sent")
    run = now(series("driftgate_run_info"))
    return (
        panels.table("Run", "The newest run, and what it ran with.", "none", run, columns=columns, width=10, height=7),
        panels.lines("Duration", about, unit("driftgate_run_duration_seconds"), duration, width=7, height=7),
        panels.lines(
            "Log records",
            "Of each machine: in Loki, and on disk until Loki takes them. Empty where Alloy tails the files.",
            "short",
            shipped,
            waiting,
            width=7,
            height=7,
        ),
    )


BOARD = Board(
    FLEET,
    "Driftgate: Fleet",
    "Is all well, since when, and where not: verdicts, findings, the last success, the age of the data.",
    variables(),
    (_numbers(), (_fleets(), _found(), _alerts()), (_matrix(),), _history(), (_exports(),), _run()),
)
