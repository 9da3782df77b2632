"""An environment of its own for each set of package versions, in which nothing but the asked package differs.

    place = Environments(cache_root() / "environments")
    place.versions("onnxruntime", "1.29.0", "1.31.1")      # ('1.29.0', '1.30.0', '1.31.0', '1.31.1')
    place.build({"onnxruntime": "1.30.0"})                 # its interpreter

A venv that holds the asked packages alone. A line in its site-packages puts this environment's own folders behind them, so that torch and
all the rest are the very files that run here, and an environment costs as much disk and time as the packages that differ. pip is
held to this environment's versions by a file of constraints: a version that would need another torch is refused, with pip's
reason. Wheels only: no package's set-up code is run. Each environment is built under a temporary name and then renamed; its
folder is named by everything that it is made of, the versions here included.

Where pip finds packages is as it is configured, `--find-links` on top.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

import driftgate
from driftgate.core.errors import MachineryError, UsageError, did_you_mean, one_line
from driftgate.machine.files import reason_of, write_atomic

PATIENCE_SECONDS = 1800.0
_SELF = "driftgate"
_DONE = "environment.json"
_AVAILABLE = "Available versions:"
_NOISE = ("notice", "warning", "[notice]")


class UnbuildableError(MachineryError):
    """An environment with these versions cannot be had; the message is pip's reason."""


@dataclass(frozen=True)
class Environments:
    """The environments of a cache. `find_links` is a folder or page with wheels, besides those that pip knows of; `variables` are for
    pip alone, on top of the environment (`PIP_NO_INDEX`, …)."""

    root: Path
    find_links: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def build(self, versions: Mapping[str, str]) -> Path:
        """The interpreter of an environment with these versions; this one where they are installed here anyway.

        Raises UnbuildableError with pip's own reason.
        """
        here = installed()
        asked = {name: version for name, version in _canonical(versions).items() if here.get(name) != version}
        if not asked:
            return Path(sys.executable)
        folder = self.root / _name(asked, here)
        if not (folder / _DONE).is_file():
            self._build(folder, asked, here)
        os.utime(folder)  # the least recently used go first
        return _python(folder)

    def versions(self, package: str, first: str, last: str, *, pre: bool = False) -> tuple[str, ...]:
        """The versions that pip can install from `first` to `last`, in order; pre-releases only where asked for.

        Builds of another kind are left out: beside torch 2.13.0+cpu only versions that end in +cpu. Raises UsageError for a range that
        is none, and for an end that pip does not know.
        """
        kind = _kind(package)
        low, high = _version(first, kind), _version(last, kind)
        if low >= high:
            raise UsageError(f"{first}..{last} is no range", where="--package", mend="the good version comes first")
        known = self._known(package, pre=pre or low.is_prerelease or high.is_prerelease)
        fitting = sorted(version for version in known if version.local == kind)
        for end in (low, high):
            if end not in fitting:
                beside = f" with the build +{kind}" if kind else ""
                names = [str(version) for version in fitting[-12:]]
                raise UsageError(
                    f"pip knows no {package} {end}{beside}", where="--package", mend=did_you_mean(str(end), names)
                )
        return tuple(str(version) for version in fitting if low <= version <= high)

    def _known(self, package: str, *, pre: bool) -> set[Version]:
        name = canonicalize_name(package)
        more = [*(["--pre"] if pre else []), "--only-binary", ":all:"]
        answer = self._pip(sys.executable, ["index", "versions", name, *more, *self._links()])
        if answer.returncode != 0:
            mend = "check the name, --find-links and pip's index"
            raise UsageError(f"pip finds no {package[:80]!r}: {_reason(answer)}", where="--package", mend=mend)
        told = _versions_in(answer.stdout)
        here = installed().get(name)
        return {Version(text) for text in (*told, *([here] if here else []))}

    def _build(self, folder: Path, asked: Mapping[str, str], here: Mapping[str, str]) -> None:
        temporary = self.root / f".building-{secrets.token_hex(8)}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._fill(temporary, asked, here)
            write_atomic(temporary / _DONE, json.dumps({"asked": asked, "here": here}, indent=1, sort_keys=True))
            _put(temporary, folder)
        except OSError as error:
            raise MachineryError(f"cannot build an environment in {self.root}: {reason_of(error)}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _fill(self, folder: Path, asked: Mapping[str, str], here: Mapping[str, str]) -> None:
        made = _called([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        if made.returncode != 0:
            raise UnbuildableError(f"no environment can be made with {sys.executable}: {_reason(made)}")
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "driftgate_behind.pth").write_text(_lines_behind())
        constraints = folder / "constraints.txt"
        held = {name: version for name, version in here.items() if name not in asked}
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(held.items())))
        wanted = [f"{name}=={version}" for name, version in sorted(asked.items())]
        options = ["--progress-bar", "off", "--only-binary", ":all:", "--constraint", str(constraints), *self._links()]
        answer = self._pip(str(_python(folder)), ["install", *options, *wanted])
        if answer.returncode != 0:
            raise UnbuildableError(f"pip cannot install {', '.join(wanted)} beside the rest: {_reason(answer)}")

    def _pip(self, python: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        always = ["--disable-pip-version-check", "--no-input", "--no-color"]
        return _called([python, "-m", "pip", *always, *arguments], {**os.environ, **self.variables})

    def _links(self) -> list[str]:
        return ["--find-links", self.find_links] if self.find_links else []


def _versions_in(text: str) -> list[str]:
    """What `pip index versions` prints; its `--json` is younger than the pip that a new environment of Python 3.11 or 3.12 has."""
    line = next((line for line in text.splitlines() if line.startswith(_AVAILABLE)), None)
    if line is None:
        raise MachineryError(f"pip index versions says no {_AVAILABLE!r}: {text.strip()[:200]!r}")
    return [version.strip() for version in line.removeprefix(_AVAILABLE).split(",")]


def installed() -> dict[str, str]:
    """Every package of this environment but Driftgate: canonical name → version. The first of two copies is the one that is imported."""
    found: dict[str, str] = {}
    for package in distributions():
        name = package.metadata["Name"]
        if name and canonicalize_name(name) != _SELF:
            found.setdefault(canonicalize_name(name), package.version)
    return found


def _canonical(versions: Mapping[str, str]) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in versions.items()}


