"""Running code that is not ours: whatever a model raises becomes the failure of its cell, with the deepest cause and the user's frames."""

from __future__ import annotations

import traceback as tracebacks
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import driftgate
from driftgate.core.breaks import ANSI, shorten
from driftgate.core.errors import DriftgateError, StageFailure
from driftgate.core.verdicts import FailureKind

OURS = str(Path(driftgate.__file__).parent)

Sort = Callable[[BaseException], FailureKind]


@contextmanager
def blaming(kind: FailureKind | Sort, doing: str, *, hint: str | None = None) -> Iterator[None]:
    """Turn any exception of the block into a StageFailure of this kind (or of the kind that a function finds for it).

    Failures of Driftgate itself pass through, and so does MemoryError, which the worker reports as what it is.
    """
    try:
        yield
    except (DriftgateError, MemoryError):
        raise
    except Exception as error:  # a model's code may raise anything, and whatever it is belongs in the record
        raise failure_of(error, kind, doing, hint=hint) from error


def failure_of(error: BaseException, kind: FailureKind | Sort, doing: str, *, hint: str | None = None) -> StageFailure:
    """The failure that an exception means for a cell."""
    cause = deepest(error)
    return StageFailure(
        kind if isinstance(kind, FailureKind) else kind(error),
        f"{doing}: {describe(cause)}",
        hint=hint,
        traceback=user_traceback(error),
    )


def or_missing(kind: FailureKind) -> Sort:
    """This kind, but `unavailable` where a package isn't installed: that is no fault of the model."""
    return lambda error: (
        FailureKind.UNAVAILABLE if isinstance(error, ImportError) or isinstance(deepest(error), ImportError) else kind
    )


def attempt(run: Callable[[], object]) -> Exception | None:
    """Run a model's code where its exception is the answer that was asked for."""
    try:
        run()
    except (DriftgateError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - see above
        return error
    return None


def deepest(error: BaseException) -> BaseException:
    """The exception at the bottom of the chain: what is on top often says only that something failed."""
    seen = {id(error)}
    while True:
        below = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if below is None or id(below) in seen:
            return error
        seen.add(id(below))
        error = below


def describe(error: BaseException) -> str:
    """`ValueError: text`, without terminal colours and with paths below site-packages."""
    text = shorten(ANSI.sub("", str(error))).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def first_line(error: BaseException) -> str:
    """`ValueError: what it says first`, short enough for a note."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def user_traceback(error: BaseException) -> str:
    """The traceback without the frames of Driftgate that led to the user's code."""
    first = error.__traceback__
    while first is not None and first.tb_next is not None and _is_ours(first):
        first = first.tb_next
    return shorten(ANSI.sub("", "".join(tracebacks.format_exception(type(error), error, first))))


def _is_ours(entry: TracebackType) -> bool:
    file = entry.tb_frame.f_code.co_filename
    return file.startswith((OURS, "<frozen importlib")) or file.endswith("/importlib/__init__.py")
