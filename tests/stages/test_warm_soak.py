"""Five hundred forks of the really warmed server: each finds what the first one found, and nothing grows."""

import os
from pathlib import Path

import pytest

from driftgate.machine.isolation.family import resident_bytes
from driftgate.pipeline import WARM
from driftgate.testing.lab import MARK, Lab

FORKS = 500
EVERY = 10


@pytest.fixture
def lab(tmp_path, request):
    marked = Lab(tmp_path, mark=f"soak-{os.getpid()}")
    os.environ[MARK] = marked.mark
    yield marked
    del os.environ[MARK]
    assert marked.processes() == {}


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_five_hundred_forks_of_the_warmed_server_agree_and_leak_nothing(lab):
    def task(number):
        fake = "compiles" if number % EVERY == 0 else "computes"
        return lab.task(fake, time_limit=120, memory_limit=4 * 10**9, module="driftgate.testing.torch_jobs")

    with lab.pool(2, warm=WARM) as pool:
        lab.run(pool, *[task(number) for number in range(EVERY)], patience=200)
        (server,) = lab.processes()
        before = [(len(os.listdir(f"/proc/{pid}/fd")), resident_bytes(pid)) for pid in (os.getpid(), server)]
        ends = lab.run(pool, *[task(number) for number in range(FORKS)], patience=1500)
        assert [end.result.failure for end in ends] == [None] * FORKS
        assert len({end.result.payload["source"] for end in ends}) == 2
        for pid, (handles, memory) in zip((os.getpid(), server), before, strict=True):
            assert len(os.listdir(f"/proc/{pid}/fd")) <= handles
            assert resident_bytes(pid) < memory + 20_000_000
        threads = Path(f"/proc/{server}/status").read_text().split("Threads:")[1].split()[0]
        assert int(threads) <= 4
