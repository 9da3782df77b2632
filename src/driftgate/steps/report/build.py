"""Building the report: one pass over the records writes the models' pages, then come the pages of the whole run, the index last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from driftgate.core.causes import Told
from driftgate.core.export_clusters import ExportClusters
from driftgate.core.ledger import Ledger
from driftgate.core.records import ExplainPayload, Finding
from driftgate.machine.store import RunStore
from driftgate.steps.report.coverage import columns_of, row_in
from driftgate.steps.report.coverage_page import coverage_pages
from driftgate.steps.report.fleet_pages import break_pages, export_pages
from driftgate.steps.report.frame import Frame, ModelCells, each_model
from driftgate.steps.report.latency import latency_svg
from driftgate.steps.report.marks import State
from driftgate.steps.report.model_page import model_context
from driftgate.steps.report.overview import Collector, Overview
from driftgate.steps.report.provenance import config_text, redacted
from driftgate.steps.report.site import Site, page_names, paged, report_of
from driftgate.steps.report.verdict import Headline, headline, icon

SQUARES_PER_PAGE = 1600
LEAST_ROWS = 25
GROUPS_FIRST = 20
FINDINGS_PER_PAGE = 100
CAUSES = 25
MOST_LEFT_OUT = 500
DOCUMENTS = ("summary.md", "findings.json", "junit.xml", "metrics.prom", "run.json", "plan.json", "models.lock.json")


def build_report(store: RunStore, *, against: RunStore | None = None) -> Path:
    """Write `report/` of a run, complete or not, judged or not. Returns the path of its `index.html`. `against` is another run: the page
    of graph breaks then says what is new.

    Raises UsageError where there is no plan, MachineryError for a record that does not validate or a disk that refuses.
    """
    frame = Frame.of(store)
    site = report_of(store, fleet=frame.fleet)
    collector, ledger, exports = Collector(frame), Ledger(), ExportClusters()
    board = []
    site.style()
    for model in each_model(store, frame):
        _model(site, store, frame, model, collector)
        _count(model, ledger, exports)
        board.append(row_in(frame, model))
    view = collector.overview()
    says = headline(view)
    site.file("icon.svg", icon(says))
    _findings(site, view)
    break_pages(site, ledger, store, against)
    export_pages(site, exports)
    coverage_pages(site, board, columns_of(frame), view)
    _provenance(site, store, frame)
    index = _matrix(site, store, view, says, ledger, exports)
    site.sweep()
    return index


def _model(site: Site, store: RunStore, frame: Frame, model: ModelCells, collector: Collector) -> None:
    row = collector.add(model)
    context = model_context(store, frame, model, row)
    if context["latency"]:
        site.file(f"models/{model.slug}.latency.svg", latency_svg(context["latency"]))
    site.page(f"models/{model.slug}.html", "model.html.j2", **context)


def _count(model: ModelCells, ledger: Ledger, exports: ExportClusters) -> None:
    """Into the ledgers of the fleet with what the model's cells say."""
    for _, record in model.cells:
        if record is not None:
            exports.add(record)
            if isinstance(record.payload, ExplainPayload):
                ledger.add(record.model, record.payload)


def _matrix(
    site: Site, store: RunStore, view: Overview, says: Headline, ledger: Ledger, exports: ExportClusters
) -> Path:
    """The index with the first rows of the matrix; the other rows on pages of their own, written before it."""
    height = max(LEAST_ROWS, SQUARES_PER_PAGE // max(1, len(view.columns)))
    pages = list(paged(view.rows, height))
    tallies = {column: _tally(view, column) for column in view.columns}
    shared = {
        "view": view,
        "states": _states(view),
        "tallies": tallies,
        "pages": page_names("matrix", len(pages), "index.html"),
    }
    for number, rows in enumerate(pages[1:], start=2):
        site.page(f"matrix-{number}.html", "matrix.html.j2", rows=rows, number=number, **shared)
    return site.page(
        "index.html",
        "index.html.j2",
        rows=pages[0],
        number=1,
        says=says,
        groups=_first_groups(view),
        more_groups=len(view.frame.groups[GROUPS_FIRST:]),
        causes=view.causes[:CAUSES],
        more_causes=len(view.causes[CAUSES:]),
        ledger=ledger,
        exports=exports,
        documents=[name for name in DOCUMENTS if store.has(name)],
        **shared,
    )


def _findings(site: Site, view: Overview) -> None:
    """Every finding, by likely cause; a cause that goes on over several pages has its heading on each."""
    pages = _finding_pages(view)
    names = page_names("findings", len(pages))
    for number, items in enumerate(pages, start=1):
        groups = [(told, [one for _, one in some]) for told, some in groupby(items, key=lambda item: item[0])]
        site.page(
            names[number - 1],
            "findings.html.j2",
            groups=groups,
            number=number,
            pages=names,
            total=len(view.frame.findings),
            causes=len(view.frame.groups),
            judged=view.frame.judged,
        )


def _finding_pages(view: Overview) -> list[Sequence[tuple[Told, Finding]]]:
    return list(paged([(told, one) for told in view.frame.groups for one in told.findings], FINDINGS_PER_PAGE))


def _first_groups(view: Overview) -> list[tuple[Told, str]]:
    """The worst groups, each with the page of findings on which it begins."""
    pages = _finding_pages(view)
    names = page_names("findings", len(pages))
    begins: dict[str, str] = {}
    for name, items in zip(names, pages, strict=True):
        for told, _ in items:
            begins.setdefault(told.group.id, name)
    return [(told, begins[told.group.id]) for told in view.frame.groups[:GROUPS_FIRST]]


def _provenance(site: Site, store: RunStore, frame: Frame) -> None:
    agents = store.agents()
    left_out = store.lock().left_out if store.has("models.lock.json") else ()
    site.page(
        "provenance.html",
        "provenance.html.j2",
        frame=frame,
        agents=agents,
        environments={agent.agent: redacted(agent.environment) for agent in agents},
        config=config_text(frame.manifest.config) if frame.manifest else None,
        left_out=left_out[:MOST_LEFT_OUT],
        more_left_out=len(left_out[MOST_LEFT_OUT:]),
    )


def _tally(view: Overview, column: str) -> tuple[int, int]:
    """Passed and scheduled squares of a column."""
    states = [row.squares[column].state for row in view.rows if column in row.squares]
    return states.count(State.PASSED), len(states)


def _states(view: Overview) -> list[State]:
    """The states that occur, for the legend."""
    return [state for state in State if view.counts[state]]
