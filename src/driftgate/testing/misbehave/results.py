"""Stages that end in a failure of their own, or in a result that cannot be believed."""

# a stage takes a job and a bench, whether it needs them or not

from __future__ import annotations

import os
import resource
import sys
import threading
from pathlib import Path
from typing import NoReturn

from driftgate.core.errors import StageFailure
from driftgate.core.records import Record
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Bench, Job
from driftgate.testing.misbehave.common import Loose, a_payload


def fails_with_payload(job: Job, bench: Bench) -> Record:
    """A failure of the stage's own, with a table."""
    raise StageFailure(
        FailureKind.OUT_OF_TOLERANCE, "off by 0.5\x1b[31m", hint="look closer", payload=a_payload("fails_with_payload")
    )


def raises(job: Job, bench: Bench) -> Record:
    """An exception with a message nobody should print as it is."""
    raise ValueError("bad \x1b[31mcolours\x1b[0m and a lone surrogate \udcff")


def raises_unprintable(job: Job, bench: Bench) -> Record:
    """An exception that raises when it is asked what it means."""

    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("not telling")

    raise Unprintable


def raises_memory_error(job: Job, bench: Bench) -> Record:
    """No memory to be had."""
    raise MemoryError


def exits(job: Job, bench: Bench) -> Record:
    """`sys.exit(0)` in the middle of a model."""
    sys.exit(0)


def returns_nan(job: Job, bench: Bench) -> Record:
    """A number that is none, deep inside."""
    return Loose(values={"tensors": [{"max_abs": 0.0}, {"max_abs": float("nan")}]})


def returns_nothing(job: Job, bench: Bench) -> None:
    """Forgets to return."""


def returns_no_json(job: Job, bench: Bench) -> Record:
    """An object that no JSON can hold."""
    return Loose(values={"thread": threading.current_thread()})


def writes_garbage(job: Job, bench: Bench) -> NoReturn:
    """Half a record, and exit status 0."""
    _result_file().write_text('{"payload": {"files": ')
    os._exit(0)


def writes_too_much(job: Job, bench: Bench) -> NoReturn:
    """A record of 65 MiB (and not one block on the disk)."""
    with _result_file().open("wb") as stream:
        stream.truncate(65 << 20)
    os._exit(0)


def writes_a_way_out(job: Job, bench: Bench) -> NoReturn:
    """A record whose artifact lies outside of its folder."""
    digest = "0" * 64
    _result_file().write_text(
        f'{{"payload": {{}}, "artifacts": [{{"name": "../../x", "bytes": 0, "sha256": "{digest}"}}]}}'
    )
    os._exit(0)


def leaves_a_link(job: Job, bench: Bench) -> Record:
    """An artifact that is a link to a file of the system."""
    (job.work / "passwords").symlink_to("/etc/passwd")
    return a_payload("leaves_a_link")


def fills_the_disk(job: Job, bench: Bench) -> Record:
    """From here on nothing can be written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    return a_payload("fills_the_disk")


def makes_its_log_unwritable(job: Job, bench: Bench) -> Record:
    """A folder where the log should be."""
    (job.work / ".log" / "x").mkdir(parents=True)
    return a_payload("makes_its_log_unwritable")


def _result_file() -> Path:
    return Path(os.environ["TMPDIR"]).parent / "result.json"
