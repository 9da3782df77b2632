"""Where a server is and who we are there, from the environment: `PREFIX_URL`, `PREFIX_USER`, `PREFIX_PASSWORD` or `PREFIX_PASSWORD_FILE`.

A password never leaves this object but in the request itself: not in `url`, not in `repr`, and `tell` takes it out of what a server said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from driftgate.core.errors import UsageError, one_line

MOST_PASSWORD_BYTES = 4096
MOST_TOLD = 300
"""Characters of a server's own words that are shown."""


@dataclass(frozen=True)
class Endpoint:
    """A server. `url` has neither credentials nor a final slash: it is fit to be printed."""

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, prefix: str, environment: Mapping[str, str] | None = None) -> Endpoint | None:
        """The server that `PREFIX_URL` names; None if it is unset or empty. Credentials inside the URL are taken out of it, and those
        of the other variables replace them. Raises UsageError for what is no URL of a server, or half of the credentials."""
        given = os.environ if environment is None else environment
        text = given.get(f"{prefix}_URL", "").strip()
        if not text:
            return None
        parts = _split(text, f"{prefix}_URL")
        user = given.get(f"{prefix}_USER") or unquote(parts.username or "") or None
        password = _password(prefix, given) or unquote(parts.password or "") or None
        if (user is None) != (password is None):
            missing = f"{prefix}_USER" if user is None else f"{prefix}_PASSWORD"
            raise UsageError("a user and a password belong together", where=missing, mend=f"set {missing} too")
        host = parts.netloc.rpartition("@")[2]
        return cls(f"{parts.scheme}://{host}{parts.path.rstrip('/')}", user, password)

    @property
    def auth(self) -> tuple[str, str] | None:
        """User and password as an HTTP client takes them."""
        return (self.user, self.password) if self.user is not None and self.password is not None else None

    def tell(self, words: str) -> str:
        """What a server or a library said, in one short line and without the password."""
        said = words.replace(self.password, "***") if self.password else words
        return one_line(said)[:MOST_TOLD]


def _split(text: str, variable: str) -> SplitResult:
    mend = "write it like http://127.0.0.1:9091"
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port != 0
    except ValueError as error:  # its words may hold the URL, and that a password
        raise UsageError("no URL of a server", where=variable, mend=mend) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine:
        raise UsageError("no URL of a server", where=variable, mend=mend)
    if parts.query or parts.fragment:
        raise UsageError("a URL with ? or # is no place to push to", where=variable, mend=mend)
    return parts


def _password(prefix: str, given: Mapping[str, str]) -> str | None:
    plain, file = given.get(f"{prefix}_PASSWORD"), given.get(f"{prefix}_PASSWORD_FILE")
    if plain and file:
        raise UsageError(f"{prefix}_PASSWORD and {prefix}_PASSWORD_FILE are both set", mend="unset one of them")
    return plain or (_in_file(Path(file), f"{prefix}_PASSWORD_FILE") if file else None)


def _in_file(path: Path, variable: str) -> str:
    """The first line of a file of secrets."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_PASSWORD_BYTES)
        text = data.decode()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", where=variable) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text", where=variable) from error
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise UsageError(f"{path} is empty", where=variable, mend="put the password on its first line")
    return lines[0]
