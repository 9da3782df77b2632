"""Stages that behave, and one whose traces the next worker must not find."""

# a stage takes a job and a bench, whether it needs them or not

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time

from driftgate.core.records import Record
from driftgate.machine.jobs import Bench, Job
from driftgate.testing.misbehave.common import FOREVER, Loose, a_payload


def passes(job: Job, bench: Bench) -> Record:
    """Does its job and leaves a file."""
    (job.work / "kept.txt").write_text("kept")
    (job.work / ".hidden").write_text("not kept")
    return a_payload("passes")


def takes_a_moment(job: Job, bench: Bench) -> Record:
    """Half a second of sleep: a neighbour to be left alone."""
    time.sleep(0.5)
    return a_payload("takes_a_moment")


def reports_itself(job: Job, bench: Bench) -> Record:
    """Tells in what state it found its process."""
    umask = os.umask(0)
    os.umask(umask)
    values = {
        "cwd": os.getcwd(),
        "path": sys.path[0],
        "umask": umask,
        "sigterm": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
        "sigint": getattr(signal.getsignal(signal.SIGINT), "__name__", "?"),
        "stdin": sys.stdin.read() if sys.stdin else "",
        "random": random.random(),
        "variable": os.environ.get("DRIFTGATE_DISTURBED"),
        "temporary": os.environ["TMPDIR"],
        "threads": [thread.name for thread in threading.enumerate()],
    }
    return Loose(values=values)


def times_alone(job: Job, bench: Bench) -> Record:
    """Computes, takes times alone, computes; writes when into `job.inputs` / NAME.times as monotonic seconds."""
    began = time.monotonic()
    time.sleep(0.1)
    with bench.alone():
        start = time.monotonic()
        time.sleep(0.15)
        end = time.monotonic()
    times = f"{began} {start} {end}"
    (job.inputs / f"{job.cell.model}.times").write_text(times)
    return a_payload("times_alone")


def dies_waiting(job: Job, bench: Bench) -> Record:
    """Is killed while it waits for the machine."""
    pid = os.getpid()
    if os.fork() == 0:
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        os._exit(0)
    return times_alone(job, bench)


def tells_progress(job: Job, bench: Bench) -> Record:
    """Tells progress faster than anyone reads."""
    for done in range(20_001):
        bench.progress(done, 20_000)
    return a_payload("tells_progress")


def disturbs(job: Job, bench: Bench) -> Record:
    """Changes what the next worker must not notice."""
    os.chdir("/")
    os.umask(0o777)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    random.seed(0)
    os.environ["DRIFTGATE_DISTURBED"] = "yes"
    threading.Thread(target=time.sleep, args=(FOREVER,), name="disturbing").start()
    sys.stdout = None
    return a_payload("disturbs")
