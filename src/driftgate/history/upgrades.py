"""Bringing an older history up to date where it stands: one function a version, applied in turn, in one transaction."""

from __future__ import annotations

from types import MappingProxyType

from sqlalchemy import Column, Connection, MetaData, Table, Text, insert, select, update

from driftgate.history.packing import packed_facts, packed_numbers
from driftgate.history.schema import VERSION, cells, meta, nights, runs


def upgrade(connection: Connection, found: int) -> None:
    """Make a history of format `found`, whose missing tables are there and empty, one of today's."""
    for version in range(found, VERSION):
        UPGRADES[version](connection)
    connection.execute(update(meta).where(meta.c.key == "version").values(value=str(VERSION)))


def _pack_nights(connection: Connection) -> None:
    """Format 2 has the numbers and facts of a run in one piece each; the facts were a row a cell."""
    old = Table("facts", MetaData(), Column("run"), Column("series"), Column("json", Text))
    for run in connection.execute(select(runs.c.number)).scalars().all():
        numbers = connection.execute(select(cells).where(cells.c.run == run))
        lines = connection.execute(select(old.c.json).where(old.c.run == run).order_by(old.c.series)).scalars()
        row = {"numbers": packed_numbers(row._asdict() for row in numbers), "facts": packed_facts(lines)}
        connection.execute(insert(nights).values(run=run, **row))
    old.drop(connection)


UPGRADES = MappingProxyType({1: _pack_nights})
"""Format → what makes it the next."""
