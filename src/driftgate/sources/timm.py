"""The source of `timm:resnet18`: pretrained weights of a timm architecture, from the Hub's repositories of timm.

A bare architecture means its most downloaded weights (`timm/resnet18.a1_in1k`); `timm:resnet18.fb_swsl_ig1b_ft_in1k` names them.
"""

from __future__ import annotations

from pathlib import Path

from driftgate.core.errors import StageFailure, did_you_mean
from driftgate.core.records import LockEntry
from driftgate.core.references import Reference, slug_of
from driftgate.core.verdicts import FailureKind
from driftgate.machine.settings import HubSettings
from driftgate.sources.base import Fetched, Progress
from driftgate.sources.hub import HubSource

AUTHOR = "timm"


class TimmSource:
    """timm's repositories on a Hub."""

    def __init__(self, hub: HubSettings) -> None:
        self._hub = HubSource(hub)

    def pin(self, reference: Reference) -> LockEntry:
        """The repository at its present commit. Raises StageFailure(not_found) with the nearest one."""
        repository = reference.name if "." in reference.name else self._most_downloaded(reference.name)
        entry = self._hub.pin(Reference("hf", f"{AUTHOR}/{repository}"))
        return entry.model_copy(
            update={
                "ref": str(reference),
                "slug": slug_of(str(reference)),
                "scheme": "timm",
                "architecture": repository.partition(".")[0],
                "library": "timm",
            }
        )

    def present(self, entry: LockEntry, cache: Path) -> bool:
        """Whether all files are there."""
        return self._hub.present(entry, cache)

    def fetch(self, entry: LockEntry, cache: Path, progress: Progress) -> Fetched:
        """As for any repository of the Hub."""
        return self._hub.fetch(entry, cache, progress)

    def _most_downloaded(self, architecture: str) -> str:
        from driftgate.sources.hub_errors import explained

        with explained(f"timm:{architecture}"):
            found = [
                info.id.partition("/")[2]
                for info in self._hub.api.list_models(author=AUTHOR, search=architecture, sort="downloads", limit=50)
            ]
        exact = next((name for name in found if name.partition(".")[0] == architecture), None)
        if exact is None:
            hint = did_you_mean(architecture, (name.partition(".")[0] for name in found))
            raise StageFailure(FailureKind.NOT_FOUND, f"the Hub has no weights of timm's {architecture}", hint=hint)
        return exact
