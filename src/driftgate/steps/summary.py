"""The run in a few lines: `summary.md` for a pull request, and the end of `driftgate run` in a terminal."""

from __future__ import annotations

from rich.console import Console

from driftgate.machine.store import RunStore
from driftgate.steps.report.overview import Collector, Frame, Overview, each_model
from driftgate.steps.report.verdict import headline


def summary_markdown(store: RunStore) -> str:
    """The verdict in the first line, then the findings."""
    view = _overview(store)
    says = headline(view)
    lines = [f"{says.symbol} **{says.word}**: {says.sentence}", ""]
    lines += [f"- {finding.severity.value}: {finding.sentence}" for finding in view.frame.findings]
    return "\n".join(lines) + "\n"


def print_summary(store: RunStore, console: Console) -> None:
    """The same on a terminal."""
    console.print(summary_markdown(store), markup=False, highlight=False)


def _overview(store: RunStore) -> Overview:
    frame = Frame.of(store)
    collector = Collector(frame)
    for model in each_model(store, frame):
        collector.add(model)
    return collector.overview()
