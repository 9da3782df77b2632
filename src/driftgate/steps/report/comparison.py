"""Two runs beside each other as one page: `index.html` with its style sheet and icon, fit for a strict content policy like the report.

It links to the reports of both runs where those lie, and needs nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path

from driftgate.core.comparison import Fold, Sense, fold
from driftgate.core.sections import SECTIONS
from driftgate.machine.store import RunStore
from driftgate.steps.compare import Comparison
from driftgate.steps.report.site import Site
from driftgate.steps.report.verdict import Headline, icon

FOLDER = "compare"
MOST = 200
EXAMPLES = 5
SIGNS = {Sense.WORSE: "✗", Sense.BETTER: "✓", Sense.OTHER: "·"}
WORDS = {Sense.WORSE: "worse", Sense.BETTER: "better", Sense.OTHER: "different"}


def build_comparison(made: Comparison, before: RunStore, after: RunStore, folder: Path | None = None) -> Path:
    """Write the page into `folder` (by default `compare/RUN_A` of the later run). Returns the path of its `index.html`."""
    folder = folder or after.root / FOLDER / before.run_id
    says = _headline(made)
    site = Site(folder, run_id=after.run_id, fleet=after.plan().fleet)
    site.style()
    site.file("icon.svg", icon(says))
    folds = {section.name: fold(made.found[section.name]) for section in SECTIONS}
    return site.page(
        "index.html",
        "comparison.html.j2",
        made=made,
        says=says,
        sections=[(section, folds[section.name][:MOST], _left(folds[section.name])) for section in SECTIONS],
        signs=SIGNS,
        words=WORDS,
        examples=EXAMPLES,
        reports={store.run_id: _report(store, folder) for store in (before, after)},
        remarks=list(made.timing.sentences(made.found["latency"])),
    )


def _left(folds: list[Fold]) -> int:
    return len(folds[MOST:])


def _headline(made: Comparison) -> Headline:
    worse = made.number(Sense.WORSE)
    state, symbol, word = ("failed", "✗", "Worse") if worse else ("passed", "✓", "Nothing worse")
    return Headline(state, symbol, word, f"{made.tally()}.")


def _report(store: RunStore, folder: Path) -> str | None:
    """The way from the page to a run's report, if it has been built."""
    index = store.root / "report" / "index.html"
    return Path(os.path.relpath(index, folder)).as_posix() if index.is_file() else None
