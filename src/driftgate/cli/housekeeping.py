"""What keeps the disk bounded (`prune`, `cache prune`), and `schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from driftgate.cli import options
from driftgate.core.errors import UsageError, did_you_mean


@click.group()
def cache() -> None:
    """The cache of cells, models and what compilers built."""


@cache.command("prune")
@click.option("--max-size", type=options.SIZE, help="What may stay (default: 20GB).", metavar="SIZE")
@click.option("--all", "everything", is_flag=True, help="Remove everything.")
def cache_prune(max_size: float | None, everything: bool) -> int:
    """Bound every room of the cache: cells, models, what compilers built, scratch runs."""
    from driftgate.cli.show import print_rows
    from driftgate.core.text import human_bytes
    from driftgate.machine.cache import DEFAULT_BYTES
    from driftgate.machine.cache_rooms import prune_cache
    from driftgate.machine.files import cache_root

    limit = 0 if everything else int(max_size) if max_size is not None else DEFAULT_BYTES
    rows = [(r.room, human_bytes(r.removed_bytes), human_bytes(r.left_bytes)) for r in prune_cache(cache_root(), limit)]
    print_rows(("room", "removed", "left"), rows)
    return 0


@click.command()
@options.output
@click.option("--days", type=click.IntRange(1), default=14, show_default=True, help="Keep runs younger than this.")
@click.option("--archive-days", type=click.IntRange(1), default=90, show_default=True, help="Keep younger archives.")
@click.option("--max-size", type=options.SIZE, help="Keep the newest that fit.", metavar="SIZE")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune(output: Path, days: int, archive_days: int, max_size: float | None, dry_run: bool) -> int:
    """Remove old runs in the output folder, oldest first; a run that is archived stays as its archive. The newest run always stays."""
    from driftgate.core.text import human_bytes, plural
    from driftgate.machine.retention import prune_runs

    most = int(max_size) if max_size is not None else None
    gone = prune_runs(output, days=days, max_bytes=most, archive_days=archive_days, dry_run=dry_run)
    for old in gone:
        click.echo(f"{'would remove' if dry_run else 'removed'} {old} ({human_bytes(old.bytes)})")
    archives = sum(old.archive for old in gone)
    told = f"{plural(len(gone) - archives, 'run')}, " + (f"{plural(archives, 'archive')}, " if archives else "")
    click.echo(told + human_bytes(sum(old.bytes for old in gone)))
    return 0


@click.command()
@click.argument("what", default="config")
def schema(what: str) -> int:
    """JSON Schema of `config` (default), `record`, `plan`, `lock`, `findings`, `manifest` or `archive`."""
    from pydantic import BaseModel

    from driftgate.core.records import ArchiveManifest, Findings, Lock, Manifest, Plan, StageRecord
    from driftgate.machine.settings import Settings

    known: dict[str, type[BaseModel]] = {
        "config": Settings,
        "record": StageRecord,
        "plan": Plan,
        "lock": Lock,
        "findings": Findings,
        "manifest": Manifest,
        "archive": ArchiveManifest,
    }
    if what not in known:
        raise UsageError(f"no schema of {what[:80]!r}", mend=did_you_mean(what, known))
    click.echo(json.dumps(known[what].model_json_schema(), indent=1))
    return 0
