"""The exceptions of Driftgate, and which exit code each one means.

    DriftgateError            3  something in the machinery failed
    ├── UsageError            2  the call or the configuration is wrong: one clear line, never a traceback
    ├── MachineryError        3  network, disk, a server: nobody's model is to blame
    │   └── DamagedRecordError   a file of a run does not validate
    └── StageFailure          -  a cell stage did not do its job; becomes the `failure` of its record

Whoever raises one says what was wrong, where, and what would mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum

from driftgate.core.verdicts import FailureKind


class ExitCode(IntEnum):
    """What the process tells its caller; when several apply, `MACHINERY` beats `REGRESSIONS`."""

    FINE = 0
    REGRESSIONS = 1
    USAGE = 2
    MACHINERY = 3
    INTERRUPTED = 130
    TERMINATED = 143


class DriftgateError(Exception):
    """Root of the family. `exit_code` is what the command line ends with when nobody handles it."""

    exit_code: ExitCode = ExitCode.MACHINERY


class UsageError(DriftgateError):
    """A mistake in a flag, a reference or a configuration file.

    `where` is a place a person can jump to (`configs/nightly.yaml:7: targets`), `mend` says what to do.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.message, self.where, self.mend = message, where, mend
        text = f"{where}: {message}" if where else message
        super().__init__(one_line(f"{text}; {mend}" if mend else text))


class MachineryError(DriftgateError):
    """Something around the models failed (disk, network, a worker server): exit 3, no model is accused."""


class DamagedRecordError(MachineryError):
    """A file of a run is not what it should be. What computes it can be run again."""


class StageFailure(DriftgateError):
    """A cell stage could not do its job. The worker turns it into the `failure` of the record.

    `payload` (a Record) is what there is to say all the same, like the table of a drift beyond tolerance.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        hint: str | None = None,
        traceback: str | None = None,
        payload: object = None,
    ) -> None:
        self.kind, self.message, self.hint, self.traceback, self.payload = kind, message, hint, traceback, payload
        super().__init__(f"{kind}: {message}")


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that `name` was probably meant to be, or None when nothing is close."""
    by_folded = {candidate.casefold(): candidate for candidate in valid}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[close[0]] if close else None


def did_you_mean(name: str, valid: Iterable[str], *, most: int = 12) -> str:
    """`did you mean 'x'?`, or the list of valid names when nothing is close."""
    names = sorted(valid)
    guess = nearest(name, names)
    if guess is not None:
        return f"did you mean {guess!r}?"
    shown = ", ".join(names[:most]) + (", …" if len(names) > most else "")
    return f"valid: {shown}" if names else "there are none"


def one_line(text: str) -> str:
    """Fold every run of white space and control characters, so that an error stays one line on a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def tame(text: str) -> str:
    """The text with its lines, and without what a terminal would obey: a model chose some of these words."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
