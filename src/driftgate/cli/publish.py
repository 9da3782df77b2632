"""`driftgate publish`: a run's metrics to a file and to a Pushgateway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options
from driftgate.core.errors import MachineryError, UsageError

if TYPE_CHECKING:
    from driftgate.core.metrics import Group
    from driftgate.core.records import Manifest
    from driftgate.machine.store import RunStore


@click.command()
@options.required_run
@click.option("--prune", is_flag=True, help="Delete groups of models that this fleet no longer has.")
@options.output
def publish(run_name: str, prune: bool, output: Path) -> int:
    """Logs and metrics of a judged run: metrics.prom, the Pushgateway of DRIFTGATE_PUSHGATEWAY_URL, the Loki of DRIFTGATE_LOKI_URL.

    DRIFTGATE_PUSHGATEWAY_USER and DRIFTGATE_PUSHGATEWAY_PASSWORD (or _PASSWORD_FILE) say who we are there; DRIFTGATE_LOKI_… likewise.
    """
    from driftgate.cli.logs import send_logs
    from driftgate.core.text import plural
    from driftgate.machine.store import RunStore
    from driftgate.sinks.endpoint import Endpoint
    from driftgate.sinks.pushgateway import PREFIX
    from driftgate.steps.publish import NAME

    if prune and Endpoint.from_environment(PREFIX) is None:
        raise UsageError("there is no Pushgateway to prune", where="--prune", mend=f"set {PREFIX}_URL")
    store = RunStore.find(run_name, output)
    manifest = store.manifest()
    if prune and manifest.part:
        click.echo(
            f"{store.run_id} is of a part of its fleet, so nothing says which models have left: none is deleted",
            err=True,
        )
    unsent = send_logs(store)
    groups = metrics_of(store)
    samples = sum(len(group.samples) for group in groups)
    click.echo(f"{store.root / NAME}: {plural(samples, 'sample')} in {plural(len(groups), 'group')}")
    if not push(manifest, groups, prune=prune and not manifest.part):
        click.echo(f"{PREFIX}_URL is not set: nothing is pushed", err=True)
    if unsent is not None:
        raise MachineryError(unsent)
    return 0


def metrics_of(store: RunStore) -> tuple[Group, ...]:
    """The run's metrics; its `metrics.prom` holds them now."""
    from driftgate.history.database import Database
    from driftgate.sinks.shipping import log_samples
    from driftgate.steps.publish import write_metrics

    return write_metrics(store, Database.at(None, store.root.parent), more=log_samples(store))


def push(run: Manifest, groups: tuple[Group, ...], *, prune: bool) -> bool:
    """Push the groups and say so; False where no Pushgateway is configured. Of a part of a fleet only the models' groups are pushed."""
    from driftgate.core.text import plural
    from driftgate.sinks.endpoint import Endpoint
    from driftgate.sinks.pushgateway import PREFIX, Gateway
    from driftgate.steps import publish

    endpoint = Endpoint.from_environment(PREFIX)
    if endpoint is None:
        return False
    with Gateway(endpoint) as gateway:
        pushed = publish.push(groups[:-1] if run.part else groups, gateway, prune=prune)
    kept = "; what is of the whole fleet stays as it was" if run.part else ""
    gone = f", {plural(len(pushed.pruned), 'model')} that left deleted" if pushed.pruned else ""
    click.echo(
        f"{endpoint.url}: {plural(pushed.groups, 'group')} of fleet {groups[0].fleet} replaced{gone}{kept}", err=True
    )
    return True
