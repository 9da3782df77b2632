"""`driftgate bisect`: which version of a package, or which commit, brought a finding."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftgate.cli import options
from driftgate.core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from driftgate.core.records import Finding
    from driftgate.diagnose.bisect import Bisected, Row, Step
    from driftgate.diagnose.sides import Sides

_PACKAGE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)=(?P<first>[^.\s=][^\s=]*?)\.\.(?P<last>[^.\s=][^\s=]*)")


@click.command()
@click.option("--finding", "name", metavar="F", required=True, help="Its id in findings.json, or the beginning of it.")
@click.option(
    "--package", metavar="NAME=A..B", help="Search versions A to B of a package, like onnxruntime=1.29.0..1.31.1."
)
@click.option(
    "--git", "commits", metavar="GOOD..BAD", help="Search commits of the code under test, in this folder's repository."
)
@click.option("--run", "run_name", default="latest", show_default=True, help="The run that has the finding.")
@click.option("--find-links", metavar="FOLDER", help="A folder with wheels, besides pip's own index.")
@click.option("--pre", is_flag=True, help="Pre-releases, too.")
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.9999),
    help="How sure to be before the answer counts; flaky runs are run again.  [default: 0.98]",
)
@options.output
@options.formats
def bisect(
    name: str,
    package: str | None,
    commits: str | None,
    run_name: str,
    find_links: str | None,
    pre: bool,
    confidence: float | None,
    output: Path,
    form: str,
) -> int:
    """Find the version that brought a finding, each in an environment of its own (or a commit, in a working tree of its own).

    n versions take ⌈log₂ n⌉ + 1 runs of the finding's cell and what it needs; then both neighbours of the answer run again, so that a
    flaky run is found out. Ends with 1 if no version of the range brought it.
    """
    from driftgate.core.symptoms import LATENCY, check_searchable
    from driftgate.diagnose.sides import Sides
    from driftgate.machine.files import cache_root
    from driftgate.machine.store import RunStore

    if (package is None) == (commits is None):
        raise UsageError("bisect takes --package or --git", mend="for example --package onnxruntime=1.29.0..1.31.1")
    store = RunStore.find(run_name, output)
    finding = store.finding(name, where="--finding")
    check_searchable(finding)
    sides = Sides(store, cache_root() / "scratch", timed=finding.rule == LATENCY)
    if package is not None:
        result = _over_versions(finding, sides, package, find_links, pre=pre, confidence=confidence)
    else:
        result = _over_commits(finding, sides, commits or "", confidence)
    return _show(finding, result, form)


def _over_versions(
    finding: Finding, sides: Sides, text: str, find_links: str | None, *, pre: bool, confidence: float | None
) -> Bisected:
    from driftgate.diagnose.bisect import packages
    from driftgate.diagnose.environments import Environments
    from driftgate.machine.cache_rooms import prune_benches
    from driftgate.machine.files import cache_root

    match = _PACKAGE.fullmatch(text)
    if match is None:
        mend = "for example onnxruntime=1.29.0..1.31.1"
        raise UsageError(f"{text[:80]!r} is no package and range", where="--package", mend=mend)
    environments = Environments(cache_root() / "environments", find_links)
    versions = environments.versions(match["name"], match["first"], match["last"], pre=pre)
    result = _searched(
        finding, sides, packages(sides, _cell(finding), environments, match["name"], versions), confidence
    )
    prune_benches(cache_root())
    return result


def _over_commits(finding: Finding, sides: Sides, text: str, confidence: float | None) -> Bisected:
    from driftgate.diagnose.bisect import commits
    from driftgate.diagnose.worktrees import commits_between, worktrees

    between = commits_between(text, Path.cwd())
    with worktrees(Path.cwd()) as trees:
        row = commits(
            sides, _cell(finding), [one.label for one in between], lambda index: trees.check_out(between[index].sha)
        )
        return _searched(finding, sides, row, confidence)


def _searched(finding: Finding, sides: Sides, row: Row, confidence: float | None) -> Bisected:
    from driftgate.core.bisection import CONFIDENCE, promised_runs
    from driftgate.core.text import plural
    from driftgate.diagnose.bisect import bisect as search
    from driftgate.machine.gate_settings import gate_settings_in

    count = len(row.versions)
    click.echo(f"{finding.id}: {finding.sentence}", err=True)
    click.echo(
        f"{count} in the range: {plural(promised_runs(count), 'run')} at most, and re-runs to exclude flakes", err=True
    )
    settings = gate_settings_in(sides.origin)
    return search(finding, row, settings, confidence=confidence or CONFIDENCE, tell=_teller())


def _teller() -> Callable[[Step], None]:
    from driftgate.core.text import human_seconds

    def tell(step: Step) -> None:
        why = f" ({step.sight.reason})" if step.sight.reason else ""
        click.echo(f"  {step.version}: {step.sight.seen.value}{why}, {human_seconds(step.seconds)}", err=True)

    return tell


def _cell(finding: Finding) -> Any:
    from driftgate.core.records import Cell

    return Cell(model=finding.model or "", stage=finding.stage or "", target=finding.target, variant=finding.variant)


def _show(finding: Finding, result: Bisected, form: str) -> int:
    from driftgate.cli.show import print_rows
    from driftgate.core.bisection import Kind
    from driftgate.core.text import human_seconds

    if form == "json":
        click.echo(json.dumps(_as_json(finding, result), indent=1))
    else:
        rows = [
            (step.version, step.sight.seen.value, human_seconds(step.seconds), step.sight.reason)
            for step in result.steps
        ]
        print_rows((result.row.what, "seen", "time", ""), rows, markdown=form == "markdown")
        click.echo(("" if form == "table" else "\n") + result.sentence())
    return ExitCode.FINE if result.outcome.kind is Kind.FOUND else ExitCode.REGRESSIONS


def _as_json(finding: Finding, result: Bisected) -> dict[str, object]:
    outcome, versions = result.outcome, result.row.versions
    return {
        "finding": finding.id,
        "what": result.row.what,
        "versions": list(versions),
        "outcome": outcome.kind.value,
        "sentence": result.sentence(),
        "first_bad": None if outcome.first_bad is None else versions[outcome.first_bad],
        "last_good": None if outcome.last_good is None else versions[outcome.last_good],
        "untestable": list(result.untestable),
        "confidence": outcome.confidence,
        "runs": outcome.runs,
        "tested": outcome.tested,
        "promised": result.promised,
        "flaky": outcome.flaky,
        "steps": [
            {
                "version": step.version,
                "seen": step.sight.seen.value,
                "reason": step.sight.reason,
                "seconds": round(step.seconds, 3),
                "command": step.command,
            }
            for step in result.steps
        ],
    }
