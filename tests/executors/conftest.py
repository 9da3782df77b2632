"""Laboratories in which nothing may be left running."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from driftgate.testing.lab import MARK, Lab


@contextmanager
def _lab(folder: Path) -> Iterator[Lab]:
    before, mark = os.environ.get(MARK), uuid.uuid4().hex
    os.environ[MARK] = mark
    lab = Lab(folder, mark)
    yield lab
    os.environ.pop(MARK)
    if before is not None:
        os.environ[MARK] = before
    assert lab.settles(lambda: not lab.processes()), f"left running: {lab.processes()}"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A laboratory for one test."""
    with _lab(tmp_path) as lab:
        yield lab


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A laboratory for a whole file, for tests that share one pool."""
    with _lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab
