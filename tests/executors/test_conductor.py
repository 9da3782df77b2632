"""The conductor with a pool that ends jobs as a script says: what runs when, what is retried, what is cached."""

import hashlib
import itertools
from collections import deque
from datetime import UTC, datetime

import pytest

from driftgate.core.errors import MachineryError
from driftgate.core.records import Artifact, Cell, CellResult, Failure, Lock, LockEntry, Plan
from driftgate.core.verdicts import FailureKind, Verdict
from driftgate.executors.conductor import Conductor, Places
from driftgate.executors.spec import CellStage
from driftgate.executors.task import TaskEnd
from driftgate.machine.cache import CellCache
from driftgate.machine.events import EventLog
from driftgate.machine.settings import Settings
from driftgate.machine.store import RunStore

PAYLOADS = {
    "pull": {"files": 1, "bytes": 1, "downloaded_bytes": 0, "source": "zoo"},
    "inputs": {"tensors": [], "seed": 0},
    "export": {"exporter": "dynamo"},
}
STAGES = {
    "pull": CellStage("pull", "m:pull"),
    "inputs": CellStage("inputs", "m:inputs"),
    "export": CellStage("export", "m:export", parts=lambda s: s.export.exporters, join=lambda results: results[-1][1]),
}
NEEDS = {"pull": None, "inputs": "pull", "export": "inputs"}


def upstream(cell):
    need = NEEDS[cell.stage]
    return (Cell(model=cell.model, stage=need),) if need else ()


class ScriptedPool:
    """A pool whose jobs end as the script says, by "model/stage[part]"; what is not in it passes."""

    def __init__(self, script=None, jobs=2):
        self.script = {name: deque(ends) for name, ends in (script or {}).items()}
        self.jobs, self.submitted, self._queue, self.running = jobs, [], deque(), ()

    def free(self):
        return self.jobs - len(self._queue)

    def submit(self, task):
        assert self.free() > 0
        job = task.job
        name = f"{job.cell}" + (f"[{job.part}]" if job.part else "")
        self.submitted.append(name)
        ends = self.script.get(name)
        result = ends.popleft() if ends else passed(job)
        (job.work / ".log").write_text(f"log of {name}\n")
        self._queue.append(TaskEnd(task, result, datetime.now(UTC), 0.5, 2000, 1000, job.work / ".log"))

    def wait(self, timeout):
        return [self._queue.popleft()] if self._queue else []


