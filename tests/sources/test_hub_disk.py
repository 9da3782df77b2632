"""Fetching where the disk, or the lock itself, is the trouble."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from driftgate.core.errors import StageFailure
from driftgate.core.records import LockedFile, LockEntry
from driftgate.core.references import parse_reference
from driftgate.machine.settings import HubSettings
from driftgate.sources.embedded_hub import EmbeddedHub
from driftgate.sources.hub import HubSource
from driftgate.sources.hub_errors import explained
from driftgate.sources.testing.hub_faults import FaultyHub
from driftgate.sources.testing.model_folders import make_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_model(tmp_path / "models", "acme/bert")
    return tmp_path / "models"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def source_of(hub: EmbeddedHub) -> HubSource:
    return HubSource(HubSettings(endpoint=hub.url))


def ignore(_here: int, _total: int | None) -> None:
    pass


def entry_with(files: Iterable[LockedFile], name: str = "acme/bert", revision: str = "0" * 40) -> LockEntry:
    weights = LockedFile(path="model.safetensors", size=1, sha256="0" * 64)
    return LockEntry(ref="hf:x/y", slug="x", scheme="hf", name=name, revision=revision, files=(weights, *files))


@pytest.mark.parametrize(
    "entry",
    [
        entry_with([LockedFile(path="../../../outside.json", size=1)]),
        entry_with([LockedFile(path="/etc/passwd", size=1)]),
        entry_with([], name="../up"),
        entry_with([], revision="../../up"),
        entry_with([], revision="main"),
    ],
)
def test_a_lock_that_leads_out_of_the_cache_is_refused(entry: LockEntry, cache: Path) -> None:
    with pytest.raises(StageFailure, match="no plain name") as caught:
        HubSource(HubSettings(endpoint="http://127.0.0.1:9")).fetch(entry, cache, ignore)
    assert caught.value.kind == "integrity"


def test_a_model_larger_than_the_disk_is_not_begun(folder: Path, cache: Path) -> None:
    with FaultyHub(folder, {}) as hub:
        huge = entry_with([LockedFile(path="model-2.safetensors", size=10**18, sha256="1" * 64)])
        with pytest.raises(StageFailure) as caught:
            source_of(hub).fetch(huge, cache, ignore)
        assert hub.requests == []
    assert caught.value.kind == "disk"
    assert "1,000,000,000,000,000,001 bytes" in caught.value.message


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_a_disk_that_refuses_is_the_disks_fault(code: int) -> None:
    with pytest.raises(StageFailure) as caught, explained("hf:acme/bert"):
        raise OSError(code, os.strerror(code), "/cache/blob")
    assert caught.value.kind == "disk"
    assert caught.value.hint


def test_a_cache_that_is_a_file_is_the_disks_fault(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with EmbeddedHub(folder) as hub:
        source = source_of(hub)
        entry = source.pin(parse_reference("hf:acme/bert"))
        with pytest.raises(StageFailure) as caught:
            source.fetch(entry, tmp_path / "cache", ignore)
    assert caught.value.kind == "disk"


def test_a_stamp_that_cannot_be_written_is_the_disks_fault(folder: Path, cache: Path) -> None:
    with EmbeddedHub(folder) as hub:
        source = source_of(hub)
        entry = source.pin(parse_reference("hf:acme/bert"))
        (cache / f"models--acme--bert/verified-{entry.revision}.json/in the way").mkdir(parents=True)
        with pytest.raises(StageFailure) as caught:
            source.fetch(entry, cache, ignore)
    assert caught.value.kind == "disk"
    assert "DRIFTGATE_CACHE" in (caught.value.hint or "")
