"""`driftgate gate` and `driftgate report`: what reads a whole run."""

from __future__ import annotations

from pathlib import Path

import click

from driftgate.cli import options


@click.command()
@click.option("--run", "run_name", metavar="RUN", required=True, help="A path, an id, a unique prefix, or `latest`.")
@options.output
@options.baseline
@options.no_confirm
@click.option("--expectations", type=click.Path(path_type=Path), help="What is known to fail (expectations.yaml).")
@options.formats
def gate(
    run_name: str, output: Path, baseline: str | None, no_confirm: bool, expectations: Path | None, form: str
) -> int:
    """Judge a run: findings.json, junit.xml, summary.md. Ends 1 on findings, 3 if the machinery failed."""
    from driftgate.cli.judging import judged
    from driftgate.core.text import plural
    from driftgate.machine.store import RunStore
    from driftgate.steps.gate import exit_code

    store = RunStore.find(run_name, output)
    baseline = baseline or store.manifest().config.get("baseline")
    findings = judged(store, baseline, expectations=expectations, confirm=not no_confirm)
    if form == "json":
        click.echo(findings.to_json(), nl=False)
    elif form == "markdown":
        click.echo((store.root / "summary.md").read_text("utf-8"), nl=False)
    else:
        for finding in findings.findings:
            click.echo(f"{finding.severity.value}: {finding.sentence}")
        click.echo(f"{findings.verdict}: {plural(len(findings.findings), 'finding')}")
    return exit_code(findings)


@click.command()
@click.option("--run", "run_name", metavar="RUN", required=True, help="A path, an id, a unique prefix, or `latest`.")
@click.option("--against", metavar="RUN", help="Another run: the page of graph breaks says what is new since.")
@options.output
def report(run_name: str, against: str | None, output: Path) -> int:
    """Build the HTML report of a run, and print where it is."""
    from driftgate.machine.store import RunStore
    from driftgate.steps.report import build_report

    other = RunStore.find(against, output) if against is not None else None
    click.echo(build_report(RunStore.find(run_name, output), against=other))
    return 0
