"""What the gate found, in the terminal: a line for each likely cause, its findings under it."""

from __future__ import annotations

import click

from driftgate.core.causes import Told, by_group
from driftgate.core.errors import one_line
from driftgate.core.records import Findings
from driftgate.core.text import plural

MOST = 10


def print_findings(findings: Findings) -> None:
    """The causes, worst first; the last line counts."""
    told = by_group(findings)
    for one in told:
        _print_group(one)
    causes = f", {plural(len(told), 'likely cause')}" if len(told) < len(findings.findings) else ""
    click.echo(f"{findings.verdict}: {plural(len(findings.findings), 'finding')}{causes}")


def _print_group(told: Told) -> None:
    owner = f" [{told.owner}]" if told.owner else ""
    first = told.findings[0]
    accepted = f" (accepted: {first.accepted})" if len(told.findings) == 1 and first.accepted is not None else ""
    click.echo(one_line(f"{told.group.severity.value}: {told.group.sentence}{accepted}{owner}"))
    if len(told.findings) == 1:
        return
    for finding in told.findings[:MOST]:
        click.echo(f"  {one_line(finding.sentence)}")
    if len(told.findings) > MOST:
        click.echo(f"  … and {len(told.findings) - MOST:,} more (--format json has all)")
