"""The run as a whole: its manifest (`run.json`) and where it ran (`agents/AGENT.json`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from driftgate.core.records.base import SCHEMA_VERSION, Record


class Agent(Record):
    """The machine that computed cells: everything by which two runs may differ without any code change."""

    schema_version: int = SCHEMA_VERSION
    agent: str
    python: str
    platform: str
    cpu: str
    cores: int
    memory_bytes: int
    packages: dict[str, str]
    environment: dict[str, str] = {}
    commit: str | None = None
    dirty: bool | None = None
    gpus: tuple[str, ...] = ()
    image: str | None = None


class ExpectedFailure(Record):
    """A cell that did not pass, as `expectations.yaml` said it would: `cell` is its name in the matrix, `kind` the
    failure's kind, `reason` the one that a person gave."""

    model: str
    cell: str
    kind: str
    reason: str


class Manifest(Record):
    """`run.json`, rewritten by the steps alone. `config` is the resolved configuration, `expected` what did not
    pass and was not meant to. `part`: the call asked for less than the configuration has (`--model`, `--target`, `--top`, …)."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    fleet: str
    part: bool = False
    driftgate: str
    started_at: datetime
    ended_at: datetime | None = None
    config: dict[str, Any]
    counts: dict[str, int] = {}
    verdict: str | None = None
    expected: tuple[ExpectedFailure, ...] = ()
