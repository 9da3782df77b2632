"""What runs inside a worker: load the stage, call it, and write down how it ended.

The result is a CellResult in a file, written by name, so that a model which closes every file descriptor changes nothing. The
process ends by `os._exit`: no thread, exit handler or destructor that a model left behind can hold it or change its status.
"""

from __future__ import annotations

import errno
import math
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from pydantic_core import PydanticSerializationError

from driftgate.core.errors import MachineryError, StageFailure, UsageError
from driftgate.core.records import CellResult, Failure, Record
from driftgate.core.verdicts import FailureKind
from driftgate.executors.artifacts import artifacts_of
from driftgate.machine.files import write_atomic
from driftgate.machine.isolation.guardian import Order
from driftgate.machine.isolation.line import Line
from driftgate.machine.isolation.log import clean
from driftgate.machine.jobs import Job, StageFunction

PROGRESS_SECONDS = 0.2
MESSAGE_LENGTH = 4_000
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO})


class WorkerBench:
    """What the worker offers to a stage; the guardian hears its requests."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._told_at = 0.0
        self._depth = 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nothing else of Driftgate runs on this machine. The wait does not count against the time limit."""
        if self._depth == 0:
            self._line.send({"want": True})
            if self._line.receive() is None:
                raise MachineryError("the guardian of this worker has gone")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def progress(self, done: int, total: int | None) -> None:
        """Pass on how far a download is, a few times a second at most."""
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_SECONDS or done == total:
            self._told_at = now
            self._line.send({"progress": [done, total]})


def work(order: Order, line: Line) -> None:
    """Run the order's stage in this process and end the process. Exit status 0: there is a result."""
    line.send({"started": True})
    text = _text_of(_result(order, WorkerBench(line)))
    try:
        write_atomic(order.result, text)
    except MachineryError as error:
        line.send({"disk": clean(str(error))[:MESSAGE_LENGTH]})
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)
    os._exit(0)


def _text_of(result: CellResult) -> str:
    try:
        return result.to_json()
    except PydanticSerializationError as error:
        return CellResult(failure=Failure.of(FailureKind.BAD_RECORD, f"the payload is no JSON: {error}")).to_json()


def _result(order: Order, bench: WorkerBench) -> CellResult:
    try:
        job = Job.model_validate_json(order.job.read_bytes())
        payload = plain(_stage(order.function)(job, bench))
        return CellResult(payload=payload, artifacts=artifacts_of(job.work))
    # The one place where everything is caught: a model may raise whatever it likes, SystemExit included, and each is data.
    except BaseException as error:  # noqa: BLE001
        return CellResult(payload=_payload_of(error), failure=failure_of(error))


def _stage(function: str) -> StageFunction:
    module, _, name = function.partition(":")
    stage: StageFunction = getattr(import_module(module), name)
    return stage


def plain(payload: object) -> dict[str, Any]:
    """The payload as plain JSON types. Raises StageFailure (bad_record) for what is no record, or has a number that is not finite."""
    if not isinstance(payload, Record):
        raise StageFailure(FailureKind.BAD_RECORD, f"the stage returned {type(payload).__name__}, not a record")
    place = not_finite(payload.model_dump())
    if place is not None:
        raise StageFailure(
            FailureKind.BAD_RECORD, f"{place} is not a finite number", hint="write None, and count what is not finite"
        )
    try:
        return payload.to_dict()
    except PydanticSerializationError as error:
        raise StageFailure(FailureKind.BAD_RECORD, f"the payload is no JSON: {error}") from error


def not_finite(value: object, place: str = "payload") -> str | None:
    """Where in nested dicts, lists and tuples the first NaN or infinity stands, or None."""
    if isinstance(value, float):
        return None if math.isfinite(value) else place
    items: Any = ()
    if isinstance(value, dict):
        items = ((f"{place}.{key}", item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        items = ((f"{place}[{index}]", item) for index, item in enumerate(value))
    return next((found for name, item in items if (found := not_finite(item, name))), None)


def _payload_of(error: BaseException) -> dict[str, Any] | None:
    payload = error.payload if isinstance(error, StageFailure) else None
    if payload is None:
        return None
    try:
        return plain(payload)
    except StageFailure as worse:
        print(f"driftgate: the failure's payload was left out: {worse}", file=sys.stderr)  # noqa: T201
        return None


def failure_of(error: BaseException) -> Failure:
    """What an exception says of its cell."""
    if isinstance(error, StageFailure):
        told = clean(error.traceback) if error.traceback else _traceback(error.__cause__)
        hint = clean(error.hint) if error.hint else None
        return Failure.of(error.kind, _short(error.message), hint=hint, traceback=told)
    kind, hint = _kind_and_hint(error)
    message = "".join(traceback.format_exception_only(error)).strip()
    return Failure.of(kind, _short(message), hint=hint, traceback=_traceback(error))


def _kind_and_hint(error: BaseException) -> tuple[FailureKind, str | None]:
    if isinstance(error, MemoryError):
        return FailureKind.MEMORY_LIMIT, "give it more with --memory-limit, or leave the model out"
    if isinstance(error, UsageError):
        return FailureKind.CONFIG, error.mend
    if _disk_error(error):
        return FailureKind.DISK, "free some space, or choose another --output"
    if isinstance(error, MachineryError):
        return FailureKind.NOT_RUN, "nothing is wrong with the model; see the message"
    return FailureKind.OTHER, None


def _disk_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            return True
        error = error.__cause__
    return False


def _traceback(error: BaseException | None) -> str | None:
    return None if error is None else clean("".join(traceback.format_exception(error)))


def _short(text: str) -> str:
    """Fingerprints are made of it, so it is cut before, and the same way each time."""
    return clean(text[:MESSAGE_LENGTH])


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return  # the model closed or replaced it: what it had to say is lost, its result is not
