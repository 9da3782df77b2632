"""Stages that hang, crash, exit, or print what nobody should read."""

# a stage takes a job and a bench, whether it needs them or not

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import NoReturn

from driftgate.core.records import Record
from driftgate.machine.jobs import Bench, Job
from driftgate.testing.misbehave.common import FOREVER, a_payload
from driftgate.testing.misbehave.families import child


def hangs(job: Job, bench: Bench) -> NoReturn:
    """Sleeps for ever."""
    while True:
        time.sleep(FOREVER)


def hangs_in_c(job: Job, bench: Bench) -> NoReturn:
    """Holds the interpreter's lock in native code for ever, and ignores polite signals."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        ctypes.PyDLL(None).pause()


def reads_for_ever(job: Job, bench: Bench) -> NoReturn:
    """Reads from a pipe into which nobody writes."""
    mine, _other = os.pipe()
    while True:
        os.read(mine, 1)


def segfaults(job: Job, bench: Bench) -> NoReturn:
    """Reads address 0."""
    ctypes.string_at(0)
    raise AssertionError("address 0 can be read here")


def exits_hard(job: Job, bench: Bench) -> NoReturn:
    """`os._exit(0)` without a result."""
    os._exit(0)


def exits_hard_with_seven(job: Job, bench: Bench) -> NoReturn:
    """`os._exit(7)`."""
    print("seven it is", flush=True)
    os._exit(7)


def kills_itself(job: Job, bench: Bench) -> NoReturn:
    """SIGKILL by its own hand."""
    os.kill(os.getpid(), signal.SIGKILL)
    hangs(job, bench)


def kills_its_guardian(job: Job, bench: Bench) -> NoReturn:
    """Kills the process above it, and leaves a child that has its own session."""
    child(lambda: time.sleep(FOREVER), session=True)
    os.kill(os.getppid(), signal.SIGKILL)
    hangs(job, bench)


def kills_its_group(job: Job, bench: Bench) -> NoReturn:
    """Kills its process group."""
    os.kill(0, signal.SIGKILL)
    hangs(job, bench)


def floods(job: Job, bench: Bench) -> Record:
    """100 MB on standard output."""
    block = b"0123456789abcdef" * 4096
    os.write(1, b"the first line\n")
    for _ in range(1600):
        _write_all(1, block)
    os.write(1, b"\nthe last line\n")
    return a_payload("floods")


def prints_garbage(job: Job, bench: Bench) -> Record:
    """Terminal codes, overwritten lines, and bytes that are no UTF-8."""
    os.write(1, b"\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m\n 10 %\r 50 %\r100 %\r\n\xff\xfe\x00bytes\n")
    return a_payload("prints_garbage")


def closes_descriptors(job: Job, bench: Bench) -> Record:
    """Closes everything that is open."""
    os.closerange(0, 65_536)
    return a_payload("closes_descriptors")


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
