"""`driftgate archive` and `driftgate open`: a run in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options

if TYPE_CHECKING:
    from driftgate.core.records import ArchiveManifest


@click.command()
@options.required_run
@options.output
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Where it goes (default: RUN.tar.gz beside the run).",
)
@click.option(
    "--max-file",
    type=options.SIZE,
    metavar="SIZE",
    help="Leave out what cells can make again and is larger (default: the run's keep.archive_file).",
)
def archive(run_name: str, output: Path, to: Path | None, max_file: float | None) -> int:
    """Pack a run into one file, and print where it is: the same run gives the same bytes, secrets stay out.

    Its first member, archive.json, has every file's size and hash, and what was left out with the command that makes it again.
    """
    from driftgate.core.text import human_bytes
    from driftgate.machine.store import RunStore
    from driftgate.steps.archive import archive as write

    made = write(RunStore.find(run_name, output), to, largest=int(max_file) if max_file is not None else None)
    click.echo(made.path)
    click.echo(f"{_told(made.manifest)}, packed {human_bytes(made.bytes)}", err=True)
    return 0


@click.command("open")
@click.argument("archive", type=click.Path(path_type=Path), metavar="ARCHIVE")
@options.output
@click.option(
    "--max-size", type=options.SIZE, metavar="SIZE", help="Unpack no more than this (default: 50GB).", default="50GB"
)
def open_run(archive: Path, output: Path, max_size: float) -> int:
    """Unpack an archived run into the output folder, every byte verified, and print where it is.

    An archive that is damaged, or that was made to do harm, is refused and leaves nothing behind.
    """
    from driftgate.sinks.archive.reading import open_archive

    store, manifest = open_archive(archive, output, most_bytes=int(max_size))
    click.echo(store.root)
    click.echo(_told(manifest), err=True)
    return 0


def _told(manifest: ArchiveManifest) -> str:
    """`259 files, 12.8 MB; left out: 3 files, 41 MB (archive.json says why)`."""
    from driftgate.core.text import human_bytes, plural

    said = f"{plural(len(manifest.files), 'file')}, {human_bytes(manifest.bytes)}"
    hidden = sum(file.hidden for file in manifest.files)
    if manifest.left_out:
        missing = (
            f"{plural(len(manifest.left_out), 'file')}, {human_bytes(sum(one.bytes for one in manifest.left_out))}"
        )
        said += f"; left out: {missing} (archive.json says why)"
    return said + (f"; {plural(hidden, 'secret')} hidden" if hidden else "")
