"""`driftgate gate` and `driftgate report`: what reads a whole run."""

from __future__ import annotations

from pathlib import Path

import click

from driftgate.cli import options


@click.command()
@options.required_run
@options.output
@options.baseline
@options.no_confirm
@click.option("--expectations", type=click.Path(path_type=Path), help="What is known to fail (expectations.yaml).")
@click.option("--owners", type=click.Path(path_type=Path), help="Whose a finding is (owners.yaml).")
@options.formats
def gate(
    run_name: str,
    output: Path,
    baseline: str | None,
    no_confirm: bool,
    expectations: Path | None,
    owners: Path | None,
    form: str,
) -> int:
    """Judge a run: findings.json, junit.xml, summary.md. Ends 1 on findings, 3 if the machinery failed."""
    from driftgate.cli.judging import judged
    from driftgate.cli.show_findings import print_findings
    from driftgate.machine.store import RunStore
    from driftgate.steps.gate import exit_code

    store = RunStore.find(run_name, output)
    _check(expectations, owners)
    baseline = baseline or store.manifest().config.get("baseline")
    findings = judged(store, baseline, expectations=expectations, owners=owners, confirm=not no_confirm)
    if form == "json":
        click.echo(findings.to_json(), nl=False)
    elif form == "markdown":
        click.echo((store.root / "summary.md").read_text("utf-8"), nl=False)
    else:
        print_findings(findings)
    return exit_code(findings)


def _check(expectations: Path | None, owners: Path | None) -> None:
    """A mistake in them is told before anything is launched."""
    from driftgate.machine.expectations import load_expectations
    from driftgate.machine.owners import load_owners
    from driftgate.targets import TARGETS

    if expectations is not None:
        load_expectations(expectations)
    if owners is not None:
        load_owners(owners, TARGETS.names())


@click.command()
@options.required_run
@click.option("--against", metavar="RUN", help="Another run: the page of graph breaks says what is new since.")
@options.output
def report(run_name: str, against: str | None, output: Path) -> int:
    """Build the HTML report of a run, and print where it is."""
    from driftgate.machine.store import RunStore
    from driftgate.steps.report import build_report

    other = RunStore.find(against, output) if against is not None else None
    click.echo(build_report(RunStore.find(run_name, output), against=other))
    return 0
