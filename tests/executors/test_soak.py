"""Five hundred forks: the server forks the last one as the first, and nothing grows (`make test-full`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from driftgate.machine.isolation.family import resident_bytes
from driftgate.testing.lab import Lab

FORKS = 500
FAKES = ("passes", "raises", "segfaults", "leaves_children", "exits_hard", "prints_garbage")


def _handles(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.full
@pytest.mark.timeout(600)
def test_five_hundred_forks_leave_parent_and_server_as_they_were(lab: Lab) -> None:
    with lab.pool(2) as pool:
        lab.run(pool, *[lab.task(fake) for fake in FAKES])
        (server,) = lab.processes()
        family = (os.getpid(), server)
        before = [(_handles(pid), resident_bytes(pid)) for pid in family]

        ends = lab.run(pool, *[lab.task(FAKES[n % len(FAKES)]) for n in range(FORKS)], patience=500)

        assert len(ends) == FORKS
        assert all(
            (end.result.failure is None) == end.task.function.endswith(("passes", "children", "garbage"))
            for end in ends
        )
        assert lab.settles(lambda: list(lab.processes()) == [server])
        for pid, (handles, memory) in zip(family, before, strict=True):
            assert _handles(pid) == handles
            assert resident_bytes(pid) < memory + 20_000_000
