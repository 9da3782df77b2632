"""Fetching pinned models: right bytes, resumed downloads, and what each fault of a Hub is called."""

import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from driftgate.core.errors import StageFailure
from driftgate.core.references import parse_reference
from driftgate.machine.settings import HubSettings
from driftgate.sources.base import Fetched
from driftgate.sources.embedded_hub import EmbeddedHub
from driftgate.sources.hub import HubSource
from driftgate.sources.patience import Patience
from driftgate.sources.testing.hub_faults import (
    Fault,
    FaultyHub,
    changed,
    cut,
    garbage,
    hang,
    slow,
    stall,
    status,
    wrong_length,
)
from driftgate.sources.testing.model_folders import make_model, noise

REFERENCE = parse_reference("hf:acme/bert")
SIZE = 2_000_000
LARGE = 25_000_000
PIECE = 10 * 2**20  # the client writes whole pieces
WEIGHTS = "GET /acme/bert/resolve/*/model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_model(tmp_path / "models", "acme/bert", weights=SIZE, files={"tokenizer.json": b"{}" * 100})
    return tmp_path / "models"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def naps() -> list[float]:
    return []


def source_of(hub: EmbeddedHub, naps: list[float], token: str | None = None, **settings: object) -> HubSource:
    patience = Patience(tries=3, timeout=0.4, sleep=naps.append)
    chosen = HubSettings.model_validate({"endpoint": "embedded", **settings})
    return HubSource(chosen, endpoint=hub.url, token=token, patience=patience)


def ignore(_here: int, _total: int | None) -> None:
    pass


def fetch(hub: EmbeddedHub, cache: Path, naps: list[float]) -> Fetched:
    source = source_of(hub, naps)
    return source.fetch(source.pin(REFERENCE), cache, ignore)


def assert_right(fetched: Fetched, size: int = SIZE) -> None:
    assert fetched.folder is not None
    assert (fetched.folder / "model.safetensors").read_bytes() == noise("acme/bert", size)
    assert json.loads((fetched.folder / "config.json").read_text())["model_type"] == "bert"


def test_a_fetched_model_is_complete_and_its_progress_is_told(folder: Path, cache: Path, naps: list[float]) -> None:
    seen: list[tuple[int, int | None]] = []
    with EmbeddedHub(folder) as hub:
        source = source_of(hub, naps)
        entry = source.pin(REFERENCE)
        fetched = source.fetch(entry, cache, lambda here, total: seen.append((here, total)))
    assert_right(fetched)
    assert fetched.files == 3
    assert fetched.bytes == fetched.downloaded_bytes == entry.size_bytes
    assert seen[0] == (0, entry.size_bytes)
    assert seen[-1] == (entry.size_bytes, entry.size_bytes)
    assert seen == sorted(seen)


def test_a_complete_model_needs_no_network(folder: Path, cache: Path, naps: list[float]) -> None:
    with EmbeddedHub(folder) as hub:
        source = source_of(hub, naps)
        entry = source.pin(REFERENCE)
        source.fetch(entry, cache, ignore)
    again = source.fetch(entry, cache, ignore)
    assert_right(again)
    assert again.downloaded_bytes == 0
    assert naps == []


@pytest.fixture
def large(tmp_path: Path) -> Path:
    make_model(tmp_path / "large", "acme/bert", weights=LARGE)
    return tmp_path / "large"


def test_a_half_file_of_a_killed_process_is_gone_on_with(large: Path, cache: Path, naps: list[float]) -> None:
    with FaultyHub(large, {}) as hub:
        source = source_of(hub, naps)
        entry = source.pin(REFERENCE)
        sha256 = next(file.sha256 for file in entry.files if file.path == "model.safetensors")
        part = cache / f"models--acme--bert/blobs/{sha256}.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(noise("acme/bert", LARGE)[:1_500_000])
        assert_right(source.fetch(entry, cache, ignore), LARGE)
        assert [request.headers["range"] for request in hub.asked(WEIGHTS)] == ["bytes=1500000-"]


def test_a_cut_line_is_gone_on_with_in_the_middle(large: Path, cache: Path, naps: list[float]) -> None:
    with FaultyHub(large, {WEIGHTS: [cut(after=15_000_000)]}) as hub:
        assert_right(fetch(hub, cache, naps), LARGE)
        ranges = [request.headers.get("range") for request in hub.asked(WEIGHTS)]
    assert ranges == [None, f"bytes={PIECE}-"]


def test_what_a_failed_fetch_had_is_gone_on_with_by_the_next(large: Path, cache: Path, naps: list[float]) -> None:
    with FaultyHub(large, {WEIGHTS: [cut(after=15_000_000), *repeat(status(500), 3)]}) as hub:
        with pytest.raises(StageFailure, match="HTTP 500"):
            fetch(hub, cache, naps)
        before = len(hub.asked(WEIGHTS))
        assert_right(fetch(hub, cache, naps), LARGE)
        assert [request.headers["range"] for request in hub.asked(WEIGHTS)[before:]] == [f"bytes={PIECE}-"]


