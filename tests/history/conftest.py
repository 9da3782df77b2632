"""Databases to keep a history in: a SQLite file, and a PostgreSQL server of the tests' own on a port of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftgate.history.database import Database

PATIENCE_SECONDS = 60


def _programs() -> Path | None:
    """Where Debian keeps PostgreSQL's own programs; the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL, which goes with the tests. Missing is a failure in CI, and a skip that says why elsewhere."""
    programs = _programs()
    if programs is None:
        reason = "PostgreSQL is not installed: apt-get install postgresql"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="driftgate-postgres-", dir="/tmp"))
    try:
        yield from _served(programs, folder)
    finally:
        shutil.rmtree(folder)


def _served(programs: Path, folder: Path) -> Iterator[str]:
    # PostgreSQL refuses to run as root
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    data, port = folder / "data", _free_port()
    setup = [programs / "initdb", "-D", data, "-U", "driftgate", "--auth=trust", "--no-sync", "--locale=C.UTF-8"]
    subprocess.run(setup, check=True, capture_output=True, cwd="/", **user)
    options = [
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        f"port={port}",
        "-c",
        f"unix_socket_directories={folder}",
        "-c",
        "fsync=off",
    ]
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
        **user,
    )
    try:
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
        for _ in range(PATIENCE_SECONDS):
            assert server.poll() is None, server.stderr.read().decode() if server.stderr else ""
            if subprocess.run(ready, check=False).returncode == 0:
                break
        yield f"postgresql://driftgate@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for whoever is still connected
        server.wait(30)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty history of each kind."""
    url = f"sqlite:///{tmp_path / 'history.sqlite'}"
    made = Database.at(url if request.param == "sqlite" else _emptied(request.getfixturevalue("postgres")), tmp_path)
    yield made
    made.close()


def _emptied(url: str) -> str:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url
