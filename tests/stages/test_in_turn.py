"""Several infer jobs in turn: who has the token when, what becomes of an arm that fails, and one real pair through a pool."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sample_models import X
from stage_desk import Desk, QuietBench

from driftgate.core.errors import StageFailure
from driftgate.core.records import LockEntry
from driftgate.core.verdicts import FailureKind
from driftgate.diagnose.confirm import measure_in_turn, ratio_of
from driftgate.executors.local import LocalPool
from driftgate.machine.isolation.line import Line
from driftgate.machine.jobs import InTurn, Job
from driftgate.stages.in_turn import Arm, in_turn, take_turns

EAGER = "torch-eager-cpu"
HEALTHY = "driftgate.testing.models:healthy"


class Answers:
    """A line to an arm that does not exist: it writes down who was asked."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name, self.asked = name, asked

    def send(self, message: dict[str, Any]) -> None:
        self.asked.append(self.name)

    def receive(self) -> dict[str, Any]:
        return {"times": [len(self.asked)]}


def arm_job(folder: Path, factory: str) -> Job:
    desk = Desk(folder / factory.replace(":", "-"), "plain")
    desk.entry = LockEntry(ref=f"python:{factory}", slug="model", scheme="python", name=factory)
    desk.give({"x": X})
    return desk.job("infer", EAGER)


def compared(*arms: Job, rounds: int = 6) -> Job:
    return arms[0].model_copy(update={"in_turn": InTurn(arms=arms, rounds=rounds, block_s=0.002)})


def test_the_order_is_swapped_from_round_to_round() -> None:
    asked: list[str] = []
    arms = [Arm(name, 0, Answers(name, asked)) for name in "ABC"]  # type: ignore[arg-type]
    blocks = take_turns(arms, rounds=3, count=1)
    assert "".join(asked) == "ABCCBAABC"
    assert blocks[0] == [[1], [6], [7]]


def test_a_pair_gives_as_many_blocks_of_as_many_samples_each(tmp_path: Path) -> None:
    payload = in_turn(compared(arm_job(tmp_path, HEALTHY), arm_job(tmp_path, "sample_models:sleeps")), QuietBench())
    assert [len(blocks) for blocks in payload.blocks] == [6, 6]
    assert len({len(block) for blocks in payload.blocks for block in blocks}) == 1
    assert all(time > 0 for blocks in payload.blocks for block in blocks for time in block)
    assert min(payload.warmups) >= 20
    assert payload.conditions is not None
    ratio = ratio_of(payload)
    assert ratio.interval is not None
    assert ratio.interval[0] > 2  # it sleeps a millisecond; the other one takes microseconds


def test_the_arm_that_fails_is_named_and_the_other_one_ends_with_it(tmp_path: Path) -> None:
    before = set(children())
    with pytest.raises(StageFailure, match=r"model infer\.torch-eager-cpu: .*the model's own mistake") as caught:
        in_turn(compared(arm_job(tmp_path, HEALTHY), arm_job(tmp_path, "sample_models:raises")), QuietBench())
    assert caught.value.traceback is not None
    assert set(children()) == before


@pytest.mark.parametrize(
    ("model", "kind", "told"),
    [
        ("driftgate.testing.models:exits", FailureKind.EXIT_NO_RECORD, "ended without a word"),
        ("sample_models:kills_itself", FailureKind.SIGNAL, "was killed by SIGKILL"),
    ],
)
def test_an_arm_that_dies_is_told_from_one_that_fails(tmp_path: Path, model: str, kind: FailureKind, told: str) -> None:
    with pytest.raises(StageFailure, match=told) as caught:
        in_turn(compared(arm_job(tmp_path, HEALTHY), arm_job(tmp_path, model)), QuietBench())
    assert caught.value.kind is kind


def test_an_arm_that_was_killed_while_it_had_no_turn_is_noticed_at_its_next(tmp_path: Path) -> None:
    ours, theirs = Line.pair()
    pid = os.fork()
    if pid == 0:
        signal.pause()
    theirs.close()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(StageFailure, match="B was killed by SIGKILL"):
        Arm("B", pid, ours).ask({"take": 5})
    os.waitpid(pid, 0)


def test_a_pool_measures_a_pair_in_one_worker_and_hands_back_its_blocks(tmp_path: Path) -> None:
    job = arm_job(tmp_path, HEALTHY)
    with LocalPool(1, warm=None, lock_folder=tmp_path / "locks") as pool:
        payload = measure_in_turn(pool, [job, job], rounds=6, block_s=0.002)
    assert payload.arms == ("model infer.torch-eager-cpu",) * 2
    assert ratio_of(payload).rounds == 6


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
