"""`driftgate gate` and `driftgate report`: what reads a whole run."""

from __future__ import annotations

from pathlib import Path

import click

from driftgate.cli import options


@click.command()
@click.option("--run", "run_name", metavar="RUN", required=True, help="A path, an id, a unique prefix, or `latest`.")
@options.output
@click.option("--expectations", type=click.Path(path_type=Path), help="What is known to fail (expectations.yaml).")
@options.formats
def gate(run_name: str, output: Path, expectations: Path | None, form: str) -> int:
    """Judge a run: findings.json, junit.xml, summary.md. Ends 1 on findings, 3 if the machinery failed."""
    from driftgate.core.text import plural
    from driftgate.machine.store import RunStore
    from driftgate.steps.gate import exit_code
    from driftgate.steps.gate import gate as judge

    store = RunStore.find(run_name, output)
    findings = judge(store, expectations)
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
@options.output
def report(run_name: str, output: Path) -> int:
    """Build the HTML report of a run, and print where it is."""
    from driftgate.machine.store import RunStore
    from driftgate.steps.report import build_report

    click.echo(build_report(RunStore.find(run_name, output)))
    return 0