def passed(job):
    content = f"{job.cell}".encode()
    (job.work / "file.bin").write_bytes(content)
    artifact = Artifact(name="file.bin", bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return CellResult(payload=PAYLOADS[job.cell.stage], artifacts=(artifact,))


def failed(kind):
    return CellResult(failure=Failure.of(FailureKind(kind), f"{kind} on purpose"))


class Silent:
    def begin(self, total, done):
        self.begun = (total, done)

    def ended(self, record): ...
    def tick(self, pool): ...
    def downloading(self, task, done, total): ...


class Bench:
    """A run of two models on disk, and what is needed to conduct it."""

    def __init__(self, folder, models=("a", "b"), cache=None):
        self.store = RunStore.create(folder / "outputs")
        entries = tuple(LockEntry(ref=f"zoo:{m}", slug=m, scheme="zoo", name=m, revision="0" * 40) for m in models)
        self.cells = tuple(Cell(model=m, stage=s) for m, s in itertools.product(models, STAGES))
        self.store.write_lock(Lock(models=entries))
        self.store.write_plan(Plan(run_id=self.store.run_id, fleet="f", cells=self.cells))
        self.folder, self.cache, self.watcher = folder, cache, Silent()

    def conduct(self, pool, cells=None, *, again=False):
        places = Places(self.folder / "models", self.folder / "inputs", self.cache)
        with EventLog(self.store.events_path("agent")) as events:
            conductor = Conductor(
                self.store, Settings(), STAGES, upstream,
                pool=pool, places=places, events=events, watcher=self.watcher, agent="agent",
            )  # fmt: skip
            conductor.run(self.cells if cells is None else cells, again=again)
        return {str(record.cell): record for record in self.store.records()}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_every_cell_ends_in_a_record_in_the_order_of_its_needs(bench):
    pool = ScriptedPool()
    records = bench.conduct(pool)
    assert set(records) == {str(cell) for cell in bench.cells}
    assert all(record.passed for record in records.values())
    assert pool.submitted.index("a/pull") < pool.submitted.index("a/inputs") < pool.submitted.index("a/export[dynamo]")
    assert (bench.store.model_folder("a") / "file.bin").is_file()
    assert bench.store.log_path(Cell(model="a", stage="pull")).read_text() == "log of a/pull\n"


def test_what_hangs_on_a_failed_cell_is_skipped_and_the_neighbour_goes_on(bench):
    records = bench.conduct(ScriptedPool({"a/inputs": [failed("inputs")]}))
    assert records["a/inputs"].verdict is Verdict.FAILED
    assert records["a/export"].verdict is Verdict.SKIPPED
    assert records["a/export"].failure.kind is FailureKind.UPSTREAM
    assert "inputs" in records["a/export"].failure.message
    assert records["b/export"].passed


@pytest.mark.parametrize("kind", ["signal", "time_limit", "network", "exit_no_record"])
def test_a_crash_is_tried_once_more_and_then_marked_flaky(bench, kind):
    pool = ScriptedPool({"a/pull": [failed(kind)]})
    record = bench.conduct(pool)["a/pull"]
    assert (record.passed, record.attempt, record.flaky) == (True, 2, True)
    assert pool.submitted.count("a/pull") == 2


def test_two_crashes_are_a_crash(bench):
    pool = ScriptedPool({"a/pull": [failed("signal"), failed("signal"), failed("signal")]})
    record = bench.conduct(pool)["a/pull"]
    assert (record.verdict, record.attempt, record.flaky) == (Verdict.CRASHED, 2, False)
    assert pool.submitted.count("a/pull") == 2


@pytest.mark.parametrize("kind", ["unsupported_op", "memory_limit", "other"])
def test_other_failures_are_not_tried_again(bench, kind):
    pool = ScriptedPool({"a/pull": [failed(kind)]})
    assert bench.conduct(pool)["a/pull"].attempt == 1
    assert pool.submitted.count("a/pull") == 1


def test_the_next_exporter_is_tried_after_one_that_failed(bench):
    pool = ScriptedPool({"a/export[dynamo]": [failed("unsupported_op")]})
    records = bench.conduct(pool)
    assert records["a/export"].passed
    assert "a/export[transformers]" in pool.submitted
    assert "b/export[transformers]" not in pool.submitted
    log = bench.store.log_path(Cell(model="a", stage="export")).read_text()
    assert log == "== dynamo\nlog of a/export[dynamo]\n\n== transformers\nlog of a/export[transformers]\n"


def test_a_payload_that_is_not_the_stages_is_a_bad_record_not_a_crash_of_ours(bench):
    nonsense = CellResult(payload={"files": "many"})
    record = bench.conduct(ScriptedPool({"a/pull": [nonsense, nonsense]}))["a/pull"]
    assert record.failure.kind is FailureKind.BAD_RECORD
    assert "files" in record.failure.message


def test_a_resumed_run_computes_only_what_has_no_record(bench):
    bench.conduct(ScriptedPool(), [cell for cell in bench.cells if cell.stage == "pull"])
    before = bench.store.record_path(Cell(model="a", stage="pull")).read_bytes()
    pool = ScriptedPool()
    bench.conduct(pool)
    assert not any("pull" in name for name in pool.submitted)
    assert bench.watcher.begun == (6, 2)
    assert bench.store.record_path(Cell(model="a", stage="pull")).read_bytes() == before


def test_asked_by_hand_a_cell_is_computed_again(bench):
    bench.conduct(ScriptedPool())
    pool = ScriptedPool({"a/inputs": [failed("inputs")]})
    records = bench.conduct(pool, [Cell(model="a", stage="inputs")], again=True)
    assert pool.submitted == ["a/inputs"]
    assert records["a/inputs"].verdict is Verdict.FAILED


def test_nothing_is_left_in_the_work_folder(bench):
    bench.conduct(ScriptedPool({"a/pull": [failed("signal")]}))
    assert list((bench.store.root / ".work").iterdir()) == []


def test_a_second_run_takes_everything_from_the_cache_and_says_so(tmp_path):
    cache = CellCache(tmp_path / "cells")
    Bench(tmp_path / "one", cache=cache).conduct(
        ScriptedPool({"a/export[dynamo]": [failed("signal"), failed("signal")]})
    )
    second = Bench(tmp_path / "two", cache=cache)
    pool = ScriptedPool()
    records = second.conduct(pool)
    assert pool.submitted == []
    assert all(record.cached for record in records.values())
    assert (second.store.model_folder("b") / "file.bin").read_bytes() == b"b/export"


def test_what_a_person_provides_changes_the_key_of_the_inputs_and_of_nothing_before(tmp_path):
    cache = CellCache(tmp_path / "cells")
    Bench(tmp_path / "one", cache=cache).conduct(ScriptedPool())
    second = Bench(tmp_path / "two", cache=cache)
    (tmp_path / "two" / "inputs").mkdir()
    (tmp_path / "two" / "inputs" / "a.yaml").write_text("arguments: {}")
    pool = ScriptedPool()
    second.conduct(pool)
    assert pool.submitted == ["a/inputs"]


def test_the_events_tell_each_start_and_verdict(bench):
    bench.conduct(ScriptedPool({"a/pull": [failed("signal")]}))
    text = bench.store.events_path("agent").read_text()
    assert text.count('"event": "start"') == 7
    assert text.count('"event": "verdict"') == 6


def test_a_cell_that_is_named_twice_is_computed_once_and_nothing_is_lost(bench):
    pool = ScriptedPool()
    records = bench.conduct(pool, [*bench.cells, *bench.cells])
    assert all(record.passed for record in records.values())
    assert len(pool.submitted) == len(bench.cells)


def test_a_damaged_record_counts_as_none(bench):
    bench.conduct(ScriptedPool())
    bench.store.record_path(Cell(model="a", stage="inputs")).write_text('{"broken')
    pool = ScriptedPool()
    records = bench.conduct(pool)
    assert pool.submitted == ["a/inputs"]
    assert records["a/inputs"].passed


def test_a_record_of_another_run_is_refused_by_name_and_nothing_is_computed(bench):
    first = next(iter(bench.conduct(ScriptedPool()).values()))
    bench.store.write_record(first.model_copy(update={"run_id": "20200101T000000Z-abcdef"}))
    pool = ScriptedPool()
    with pytest.raises(MachineryError, match=r"a/export.json is of run 20200101T000000Z-abcdef, not of"):
        bench.conduct(pool)
    assert pool.submitted == []


def test_a_skip_names_the_first_cause_not_the_skip_before_it(bench):
    records = bench.conduct(ScriptedPool({"a/pull": [failed("load")]}))
    assert "needs pull, which ended as load" in records["a/export"].failure.message


def test_what_was_skipped_and_whose_needs_have_passed_since_is_computed_on_resume(bench):
    bench.conduct(ScriptedPool(), [Cell(model="a", stage="export")])
    assert not bench.store.record(Cell(model="a", stage="export")).passed
    records = bench.conduct(ScriptedPool())
    assert records["a/export"].passed
