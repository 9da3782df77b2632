"""From the client's exceptions to failure kinds: what went wrong, where, and what mends it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
from huggingface_hub import errors as hf

from driftgate.core.errors import StageFailure, UsageError, one_line
from driftgate.core.verdicts import FailureKind

_DISK = {
    errno.ENOSPC: "the disk is full; free some space, or set DRIFTGATE_CACHE to a larger one",
    errno.EDQUOT: "the disk quota is used up; free some space, or set DRIFTGATE_CACHE to another disk",
    errno.EROFS: "the file system is read-only; set DRIFTGATE_CACHE to a folder that can be written",
    errno.EACCES: "permission denied; set DRIFTGATE_CACHE to a folder that can be written",
    errno.ENAMETOOLONG: "a file's name is too long for this file system",
}


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What an error of the client (with one of these statuses, if any are given) means."""

    error: type[hf.HfHubHTTPError]
    kind: FailureKind
    message: str
    hint: str
    statuses: frozenset[int] = frozenset()


_REFUSALS = (
    _Refusal(
        hf.GatedRepoError, FailureKind.AUTH, "{what} is gated",
        "ask for access on its page at the Hub, then set HF_TOKEN",
    ),
    _Refusal(
        hf.DisabledRepoError, FailureKind.NOT_FOUND, "{what} was disabled by the Hub", "take it off the fleet"
    ),
    _Refusal(
        hf.RevisionNotFoundError, FailureKind.NOT_FOUND, "{what}: the Hub has no such revision",
        "give a branch, a tag or a full commit; or pin it anew with `driftgate pull`",
    ),
    _Refusal(
        hf.RemoteEntryNotFoundError, FailureKind.NOT_FOUND, "{what}: the Hub has no file {url}",
        "pin it anew with `driftgate pull`",
    ),
    _Refusal(  # without a token the public Hub says 401 of what does not exist, too
        hf.RepositoryNotFoundError, FailureKind.NOT_FOUND, "{what} is not on the Hub",
        "check its spelling; if it is private, set HF_TOKEN to a token that may read it",
    ),
    _Refusal(
        hf.HfHubHTTPError, FailureKind.NOT_FOUND, "{what}: the Hub knows nothing of {url}",
        "check its spelling and hub.endpoint", frozenset({404, 410}),
    ),
    _Refusal(
        hf.HfHubHTTPError, FailureKind.AUTH, "{what}: access denied",
        "set HF_TOKEN to a token that may read it (it is sent over HTTPS and loopback alone)", frozenset({401, 403}),
    ),
    _Refusal(
        hf.HfHubHTTPError, FailureKind.INTEGRITY, "{what}: the file is shorter than what is here of it already",
        "its content has changed: pin it anew with `driftgate pull`", frozenset({416}),
    ),
)  # fmt: skip


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Raise what the client raises inside as StageFailure. `what` is the model or question, for the message.

    Keep the block tight around calls of the client: an answer of the wrong shape surfaces in it as
    KeyError, TypeError or ValueError.
    """
    try:
        yield
    except hf.HFValidationError as error:
        raise UsageError(f"{what}: {one_line(str(error))}") from error
    except hf.LocalEntryNotFoundError as error:  # the client's wrapper around the error that says why
        raise _failure(error.__cause__ or error, what) from error
    except (OSError, httpx2.HTTPError, httpx2.InvalidURL, hf.XetDownloadError) as error:
        raise _failure(error, what) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StageFailure(
            FailureKind.NETWORK,
            f"{what}: the Hub's answer could not be understood ({type(error).__name__}: {one_line(str(error))[:200]})",
            hint="does hub.endpoint lead to a Hub, or to a proxy's login page?",
        ) from error


def _failure(error: BaseException, what: str) -> StageFailure:
    if isinstance(error, hf.HfHubHTTPError):
        return _refused(error, what)
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError):
        hint = _DISK.get(error.errno, "look at that path, or set DRIFTGATE_CACHE to another folder")
        return StageFailure(FailureKind.DISK, f"{what}: {error.strerror}: {error.filename}", hint=hint)
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return StageFailure(
            FailureKind.INTEGRITY,
            f"{what}: truncated: {one_line(str(error)).split('. ')[0]}",
            hint="the Hub sent fewer or more bytes than it announced; run again to fetch the file anew",
        )
    return StageFailure(
        FailureKind.NETWORK,
        f"{what}: {type(error).__name__}: {one_line(str(error))[:500]}",
        hint="check the network and hub.endpoint",
    )


def _refused(error: hf.HfHubHTTPError, what: str) -> StageFailure:
    """The first row of the table that fits the refusal."""
    said = error.response.headers.get("X-Error-Code")
    for row in _REFUSALS:
        if isinstance(error, row.error) and error.response.status_code in (
            row.statuses or {error.response.status_code}
        ):
            return StageFailure(row.kind, row.message.format(what=what, url=error.response.url.path), hint=row.hint)
    reason = f"HTTP {error.response.status_code} {said or ''}: {one_line(str(error))[:500]}"
    return StageFailure(FailureKind.NETWORK, f"{what}: {reason}", hint="check hub.endpoint")