def test_a_slow_hub_is_waited_for_as_long_as_it_sends(folder: Path, cache: Path, naps: list[float]) -> None:
    with FaultyHub(folder, {WEIGHTS: [slow(chunk=200_000, pause=0.1)]}) as hub:
        assert_right(fetch(hub, cache, naps))
        assert len(hub.asked(WEIGHTS)) == 1


def test_silence_in_the_middle_of_a_file_ends_and_the_file_is_gone_on_with(
    large: Path, cache: Path, naps: list[float]
) -> None:
    with FaultyHub(large, {WEIGHTS: [stall(after=15_000_000)]}) as hub:
        assert_right(fetch(hub, cache, naps), LARGE)
        assert hub.asked(WEIGHTS)[1].headers["range"] == f"bytes={PIECE}-"


def test_two_who_fetch_one_model_at_once_both_have_it(large: Path, cache: Path, naps: list[float]) -> None:
    with FaultyHub(large, {WEIGHTS: [slow(chunk=5_000_000, pause=0.05)]}) as hub, ThreadPoolExecutor(2) as pool:
        for fetched in pool.map(lambda _: fetch(hub, cache, naps), range(2)):
            assert_right(fetched, LARGE)
        assert len(hub.asked(WEIGHTS)) == 1


PULL = """
import sys
from pathlib import Path
from driftgate.core.references import parse_reference
from driftgate.machine.settings import HubSettings
from driftgate.sources.hub import HubSource
source = HubSource(HubSettings(endpoint=sys.argv[1]))
print(source.fetch(source.pin(parse_reference("hf:acme/bert")), Path(sys.argv[2]), lambda here, total: None).files)
"""


