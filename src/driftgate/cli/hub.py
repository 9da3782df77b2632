"""`driftgate hub serve`: the embedded Hub, for `HfApi` and `hf download` on loopback."""

from __future__ import annotations

from pathlib import Path

import click

from driftgate.cli import Terminated
from driftgate.core.errors import ExitCode


@click.group()
def hub() -> None:
    """The embedded Hub."""


@hub.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1 (default: any free one).")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
def serve(port: int, folder: Path | None) -> int:
    """Serve FOLDER (laid out as ORG/NAME/files; default: the zoo) on 127.0.0.1 until Ctrl-C."""
    try:
        _serve(port, folder)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED  # how a server is meant to end, with nothing to resume: no sentence about it
    except Terminated:
        return ExitCode.TERMINATED
    return ExitCode.FINE


def _serve(port: int, folder: Path | None) -> None:
    from driftgate.cli.session import zoo_folder
    from driftgate.sources.embedded_hub import EmbeddedHub

    place = folder or zoo_folder()
    server = EmbeddedHub(place, port, log=lambda line: click.echo(line, err=True))
    if not any(model.is_dir() for model in place.glob("*/*")):
        click.echo(f"warning: {place} has no models; it should be laid out as ORG/NAME/files", err=True)
    click.echo(f"serving {place} at {server.url}   (HF_ENDPOINT={server.url})", err=True)
    server.serve_forever()
