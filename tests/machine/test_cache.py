import hashlib
import os

from driftgate.core.records import Artifact, CellResult, Failure, LockEntry
from driftgate.core.verdicts import FailureKind
from driftgate.machine.cache import CellCache, cell_key, code_version
from driftgate.machine.cache_rooms import prune_cache

ENTRY = LockEntry(ref="zoo:bert", slug="zoo--bert", scheme="zoo", name="bert", revision="1" * 40)


def result_with(folder, name, content):
    (folder / name).write_bytes(content)
    artifact = Artifact(name=name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return CellResult(payload={"a": 1}, artifacts=(artifact,))


def folders(tmp_path):
    made, work = tmp_path / "made", tmp_path / "work"
    made.mkdir()
    work.mkdir()
    return CellCache(tmp_path / "cache"), made, work


def test_a_result_comes_back_with_its_files(tmp_path):
    cache, made, work = folders(tmp_path)
    result = result_with(made, "model.onnx", b"weights")
    cache.put("k1", result, made)
    assert cache.get("k1", work) == result
    assert (work / "model.onnx").read_bytes() == b"weights"
    assert cache.get("k2", work) is None


def test_what_may_end_otherwise_next_time_is_not_kept(tmp_path):
    cache, made, work = folders(tmp_path)
    for kind in (FailureKind.TIME_LIMIT, FailureKind.SIGNAL, FailureKind.NETWORK, FailureKind.MEMORY_LIMIT):
        cache.put("k", CellResult(failure=Failure.of(kind, "x")), made)
        assert cache.get("k", work) is None
    cache.put("k", CellResult(failure=Failure.of(FailureKind.UNSUPPORTED_OP, "x")), made)
    assert cache.get("k", work) is not None


def test_a_damaged_file_or_result_is_computed_anew(tmp_path):
    cache, made, work = folders(tmp_path)
    cache.put("k1", result_with(made, "a", b"abc"), made)
    blob = next((tmp_path / "cache" / "blobs").glob("??/*"))
    blob.unlink()
    blob.write_bytes(b"abd")
    assert cache.get("k1", work) is None
    cache.put("k2", CellResult(payload={}), made)
    next((tmp_path / "cache" / "cells").glob("??/*.json")).write_text("{")
    assert cache.get("k2", work) is None


def test_the_least_recently_used_go_first_and_shared_files_stay(tmp_path):
    cache, made, work = folders(tmp_path)
    shared = b"s" * 1000
    cache.put("old", result_with(made, "a", shared), made)
    cache.put("middle", result_with(made, "b", b"m" * 3000), made)
    cache.put("new", result_with(made, "c", shared), made)
    for age, name in enumerate(("new", "middle", "old")):
        path = next((tmp_path / "cache" / "cells").glob(f"??/{name}.json"))
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    pruned = cache.prune(2500)
    assert (pruned.removed, pruned.left) == (1, 2)
    assert cache.get("new", work) is not None
    assert cache.get("old", work) is not None
    assert cache.get("middle", work) is None
    assert cache.prune(0).left_bytes == 0


def test_the_key_follows_everything_the_result_depends_on():
    about = {"cell": ("explain", None, None), "settings": {"fullgraph": True}}
    key = cell_key(ENTRY, about)
    assert key == cell_key(ENTRY, dict(about))
    assert key != cell_key(ENTRY.model_copy(update={"revision": "2" * 40}), about)
    assert key != cell_key(ENTRY, about | {"settings": {"fullgraph": False}})
    assert key == cell_key(ENTRY.model_copy(update={"endpoint": "http://127.0.0.1:1"}), about)


def test_python_models_are_cached_only_if_they_say_what_they_are():
    entry = ENTRY.model_copy(update={"scheme": "python"})
    assert cell_key(entry, {}) is None
    assert cell_key(entry.model_copy(update={"cache_key": "v1"}), {}) is not None


def test_the_code_version_is_that_of_the_source():
    assert len(code_version()) == 64


def test_every_room_of_the_cache_is_bounded(tmp_path):
    def put(name, size, used):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        for place in (path, path.parent):
            os.utime(place, (used, used))
        return path

    old, new = put("models/models--a/blob", 3000, 1), put("models/models--b/blob", 3000, 2)
    built = put("models/inductor/x/kernel.so", 5000, 1)
    zoo = [put(f"zoo/{key}/m", 10, key) for key in (1, 2, 3)]
    environments = [put(f"environments/{key}/m", 700, key) for key in (1, 2)]
    pruned = {room.room: room.removed_bytes for room in prune_cache(tmp_path, 10_000)}
    assert pruned == {"cells": 0, "models": 3000, "compiler": 5000, "environments": 700, "zoo": 10, "scratch": 0}
    assert [path.is_file() for path in environments] == [False, True]
    assert [path.is_file() for path in (old, new, built, *zoo)] == [False, True, False, False, True, True]
    prune_cache(tmp_path, 0)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_result_that_cannot_be_read_is_pruned_and_nothing_else_is_harmed(tmp_path):
    cache, made, work = folders(tmp_path)
    cache.put("good", result_with(made, "a", b"abc"), made)
    bad = tmp_path / "cache" / "cells" / "ab" / "abcd.json"
    bad.parent.mkdir(parents=True)
    bad.write_text("{")
    assert cache.prune(10_000).left == 1
    assert not bad.exists()
    assert cache.get("good", work) is not None
