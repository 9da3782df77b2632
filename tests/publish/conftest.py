"""The servers that a run is published to. In CI their absence is a failure; elsewhere a skip that says how to get them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from nights import good_and_bad

from driftgate.core.metrics import Group
from driftgate.history.database import Database
from driftgate.machine.store import RunStore
from driftgate.sinks.endpoint import Endpoint
from driftgate.sinks.pushgateway import Gateway
from driftgate.sinks.shipping import log_samples
from driftgate.steps.publish import Pushed, push, write_metrics
from driftgate.testing import servers

ROOT = Path(__file__).parents[2]
SHIPPED = {"DRIFTGATE_LOKI_URL": "http://127.0.0.1:9"}
"""An environment in which somebody waits for the logs."""
RULES = sorted((ROOT / "configs" / "prometheus" / "rules").glob("*.yml"))


@dataclass(frozen=True)
class Stack:
    """A Pushgateway and the Prometheus that scrapes it."""

    url: str
    prometheus: servers.Prometheus

    def publish(self, store: RunStore, *, prune: bool = False) -> tuple[Group, ...]:
        """Publish a run and wait until Prometheus has seen it."""
        groups = write_metrics(store, Database.at(None, store.root.parent), more=log_samples(store, SHIPPED))
        self.push(groups, prune=prune)
        return groups

    def push(self, groups: tuple[Group, ...], *, prune: bool = False) -> Pushed:
        """Push groups and wait until Prometheus has seen the last one."""
        newest = f'max(push_time_seconds{{fleet="{groups[-1].fleet}", model="{groups[-1].model}"}})'
        before = self.prometheus.values(newest).get((), 0.0)
        with Gateway(Endpoint(self.url)) as gateway:
            pushed = push(groups, gateway, prune=prune)
        assert servers.settles(lambda: self.prometheus.values(newest).get((), 0.0) > before)
        return pushed


@pytest.fixture(scope="session")
def installed() -> None:
    """Prometheus, promtool and the Pushgateway are here."""
    reason = servers.missing()
    if reason is not None:
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture(scope="session")
def stack(installed, tmp_path_factory):
    """One pair of servers for all tests that publish fleets of their own."""
    folder = tmp_path_factory.mktemp("stack")
    with servers.pushgateway(folder) as url, servers.prometheus(folder, url, RULES) as prometheus:
        yield Stack(url, prometheus)


@pytest.fixture
def gateway(installed, tmp_path):
    """A Pushgateway of the test's own: its URL."""
    with servers.pushgateway(tmp_path) as url:
        yield url


@pytest.fixture(scope="session")
def published(stack, tmp_path_factory):
    """The bad night, published; and its groups."""
    _, store = good_and_bad(tmp_path_factory.mktemp("outputs"))
    return store, stack.publish(store, prune=True)
