"""A build of the Jenkinsfile without a Jenkins: Debian's groovy runs it, with the harness beside this file for everything else.

problems_of([path, …])      what Jenkins' parser would refuse, with lines
Lab(folder).build()         really executes it: each `sh` in a workspace of its own agent, stashes in real folders
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
JENKINSFILE = ROOT / "Jenkinsfile"
HARNESS = Path(__file__).parent / "harness"
TABLES = HARNESS / "jenkins.json"
NEWEST_JAVA = 17
"""Groovy 2.4 reads no class files of a newer Java."""

CPU = {"name": "cpu-1", "labels": ["cpu"]}
GPU = {"name": "gpu-1", "labels": ["gpu"]}


@cache
def java_home() -> str:
    """The newest Java that Groovy 2.4 can run on, by the `release` file that every one carries."""
    found = {}
    for release in Path("/usr/lib/jvm").glob("*/release"):
        version = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release.read_text(), re.MULTILINE)
        if version and int(version[1]) <= NEWEST_JAVA:
            found[int(version[1])] = str(release.parent)
    assert found, f"no Java up to {NEWEST_JAVA} under /usr/lib/jvm; mend it with: apt-get install groovy"
    return found[max(found)]


def problems_of(files: Sequence[Path]) -> dict[Path, list[str]]:
    """What is wrong with each Jenkinsfile."""
    found = json.loads(_groovy("check", *files))
    return {file: found[str(file)] for file in files}


def tables() -> dict[str, Any]:
    """The names that Jenkins knows: sections, steps with their arguments and the plugin that brings each."""
    return dict(json.loads(TABLES.read_text()))


@dataclass(frozen=True)
class Built:
    """How a build ended, and where its files are."""

    folder: Path
    result: str
    description: str | None
    stages: dict[str, str]
    log: str
    artifacts: tuple[str, ...]
    fingerprints: dict[str, str]
    reports: tuple[str, ...]
    junit: dict[str, int] | None

    @property
    def page(self) -> Path:
        """The artifacts of the build."""
        return self.folder / "artifacts"


@dataclass
class Lab:
    """A folder with a repository to check out, and builds that agents with folders of their own carry out."""

    folder: Path
    path: tuple[Path, ...] = ()
    agents: tuple[Mapping[str, Any], ...] = (CPU,)
    environment: dict[str, str] = field(default_factory=dict)
    jenkinsfile: Path = JENKINSFILE

    def repository(self, files: Mapping[str, str]) -> None:
        """What `checkout scm` brings: these files, committed."""
        place = self.folder / "repository"
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
        for command in (("init", "-q", "--template="), ("add", "."), (*identity, "commit", "-q", "-m", "a fleet")):
            subprocess.run(["git", *command], cwd=place, check=True)

    def build(self, **parameters: str | bool) -> Built:
        """Execute the Jenkinsfile."""
        return builds_of([self.ready(**parameters)])[0]

    def ready(self, **parameters: str | bool) -> Path:
        """The folder of a build that is ready to be executed; each has one of its own."""
        root = self.folder / f"build-{len(list(self.folder.glob('build-*')))}"
        root.mkdir()
        request = {
            "jenkinsfile": str(self.jenkinsfile),
            "root": str(root),
            "repository": str(self.folder / "repository"),
            "agents": [dict(agent) | {"environment": self._environment_of(agent)} for agent in self.agents],
            "parameters": parameters,
            "credentials": self.credentials(),
            "environment": _inherited(),
        }
        (root / "request.json").write_text(json.dumps(request))
        return root

    def credentials(self) -> dict[str, str]:
        """What `withCredentials` finds, by id."""
        return {
            "driftgate-hf-token": "hf_a-secret-that-no-log-may-show",
            "driftgate-db-url": f"sqlite:///{self.folder}/history.sqlite",
        }

    def _environment_of(self, agent: Mapping[str, Any]) -> dict[str, str]:
        """Each agent has its own home and cache: what is not handed over is not there."""
        home = self.folder / "agents" / agent["name"]
        home.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join([*map(str, self.path), os.environ["PATH"]])
        own = {"HOME": str(home), "DRIFTGATE_CACHE": str(home / "cache"), "TMPDIR": str(home), "PATH": path}
        return own | self.environment | dict(agent.get("environment", {}))


def builds_of(folders: Sequence[Path]) -> list[Built]:
    """Execute these builds one after the other, in one process of groovy."""
    _groovy("build", *folders)
    results = [json.loads((folder / "result.json").read_text()) for folder in folders]
    return [
        Built(folder=folder, **result | {name: tuple(result[name]) for name in ("artifacts", "reports")})
        for folder, result in zip(folders, results, strict=True)
    ]


def _inherited() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


def _groovy(what: str, *arguments: Path | str) -> str:
    groovy = shutil.which("groovy")
    assert groovy is not None, "groovy is missing; mend it with: apt-get install groovy"
    call = [groovy, "-cp", str(HARNESS), str(HARNESS / "Main.groovy"), what, str(TABLES), *map(str, arguments)]
    options = "-Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # a short life
    environment = os.environ | {"JAVA_HOME": java_home(), "JAVA_OPTS": options}
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def edited(text: str, changes: Iterable[tuple[str, str]]) -> str:
    """The text with each first part, which must be there once, replaced by the second."""
    for old, new in changes:
        assert text.count(old) == 1, (old, text.count(old))
        text = text.replace(old, new)
    return text
