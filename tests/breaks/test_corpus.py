"""The corpus: small modules of which every break was stated by hand, counted one after the other in this process."""

import pytest
import torch

from breaks import blocks, calls, nested, regions, sizes, values
from breaks.corpus import CASES, Case
from driftgate.core.reconcile import UNEXPLAINED
from driftgate.core.records import ExplainPayload
from driftgate.stages.explaining.counting import count_breaks
from driftgate.stages.explaining.second_shape import try_second_shape
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.loading import Ready

FILES = (blocks, calls, nested, regions, sizes, values)
AT_A_SECOND_SIZE = [case for case in CASES if case.second is not None]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    """Nothing compiled goes from one case to the next."""
    torch._dynamo.reset()


def ready(case: Case) -> Ready:
    second = {} if case.second is None else {"x": case.second}
    return Ready(case.model().eval(), ModelInputs(first={"x": case.x}, second=second))


def places(payload: ExplainPayload, case: Case) -> list[tuple[object, ...]]:
    """Where it breaks in the case's own file."""
    own = [seen for seen in payload.breaks if seen.file and case.file.endswith(seen.file)]
    return sorted((seen.line, seen.gb_id, seen.count, seen.module) for seen in own)


def others(payload: ExplainPayload, case: Case) -> list[tuple[object, ...]]:
    """Where it breaks in code of others."""
    there = [seen for seen in payload.breaks if not (seen.file and case.file.endswith(seen.file))]
    return [(seen.file, seen.function, seen.gb_id, seen.count) for seen in there]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_break_is_where_the_code_says(case: Case) -> None:
    payload = count_breaks(ready(case))
    assert (payload.break_count, payload.unique_break_count) == (case.events, case.places)
    assert payload.frames_skipped == case.skipped == len(payload.skipped)
    assert places(payload, case) == sorted(case.marked)
    assert others(payload, case) == list(case.elsewhere)
    assert case.said is None or payload.explain_break_count == case.said
    assert UNEXPLAINED not in {found.reason for found in payload.reconciliation or ()}


@pytest.mark.parametrize("case", AT_A_SECOND_SIZE, ids=lambda case: case.name)
def test_a_second_size_recompiles_and_breaks_as_the_code_says(case: Case) -> None:
    seen = try_second_shape(ready(case))
    assert seen is not None
    assert (seen.recompiles, seen.breaks) == (case.recompiles, case.at_second)
    assert len(seen.recompiled) == seen.recompiles
    assert all(found.guards for found in seen.recompiled)


def test_there_are_at_least_sixty_cases_each_with_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 60
    assert {case.file for case in CASES} == {file.__file__ for file in FILES}
    assert len({mark[1] for case in CASES for mark in case.marked}) >= 20
