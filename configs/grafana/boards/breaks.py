"""Graph breaks: from the family to the model to the reason, and to the page about it."""

from __future__ import annotations

from boards import panels
from boards.schema import Board, Panel, board_link, override, steps
from boards.series import Query, by, now, of_family, series
from boards.shared import BREAKS, MODEL, help_of, to_model, to_page, variables

MOST_LINES = "20"
_BREAKS = series("compile_breaks_total", "model", "family")
_FAMILY_LINK = board_link("Models of this family", BREAKS, family="${__field.labels.family}")
_MODEL_LINKS = (
    board_link("Breaks of this model", BREAKS, model="${__field.labels.model}"),
    board_link("Everything about this model", MODEL, model="${__field.labels.model}"),
)


def reasons(chosen: str, *, width: int = 24) -> Panel:
    """A table of reasons with the page about each."""
    found = by("sum", "fleet, reason", chosen)
    pages = by("max", "fleet, reason, url", series("driftgate_break_info"))
    touched = by("count", "fleet, reason", by("sum", "fleet, model, reason", chosen))
    return panels.table(
        "Reasons",
        "Why graphs break: how often, in how many models, and the page that says what mends it. Empty without a break.",
        "short",
        now(f"{found} * on (fleet, reason) group_left (url) {pages}"),
        now(touched),
        columns={"reason": "reason", "Value #A": "breaks", "Value #B": "models", "url": "page"},
        sort_by="Value #A",
        overrides=[override("reason", links=[to_page()]), override("page", links=[to_page()], custom__width=420)],
        width=width,
        height=10,
    )


def _numbers() -> tuple[Panel, ...]:
    counts = of_family(series("driftgate_graph_breaks", "model"))
    fullgraph = of_family(series("driftgate_fullgraph_passed", "model"))
    accepted = help_of("driftgate_fullgraph_passed") + " The share of the chosen models."
    return (
        _number("Graph breaks", "Of the chosen models, in the newest run.", "short", f"sum({counts})"),
        _number("Models with breaks", "How many of the chosen models.", "short", f"sum({counts} > bool 0)"),
        _number("Free of breaks", "Their share of the chosen models.", "percentunit", f"avg({counts} == bool 0)"),
        _number("Pass fullgraph=True", accepted, "percentunit", f"avg({fullgraph})"),
    )


def _number(title: str, about: str, unit: str, expr: str) -> Panel:
    return panels.stat(title, about, unit, Query(expr, instant=True), width=6, thresholds=steps((None, "blue")))


def _over_time() -> tuple[Panel, ...]:
    return (
        panels.lines(
            "By family",
            "Graph breaks of each family; click a line for its models.",
            "short",
            Query(by("sum", "family", _BREAKS), "{{family}}"),
            stacked=True,
            links=[_FAMILY_LINK],
            width=8,
        ),
        panels.lines(
            "By model",
            f"The {MOST_LINES} models with most graph breaks; click a line for its reasons.",
            "short",
            Query(f"topk({MOST_LINES}, {by('sum', 'model', _BREAKS)})", "{{model}}"),
            stacked=True,
            links=_MODEL_LINKS,
            width=8,
        ),
        panels.lines(
            "By reason",
            "Graph breaks by reason; the page about each is in the table below.",
            "short",
            Query(by("sum", "reason", _BREAKS), "{{reason}}"),
            stacked=True,
            width=8,
        ),
    )


def _each() -> Panel:
    return panels.table(
        "Model, commit, reason",
        help_of("compile_breaks_total"),
        "short",
        now(by("sum", "model, commit, reason", _BREAKS)),
        columns={"model": "model", "reason": "reason", "commit": "commit", "Value": "breaks"},
        sort_by="Value",
        overrides=[override("model", links=[to_model()])],
        width=14,
        height=12,
    )


def _commits() -> Panel:
    return panels.lines(
        "By commit",
        "Graph breaks at each commit of the code under test: a change of one is where to look first.",
        "short",
        Query(by("sum", "commit", _BREAKS), "{{commit}}"),
        stacked=True,
        width=10,
        height=12,
    )


BOARD = Board(
    BREAKS,
    "Driftgate: Graph breaks",
    "Where torch.compile cuts graphs: by family, model and reason, over time.",
    variables(),
    (_numbers(), _over_time(), (reasons(_BREAKS),), (_each(), _commits())),
)
