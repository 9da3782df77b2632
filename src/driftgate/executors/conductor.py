"""Takes the cells of a plan to their records: in the order that their needs allow, through the cache, with one retry.

The conductor decides *what* runs next; a pool decides *where*. Whatever happens to a job, its cell gets exactly one record,
written by this process alone.
"""

from __future__ import annotations

import heapq
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from driftgate.core.records import PAYLOADS, Artifact, Cell, CellResult, Failure, PullPayload, StageRecord
from driftgate.core.verdicts import KIND_FACTS, FailureKind, Verdict, verdict_of
from driftgate.executors.local import LocalPool, Task, TaskEnd
from driftgate.executors.spec import CellStage, PartResult
from driftgate.executors.unsettled import unsettled
from driftgate.machine.cache import CellCache, cell_key
from driftgate.machine.events import EventLog
from driftgate.machine.files import sha256_of, write_atomic
from driftgate.machine.jobs import Job
from driftgate.machine.settings import Settings
from driftgate.machine.store import RunStore

TRIES = 2
TICK_SECONDS = 0.25


class Watcher(Protocol):
    """Whoever shows progress: told of everything, asked for nothing."""

    def begin(self, total: int, done: int) -> None:
        """The run starts; `done` of its cells have a record already."""

    def ended(self, record: StageRecord) -> None:
        """A cell has its record."""

    def tick(self, pool: LocalPool) -> None:
        """Some time has passed."""

    def downloading(self, task: Task, done: int, total: int | None) -> None:
        """A download came this far, in bytes."""


@dataclass(frozen=True)
class Places:
    """The folders that jobs need: pulled models, what people provide, and the cache of cells (None: not used)."""

    models: Path
    inputs: Path
    cells: CellCache | None


@dataclass(frozen=True)
class _Done:
    """What later cells need to know of an earlier one."""

    passed: bool
    kind: FailureKind | None
    artifacts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, record: StageRecord) -> _Done:
        kind = record.failure.kind if record.failure else None
        return cls(record.passed, kind, tuple((a.name, a.sha256) for a in record.artifacts))


