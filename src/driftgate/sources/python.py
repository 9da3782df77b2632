"""`python:package.module:factory`: one's own model (or IBM's Foundation Model Stack) from the current folder or environment.

A factory takes nothing and returns a Module, or `(Module, inputs)`. It cannot be pinned: nothing of it is cached unless the
factory carries a `cache_key` attribute, which is read in the worker that imports it, never here.

`python:package.module:*` stands for every function of the module that can be called with nothing, as its text says: no import either.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from driftgate.core.errors import UsageError
from driftgate.core.records import LockEntry
from driftgate.core.references import Reference, slug_of
from driftgate.machine.settings import HubSettings
from driftgate.sources.base import Fetched, Progress


class PythonSource:
    """Models given by a factory function."""

    def __init__(self, hub: HubSettings) -> None:
        del hub

    def pin(self, reference: Reference) -> LockEntry:
        """Name the factory; that its top-level module exists is checked without importing anything."""
        module, _, factory = reference.name.partition(":")
        top = module.partition(".")[0]
        if not _importable(top):
            raise UsageError(
                f"there is no module {top!r} for {reference}",
                mend="run from the folder that holds it, or install it into this environment",
            )
        return LockEntry(
            ref=str(reference),
            slug=slug_of(str(reference)),
            scheme="python",
            name=reference.name,
            family=top,
            architecture=factory,
        )

    def present(self, entry: LockEntry, cache: Path) -> bool:
        """Code has no files to pull."""
        del entry, cache
        return True

    def fetch(self, entry: LockEntry, cache: Path, progress: Progress) -> Fetched:
        """Nothing to fetch."""
        del entry, cache, progress
        return Fetched(folder=None)


def matching(pattern: str, *, where: str | None = None) -> tuple[str, ...]:
    """The references that a pattern stands for; names with an underscore in front are a module's own business.

    Raises UsageError where there is no such module, its text is no Python, or nothing in it matches.
    """
    module, _, names = pattern.removeprefix("python:").partition(":")
    file = next((file for file in _places(module) if file.is_file()), None)
    if file is None:
        mend = "run from the folder that holds it, or install it into this environment"
        raise UsageError(f"there is no source file of the module {module!r} for {pattern}", where=where, mend=mend)
    found = tuple(f"python:{module}:{name}" for name in _factories(file, where) if fnmatchcase(name, names))
    if not found:
        mend = "a factory is a function at the module's top that takes nothing"
        raise UsageError(f"{pattern} stands for no model", where=where, mend=mend)
    return found


def _places(module: str) -> Iterator[Path]:
    """Where a worker would find a module's text: the current folder is first on its path."""
    for root in (str(Path.cwd()), *sys.path):
        base = Path(root, *module.split("."))
        yield base / "__init__.py"  # beside a file of the same name Python takes the package
        yield base.with_name(f"{base.name}.py")


def _factories(file: Path, where: str | None) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (OSError, SyntaxError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as Python: {error}", where=where) from error
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _takes_nothing(node.args):
            yield node.name


def _takes_nothing(said: ast.arguments) -> bool:
    """Whether every argument has a default."""
    return len(said.defaults) == len(said.posonlyargs + said.args) and None not in said.kw_defaults


def _importable(name: str) -> bool:
    """Whether a worker would find the module: it has the current folder first on its path."""
    here = Path.cwd()
    if (here / f"{name}.py").is_file() or (here / name).is_dir():
        return True
    return name in sys.modules or importlib.util.find_spec(name) is not None
