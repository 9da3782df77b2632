"""Workplaces in which nothing may be left running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftgate.testing.workplace import Workplace, workplace_in


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """A workplace for one test."""
    with workplace_in(tmp_path) as place:
        yield place


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A workplace for a whole file, for tests that look at one run."""
    with workplace_in(tmp_path_factory.mktemp("place")) as place:
        yield place
