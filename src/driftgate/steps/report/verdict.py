"""The run's verdict in one sentence that a tired person understands."""

from __future__ import annotations

from dataclasses import dataclass

from driftgate.core.records import Severity
from driftgate.steps.report import units
from driftgate.steps.report.marks import State
from driftgate.steps.report.overview import Overview


@dataclass(frozen=True)
class Headline:
    """`state` is passed, failed, error or open (not judged); `symbol` and `word` stand before the sentence."""

    state: str
    symbol: str
    word: str
    sentence: str


def headline(view: Overview) -> Headline:
    """What to tell somebody who reads one line and goes back to bed."""
    match view.frame.verdict:
        case "passed":
            return Headline("passed", "✓", "Passed", f"Nothing unexpected: {_tally(view)}.")
        case "failed":
            return Headline("failed", "✗", "Failed", _failed(view))
        case "error":
            return Headline("error", "!", "Error", _machinery(view))
        case _:
            mend = f"run `driftgate gate --run {view.frame.run_id}`"
            return Headline("open", "?", "Not judged", f"The gate has not seen this run yet: {_tally(view)}; {mend}.")


def icon(says: Headline) -> str:
    """The tab's icon: the verdict as a shape too, a disc when passed, a square when not."""
    passed = says.state == "passed"
    colour = {"passed": "#0b7a5c", "failed": "#c2410c"}.get(says.state, "#8a6d1d")
    shape = (
        f'<circle cx="8" cy="8" r="7" fill="{colour}"/>'
        if passed
        else f'<rect x="1" y="1" width="14" height="14" fill="{colour}"/>'
    )
    stroke = 'fill="none" stroke="#fff" stroke-width="2"'
    line = f'<path d="M4.5 8.5l2.5 2.5 4.5-6" {stroke}/>' if passed else f'<path d="M5 5l6 6M11 5l-6 6" {stroke}/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" width="16" height="16">{shape}{line}</svg>\n'


def _failed(view: Overview) -> str:
    serious = [finding for finding in view.frame.findings if finding.severity is Severity.ERROR]
    broken = {finding.model for finding in serious if finding.model and finding.rule != "not_tested"}
    untested = {finding.model for finding in serious if finding.model} - broken
    causes = sum(told.group.severity is Severity.ERROR for told in view.frame.groups)
    of_causes = f" of {units.plural(causes, 'likely cause')}" if causes < len(serious) else ""
    found = f"{units.plural(len(serious), 'finding')}{of_causes} to look at; {_tally(view)}."
    of = f"of {units.plural(len(view.rows), 'model')}"
    parts = [f"{len(broken):,} {of} broke"] if broken else []
    if untested:
        parts.append(f"{len(untested):,} {'' if broken else of + ' '}could not be tested")
    return f"{' and '.join(parts)}: {found}" if parts else found


def _machinery(view: Overview) -> str:
    """Models are never accused here."""
    kinds = ", ".join(f"{kind} in {units.plural(number, 'cell')}" for kind, number in view.machinery.most_common(3))
    why = f"The machinery failed ({kinds})" if kinds else "The machinery failed"
    return f"{why}, so nothing here speaks against a model: mend that and run again; {_tally(view)}."


def _tally(view: Overview) -> str:
    passed = view.counts[State.PASSED]
    parts = [f"{passed:,} of {units.plural(view.cells, 'cell')} passed"]
    failed = sum(view.counts[state] for state in (State.FAILED, State.TIMEOUT, State.OOM, State.CRASHED))
    words = (
        (failed, "failed"),
        (view.counts[State.EXPECTED], "failed as expected"),
        (view.counts[State.SKIPPED], "skipped"),
        (view.counts[State.MISSING], "without a record"),
    )
    return ", ".join(parts + [f"{number:,} {word}" for number, word in words if number])
