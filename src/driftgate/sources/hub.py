"""The source of `hf:org/name[@revision]`, and of a fleet's top N: a Hub through the real `huggingface_hub`.

    source = HubSource(settings.hub)
    entry = source.pin(parse_reference("hf:google-bert/bert-base-uncased"))
    folder = source.fetch(entry, cache_root() / "hub", lambda done, total: None).folder

The public Hub and the embedded one take the same path; only the endpoint differs. Nothing here imports
`huggingface_hub` before it is needed.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from driftgate.core.errors import UsageError, nearest
from driftgate.core.records import LockEntry
from driftgate.core.references import Reference
from driftgate.machine.settings import HubSettings
from driftgate.sources.base import Fetched, Progress
from driftgate.sources.patience import Patience

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from driftgate.sources.hub_select import Selection
    from driftgate.sources.hub_snapshot import Snapshot

PUBLIC = "https://huggingface.co"
EMBEDDED = "embedded"
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(/[\w./-]*)?")


class HubSource:
    """A Hub. `endpoint` is where it really is when the settings say `embedded`; by default theirs, or HF_ENDPOINT.

    `token` is by default the user's own (HF_TOKEN, or that of `hf auth login`), sent over HTTPS or loopback alone.
    `patience` says how long a Hub that does not answer is waited for (by default DRIFTGATE_HUB_PATIENCE does).
    """

    def __init__(
        self,
        hub: HubSettings,
        *,
        endpoint: str | None = None,
        token: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Raises UsageError for an endpoint that is no http(s) URL."""
        self.hub, self._own_token = hub, token
        self.patience = patience or Patience.of_environment()
        self.named = hub.endpoint or os.environ.get("HF_ENDPOINT") or None
        self.endpoint = (endpoint or self.named or PUBLIC).rstrip("/")
        self._check_endpoint()

    def _check_endpoint(self) -> None:
        key = "hub.endpoint" if self.hub.endpoint else "HF_ENDPOINT"
        if self.endpoint == EMBEDDED:
            raise UsageError(
                "it is `embedded`, and no embedded Hub runs here",
                where=key,
                mend="start one with `driftgate hub serve FOLDER` and give its URL",
            )
        if not _ENDPOINT.fullmatch(self.endpoint):
            meant = nearest(self.endpoint, [EMBEDDED]) if self.hub.endpoint else None
            mend = f"did you mean {meant!r}?" if meant else "write https://host, or `embedded`, or null"
            raise UsageError(f"{self.endpoint[:80]!r} is no URL", where=key, mend=mend)

    @cached_property
    def token(self) -> str | bool:
        """What to send to the endpoint; False for nothing, so that the client adds none of its own accord."""
        from driftgate.sources.hub_session import token_for

        return self._own_token or token_for(self.endpoint)

    @cached_property
    def api(self) -> HfApi:
        """The client. Making it makes all Hub traffic of this process patient."""
        from huggingface_hub import HfApi

        from driftgate.sources.hub_session import install

        install(self.patience)
        return HfApi(endpoint=self.endpoint, token=self.token, library_name="driftgate")

    def select(self) -> Selection:
        """The top N of each task, family or author, as the settings say; StageFailure where the Hub fails."""
        from driftgate.sources.hub_select import Selector

        return Selector(self.api, self.hub, self.pin, token=bool(self.token)).select()

    def pin(self, reference: Reference) -> LockEntry:
        """The model at its present commit (or the reference's revision), with the files that would be fetched.

        Raises UsageError for a name no Hub allows, StageFailure(network, auth, not_found).
        """
        from driftgate.sources.hub_errors import explained
        from driftgate.sources.hub_pin import pin_model

        with explained(str(reference)):
            info = self.api.model_info(reference.name, revision=reference.revision, files_metadata=True)
            return pin_model(
                info,
                reference,
                endpoint=self.named,
                allow_pickle=self.hub.allow_pickle,
                allow_remote_code=reference.name in self.hub.allow_remote_code,
            )

    def present(self, entry: LockEntry, cache: Path) -> bool:
        """Whether every pinned file is there in its size."""
        from driftgate.sources.hub_snapshot import Snapshot

        return entry.revision is not None and not Snapshot(entry, cache).missing()

    def fetch(self, entry: LockEntry, cache: Path, progress: Progress) -> Fetched:
        """The files of a pinned model below `cache`, verified. What is there already is not asked for again.

        Raises StageFailure: load (no weights that may be loaded), network, auth, not_found, integrity, disk.
        """
        from driftgate.sources.hub_pin import missing_weights
        from driftgate.sources.hub_snapshot import Snapshot

        weightless = missing_weights(entry)
        if weightless is not None:
            raise weightless
        snapshot = Snapshot(entry, cache)
        missing = snapshot.missing()
        if missing:
            self._download(snapshot, progress)
        snapshot.verify()
        size = sum(file.size for file in entry.files)
        return Fetched(snapshot.folder, len(entry.files), size, sum(file.size for file in missing))

    def _download(self, snapshot: Snapshot, progress: Progress) -> None:
        from driftgate.sources.hub_download import Downloader
        from driftgate.sources.hub_session import install

        install(self.patience)
        Downloader(snapshot, self.endpoint, self.token, self.patience).fetch(snapshot.missing(), progress)
