"""`driftgate repro`: write the scripts that repeat broken cells without Driftgate, and say how to call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options

if TYPE_CHECKING:
    from driftgate.diagnose.repro import Repro


@click.command()
@options.required_run
@options.models
@click.option(
    "--stage",
    "stages",
    multiple=True,
    type=click.Choice(["explain", "export", "infer", "drift"]),
    help="Show those of this stage alone; may be repeated.",
)
@options.output
@options.formats
def repro(run_name: str, models: tuple[str, ...], stages: tuple[str, ...], output: Path, form: str) -> int:
    """Write a script for each broken cell of a run, and print the commands.

    A script needs no Driftgate: its packages stand in its head, its files lie beside it. Call this from the folder that `python:`
    models are imported from. `driftgate run` does it by itself.
    """
    from driftgate.cli.session import chosen_cells
    from driftgate.diagnose.repro import write_repros
    from driftgate.machine.store import RunStore

    store = RunStore.find(run_name, output)
    slugs = {cell.model for cell in chosen_cells(store, models=models)} if models else ()
    written = [one for one in write_repros(store, slugs=slugs) if not stages or one.cell.stage in stages]
    _print(written, form)
    return 0


def _print(written: list[Repro], form: str) -> None:
    from driftgate.cli.show import print_rows

    if form == "json":
        click.echo(json.dumps([_as_json(one) for one in written], indent=1))
    elif form == "markdown":
        rows = [(one.cell.model, one.name, _told(one)) for one in written]
        print_rows(("model", "cell", "without Driftgate"), rows, markdown=True)
    elif not written:
        click.echo("no broken cell")
    else:
        for one in written:
            click.echo(f"{one.cell.model}: {one.name}\n  {_told(one)}")


def _told(one: Repro) -> str:
    return one.command or f"no script: {one.reason}"


def _as_json(one: Repro) -> dict[str, str | None]:
    return {
        "model": one.cell.model,
        "cell": one.cell.name,
        "exporter": one.exporter,
        "script": str(one.script) if one.script else None,
        "command": one.command,
        "reason": one.reason,
    }
