"""Is one thing slower than another? Both are measured in turn, in the same minutes on the same machine, and compared round by round.

payload = measure_in_turn(pool, [baseline_job, current_job])
ratio_of(payload)           # PairedRatio(ratio=1.083, interval=(1.079, 1.087), rounds=20)
"""

from __future__ import annotations

from collections.abc import Sequence

from driftgate.core.errors import StageFailure
from driftgate.core.records import InTurnPayload
from driftgate.core.statistics import PairedRatio, paired_ratio
from driftgate.executors.alone import run_alone
from driftgate.executors.local import LocalPool
from driftgate.executors.task import Task
from driftgate.machine.jobs import InTurn, Job

IN_TURN = "driftgate.stages.in_turn:in_turn"


def measure_in_turn(
    pool: LocalPool,
    arms: Sequence[Job],
    *,
    rounds: int = 20,
    block_s: float = 0.1,
    fresh: bool = False,
    function: str = IN_TURN,
) -> InTurnPayload:
    """Measure infer jobs in turn in one worker of a pool that has nothing else to do; each keeps the machine's lock meanwhile.

    The first arm's `work` folder and limits serve for all. `fresh` is for targets that must not be forked from the warmed server.
    Raises StageFailure naming the arm that failed.
    """
    first = arms[0]
    job = first.model_copy(update={"in_turn": InTurn(arms=tuple(arms), rounds=rounds, block_s=block_s)})
    limits = first.settings.limits
    task = Task(f"in-turn-{first.cell}", job, function, fresh, limits.time, len(arms) * limits.memory)
    end = run_alone(pool, task)
    failure = end.result.failure
    if failure is not None:
        raise StageFailure(failure.kind, failure.message, hint=failure.hint, traceback=failure.traceback)
    return InTurnPayload.model_validate(end.result.payload)


def ratio_of(payload: InTurnPayload, first: int = 0, second: int = 1) -> PairedRatio:
    """How much longer the second arm takes than the first."""
    return paired_ratio(payload.blocks[first], payload.blocks[second])
