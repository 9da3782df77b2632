"""Why torch's own counts of graph breaks are not the number of break events, reason by reason.

    trace      the events of torch's structured trace: the count to believe
    counters   torch._dynamo.utils.counters["graph_break"], which PyTorch's dashboard adds up
    explain    torch._dynamo.explain(…).graph_break_count, which is the number of graphs minus one

Every difference is a sum of known ones; what is left over is told as `UNEXPLAINED`, and a test wants none on the zoo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from driftgate.core.breaks import BreakEvent, Cut
from driftgate.core.compilations import Compilation
from driftgate.core.records import Discrepancy

UNEXPLAINED = "unexplained"
_USER_ERROR = "UserError"
_UNCOUNTED = {
    Cut.JUMP: "branches on a value: dynamo counts them as unimplemented, not as graph breaks",
    Cut.REST: "breaks behind which nothing can be resumed: dynamo counts them as unimplemented, not as graph breaks",
    Cut.FRAME: "functions given up: dynamo counts their breaks as unimplemented, not as graph breaks",
}
_ERRORS = "errors in how torch is used (UserError), which dynamo does not count"
_NOTHING_NEW = "breaks behind which nothing new was compiled: the rest was known, without a tensor or never reached"
_BOTH_SIDES = "branches of which both sides were compiled"
_BY_THEMSELVES = "functions compiled by themselves, because what calls them was cut or given up: a graph, and no break"
_AGAIN = "compilations of a function for another input: a graph, and no break"
_FOREIGN = "graphs of a region that is compiled by itself, with a backend of its own: explain does not see them"
_EMPTY = "graphs without an operation, which explain does not see"
_GIVEN_UP = "functions given up: no graph of them, and their break is no cut between two graphs"
_NO_SECOND = "breaks behind which nothing can be resumed: no second graph"


def reconcile(
    events: Sequence[BreakEvent], compilations: Sequence[Compilation], *, counter: int, said: int
) -> tuple[Discrepancy, ...]:
    """The differences of both counts. Those beside `counters` add up to `counter` − events, those beside `explain` to `said` −
    events."""
    beside_counters = _told(_of_counters(events), counter - len(events))
    beside_explain = _told(_of_explain(events, compilations), said - len(events))
    return (
        *(Discrepancy(beside="counters", events=number, reason=reason) for number, reason in beside_counters),
        *(Discrepancy(beside="explain", events=number, reason=reason) for number, reason in beside_explain),
    )


def _told(terms: Iterable[tuple[int, str]], difference: int) -> list[tuple[int, str]]:
    """The terms that count, and what they leave of the difference."""
    told = [(number, reason) for number, reason in terms if number]
    left = difference - sum(number for number, _ in told)
    return [*told, (left, UNEXPLAINED)] if left else told


def _of_counters(events: Sequence[BreakEvent]) -> Iterable[tuple[int, str]]:
    for cut, reason in _UNCOUNTED.items():
        yield -sum(event.cut is cut for event in events), reason
    yield -sum(event.cut is Cut.CALL and event.gb_type == _USER_ERROR for event in events), _ERRORS


def _of_explain(events: Sequence[BreakEvent], compilations: Sequence[Compilation]) -> Iterable[tuple[int, str]]:
    """Graphs − 1 = resumed parts + functions compiled by themselves + compilations that were not the first − those without a graph of
    explain's; the first function is the −1."""
    cuts = Counter(event.cut for event in events)
    tried = [one for one in compilations if not one.limited]
    failed = sum(one.failed for one in tried)
    resumed = sum(one.resumed and not one.again for one in tried) - cuts[Cut.CALL] - cuts[Cut.JUMP]
    yield min(resumed, 0), _NOTHING_NEW
    yield max(resumed, 0), _BOTH_SIDES
    yield sum(not one.resumed and not one.again for one in tried) - 1, _BY_THEMSELVES
    yield sum(one.again for one in tried), _AGAIN
    yield -sum(one.graph and one.foreign for one in tried), _FOREIGN
    yield -sum(not one.graph and not one.failed for one in tried), _EMPTY
    yield -failed - cuts[Cut.FRAME], _GIVEN_UP
    yield -cuts[Cut.REST], _NO_SECOND
