"""`python -m driftgate.stages.zoo DEST [NAME…]`: write the quickstart's models."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from transformers.utils.logging import disable_progress_bar

from driftgate.core.errors import DriftgateError
from driftgate.stages.zoo.repository import build_folder


@click.command()
@click.argument("dest", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
@click.option("--seed", default=0, show_default=True, help="Of the random weights.")
def main(dest: Path, names: tuple[str, ...], seed: int) -> None:
    """Write DEST/driftgate-zoo/tiny-NAME for the quickstart's models, or for the named ones."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        for folder in build_folder(dest, names, seed):
            click.echo(folder)
    except DriftgateError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
