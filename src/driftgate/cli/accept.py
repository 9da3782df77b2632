"""`driftgate accept`: live with a finding. It becomes a row of expectations.yaml, to be reviewed like any change."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import click

from driftgate.cli import options
from driftgate.core.errors import UsageError
from driftgate.core.records import Finding
from driftgate.core.symptoms import OF_A_FAILURE
from driftgate.core.verdicts import FailureKind
from driftgate.machine.store import RunStore

FILE = Path("configs/expectations.yaml")
_HEAD = "# What is known, and why. Each row has a reason; `until` makes it speak up again.\n"
_OF_THE_MACHINERY = "nothing in a model or its toolchain can be accepted for it: mend the machinery"


@click.command()
@click.argument("finding", metavar="FINDING")
@click.option("--reason", required=True, help="Why it may stay; people will read it.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which it may stay.", metavar="DATE")
@click.option("--run", "run_name", default="latest", show_default=True, help="The run that has the finding.")
@click.option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), default=FILE, show_default=True)
@options.output
def accept(finding: str, reason: str, until: datetime | None, run_name: str, file: Path, output: Path) -> int:
    """Turn a finding into a row of expectations.yaml.

    FINDING is its id in findings.json, or the beginning of it. Commit the file: the review is where it is agreed on.
    """
    from driftgate.machine.expectations import expectations_from
    from driftgate.machine.files import write_atomic

    if not reason.strip():
        raise UsageError("--reason is empty", mend="say why it may stay")
    chosen = _chosen(RunStore.find(run_name, output), finding)
    text = _with_row(file.read_text("utf-8") if file.is_file() else "", _row(chosen, " ".join(reason.split()), until))
    expectations_from(text, str(file))  # a mistake that was there already is not made worse
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, text)
    click.echo(f"{file}: accepted {chosen.id}: {chosen.sentence}")
    return 0


def _with_row(before: str, row: str) -> str:
    """The text with one more row at its end: a list, or the list of the key `expectations`."""
    if not before.strip():
        return f"{_HEAD}{row}\n"
    indent = "  " if re.search(r"^expectations:", before, re.MULTILINE) else ""
    return f"{before.rstrip()}\n{indent}{row}\n"


def _chosen(store: RunStore, name: str) -> Finding:
    found = store.finding(name)
    if found.model is None or found.stage is None:
        raise UsageError(f"{name[:40]!r} is about the whole run", mend=_OF_THE_MACHINERY)
    return found


def _row(finding: Finding, reason: str, until: datetime | None) -> str:
    """The row in one line. A failure is accepted as this failure of this cell, anything else as this finding."""
    fails = finding.current in set(FailureKind) and finding.rule in OF_A_FAILURE
    row = {
        "model": finding.ref or finding.model,
        "stage": finding.stage,
        "target": finding.target,
        "variant": finding.variant,
        "kind": finding.current if fails else None,
        "rule": None if fails else finding.rule,
        "fingerprint": finding.fingerprint,
        "reason": reason,
        "until": f"{until:%Y-%m-%d}" if until else None,
    }
    inner = ", ".join(f"{key}: {_scalar(key, value)}" for key, value in row.items() if value is not None)
    return f"- {{{inner}}}"


def _scalar(key: str, value: str) -> str:
    """A string as YAML reads it back, whatever is in it; a date stays a date."""
    return value if key == "until" else json.dumps(value, ensure_ascii=False)
