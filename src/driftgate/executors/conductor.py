"""Takes the cells of a plan to their records: in the order that their needs allow, through the cache, with one retry.

The conductor decides *what* runs next; a pool decides *where*; the recorder writes down how it ended. Whatever happens to a job,
its cell gets exactly one record, written by this process alone.
"""

from __future__ import annotations

import heapq
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from driftgate.core.errors import DamagedRecordError
from driftgate.core.records import Cell, CellResult, Failure, PullPayload, StageRecord
from driftgate.core.verdicts import KIND_FACTS, FailureKind
from driftgate.executors.local import LocalPool
from driftgate.executors.recorder import Ended, Recorder, Watcher, validated
from driftgate.executors.shelf import Places, Shelf
from driftgate.executors.spec import CellStage, PartResult
from driftgate.executors.task import Task, TaskEnd
from driftgate.executors.unsettled import Done, Upstream, unsettled, with_upstream
from driftgate.machine.events import EventLog
from driftgate.machine.jobs import Job
from driftgate.machine.settings import Settings
from driftgate.machine.store import RunStore

__all__ = ["Conductor", "Places", "Watcher"]

TRIES = 2
TICK_SECONDS = 0.25


@dataclass
class _Attempt:
    """A cell on its way: which part and which try is next or running, and what ended so far."""

    cell: Cell
    key: str | None
    parts: tuple[str | None, ...]
    tries: int = 1
    most_tries: int = 1
    flaky: bool = False
    ends: list[TaskEnd] = field(default_factory=list)
    results: list[PartResult] = field(default_factory=list)

    @property
    def part(self) -> str | None:
        return self.parts[len(self.results)]


