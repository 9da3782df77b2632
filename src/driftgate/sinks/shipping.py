"""Sends the events of runs to Loki: in order, old before new, from where the last attempt came to.

    ship(store)                            everything that waits, within some patience; what became of it
    python -m driftgate.sinks.shipping RUN     beside a run: sends while events are written, until its stdin ends

Any process may be killed at any moment: a batch is counted as sent only after the server has said so, and is sent again otherwise. So a
record arrives at least once, and Loki itself drops the copy, which has the same labels, time and line. One process sends at a time, by a
lock that the kernel releases; the runs of a folder go oldest first, for Loki refuses what is far behind the newest of its stream.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

from driftgate.core.metrics import Sample
from driftgate.core.text import plural
from driftgate.machine.backlog import counts
from driftgate.machine.isolation.turns import MachineLock
from driftgate.machine.store import RunStore
from driftgate.sinks.endpoint import Endpoint

PREFIX = "DRIFTGATE_LOKI"
PATIENCE_SECONDS = 30.0
TICK_SECONDS = 2.0
_TURN_SECONDS = 0.25
_FAREWELL_SECONDS = 2.0
_ATTEMPT_SECONDS = 5.0
_NICENESS = 10


@dataclass(frozen=True)
class Shipped:
    """What became of the records that waited, in the run and in older ones beside it. `problem` is why it stopped, None if it did not;
    `waiting` is of the run alone; `why` is the first reason for which one was dropped."""

    sent: int
    dropped: int
    waiting: int
    problem: str | None = None
    why: str = ""

    def sentence(self, place: Path, run: str) -> str:
        """One line for a person; `place` is the run's folder, `run` what a command calls it."""
        if self.problem is None:
            why = f": {self.why}" if self.why else ""
            dropped = f"; {self.dropped:,} that it will never take stay on disk{why}" if self.dropped else ""
            return f"logs: {plural(self.sent, 'record')} sent to Loki{dropped}"
        waiting = f"{plural(self.waiting, 'log record')} wait{'s' if self.waiting == 1 else ''} in {place / 'agents'}"
        return f"{waiting}: {self.problem}; `driftgate publish --run {run}` sends them"


def ship(
    store: RunStore,
    *,
    patience_s: float = PATIENCE_SECONDS,
    total_s: float = inf,
    environment: Mapping[str, str] | None = None,
) -> Shipped | None:
    """Send what waits in this run and in older ones of the same folder. None where DRIFTGATE_LOKI_URL is not set.

    Ends when nothing went forward for `patience_s`, and after `total_s` and one attempt at most; whatever keeps it from sending is no
    error here but a `problem`. Raises UsageError for a wrong URL or half of the credentials.
    """
    endpoint = Endpoint.from_environment(PREFIX, environment)
    if endpoint is None:
        return None
    from driftgate.sinks.delivery import Shipper

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return True

    shipper = Shipper(endpoint, wait, patience_s=patience_s, total_s=total_s)
    problem = shipper.send(store)
    waiting = sum(agent.waiting for agent in counts(store))
    return Shipped(shipper.sent, shipper.dropped, waiting, problem, shipper.why)


def log_samples(store: RunStore, environment: Mapping[str, str] | None = None) -> tuple[Sample, ...]:
    """How the shipping of a run's events stands, as metrics of the run; none where DRIFTGATE_LOKI_URL is not set: nobody waits for them."""
    if Endpoint.from_environment(PREFIX, environment) is None:
        return ()
    return tuple(
        sample
        for agent in counts(store)
        for sample in (
            Sample.of("driftgate_log_records_pending", agent.waiting, agent=agent.agent),
            Sample.of("driftgate_log_records_shipped_total", agent.sent, agent=agent.agent),
            Sample.of("driftgate_log_records_dropped_total", agent.dropped, agent=agent.agent),
        )
    )


@contextmanager
def sent_meanwhile(store: RunStore, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """While the block lasts, a process of its own sends the run's events as they come; nothing where DRIFTGATE_LOKI_URL is not set. What
    it has not sent at the end waits for `ship`."""
    given = os.environ if environment is None else environment
    if Endpoint.from_environment(PREFIX, given) is None:
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "driftgate.sinks.shipping", str(store.root.resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # `ship` meets the same trouble, and tells it
        start_new_session=True,  # Ctrl-C on the terminal is for the parent alone
        env=dict(given),
    )
    assert process.stdin is not None
    try:
        yield
    finally:
        process.stdin.close()
        try:
            process.wait(_FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()  # it waits for an answer; the batch is sent again
            process.wait()


def main(root: Path) -> None:
    """Beside a run: send until stdin ends, which it does when whoever started this has gone. Gives way to who takes times."""
    from driftgate.sinks.delivery import LONGEST_PAUSE, Shipper, StoppedError

    endpoint = Endpoint.from_environment(PREFIX)
    assert endpoint is not None
    os.nice(_NICENESS)
    machine = MachineLock()

    def pause(seconds: float) -> bool:
        return not select.select([sys.stdin], [], [], seconds)[0]

    @contextmanager
    def turn() -> Iterator[None]:
        while not machine.share():
            if not pause(_TURN_SECONDS):
                raise StoppedError("the run is over")
        try:
            yield
        finally:
            machine.release()

    # Nobody else can send while it holds the lock of the folder: it lets go of it for the longer pauses.
    shipper = Shipper(endpoint, pause, patience_s=_ATTEMPT_SECONDS, attempt_s=_ATTEMPT_SECONDS, turn=turn)
    while pause(TICK_SECONDS):
        if shipper.send(RunStore(root)) is not None and not pause(max(LONGEST_PAUSE, shipper.asked_s)):
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
