"""What the parent believes: an exit status and a valid record, nothing else.

    stopped for time or memory   time_limit, memory_limit
    a signal                     signal, or memory_limit if the kernel ran out of memory meanwhile
    any status but 0             exit_no_record
    0 and something unwritable   disk
    0 and no record, a bad one   exit_no_record, bad_record
    0 and a valid record         what the record says

The parent reads what a worker wrote as it would read what a stranger sent.
"""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from driftgate.core.records import Artifact, CellResult, Failure
from driftgate.core.verdicts import FailureKind
from driftgate.machine.files import safe_name
from driftgate.machine.isolation.guardian import Order, Outcome

RESULT_BYTES = 64 * 1024 * 1024
_STACK_MARKS = ("Fatal Python error", "Current thread 0x", "Thread 0x")
_SIGNAL_HINTS = {
    signal.SIGSEGV: "native code crashed; the traceback shows the Python line that called it",
    signal.SIGABRT: "native code gave up (a failed assertion, an uncaught C++ exception); its last words are in the log",
    signal.SIGBUS: "a mapped file was cut short, or shared memory is full (/dev/shm)",
    signal.SIGILL: "an instruction that this processor does not have",
    signal.SIGFPE: "native code divided by zero",
    signal.SIGKILL: "something outside Driftgate killed it, or it killed itself",
}


def judge(order: Order, work: Path, outcome: Outcome) -> CellResult:
    """The result of a worker that ended: its own if it can be believed, else a failure that says why not."""
    failure = _end_failure(order, outcome)
    if failure is not None:
        return CellResult(failure=failure)
    if outcome.survivors:
        message = f"{len(outcome.survivors)} processes of the worker could not be killed"
        return CellResult(failure=Failure.of(FailureKind.OTHER, message, hint=f"see {outcome.survivors}"))
    try:
        return _read_result(order.result, work)
    except FileNotFoundError:
        return _failed(FailureKind.EXIT_NO_RECORD, "the worker exited with status 0 and left no record", _EXIT_HINT)
    except OSError as error:
        return _failed(FailureKind.BAD_RECORD, f"the record cannot be read: {error.strerror}", _RECORD_HINT)
    except (ValueError, RecursionError) as error:
        return _failed(FailureKind.BAD_RECORD, f"the record is not valid: {_brief(error)}", _RECORD_HINT)


_EXIT_HINT = "the code ended the process itself (os._exit, or exit() in native code); its last words are in the log"
_RECORD_HINT = "the worker's result was damaged; repeat the cell alone and look into its log"


def _failed(kind: FailureKind, message: str, hint: str) -> CellResult:
    return CellResult(failure=Failure.of(kind, message, hint=hint))


def _end_failure(order: Order, outcome: Outcome) -> Failure | None:
    stack = _stack(outcome.last_words)
    if outcome.stopped_by == "time":
        message = f"did not end within {order.time_limit:g} s"
        return Failure.of(FailureKind.TIME_LIMIT, message, hint="give it more with --time-limit", traceback=stack)
    if outcome.stopped_by == "memory":
        message = f"grew beyond {order.memory_limit / 1e6:.0f} MB of memory"
        return Failure.of(FailureKind.MEMORY_LIMIT, message, hint="give it more with --memory-limit")
    code = os.waitstatus_to_exitcode(outcome.status or 0)
    if code < 0:
        return _signal_failure(-code, outcome, stack)
    if code > 0:
        message = f"the worker exited with status {code} and left no record"
        return Failure.of(FailureKind.EXIT_NO_RECORD, message, hint=_EXIT_HINT, traceback=outcome.last_words or None)
    if outcome.disk is not None:
        return Failure.of(FailureKind.DISK, outcome.disk, hint="free some space, or choose another --output")
    return None


def _signal_failure(number: int, outcome: Outcome, stack: str | None) -> Failure:
    known = number in set(signal.Signals)
    name = signal.Signals(number).name if known else f"signal {number}"
    if number == signal.SIGKILL and outcome.oom_kills:
        message = "the kernel killed the worker, for the machine ran out of memory"
        hint = "run fewer jobs at once, or set a --memory-limit that the machine can give to each"
        return Failure.of(FailureKind.MEMORY_LIMIT, message, hint=hint, signal=name)
    hint_of = _SIGNAL_HINTS.get(signal.Signals(number)) if known else None
    message = f"the worker was killed by {name}"
    return Failure.of(FailureKind.SIGNAL, message, hint=hint_of, traceback=stack, signal=name)


def _stack(last_words: str) -> str | None:
    """What faulthandler printed, which is all that is known of a crash in native code."""
    starts = [place for mark in _STACK_MARKS if (place := last_words.rfind(mark)) >= 0]
    return last_words[min(starts) :] if starts else None


def _read_result(path: Path, work: Path) -> CellResult:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > RESULT_BYTES:
            raise ValueError(f"it is no plain file of at most {RESULT_BYTES >> 20} MiB")
        data = stream.read(RESULT_BYTES)
    result = CellResult.model_validate(json.loads(data, parse_constant=_refuse))
    if (result.payload is None) and (result.failure is None):
        raise ValueError("it has neither a payload nor a failure")
    for artifact in result.artifacts:
        _check_artifact(artifact, work)
    return result


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it contains {constant}")


def _check_artifact(artifact: Artifact, work: Path) -> None:
    """A name from a worker never leads out of its folder, and never through a link."""
    path = work / artifact.name
    if not safe_name(artifact.name) or path.parent.resolve() != work.resolve() / Path(artifact.name).parent:
        raise ValueError(f"artifact {artifact.name!r:.200} lies outside the work folder")
    facts = path.lstat() if os.path.lexists(path) else None
    if facts is None or not stat.S_ISREG(facts.st_mode) or facts.st_size != artifact.bytes:
        raise ValueError(f"artifact {artifact.name!r:.200} is not the plain file that the worker hashed")


def _brief(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)[:500]