def _name(asked: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Readable in front, and a hash of all that the environment is made of: versions, interpreter, the folders behind."""
    whole = json.dumps([sorted(({**here, **asked}).items()), sorted(asked), sys.version, _lines_behind()])
    told = "-".join(f"{name}-{version}" for name, version in sorted(asked.items()))[:60]
    return f"{re.sub(r'[^A-Za-z0-9._+-]', '_', told)}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"


def _lines_behind() -> str:
    """A .pth file: the packages of this environment, with their own .pth files, and this very Driftgate."""
    folders = [entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}]
    behind = "; ".join(f"site.addsitedir({entry!r})" for entry in folders)
    return f"import site; {behind}\n{Path(driftgate.__file__).resolve().parents[1]}\n"


def _put(temporary: Path, folder: Path) -> None:
    """Rename; whoever was faster has built the same."""
    try:
        temporary.rename(folder)
    except OSError:
        if not (folder / _DONE).is_file():
            raise


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _called(command: list[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MachineryError(f"{' '.join(command[2:5])} did not end within {PATIENCE_SECONDS:g} s") from error


def _reason(answer: subprocess.CompletedProcess[str]) -> str:
    """What a failed call of pip says that a person can use: its last error, and what caused a conflict."""
    lines = [line.strip() for line in (answer.stdout + answer.stderr).splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    causes = [line for line in lines if line.startswith("The user requested") or " depends on " in line]
    told = causes[:4] or errors[-1:] or [line for line in lines if not line.lower().startswith(_NOISE)][-1:]
    return one_line("; ".join(told) or f"exit code {answer.returncode}")[:600]


def _version(text: str, kind: str | None) -> Version:
    """The version, of the kind that is installed here if it names none."""
    try:
        version = Version(text)
        return Version(f"{text}+{kind}") if kind and not version.local else version
    except InvalidVersion as error:
        raise UsageError(f"{text[:40]!r} is no version", where="--package", mend="for example 1.31.1") from error


def _kind(package: str) -> str | None:
    """The kind of build that is installed here: `cpu` of torch 2.13.0+cpu."""
    here = installed().get(canonicalize_name(package))
    return Version(here).local if here else None
