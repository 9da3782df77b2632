"""Stages that misbehave on purpose, one fault each, for the tests of whatever runs stages. No torch, no model.

Name one to an executor as "driftgate.testing.misbehave:segfaults". Those that behave return a pull payload.
"""

from driftgate.testing.misbehave.behaved import (
    dies_waiting,
    disturbs,
    passes,
    reports_itself,
    takes_a_moment,
    tells_progress,
    times_alone,
)
from driftgate.testing.misbehave.ends import (
    closes_descriptors,
    exits_hard,
    exits_hard_with_seven,
    floods,
    hangs,
    hangs_in_c,
    kills_its_group,
    kills_its_guardian,
    kills_itself,
    prints_garbage,
    reads_for_ever,
    segfaults,
)
from driftgate.testing.misbehave.families import (
    STRAY,
    forks_without_growing,
    grows,
    grows_and_swallows,
    grows_in_a_child,
    leaves_a_fork_bomb,
    leaves_a_stranger,
    leaves_children,
)
from driftgate.testing.misbehave.results import (
    exits,
    fails_with_payload,
    fills_the_disk,
    leaves_a_link,
    makes_its_log_unwritable,
    raises,
    raises_memory_error,
    raises_unprintable,
    returns_nan,
    returns_no_json,
    returns_nothing,
    writes_a_way_out,
    writes_garbage,
    writes_too_much,
)
from driftgate.testing.misbehave.warm_ups import (
    warm,
    warm_and_die,
    warm_and_fail,
    warm_and_leave_a_thread,
)

__all__ = [
    "STRAY", "closes_descriptors", "dies_waiting", "disturbs", "exits", "exits_hard", "exits_hard_with_seven", "fails_with_payload",
    "fills_the_disk", "floods", "forks_without_growing", "grows", "grows_and_swallows", "grows_in_a_child", "hangs",
    "hangs_in_c", "kills_its_group", "kills_its_guardian", "kills_itself", "leaves_a_fork_bomb", "leaves_a_link",
    "leaves_a_stranger", "leaves_children", "makes_its_log_unwritable", "passes", "prints_garbage", "raises",
    "raises_memory_error", "raises_unprintable", "reads_for_ever", "reports_itself", "returns_nan",
    "returns_no_json", "returns_nothing", "segfaults", "takes_a_moment", "tells_progress", "times_alone", "warm",
    "warm_and_die", "warm_and_fail", "warm_and_leave_a_thread", "writes_a_way_out", "writes_garbage",
    "writes_too_much",
]  # fmt: skip
