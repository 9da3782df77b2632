"""The pages that look at one thing over the whole fleet: graph breaks with their picture, and failed exports."""

from __future__ import annotations

from collections.abc import Sequence

from driftgate.core.comparison import Difference, fold
from driftgate.core.export_clusters import ExportClusters
from driftgate.core.ledger import Group, Ledger
from driftgate.machine.store import RunStore
from driftgate.steps.ledger import changes_between
from driftgate.steps.report.commands import name_for_commands
from driftgate.steps.report.site import Site, page_names, paged
from driftgate.steps.report.svg import picture, shares

PLACES_PER_PAGE = 150
CLUSTERS_PER_PAGE = 100
MOST_REASONS = 200
MOST_PICTURES = 30
MOST_CHANGES = 40
REASONS_PICTURE, LEVERS_PICTURE = "breaks.reasons.svg", "breaks.levers.svg"


def break_pages(site: Site, ledger: Ledger, store: RunStore, against: RunStore | None) -> None:
    """`breaks.html`, its pictures, and the further pages of places. `against` is the run to say what is new against."""
    reasons, levers = ledger.by("reason"), ledger.levers()
    if reasons:
        site.file(REASONS_PICTURE, _picture(reasons[:MOST_PICTURES]))
    if levers:
        site.file(LEVERS_PICTURE, _picture([lever.group for lever in levers]))
    changes: Sequence[Difference] = changes_between(against, store) if against else ()
    folds = fold(changes)
    pages = list(paged(ledger.by("place"), PLACES_PER_PAGE))
    names = page_names("breaks", len(pages))
    for number, places in enumerate(pages, start=1):
        site.page(
            names[number - 1],
            "breaks.html.j2",
            places=places,
            reasons=reasons[:MOST_REASONS],
            more_reasons=len(reasons[MOST_REASONS:]),
            pictured=MOST_PICTURES,
            levers=levers,
            pictures={"reasons": REASONS_PICTURE, "levers": LEVERS_PICTURE},
            against=against.run_id if against else None,
            against_run=name_for_commands(against) if against else None,
            changes=folds[:MOST_CHANGES],
            more_changes=len(folds[MOST_CHANGES:]),
            ledger=ledger,
            number=number,
            pages=names,
        )


def _picture(groups: Sequence[Group]) -> str:
    """Per group: how many models it touches, and how many of them would be free of breaks without it."""
    end = max(len(group.models) for group in groups)
    return picture([shares(group.frees, len(group.models), end) for group in groups])


def export_pages(site: Site, exports: ExportClusters) -> None:
    """`exports.html`: what keeps models from being exported, and what would mend it."""
    clusters = exports.clusters()
    pages = list(paged(clusters, CLUSTERS_PER_PAGE))
    names = page_names("exports", len(pages))
    for number, some in enumerate(pages, start=1):
        site.page(
            names[number - 1],
            "exports.html.j2",
            clusters=some,
            total=len(clusters),
            kinds=exports.kinds(),
            exports=exports,
            number=number,
            pages=names,
        )
