"""Sending a run's events to Loki from the command line."""

from __future__ import annotations

from math import inf

import click

from driftgate.machine.store import RunStore

AT_THE_END_SECONDS = 10.0
"""How long `driftgate run` waits for Loki when all else is done."""


def send_logs(store: RunStore, *, total_s: float = inf) -> str | None:
    """Send what waits, and say so. Why it stopped in a sentence, None if all is sent or DRIFTGATE_LOKI_URL is not set."""
    from driftgate.sinks.shipping import PATIENCE_SECONDS, ship
    from driftgate.steps.report.commands import name_for_commands

    shipped = ship(store, patience_s=min(PATIENCE_SECONDS, total_s), total_s=total_s)
    if shipped is None:
        return None
    sentence = shipped.sentence(store.root, name_for_commands(store))
    if shipped.problem is not None:
        return sentence
    click.echo(sentence, err=True)
    return None


def check_endpoints() -> None:
    """Raise UsageError for a wrong URL, or half of the credentials, before anything is computed."""
    from driftgate.sinks import pushgateway, shipping
    from driftgate.sinks.endpoint import Endpoint

    for prefix in (pushgateway.PREFIX, shipping.PREFIX):
        Endpoint.from_environment(prefix)
