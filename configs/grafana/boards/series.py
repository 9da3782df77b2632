"""Selectors and queries over the table of metrics: a name or a label that it does not have is an error here, not an empty panel."""

from __future__ import annotations

from dataclasses import dataclass

from driftgate.core.metrics import METRICS

UNITS = {
    "seconds": "s",
    "bytes": "bytes",
    "ratio": "percentunit",
    "samples per second": "suffix: samples/s",
    "absolute difference": "sci",
    "yes or no": "bool_yes_no",
    "verdict": "none",
    "timestamp": "dateTimeFromNow",
}
"""Unit of the table → Grafana's; what is counted is `short`."""

VARIABLES = {"fleet": "fleet", "model": "model", "family": "family", "target": "target"}


def unit(metric: str) -> str:
    """Grafana's unit of a metric."""
    return UNITS.get(METRICS[metric].unit, "short")


def series(metric: str, *narrowed: str, **matching: str) -> str:
    """The selector of a metric in the chosen fleet. `narrowed` are labels that follow the variable of their name, `matching` others and
    the expression that they match."""
    table = METRICS[metric]
    known = {"fleet", "model", *table.labels}
    chosen = {"fleet": "$fleet"} | {name: f"${name}" for name in narrowed} | matching
    unknown = set(chosen) - known
    if unknown:
        raise ValueError(f"{metric} has no label {', '.join(sorted(unknown))}")
    if table.of_run and "model" in chosen:
        raise ValueError(f"{metric} is of the run")
    inner = ", ".join(f'{name}=~"{value}"' for name, value in chosen.items())
    return f"{metric}{{{inner}}}"


def of_family(selector: str) -> str:
    """The series of models in the chosen families. (Choosing All of the models means every model of the fleet, not of the family.)"""
    info = series("driftgate_model_info", "family")
    return f"({selector} * on (fleet, model) group_left (family) {info})"


def by(operator: str, labels: str, inner: str, argument: str = "") -> str:
    """`sum by (…) (…)`, and with an argument `topk by (…) (5, …)`."""
    return f"{operator} by ({labels}) ({argument + ', ' if argument else ''}{inner})"


def verdicts(not_passed: str, passed: str) -> str:
    """How each cell ended, as a number: only those that did not pass have one of their own, so 0 is put in for those that did."""
    labels = "model, stage, target, variant"
    return f"{by('max', labels, not_passed)} or {by('max', labels, passed)} - 1"


@dataclass(frozen=True)
class Query:
    """One query of a panel. `instant` asks for now alone; `table` for rows and columns; `logs` asks Loki."""

    expr: str
    legend: str = "__auto"
    instant: bool = False
    table: bool = False
    logs: bool = False


def now(expr: str, legend: str = "__auto") -> Query:
    """The newest values, as a table's rows."""
    return Query(expr, legend, instant=True, table=True)
