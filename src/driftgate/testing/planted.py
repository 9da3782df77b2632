"""A package of our own in several versions, built into wheels; one of them brings a break, a failure or a slowdown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PACKAGE = "driftgate-planted"
MODULE = "driftgate_planted"

_PROJECT = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "{version}"
dependencies = {dependencies}
[tool.setuptools]
py-modules = ["{module}"]
"""
MODEL = '''"""A model that does its sums with the planted package."""

import driftgate_planted
import torch


class Sum(torch.nn.Module):
    def forward(self, x):
        return driftgate_planted.work(x)


def made():
    return Sum(), {"x": torch.ones(2, 4)}
'''


_BUILD = """import os, sys
from setuptools import build_meta
wheels, *projects = sys.argv[1:]
for project in projects:
    os.chdir(project)
    build_meta.build_wheel(wheels)
"""


def build_wheels(
    folder: Path, versions: dict[str, str], needs: dict[str, list[str]] | None = None, name: str = PACKAGE
) -> Path:
    """A folder of wheels: version → the body of `work(x)` there; `needs` are requirements of some. All in one process of setuptools."""
    projects = []
    for version, body in versions.items():
        project = folder / f"source-{version}"
        project.mkdir(parents=True)
        wanted = (needs or {}).get(version, [])
        text = _PROJECT.format(name=name, version=version, module=MODULE, dependencies=wanted)
        (project / "pyproject.toml").write_text(text)
        (project / f"{MODULE}.py").write_text(f"VERSION = {version!r}\n\n\ndef work(x):\n    {body}\n")
        projects.append(str(project))
    wheels = folder / "wheels"
    wheels.mkdir()
    subprocess.run([sys.executable, "-c", _BUILD, str(wheels), *projects], check=True, capture_output=True)
    return wheels
