"""The tables of the history. `cells` holds the numbers for whoever asks in SQL; `nights` holds them once more, and all else that is known
of the cells, in one piece a run: what the gate asks for.

    runs ─┬─ cells                   one row a cell and run; `series` names the cell for all nights
          ├─ nights                  one row a run: see history/packing.py
          ├─ breaks                  one row a place in code, cell and run
          ├─ launches                one row a process launch that was timed
          └─ findings
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 2
"""The format of the tables. A database of a newer one is refused, an older one upgraded where it stands.

1  the first (November 2026)
2  `nights`, in place of a table `facts` with a row a cell
"""

METADATA = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")


def _of_run() -> Column[int]:
    return Column("run", _NUMBER, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True)


def _of_series() -> Column[int]:
    return Column("series", _NUMBER, ForeignKey("series.number"), primary_key=True)


meta = Table("meta", METADATA, Column("key", String(40), primary_key=True), Column("value", Text, nullable=False))

runs = Table(
    "runs",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("run_id", String(200), nullable=False, unique=True),
    Column("fleet", String(64), nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("ended_at", String(40)),
    Column("verdict", String(20)),
    Column("commit", String(64)),
    Column("config", Text, nullable=False),
    Column("agents", Text, nullable=False),
    Column("cells", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Index("runs_of_a_fleet", "fleet", "started_at"),
)

series = Table(
    "series",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("fleet", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("stage", String(40), nullable=False),
    Column("target", String(80), nullable=False),
    Column("variant", String(80), nullable=False),
    UniqueConstraint("fleet", "model", "stage", "target", "variant"),
)

cells = Table(
    "cells",
    METADATA,
    _of_run(),
    _of_series(),
    Column("verdict", String(20), nullable=False),
    Column("kind", String(40)),
    Column("flaky", Boolean, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("peak_rss_bytes", BigInteger),
    Column("break_count", Integer),
    Column("compile_s", Float),
    Column("weight_bytes", BigInteger),
    Column("max_abs", Float),
    Column("p50", Float),
    sqlite_with_rowid=False,
)

nights = Table(
    "nights",
    METADATA,
    _of_run(),
    Column("numbers", LargeBinary, nullable=False),
    Column("facts", LargeBinary, nullable=False),
)

breaks = Table(
    "breaks",
    METADATA,
    _of_run(),
    _of_series(),
    Column("fingerprint", String(16), primary_key=True),
    Column("site", String(16)),
    Column("gb_id", String(16)),
    Column("gb_type", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Index("breaks_by_fingerprint", "fingerprint"),
    sqlite_with_rowid=False,
)

launches = Table(
    "launches",
    METADATA,
    _of_run(),
    _of_series(),
    Column("launch", Integer, primary_key=True),
    Column("p50", Float, nullable=False),
    Column("p90", Float),
    Column("p99", Float),
    Column("samples", Integer),
    sqlite_with_rowid=False,
)

findings = Table(
    "findings",
    METADATA,
    _of_run(),
    Column("id", String(16), primary_key=True),
    Column("rule", String(80), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("model", String(200)),
    Column("stage", String(40)),
    Column("target", String(80)),
    Column("variant", String(80)),
    Column("sentence", Text, nullable=False),
    sqlite_with_rowid=False,
)
