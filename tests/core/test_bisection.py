"""A search among versions: how many runs it takes, and that flaky ones don't lead it astray."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.core.bisection import Bisection, Kind, Outcome, expected_runs, promised_runs


def found(count: int, is_bad: Callable[[int], bool], **more: float) -> tuple[Outcome, list[int]]:
    """How a search ends, and which versions it ran."""
    search, ran = Bisection(count, **more), []
    while (index := search.next()) is not None:
        ran.append(index)
        search.saw(index, bad=is_bad(index))
    return search.outcome(), ran


@given(st.integers(2, 300), st.data())
@settings(max_examples=150)
def test_the_first_bad_version_is_named_in_the_promised_number_of_runs(count: int, data: st.DataObject) -> None:
    first_bad = data.draw(st.integers(1, count - 1))
    outcome, ran = found(count, lambda index: index >= first_bad)
    assert (outcome.kind, outcome.first_bad, outcome.last_good) == (Kind.FOUND, first_bad, first_bad - 1)
    assert len(set(ran)) == outcome.tested <= promised_runs(count)
    assert len(ran) == outcome.runs <= promised_runs(count) + 4
    assert set(ran[outcome.tested :]) <= {first_bad - 1, first_bad}, "only the neighbours of the answer run again"
    assert outcome.confidence >= 0.98
    assert outcome.flaky == 0


@pytest.mark.parametrize(("count", "runs"), [(2, 2), (3, 3), (4, 3), (5, 4), (8, 4), (9, 5), (64, 7), (1000, 11)])
def test_the_promise_is_the_logarithm_and_one(count: int, runs: int) -> None:
    assert promised_runs(count) == runs


@given(st.integers(2, 100))
def test_an_end_that_is_not_what_was_claimed_is_said(count: int) -> None:
    outcome, ran = found(count, lambda index: True)
    assert (outcome.kind, outcome.first_bad) == (Kind.GOOD_END_IS_BAD, 0)
    assert len(set(ran)) <= promised_runs(count)
    outcome, ran = found(count, lambda index: False)
    assert (outcome.kind, outcome.last_good) == (Kind.BAD_END_IS_GOOD, count - 1)
    assert len(set(ran)) <= promised_runs(count)


@pytest.mark.parametrize(("count", "flaky"), [(8, 0.05), (8, 0.2), (33, 0.2)])
def test_flaky_runs_cost_runs_and_not_the_answer(count: int, flaky: float) -> None:
    """Either way: a good version that shows the finding, a bad one that does not."""
    draw, searches = random.Random(6), 150
    right = runs = 0
    for _ in range(searches):
        first_bad = draw.randrange(1, count)
        outcome, ran = found(count, lambda index: (index >= first_bad) ^ (draw.random() < flaky))  # noqa: B023
        right += (outcome.kind, outcome.first_bad) == (Kind.FOUND, first_bad)
        runs += len(ran)
    assert right / searches >= 0.93
    assert runs / searches <= expected_runs(count, flaky)


def test_one_flaky_run_is_found_out_by_running_again() -> None:
    lies = {4: [False]}  # the first run of version 4 does not show what is there
    outcome, ran = found(8, lambda index: lies[index].pop() if lies.get(index) else index >= 3)
    assert (outcome.first_bad, outcome.flaky) == (3, 1)
    assert ran[:2] == [0, 4]
    assert outcome.runs <= 16


def test_versions_that_cannot_be_tested_leave_a_range() -> None:
    search = Bisection(9)
    while (index := search.next()) is not None:
        if index in {4, 5}:
            search.skip(index)
        else:
            search.saw(index, bad=index >= 5)
    outcome = search.outcome()
    assert (outcome.kind, outcome.last_good, outcome.first_bad) == (Kind.FOUND, 3, 6)


def test_without_its_good_end_there_is_no_search() -> None:
    search = Bisection(4)
    search.skip(0)
    assert search.next() is None
    assert search.outcome().kind is Kind.UNTESTABLE


def test_a_row_that_turns_good_again_is_not_called_a_first_bad_one() -> None:
    search = Bisection(6)
    for index in (0, 1, 4):
        search.saw(index, bad=index == 1)
    asked = []
    while (index := search.next()) is not None:
        asked.append(index)
        search.saw(index, bad=index == 1)
    assert set(asked) == {1, 4}
    outcome = search.outcome()
    assert (outcome.kind, outcome.bad_before_good) == (Kind.NOT_MONOTONE, (1, 4))


def test_a_coin_is_undecided_and_comes_to_an_end() -> None:
    draw = random.Random(1)
    outcome, ran = found(8, lambda index: draw.random() < 0.5, confidence=0.9999)
    assert outcome.kind in {Kind.UNDECIDED, Kind.NOT_MONOTONE}
    assert len(ran) <= 16 * promised_runs(8)


def test_a_range_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="two versions"):
        Bisection(1)
