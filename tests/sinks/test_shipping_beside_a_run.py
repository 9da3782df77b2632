"""A process of its own sends a run's events while they are written, and is no burden to the run."""

import os
import subprocess
import sys
import time
from pathlib import Path

from driftgate.machine.backlog import counts
from driftgate.machine.isolation.turns import MachineLock
from driftgate.machine.store import RunStore
from driftgate.sinks.shipping import TICK_SECONDS, sent_meanwhile, ship
from driftgate.testing.loki import Fault, LokiDouble
from sinks.log_lines import event_line, event_lines, minutes_ago, run_with_logs

RUN = """
import sys, time
from pathlib import Path
from driftgate.machine.store import RunStore
from driftgate.sinks.shipping import sent_meanwhile
with sent_meanwhile(RunStore(Path(sys.argv[1]))):
    time.sleep(100)
"""


def environment_for(loki: LokiDouble, folder: Path) -> dict[str, str]:
    return {"DRIFTGATE_LOKI_URL": loki.url, "TMPDIR": str(folder), "PATH": os.environ["PATH"]}


def arrived(loki: LokiDouble, count: int) -> bool:
    give_up = time.monotonic() + 60
    while len(loki.entries) < count and time.monotonic() < give_up:
        time.sleep(0.02)
    return len(loki.entries) == count


def test_beside_a_run_events_are_sent_as_they_come_but_not_while_times_are_taken(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    store = run_with_logs(tmp_path / "outputs", minutes_ago(5), {"agent-1": event_lines(10, minutes_ago(5))})
    with LokiDouble() as loki, sent_meanwhile(store, environment_for(loki, tmp_path / "tmp")):
        assert arrived(loki, 10)
        machine = MachineLock(tmp_path / "tmp" / f"driftgate-{os.getuid()}")
        while not machine.exclude():
            time.sleep(0.01)
        with store.events_path("agent-1").open("ab") as log:
            log.write(event_line(minutes_ago(1), 1))
        time.sleep(TICK_SECONDS + 0.5)
        assert len(loki.entries) == 10
        machine.close()
        assert arrived(loki, 11)
    assert [agent.waiting for agent in counts(store)] == [0]


def test_a_loki_that_hangs_does_not_hold_up_the_end_of_a_run(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(5), {"agent-1": event_lines(10, minutes_ago(5))})
    with LokiDouble(faults=lambda number: Fault.HANG) as loki:
        with sent_meanwhile(store, environment_for(loki, tmp_path)):
            while not loki.requests:
                time.sleep(0.01)
        loki.faults = {}
        shipped = ship(store, patience_s=5, environment={"DRIFTGATE_LOKI_URL": loki.url})
    assert shipped is not None
    assert shipped.sent == 10  # its lock went with it
    assert loki.duplicates == 0


def test_a_sender_beside_a_run_that_is_killed_goes_too(tmp_path: Path) -> None:
    store = run_with_logs(tmp_path, minutes_ago(5), {"agent-1": event_lines(10, minutes_ago(5))})
    with LokiDouble() as loki:
        run = subprocess.Popen([sys.executable, "-c", RUN, str(store.root)], env=environment_for(loki, tmp_path))
        assert arrived(loki, 10)
        run.kill()
        run.wait()
        give_up = time.monotonic() + 30
        while (left := senders_of(store)) and time.monotonic() < give_up:
            time.sleep(0.05)
    assert left == []


def senders_of(store: RunStore) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_text().split("\0")
        except OSError:  # it has gone
            continue
        found += [path.parent.name] if "driftgate.sinks.shipping" in words and str(store.root) in words else []
    return found
