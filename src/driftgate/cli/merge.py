"""`driftgate merge RUN PART…`: one run of what several machines computed of it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from driftgate.cli import options


@click.command()
@click.argument("run_name", metavar="RUN")
@click.argument("parts", metavar="PART…", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.output
def merge(run_name: str, parts: tuple[Path, ...], output: Path) -> int:
    """Take into a run what other machines computed of it: PART is a copy of the run's folder, or an archive of one.

    Plan and pins must be equal; anything foreign or damaged is refused by name, and the run stays as it was. Cells that nobody brought
    become not_run at the gate. Judge the run afterwards: `driftgate gate --run RUN`.
    """
    from driftgate.core.text import plural
    from driftgate.executors.merging import merge as merge_runs
    from driftgate.machine.store import RunStore
    from driftgate.sinks.archive.reading import opened

    store = RunStore.find(run_name, output)
    with ExitStack() as stack:
        stores = [
            stack.enter_context(opened(part)) if part.is_file() else RunStore.find(str(part), output) for part in parts
        ]
        merged = merge_runs(store, stores)
    click.echo(f"{store.run_id}: took {plural(merged.taken, 'cell')}; agents: {', '.join(merged.agents) or 'none'}")
    if merged.missing:
        by_target = ", ".join(sorted({cell.target or cell.stage for cell in merged.missing}))
        click.echo(f"{plural(len(merged.missing), 'cell')} still without a record ({by_target})", err=True)
    return 0
