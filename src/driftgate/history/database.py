"""Opening the history: SQLite in a file by default, PostgreSQL by URL (`DRIFTGATE_DB_URL`).

Whatever a database answers becomes one clear line: what was asked of it, what it said, what mends it. A password is never printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError

from driftgate.core.errors import MachineryError, UsageError
from driftgate.history.schema import METADATA, VERSION, meta
from driftgate.history.upgrades import upgrade

VARIABLE = "DRIFTGATE_DB_URL"
FILE = "history.sqlite"
PATIENCE_SECONDS = 60
_LOCK = 0x6472696674  # PostgreSQL's advisory lock of whoever writes
_VERSION = select(meta.c.value).where(meta.c.key == "version")
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Database:
    """A history that can be read and written. Tables are made at the first use."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._engine = _engine(url)
        self._ready = False

    @classmethod
    def at(cls, url: str | None, output: Path) -> Database:
        """The database of this URL; None: of `DRIFTGATE_DB_URL` (empty, as a CI's unset secret: not set), else the SQLite file in the
        folder of runs."""
        return cls(_parsed(url or os.environ.get(VARIABLE) or None, output))

    @property
    def name(self) -> str:
        """Where it is, fit to be printed."""
        return self.url.database or "" if self.url.drivername == "sqlite" else self.url.render_as_string()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self._engine.dialect.name == "sqlite"

    def exists(self) -> bool:
        """Whether there is anything to read: a file that isn't there is an empty history."""
        file = self.url.database or ":memory:"
        if file.startswith("file:"):
            file = unquote(urlsplit(file).path)
        return not self.is_sqlite or file == ":memory:" or Path(file).is_file()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state. Raises MachineryError for whatever the database refuses."""
        with self._told("read"):
            self._prepare()
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, kept whole or not at all; writers wait for each other."""
        with self._told("write"):
            self._prepare()
            with self._transaction() as connection:
                yield connection

    def refuse_unless_writable(self) -> None:
        """Raise MachineryError where nothing can be written, before hours of work end in that: a write that changes nothing."""
        with self.writing() as connection:
            connection.execute(update(meta).values(value=meta.c.value))

    def close(self) -> None:
        """Give connections back."""
        self._engine.dispose()

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise MachineryError(f"cannot {doing} the history {self.name}: {_reason(error)}") from error

    def _prepare(self) -> None:
        """Make the tables unless they are there, and refuse those of a newer Driftgate."""
        if self._ready:
            return
        with self._engine.connect() as connection:
            made = inspect(connection).has_table(meta.name)
            found = connection.execute(_VERSION).scalar() if made else None
        if found is None or int(found) < VERSION:
            with self._told("upgrade" if found else "write"):
                self._make_tables()
        elif int(found) > VERSION:
            raise UsageError(
                f"the history {self.name} has format {found}, newer than this Driftgate's {VERSION}",
                mend="use the newer Driftgate, or another database",
            )
        self._ready = True

    def _make_tables(self) -> None:
        """Make what is not there, and bring what is older up to date. Whoever comes second finds it done."""
        with self._transaction() as connection:
            METADATA.create_all(connection)
            found = connection.execute(_VERSION).scalar()
            if found is None:
                connection.execute(insert(meta).values(key="version", value=str(VERSION)))
            else:
                upgrade(connection, int(found))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            yield connection


def _parsed(url: str | None, output: Path) -> URL:
    if url is None:
        return URL.create("sqlite", database=str(output / FILE))
    try:
        parsed = make_url(url)
        return parsed.set(drivername=_DRIVERS[parsed.get_backend_name()])
    except (ArgumentError, KeyError) as error:
        raise UsageError(
            f"{VARIABLE} is no URL of a database that Driftgate knows",
            mend="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME",
        ) from error


def _engine(url: URL) -> Engine:
    options: dict[str, Any] = {"connect_args": {"timeout": PATIENCE_SECONDS}} if url.drivername == "sqlite" else {}
    try:
        engine = create_engine(url, **options)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise UsageError(
            f"the driver of {url.drivername} is not installed", mend="pip install psycopg[binary]"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_at_once)
    return engine


def _set_up_sqlite(connection: Any, record: object) -> None:
    """Python's driver keeps out of transactions. The journal stays SQLite's usual one: a write-ahead log could not be read from a
    medium that cannot be written, and changing over to it fails beside others instead of waiting for them."""
    del record
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_at_once(connection: Connection) -> None:
    """A transaction that may write takes the lock at its start: two that began by reading could wait for each other for ever."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def _reason(error: SQLAlchemyError) -> str:
    """The database's own first line."""
    origin = error.orig if isinstance(error, DatabaseError) and error.orig is not None else error
    lines = str(origin).strip().splitlines()
    return lines[0][:300] if lines else type(origin).__name__
