"""The top N of each task, family or author on a Hub, and why the others were left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal

from driftgate.core.errors import StageFailure
from driftgate.core.records import LeftOut, LockEntry
from driftgate.core.references import Reference
from driftgate.core.verdicts import FailureKind
from driftgate.machine.settings import HubSettings
from driftgate.sources.hub_errors import explained
from driftgate.sources.hub_pin import licence_of, missing_weights

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

SORT: dict[str, Literal["downloads", "likes", "trending_score"]] = {
    "downloads": "downloads",
    "likes": "likes",
    "trending": "trending_score",
}
WORKERS = 4

Pin = Callable[[Reference], LockEntry]


@dataclass(frozen=True)
class Selection:
    """The chosen models in order (group by group, best first), and every candidate that was looked at in vain."""

    models: tuple[LockEntry, ...]
    left_out: tuple[LeftOut, ...]


@dataclass
class Selector:
    """Goes down each group's list until it has the top N. `token` says whether gated models may be asked for."""

    api: HfApi
    hub: HubSettings
    pin: Pin
    token: bool
    _chosen: dict[str, LockEntry] = field(default_factory=dict)
    _left_out: dict[str, str] = field(default_factory=dict)

    def select(self) -> Selection:
        """Raises StageFailure where the Hub itself fails; what is wrong with one model leaves that one out."""
        if self.hub.top:
            for group in self.hub.groups or (None,):
                self._select_group(group)
        left_out = tuple(LeftOut(ref=ref, reason=reason) for ref, reason in self._left_out.items())
        return Selection(tuple(self._chosen.values()), left_out)

    @property
    def depth(self) -> int:
        """How far down a list the search goes: strict filters must not walk through a million models."""
        return 50 + 10 * self.hub.top

    def _select_group(self, group: str | None) -> None:
        suitable = (info for info in self._candidates(group) if self._suits(info, group))
        found = 0
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="hub") as pool:
            while found < self.hub.top and (batch := list(islice(suitable, self.hub.top - found))):
                # pinned side by side, taken in the list's order
                found += sum(map(self._take, batch, pool.map(self._pin, batch)))
        if found < self.hub.top:
            name = f"{self.hub.per} {group}" if group else "the Hub"
            reason = f"only {found} of {self.hub.top} found among the first {self.depth} by {self.hub.by}"
            self._left_out[f"hf:({name})"] = reason

    def _candidates(self, group: str | None) -> Iterator[ModelInfo]:
        """The head of the group's list; the rest of the page-wise list is never asked for."""
        only = [self.hub.library] if self.hub.library else []
        if len(self.hub.licences) == 1:
            only.append(f"license:{self.hub.licences[0]}")
        if group and self.hub.per == "family":
            only.append(group)
        task = group if self.hub.per == "task" else None
        author = group if self.hub.per == "author" else None
        with explained(f"the models of {self.hub.per} {group or '(any)'}"):
            # what is not named in `expand` is not sent
            yield from self.api.list_models(
                filter=only,
                pipeline_tag=task,
                author=author,
                sort=SORT[self.hub.by],
                limit=self.depth,
                expand=["config", "disabled", "gated", "tags"],
            )

    def _suits(self, info: ModelInfo, group: str | None) -> bool:
        """Whether the listing speaks for a model that is not taken yet; if not, the reason is kept."""
        if f"hf:{info.id}" in self._chosen:
            return False
        reason = self._objection(info, group)
        if reason is not None:
            self._left_out.setdefault(f"hf:{info.id}", reason)
        return reason is None

    def _objection(self, info: ModelInfo, group: str | None) -> str | None:
        licence, family = licence_of(info), (info.config or {}).get("model_type")
        if info.disabled:
            return "disabled by the Hub"
        if info.gated and not self.hub.gated:
            return "gated; hub.gated: true takes it"
        if info.gated and not self.token:
            return "gated, and there is no HF_TOKEN"
        if self.hub.licences and licence not in self.hub.licences:
            return f"licence {licence or 'unknown'} is not among hub.licences"
        if self.hub.per == "family" and group not in {None, family}:
            return f"tagged {group}, but its model_type is {family}"
        return None

    def _pin(self, info: ModelInfo) -> LockEntry | str:
        """The pin, or why this model cannot be had. Trouble with the Hub as a whole is raised."""
        try:
            entry = self.pin(Reference("hf", info.id))
        except StageFailure as failure:
            if failure.kind is FailureKind.NETWORK:
                raise
            return failure.message
        if entry.size_bytes is not None and entry.size_bytes > self.hub.max_size:
            return f"{entry.size_bytes:,} bytes are more than hub.max_size"
        weightless = missing_weights(entry)
        return weightless.message if weightless else entry

    def _take(self, info: ModelInfo, pinned: LockEntry | str) -> bool:
        ref = f"hf:{info.id}"
        if isinstance(pinned, str):
            self._left_out.setdefault(ref, pinned)
            return False
        self._chosen[ref] = pinned
        return True