@pytest.mark.parametrize("offline", ["0", "1"])
def test_only_the_given_hub_is_asked_and_one_on_loopback_even_offline(
    folder: Path, tmp_path: Path, offline: str
) -> None:
    with FaultyHub(folder, {}) as hub, FaultyHub(folder, {}) as other:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "HF_ENDPOINT": other.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_OFFLINE": offline,
        }
        command = [sys.executable, "-c", PULL, hub.url, str(tmp_path / "cache")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert (done.stdout, done.stderr) == ("3\n", "")
        assert other.requests == []
        assert not hub.asked("*agent-harnesses*")


@pytest.mark.parametrize("fault", [status(500), status(503), status(429), hang(), cut(after=10)])
def test_what_passes_is_tried_again(folder: Path, cache: Path, naps: list[float], fault: Fault) -> None:
    with FaultyHub(folder, {"GET /api/models/*": [fault], "HEAD */config.json": [fault]}) as hub:
        assert_right(fetch(hub, cache, naps))
    assert naps
    assert all(nap <= 1 for nap in naps)


def test_retry_after_is_obeyed_and_capped(folder: Path, cache: Path, naps: list[float]) -> None:
    script = {"GET /api/models/*": [status(429, Retry_After="7"), status(503, Retry_After="86400")]}
    with FaultyHub(folder, script) as hub:
        assert_right(fetch(hub, cache, naps))
    assert naps == [7.0, 300.0]


METADATA = "GET /api/models/acme/bert"


@pytest.mark.parametrize(
    ("pattern", "fault", "kind", "says"),
    [
        (METADATA, status(500), "network", "HTTP 500"),
        (METADATA, status(429, Retry_After="1"), "network", "HTTP 429"),
        (METADATA, hang(), "network", "ReadTimeout"),
        (METADATA, garbage(), "network", "could not be understood"),
        (METADATA, garbage(b'["a list"]'), "network", "could not be understood"),
        (METADATA, garbage(b'{"id": "acme/bert", "sha": 5}'), "network", "could not be understood"),
        (METADATA, cut(after=20), "network", "RemoteProtocolError"),
        (METADATA, status(401), "auth", "access denied"),
        (METADATA, status(403), "auth", "access denied"),
        (METADATA, status(403, "GatedRepo"), "auth", "is gated"),
        (METADATA, status(404), "not_found", "acme/bert"),
        (METADATA, status(404, "RepoNotFound"), "not_found", "is not on the Hub"),
        (METADATA, status(404, "RevisionNotFound"), "not_found", "no such revision"),
        (METADATA, status(403, X_Error_Message="Access to this resource is disabled."), "not_found", "disabled"),
        (METADATA, status(400), "network", "HTTP 400"),
        (WEIGHTS, status(500), "network", "HTTP 500"),
        (WEIGHTS, status(401), "auth", "access denied"),
        (WEIGHTS, status(403, "GatedRepo"), "auth", "is gated"),
        (WEIGHTS, status(404, "EntryNotFound"), "not_found", "model.safetensors"),
        (WEIGHTS, status(416), "integrity", "model.safetensors"),
        (WEIGHTS, hang(), "network", "ReadTimeout"),
        (WEIGHTS, changed(), "integrity", "model.safetensors: 2,000,000 bytes with hash"),
        (WEIGHTS, wrong_length(-1_000), "integrity", "truncated"),
        ("GET */tokenizer.json", changed(), "integrity", "tokenizer.json"),
        ("GET */tokenizer.json", wrong_length(-10), "integrity", "truncated"),
        ("HEAD */tokenizer.json", status(404, "EntryNotFound"), "not_found", "tokenizer.json"),
        ("HEAD */tokenizer.json", status(403), "auth", "tokenizer.json"),
        ("HEAD */tokenizer.json", garbage(), "network", "tokenizer.json"),
    ],
)
def test_each_fault_that_stays_has_its_kind_and_says_what_happened(
    folder: Path, cache: Path, naps: list[float], pattern: str, fault: Fault, kind: str, says: str
) -> None:
    with FaultyHub(folder, {pattern: repeat(fault)}) as hub, pytest.raises(StageFailure) as caught:
        fetch(hub, cache, naps)
    assert caught.value.kind == kind, caught.value
    assert says in caught.value.message
    assert "acme/bert" in caught.value.message


def test_a_refused_connection_is_the_networks_fault(folder: Path, naps: list[float]) -> None:
    with EmbeddedHub(folder) as hub:
        source = source_of(hub, naps)
    with pytest.raises(StageFailure) as caught:
        source.pin(REFERENCE)
    assert caught.value.kind == "network"
    assert "3 tries" in caught.value.message
    assert len(naps) == 2


def test_a_wrong_file_is_removed_so_that_the_next_run_can_do_better(
    folder: Path, cache: Path, naps: list[float]
) -> None:
    with FaultyHub(folder, {WEIGHTS: [changed()]}) as hub:
        with pytest.raises(StageFailure):
            fetch(hub, cache, naps)
        assert_right(fetch(hub, cache, naps))


@pytest.mark.parametrize("path", ["model.safetensors", "config.json"])
def test_a_file_that_rotted_in_the_cache_is_found(folder: Path, cache: Path, naps: list[float], path: str) -> None:
    with EmbeddedHub(folder) as hub:
        fetched = fetch(hub, cache, naps)
        assert fetched.folder is not None
        blob = (fetched.folder / path).resolve()
        blob.write_bytes(bytes(blob.stat().st_size))
        with pytest.raises(StageFailure, match="integrity"):
            fetch(hub, cache, naps)
        assert_right(fetch(hub, cache, naps))


def test_a_model_that_changed_since_it_was_pinned_is_not_mixed(folder: Path, cache: Path, naps: list[float]) -> None:
    with EmbeddedHub(folder) as hub:
        source = source_of(hub, naps)
        entry = source.pin(REFERENCE)
        (folder / "acme/bert/config.json").write_text("{}")
        with pytest.raises(StageFailure) as caught:
            source.fetch(entry, cache, ignore)
    assert caught.value.kind == "not_found"
    assert "no such revision" in caught.value.message


def test_a_model_with_pickled_weights_alone_says_so(tmp_path: Path, cache: Path, naps: list[float]) -> None:
    make_model(tmp_path / "models", "acme/bert", weights=0, files={"pytorch_model.bin": b"x"})
    with EmbeddedHub(tmp_path / "models") as hub:
        with pytest.raises(StageFailure, match="no safetensors weights") as caught:
            fetch(hub, cache, naps)
        assert caught.value.kind == "load"
        assert "allow_pickle" in (caught.value.hint or "")
        source = source_of(hub, naps, allow_pickle=True)
        assert source.fetch(source.pin(REFERENCE), cache, ignore).files == 2


def test_a_token_opens_a_gated_model_and_is_never_told(
    tmp_path: Path, cache: Path, naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    make_model(tmp_path / "models", "acme/bert", hub={"gated": "auto"})
    with EmbeddedHub(tmp_path / "models", token="hf_secret") as hub, caplog.at_level(logging.DEBUG):
        for token in ("hf_secret", "hf_wrong_secret"):
            source = source_of(hub, naps, token=token)
            entry = source.pin(REFERENCE)
            if token == "hf_secret":
                assert source.fetch(entry, cache / str(len(token)), ignore).files == 2
                continue
            with pytest.raises(StageFailure) as caught:
                source.fetch(entry, cache / str(len(token)), ignore)
            assert caught.value.kind == "auth"
            assert "secret" not in f"{caught.value} {caught.value.hint} {source!r}"
    assert "secret" not in caplog.text