@dataclass
class _Attempt:
    """A cell on its way: which part and which try is next or running, and what ended so far."""

    cell: Cell
    key: str | None
    parts: tuple[str | None, ...]
    tries: int = 1
    flaky: bool = False
    most_tries: int = 1
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
        upstream: Callable[[Cell], tuple[Cell, ...]],
        *,
        pool: LocalPool,
        places: Places,
        events: EventLog,
        watcher: Watcher,
        agent: str,
    ) -> None:
        self._store, self._settings, self._stages, self._upstream = store, settings, stages, upstream
        self._pool, self._places, self._events, self._watcher, self._agent = pool, places, events, watcher, agent
        self._entries = {entry.slug: entry for entry in store.lock().models}
        self._rank = {name: number for number, name in enumerate(stages)}
        self._done: dict[Cell, _Done] = {}
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
        recorded = {cell: record for cell in self._closure(cells) if (record := self._store.record(cell))}
        self._again = frozenset(cells) & recorded.keys() if again else frozenset()
        anew = self._again or frozenset(cells) & unsettled(recorded, self._upstream)
        self._done = {cell: _Done.of(record) for cell, record in recorded.items() if cell not in anew}
        for record in recorded.values():
            self._learn_cache_key(record)
        todo = [cell for cell in cells if cell not in self._done]
        self._watcher.begin(len(cells), len(cells) - len(todo))
        planned = frozenset(todo)
        for cell in todo:
            needs = [need for need in self._upstream(cell) if need in planned]
            self._unmet[cell] = len(needs)
            for need in needs:
                self._dependents.setdefault(need, []).append(cell)
        self._settling.extend(cell for cell in todo if not self._unmet[cell])

    def _closure(self, cells: Iterable[Cell]) -> dict[Cell, None]:
        found: dict[Cell, None] = {}
        todo = list(cells)
        while todo:
            cell = todo.pop()
            if cell not in found:
                found[cell] = None
                todo.extend(self._upstream(cell))
        return found

    def _settle(self, cell: Cell) -> None:
        """Give the cell its record without a worker where that can be; else put it in line for one."""
        blocker = next((need for need in self._upstream(cell) if not self._passed(need)), None)
        if blocker is not None:
            self._finish(cell, CellResult(failure=self._upstream_failure(blocker)), started=datetime.now(UTC))
            return
        stage = self._stages[cell.stage]
        key = self._key(cell)
        if key is not None and cell not in self._again and self._from_cache(cell, stage, key):
            return
        self._serial += 1
        attempt = _Attempt(cell, key, stage.parts(self._settings))
        heapq.heappush(self._startable, (self._rank[cell.stage], self._serial, attempt))

    def _passed(self, cell: Cell) -> bool:
        return cell in self._done and self._done[cell].passed

    def _upstream_failure(self, blocker: Cell) -> Failure:
        done = self._done.get(blocker)
        why = f"ended as {done.kind}" if done else "has no record"
        return Failure.of(FailureKind.UPSTREAM, f"needs {blocker.name}, which {why}")

    # -- cache ---------------------------------------------------------------------------------------------------

    def _key(self, cell: Cell) -> str | None:
        if self._places.cells is None:
            return None
        upstream = {need.name: self._done[need].artifacts for need in self._upstream(cell)}
        about: dict[str, Any] = {
            "cell": (cell.stage, cell.target, cell.variant),
            "settings": self._stages[cell.stage].reads(self._settings),
            "seed": self._settings.seed,
            "upstream": upstream,
        }
        if cell.stage == "inputs":
            about["override"] = [sha256_of(path) for path in given_inputs(self._places.inputs, cell.model)]
        return cell_key(self._entries[cell.model], about)

    def _learn_cache_key(self, record: StageRecord) -> None:
        """Only the worker that imported a `python:` factory knows what key it carries."""
        if isinstance(record.payload, PullPayload) and record.payload.cache_key is not None:
            entry = self._entries[record.model.slug]
            self._entries[record.model.slug] = entry.model_copy(update={"cache_key": record.payload.cache_key})

    def _from_cache(self, cell: Cell, stage: CellStage, key: str) -> bool:
        entry = self._entries[cell.model]
        if not stage.reuse(self._settings) or self._places.cells is None or not stage.there(entry, self._places.models):
            return False
        started = datetime.now(UTC)
        work = self._work_folder()
        result = self._places.cells.get(key, work)
        if result is None:
            shutil.rmtree(work)
            return False
        self._take_files(result.artifacts, work, cell)
        shutil.rmtree(work)
        self._finish(cell, result, started=started, cached=True)
        return True

    # -- workers -------------------------------------------------------------------------------------------------

    def _work_folder(self) -> Path:
        root = self._store.root / ".work"
        root.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(dir=root))

    def _submit(self, attempt: _Attempt) -> None:
        cell, entry = attempt.cell, self._entries[attempt.cell.model]
        stage = self._stages[cell.stage]
        self._restore_files_of(cell)
        work = self._work_folder()
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
        task = Task(
            id=work.name,
            job=job,
            function=stage.function,
            fresh=stage.fresh(cell, entry),
            time_limit=self._settings.limits.time,
            memory_limit=self._settings.limits.memory,
        )
        self._running[task.id] = attempt
        self._pool.submit(task)
        name = f"{cell.name}[{attempt.part}]" if attempt.part else cell.name
        self._events.write("start", model=cell.model, cell=name, attempt=attempt.tries)

    def _restore_files_of(self, cell: Cell) -> None:
        """Files of earlier cells that were tidied away come back from the cache; the stage says so if they cannot."""
        folder = self._store.model_folder(cell.model)
        for need in self._upstream(cell):
            if all((folder / name).is_file() for name, _ in self._done[need].artifacts):
                continue
            record = self._store.record(need)
            for artifact in record.artifacts if record and self._places.cells else ():
                if not (folder / artifact.name).is_file() and self._places.cells:
                    self._places.cells.restore(artifact, folder)

    def _part_ended(self, attempt: _Attempt, end: TaskEnd) -> None:
        result = _validated(attempt.cell.stage, end.result)
        failure = result.failure
        if failure is not None and KIND_FACTS[failure.kind].retry and attempt.tries < TRIES:
            attempt.tries, attempt.most_tries = attempt.tries + 1, attempt.most_tries + 1
            shutil.rmtree(end.task.job.work, ignore_errors=True)
            self._enqueue(attempt)
            return
        attempt.flaky = attempt.flaky or (failure is None and attempt.tries > 1)
        attempt.ends.append(end)
        attempt.results.append((end.task.job.part or "", result, end.duration_s))
        stage = self._stages[attempt.cell.stage]
        more = len(attempt.results) < len(attempt.parts)
        if more and (failure is not None or stage.every_part(self._settings)):
            attempt.tries = 1
            self._enqueue(attempt)
            return
        self._cell_ended(attempt, stage.join(attempt.results))

    def _enqueue(self, attempt: _Attempt) -> None:
        """Ahead of everything else: a cell that was begun is brought to its end."""
        self._serial += 1
        heapq.heappush(self._startable, (-1, self._serial, attempt))

    def _cell_ended(self, attempt: _Attempt, result: CellResult) -> None:
        works = {(a.name, a.sha256): end.task.job.work for end in attempt.ends for a in end.result.artifacts}
        for artifact in result.artifacts:
            self._take_files((artifact,), works[artifact.name, artifact.sha256], attempt.cell)
        self._keep_log(attempt)
        for end in attempt.ends:
            shutil.rmtree(end.task.job.work, ignore_errors=True)
        cells, stage = self._places.cells, self._stages[attempt.cell.stage]
        if attempt.key is not None and cells is not None and not attempt.flaky:
            cells.put(attempt.key, stage.keeps(result), self._store.model_folder(attempt.cell.model))
        self._finish(attempt.cell, result, started=attempt.ends[0].started_at, attempt=attempt)

    def _keep_log(self, attempt: _Attempt) -> None:
        """What the workers printed, one part after the other."""
        texts = [(end.task.job.part, end.log.read_bytes()) for end in attempt.ends if end.log.is_file()]
        headed = [(f"== {part}\n".encode() if part else b"") + text for part, text in texts]
        path = self._store.log_path(attempt.cell)
        path.unlink(missing_ok=True)
        if any(headed):
            write_atomic(path, b"\n".join(headed))

    def _take_files(self, artifacts: tuple[Artifact, ...], work: Path, cell: Cell) -> None:
        folder = self._store.model_folder(cell.model)
        for artifact in artifacts:
            target = folder / artifact.name
            target.parent.mkdir(parents=True, exist_ok=True)
            (work / artifact.name).replace(target)

    # -- records -------------------------------------------------------------------------------------------------

    def _finish(
        self,
        cell: Cell,
        result: CellResult,
        *,
        started: datetime,
        cached: bool = False,
        attempt: _Attempt | None = None,
    ) -> None:
        ends = attempt.ends if attempt else []
        record = StageRecord(
            run_id=self._store.run_id,
            agent=self._agent,
            model=self._entries[cell.model].identity(),
            stage=cell.stage,
            target=cell.target,
            variant=cell.variant,
            verdict=verdict_of(result.failure.kind) if result.failure else Verdict.PASSED,
            failure=result.failure,
            started_at=started,
            duration_s=round(sum(end.duration_s for end in ends), 6),
            peak_rss_bytes=max((end.peak_rss_bytes or 0 for end in ends), default=0) or None,
            baseline_rss_bytes=ends[0].baseline_rss_bytes if ends else None,
            attempt=attempt.most_tries if attempt else 1,
            flaky=attempt.flaky if attempt else False,
            cached=cached,
            payload=result.payload,  # validated by the stage's class
            artifacts=result.artifacts,
        )
        self._store.write_record(record)
        self._done[cell] = _Done.of(record)
        self._learn_cache_key(record)
        for dependent in self._dependents.pop(cell, ()):
            self._unmet[dependent] -= 1
            if not self._unmet[dependent]:
                self._settling.append(dependent)
        self._note(record)

    def _note(self, record: StageRecord) -> None:
        failure = record.failure
        self._events.write(
            "verdict",
            level="info" if record.passed or record.verdict is Verdict.SKIPPED else "error",
            model=record.model.slug,
            cell=record.cell.name,
            verdict=record.verdict.value,
            kind=failure.kind.value if failure else None,
            message=failure.message if failure else None,
            duration_s=record.duration_s,
            cached=record.cached,
        )
        self._watcher.ended(record)


def _validated(stage: str, result: CellResult) -> CellResult:
    """The result as it is, or a `bad_record` failure if its payload is not what the stage promises."""
    try:
        if result.payload is not None:
            PAYLOADS[stage].model_validate(result.payload)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"the {stage} payload is not valid: {place}: {first['msg']}"
        return CellResult(failure=Failure.of(FailureKind.BAD_RECORD, message))
    return result


def given_inputs(folder: Path, slug: str) -> tuple[Path, ...]:
    """The files that a person provides for a model: `SLUG.yaml`, `SLUG.safetensors`."""
    return tuple(path for ending in ("yaml", "safetensors") if (path := folder / f"{slug}.{ending}").is_file())
