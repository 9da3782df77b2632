"""One kind of registry for targets, sources, sinks and rules: name → "module:attribute", plus entry points.

Nothing is imported until it is asked for, so the command line can list names without loading torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from driftgate.core.errors import MachineryError, UsageError, did_you_mean


class Registry:
    """A table of names. `kind` is singular, for error messages ("target"); `group` the entry-point group."""

    def __init__(self, kind: str, group: str, table: Mapping[str, str]) -> None:
        self.kind, self.group, self._own = kind, group, dict(table)

    def places(self) -> dict[str, str]:
        """Name → "module:attribute"; what others registered may add names but never replace one of ours."""
        foreign = {point.name: point.value for point in entry_points(group=self.group)}
        return foreign | self._own

    def names(self) -> tuple[str, ...]:
        """All names, ours first, in the order of the table."""
        return tuple(self._own) + tuple(sorted(self.places().keys() - self._own.keys()))

    def check(self, name: str, *, where: str | None = None) -> str:
        """The name itself if it is registered, else UsageError with the nearest one."""
        self._place(name, where)
        return name

    def load(self, name: str) -> Any:
        """Import and return what the name stands for."""
        place = self._place(name, None)
        module, _, attribute = place.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise MachineryError(f"{self.kind} {name!r} is registered as {place}: {error}") from error

    def _place(self, name: str, where: str | None) -> str:
        """What others registered is looked through (it takes reading every installed package's metadata) for names that are not ours."""
        place = self._own.get(name) or self.places().get(name)
        if place is None:
            raise UsageError(f"unknown {self.kind} {name!r}", where=where, mend=did_you_mean(name, self.names()))
        return place
