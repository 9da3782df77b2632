"""in_turn: run several infer jobs in turn, each in a process of its own, so that what the machine does meanwhile it does to all.

    worker ─┬─ arm 0     start, run once, wait ── block ── wait ──────── wait ── block ── …
            └─ arm 1     start, run once, wait ──────── block ── block ── wait ──────── …

An arm measures only while it holds the token: it is asked for a block, and answers with the block's times. Whoever has no turn sleeps.
The order is swapped from round to round (AB BA AB …): a steady drift then pushes one round's ratio up and the next one's down.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch

from driftgate.core.errors import StageFailure
from driftgate.core.records import Failure, InTurnPayload
from driftgate.core.verdicts import FailureKind
from driftgate.machine.isolation.line import Line, Message
from driftgate.machine.isolation.linux import die_with_parent
from driftgate.machine.jobs import Bench, Job
from driftgate.machine.state import MachineWatch, process_seconds
from driftgate.stages.blame import blaming
from driftgate.stages.inputs.contents import load_inputs
from driftgate.stages.target_plan import plan_of, size_of
from driftgate.targets import TARGETS
from driftgate.targets.base import Target
from driftgate.targets.timing import Run, StoppingRule, take, warm_up

FEWEST, MOST = 5, 1_000
"""Samples of a block: few enough for one message, enough for a median."""
AWAKENING = 2
"""Runs at the beginning of a block that are not recorded: the processor's caches belong to the other arm."""


@dataclass(frozen=True)
class Arm:
    """One process, from outside."""

    name: str
    pid: int
    line: Line

    def ask(self, request: Message) -> Message:
        """Send a request and wait for the answer. Raises StageFailure if the arm failed, or died."""
        try:
            self.line.send(request)
            answer = self.line.receive()
        except OSError:
            answer = None
        if answer is None:
            raise _died(self)
        if "failed" in answer:
            failure = Failure.model_validate(answer["failed"])
            raise StageFailure(
                failure.kind, f"{self.name}: {failure.message}", hint=failure.hint, traceback=failure.traceback
            )
        return answer


def in_turn(job: Job, bench: Bench) -> InTurnPayload:
    """Measure the arms of `job.in_turn`. One that fails ends all, and says which it was."""
    if job.in_turn is None:
        raise ValueError("the job has no arms")
    rounds, block_s = job.in_turn.rounds, job.in_turn.block_s
    with _arms(job.in_turn.arms) as arms:
        for arm in arms:  # one after the other: each takes the memory and the processor of a whole cell
            arm.ask({"start": True})
        watch = MachineWatch(threads=None, own_seconds=lambda: sum(process_seconds(arm.pid) for arm in arms))
        with bench.alone():
            warm = [arm.ask({"warm": block_s}) for arm in arms]
            slowest = max(answer["median"] for answer in warm)
            count = max(FEWEST, min(MOST, int(block_s * 1e9 / max(1, slowest))))
            with watch:
                blocks = take_turns(arms, rounds, count)
    conditions = watch.conditions()
    unknown = conditions.unknown | {"preemptions": "the arms are processes of their own"}
    return InTurnPayload(
        arms=tuple(arm.name for arm in arms),
        blocks=tuple(tuple(map(tuple, own)) for own in blocks),
        warmups=tuple(answer["runs"] for answer in warm),
        conditions=conditions.model_copy(update={"preemptions": None, "unknown": unknown}),
    )


def take_turns(arms: Sequence[Arm], rounds: int, count: int) -> list[list[list[int]]]:
    """For each arm its blocks of `count` samples, the order swapped from round to round."""
    blocks: list[list[list[int]]] = [[] for _ in arms]
    for number in range(rounds):
        order = range(len(arms)) if number % 2 == 0 else reversed(range(len(arms)))
        for index in order:
            blocks[index].append(arms[index].ask({"take": count})["times"])
    return blocks


@contextmanager
def _arms(jobs: Sequence[Job]) -> Iterator[list[Arm]]:
    """The arms, which end with the block."""
    arms: list[Arm] = []
    try:
        arms.extend(_fork(job) for job in jobs)  # those that came to be before one that could not are in the list
        yield arms
    finally:
        for arm in arms:
            arm.line.close()
            os.kill(arm.pid, signal.SIGKILL)  # its children's pid stays ours until it is waited for
            os.waitpid(arm.pid, 0)


def _fork(job: Job) -> Arm:
    ours, theirs = Line.pair()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            die_with_parent(parent)
            serve(job, theirs)
        finally:
            os._exit(1)  # whatever happens, this process must not go on as a second worker
    theirs.close()
    return Arm(f"{job.cell.model} {job.cell.name}", pid, ours)


def serve(job: Job, line: Line) -> None:
    """An arm's life: start when told, then answer requests until the line breaks."""
    try:
        line.receive()
        name = job.cell.target or ""
        target: Target = TARGETS.load(name)()
        plan = plan_of(job, target, load_inputs(job.folder, size_of(job)))
        torch.manual_seed(job.seed)
        with blaming(FailureKind.OTHER, f"the model fails on {name}"):
            target.prepare_to_run(plan)
            line.send({"ready": True})
            gc.disable()
            with target.bound() as run:
                while (request := line.receive()) is not None:
                    line.send(_answer(run, request))
    except StageFailure as failure:
        told = Failure.of(failure.kind, failure.message, hint=failure.hint, traceback=failure.traceback)
        line.send({"failed": told.to_dict()})


def _answer(run: Run, request: Message) -> Message:
    times: array[int] = array("q")
    match request:
        case {"warm": float(seconds)}:
            times, _ = warm_up(run, StoppingRule(budget=max(20.0, 4 * seconds)))
            return {"runs": len(times), "median": median(times[-20:])}
        case {"take": int(count)}:
            for _ in range(AWAKENING):
                run()
            take(run, count, time.perf_counter_ns, 1 << 62, times)
            return {"times": times.tolist()}
        case _:
            raise ValueError(f"not a request to an arm: {request!r:.80}")


def _died(arm: Arm) -> StageFailure:
    """What became of an arm that no longer answers; its status stays to be fetched."""
    found = os.waitid(os.P_PID, arm.pid, os.WEXITED | os.WNOWAIT)
    if found is not None and found.si_code != os.CLD_EXITED:
        name = signal.Signals(found.si_status).name
        return StageFailure(FailureKind.SIGNAL, f"{arm.name} was killed by {name} while it was measured")
    return StageFailure(FailureKind.EXIT_NO_RECORD, f"{arm.name} ended without a word while it was measured")
