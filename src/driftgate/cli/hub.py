"""`driftgate hub serve`: the embedded Hub, for `HfApi` and `hf download` on loopback."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def hub() -> None:
    """The embedded Hub."""


@hub.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1 (default: any free one).")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
def serve(port: int, folder: Path | None) -> int:
    """Serve FOLDER (laid out as ORG/NAME/files; default: the zoo) on 127.0.0.1 until Ctrl-C."""
    from driftgate.cli.session import zoo_folder
    from driftgate.sources.embedded_hub import EmbeddedHub

    place = folder or zoo_folder()
    server = EmbeddedHub(place, port, log=lambda line: click.echo(line, err=True))
    click.echo(f"serving {place} at {server.url}   (HF_ENDPOINT={server.url})", err=True)
    server.serve_forever()
    return 0