class Conductor:
    """Runs cells of one run on one pool."""

    def __init__(
        self,
        store: RunStore,
        settings: Settings,
        stages: Mapping[str, CellStage],
        upstream: Upstream,
        *,
        pool: LocalPool,
        places: Places,
        events: EventLog,
        watcher: Watcher,
        agent: str,
    ) -> None:
        self._store, self._settings, self._stages, self._upstream = store, settings, stages, upstream
        self._pool, self._places, self._events, self._watcher = pool, places, events, watcher
        self._entries = {entry.slug: entry for entry in store.lock().models}
        self._recorder = Recorder(store, self._entries, events, watcher, agent)
        self._shelf = Shelf(places, settings, store.root)
        self._rank = {name: number for number, name in enumerate(stages)}
        self._done: dict[Cell, Done] = {}
        self._again: frozenset[Cell] = frozenset()
        self._unmet: dict[Cell, int] = {}
        self._dependents: dict[Cell, list[Cell]] = {}
        self._settling: deque[Cell] = deque()
        self._startable: list[tuple[int, int, _Attempt]] = []
        self._running: dict[str, _Attempt] = {}
        self._serial = 0

    def run(self, cells: Iterable[Cell], *, again: bool = False) -> None:
        """Take every cell to a record. Those that have one are left alone, unless it tells of the machinery alone (network,
        disk, …); with `again` they are computed once more."""
        self._prepare(tuple(cells), again=again)
        while self._settling or self._startable or self._running:
            while self._settling:
                self._settle(self._settling.popleft())
            while self._startable and self._pool.free() > 0:
                self._submit(heapq.heappop(self._startable)[2])
            if self._running or self._startable:
                for end in self._pool.wait(TICK_SECONDS):
                    self._part_ended(self._running.pop(end.task.id), end)
            self._watcher.tick(self._pool)

    # -- order ---------------------------------------------------------------------------------------------------

    def _prepare(self, cells: tuple[Cell, ...], *, again: bool) -> None:
        for cell in with_upstream(cells, self._upstream):
            record = self._readable_record(cell)
            if record is not None:
                self._remember(cell, record)
        self._again = frozenset(cells) & self._done.keys() if again else frozenset()
        for cell in self._again or frozenset(cells) & unsettled(self._done, self._upstream):
            del self._done[cell]
        unknown = next((cell for cell in cells if cell.model not in self._entries), None)
        if unknown is not None:
            raise DamagedRecordError(f"models.lock.json has no model {unknown.model}, which the plan has")
        todo = [cell for cell in dict.fromkeys(cells) if cell not in self._done]
        self._watcher.begin(len(cells), len(cells) - len(todo))
        planned = frozenset(todo)
        for cell in todo:
            needs = [need for need in self._upstream(cell) if need in planned]
            self._unmet[cell] = len(needs)
            for need in needs:
                self._dependents.setdefault(need, []).append(cell)
        self._settling.extend(cell for cell in todo if not self._unmet[cell])

    def _readable_record(self, cell: Cell) -> StageRecord | None:
        """The record; a damaged one counts as none, so that the cell is computed anew."""
        try:
            return self._store.record(cell)
        except DamagedRecordError as error:
            self._events.write("damaged", level="warning", about=cell, message=str(error))
            return None

    def _remember(self, cell: Cell, record: StageRecord) -> None:
        """Keep what others need of a record. Only the worker that imported a `python:` factory knows what key it carries."""
        self._done[cell] = Done.of(record)
        if isinstance(record.payload, PullPayload) and record.payload.cache_key is not None:
            entry = self._entries[cell.model]
            self._entries[cell.model] = entry.model_copy(update={"cache_key": record.payload.cache_key})

    def _settle(self, cell: Cell) -> None:
        """Give the cell its record without a worker where that can be; else put it in line for one."""
        blocker = next((need for need in self._upstream(cell) if not self._passed(need)), None)
        if blocker is not None:
            self._finish(Ended(cell, CellResult(failure=self._upstream_failure(blocker)), datetime.now(UTC)))
            return
        stage, entry = self._stages[cell.stage], self._entries[cell.model]
        files = {need.name: self._done[need].files for need in self._upstream(cell)}
        key = self._shelf.key(cell, stage, entry, files)
        if key is not None and cell not in self._again and self._from_cache(cell, stage, key):
            return
        self._enqueue(_Attempt(cell, key, stage.parts(self._settings)), self._rank[cell.stage])

    def _passed(self, cell: Cell) -> bool:
        return cell in self._done and self._done[cell].passed

    def _upstream_failure(self, blocker: Cell) -> Failure:
        root = self._root_of(blocker)
        done = self._done.get(root)
        why = f"ended as {done.kind}" if done else "has no record"
        return Failure.of(FailureKind.UPSTREAM, f"needs {root.name}, which {why}")

    def _root_of(self, blocker: Cell) -> Cell:
        """The first cause: what itself was skipped is no explanation."""
        done = self._done.get(blocker)
        if done is None or done.kind is not FailureKind.UPSTREAM:
            return blocker
        return next((self._root_of(need) for need in self._upstream(blocker) if not self._passed(need)), blocker)

    def _from_cache(self, cell: Cell, stage: CellStage, key: str) -> bool:
        started = datetime.now(UTC)
        work = self._work_folder()
        result = self._shelf.take(key, stage, self._entries[cell.model], work)
        if result is not None:
            self._recorder.take_files(result.artifacts, work, cell)
            self._finish(Ended(cell, result, started, cached=True))
        shutil.rmtree(work)
        return result is not None

    def _enqueue(self, attempt: _Attempt, rank: int) -> None:
        self._serial += 1
        heapq.heappush(self._startable, (rank, self._serial, attempt))

    # -- workers -------------------------------------------------------------------------------------------------

    def _work_folder(self) -> Path:
        root = self._store.root / ".work"
        root.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(dir=root))

    def _submit(self, attempt: _Attempt) -> None:
        cell = attempt.cell
        self._restore_files_for(cell)
        task = self._task(attempt, self._work_folder())
        self._running[task.id] = attempt
        self._pool.submit(task)
        self._events.write("start", about=cell, part=attempt.part, attempt=attempt.tries)

    def _restore_files_for(self, cell: Cell) -> None:
        folder = self._store.model_folder(cell.model)
        for need in self._upstream(cell):
            if not all((folder / name).is_file() for name, _ in self._done[need].files):
                record = self._store.record(need)
                self._shelf.restore(record.artifacts if record else (), folder)

    def _task(self, attempt: _Attempt, work: Path) -> Task:
        cell, entry = attempt.cell, self._entries[attempt.cell.model]
        stage = self._stages[cell.stage]
        job = Job(
            run=self._store.root.resolve(),
            work=work.resolve(),
            cache=self._places.models.resolve(),
            inputs=self._places.inputs.resolve(),
            cell=cell,
            part=attempt.part,
            entry=entry,
            settings=self._settings,
            seed=self._settings.seed,
        )
        return Task(
            id=work.name,
            job=job,
            function=stage.function_of(attempt.part),
            fresh=stage.fresh(cell, entry),
            time_limit=self._settings.limits.time,
            memory_limit=self._settings.limits.memory,
        )

    def _part_ended(self, attempt: _Attempt, end: TaskEnd) -> None:
        """Try again, go on with the next part, or end the cell. What was begun goes ahead of everything else."""
        result = validated(attempt.cell.stage, end.result)
        failure = result.failure
        if failure is not None and KIND_FACTS[failure.kind].retry and attempt.tries < TRIES:
            attempt.tries, attempt.most_tries = attempt.tries + 1, attempt.most_tries + 1
            shutil.rmtree(end.task.job.work, ignore_errors=True)
            self._enqueue(attempt, -1)
            return
        attempt.flaky = attempt.flaky or (failure is None and attempt.tries > 1)
        attempt.ends.append(end)
        attempt.results.append((end.task.job.part or "", result, end.duration_s))
        stage = self._stages[attempt.cell.stage]
        more = len(attempt.results) < len(attempt.parts)
        if more and (stage.goes_on(result) or stage.every_part(self._settings)):
            attempt.tries = 1
            self._enqueue(attempt, -1)
            return
        self._cell_ended(attempt, stage, stage.join(attempt.results))

    def _cell_ended(self, attempt: _Attempt, stage: CellStage, result: CellResult) -> None:
        cell, ends = attempt.cell, attempt.ends
        works = {(a.name, a.sha256): end.task.job.work for end in ends for a in end.result.artifacts}
        for artifact in result.artifacts:
            self._recorder.take_files((artifact,), works[artifact.name, artifact.sha256], cell)
        self._recorder.keep_log(cell, ends)
        for end in ends:
            shutil.rmtree(end.task.job.work, ignore_errors=True)
        if attempt.key is not None and not attempt.flaky:
            self._shelf.keep(attempt.key, stage, result, self._store.model_folder(cell.model))
        self._finish(Ended(cell, result, ends[0].started_at, ends, attempt.most_tries, attempt.flaky))

    def _finish(self, ended: Ended) -> None:
        self._remember(ended.cell, self._recorder.write(ended))
        for dependent in self._dependents.pop(ended.cell, ()):
            self._unmet[dependent] -= 1
            if not self._unmet[dependent]:
                self._settling.append(dependent)
