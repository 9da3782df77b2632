"""What is worse, better or merely different between two records of one cell."""

import pytest

from driftgate.core.comparison import (
    Pair,
    Sense,
    break_differences,
    compile_differences,
    export_differences,
    fold,
    verdict_differences,
)
from driftgate.core.number_changes import drift_differences, latency_differences
from driftgate.core.records import Cell, Failure, Fullgraph, SecondShape
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.testing.breaks import explained, graph_break
from driftgate.testing.runs import Story, synthetic_run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return synthetic_run(tmp_path_factory.mktemp("run"), models=2, stories=(Story.CLEAN, Story.SECOND_EXPORTER))


@pytest.fixture
def record(store):
    """The record of a cell of the first model (or the second one), ended otherwise where a kind is given."""

    def made(stage, kind=None, message="why", *, target=None, model=0, **changes):
        cell = Cell(model=store.lock().models[model].slug, stage=stage, target=target)
        found = store.record(cell)
        if kind is not None:
            failure = Failure.of(kind, message)
            changes |= {"verdict": verdict_of(kind), "failure": failure, "payload": None}
        return found.model_copy(update=changes)

    return made


def told(differences):
    return [(one.what, one.sense.value) for one in differences]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, FailureKind.OUT_OF_TOLERANCE, [("broke", "worse")]),
        (FailureKind.OUT_OF_TOLERANCE, None, [("mended", "better")]),
        (FailureKind.OUT_OF_TOLERANCE, FailureKind.NONDETERMINISTIC, [("fails otherwise", "other")]),
        (None, FailureKind.NETWORK, [("not tested", "other")]),
        (FailureKind.UNAVAILABLE, None, [("tested", "other")]),
        (None, FailureKind.UPSTREAM, []),
        (None, None, []),
    ],
)
def test_a_verdict_is_worse_only_where_the_model_is_to_answer_for_it(record, before, after, expected):
    pair = Pair(record("drift", before, target="ort-cpu"), record("drift", after, target="ort-cpu"))
    assert told(verdict_differences(pair)) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, FailureKind.UNSUPPORTED_OP, [("lost", "worse")]),
        (FailureKind.UNSUPPORTED_OP, None, [("gained", "better")]),
        (FailureKind.UNSUPPORTED_OP, FailureKind.CHECKER, [("fails otherwise", "other")]),
        (FailureKind.UNSUPPORTED_OP, FailureKind.UNSUPPORTED_OP, []),
        (None, FailureKind.DISK, [("not tested", "other")]),
        (FailureKind.DISK, FailureKind.DISK, []),
    ],
)
def test_an_export_is_lost_or_gained_and_told_in_one_section_alone(record, before, after, expected):
    pair = Pair(record("export", before), record("export", after))
    assert told(export_differences(pair)) == expected
    assert told(verdict_differences(pair)) == []


def test_an_export_that_needs_another_exporter_says_which(record):
    (one,) = export_differences(Pair(record("export"), record("export", payload=record("export", model=1).payload)))
    assert (one.what, one.sense) == ("another exporter", Sense.OTHER)
    assert one.subject == "export: dynamo → transformers"


def test_a_failure_says_why_in_one_line(record):
    (one,) = verdict_differences(
        Pair(record("inputs"), record("inputs", FailureKind.INPUTS, "first\nsecond " + "x" * 900))
    )
    assert one.lines == ("first",)
    assert one.subject == "inputs: passed → failed (inputs)"


WAS, NOW = graph_break("if mask.any():"), graph_break("if mask.all():")


@pytest.mark.parametrize(
    ("before", "after", "what", "sense"),
    [
        ((), (WAS,), "appeared", Sense.WORSE),
        ((WAS,), (), "gone", Sense.BETTER),
        ((WAS,), (NOW,), "changed", Sense.OTHER),
        ((WAS,), (graph_break(WAS.code, line=11),), "moved", Sense.OTHER),
        ((WAS,), (graph_break(WAS.code, count=3),), "more", Sense.WORSE),
        ((graph_break(WAS.code, count=3),), (WAS,), "fewer", Sense.BETTER),
    ],
)
def test_what_became_of_a_break(record, before, after, what, sense):
    (one,) = break_differences(
        Pair(record("explain", payload=explained(*before)), record("explain", payload=explained(*after)))
    )
    assert (one.what, one.sense) == (what, sense)
    assert one.subject.startswith("GB0170 Data-dependent branching")


def test_breaks_of_a_second_size_count_where_both_runs_tried_one(record):
    def with_second(*found, tried=True):
        second = SecondShape(recompiles=1, breaks=len(found), seconds=1, found=found) if tried else None
        return record("explain", payload=explained().model_copy(update={"second_shape": second}))

    assert told(break_differences(Pair(with_second(), with_second(WAS)))) == [("appeared", "worse")]
    assert told(break_differences(Pair(with_second(tried=False), with_second(WAS)))) == []


def test_a_changed_break_shows_both_codes_and_a_moved_one_both_places(record):
    def lines(after):
        pair = Pair(record("explain", payload=explained(WAS)), record("explain", payload=explained(after)))
        return next(iter(break_differences(pair))).lines

    assert lines(NOW)[1:] == ("was: if mask.any():", "now: if mask.all():")
    moved = lines(graph_break(WAS.code, line=11))
    assert moved[0] == f"{WAS.file}:11 in forward (was {WAS.file}:10 in forward)"


def test_a_model_that_is_no_longer_one_graph_is_worse(record):
    def with_fullgraph(passed):
        payload = explained().model_copy(update={"fullgraph": Fullgraph(passed=passed, seconds=1)})
        return record("explain", payload=payload)

    assert told(compile_differences(Pair(with_fullgraph(True), with_fullgraph(False)))) == [
        ("no longer one graph", "worse")
    ]
    assert told(compile_differences(Pair(with_fullgraph(False), with_fullgraph(True)))) == [("one graph", "better")]


def test_functions_that_dynamo_gives_up_are_counted(record):
    none = record("explain", payload=explained())
    two = record("explain", payload=explained().model_copy(update={"frames_skipped": 2}))
    (one,) = compile_differences(Pair(none, two))
    assert (one.subject, one.sense) == ("frames skipped: 0 → 2", Sense.WORSE)


def test_what_two_models_share_is_one_line_with_bad_news_first(record):
    found = [
        one
        for model in (0, 1)
        for before, after in (((), (WAS,)), ((NOW,), ()))
        for one in break_differences(
            Pair(
                record("explain", model=model, payload=explained(*before)),
                record("explain", model=model, payload=explained(*after)),
            )
        )
    ]
    folds = fold(found)
    assert [(one.first.what, len(one.models)) for one in folds] == [("appeared", 2), ("gone", 2)]


def with_drift(record, value):
    """The drift record of the first model, this far off in its worst output."""
    payload = record("drift", target="ort-cpu").payload
    first, *rest = payload.tensors
    tensors = (first.model_copy(update={"max_abs": value}), *(one.model_copy(update={"max_abs": 1e-9}) for one in rest))
    return record("drift", target="ort-cpu", payload=payload.model_copy(update={"tensors": tensors}))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (2e-7, 4e-6, [("grew", "worse")]),
        (4e-6, 2e-7, [("shrank", "better")]),
        (2e-6, 1e-5, []),
        (0.0, 9e-7, []),
        (0.0, 2e-6, [("grew", "worse")]),
        (None, 1e-5, [("grew", "worse")]),
    ],
)
def test_a_drift_is_worse_where_it_is_ten_times_what_it_was_and_large_enough_to_count(record, before, after, expected):
    assert told(drift_differences(Pair(with_drift(record, before), with_drift(record, after)))) == expected


def test_a_drift_that_grew_says_both_numbers_the_output_and_what_is_allowed(record):
    (one,) = drift_differences(Pair(with_drift(record, 2e-7), with_drift(record, 4e-6)))
    assert one.subject == "drift.ort-cpu: 2e-07 → 4e-06"
    assert one.lines == ("output last_hidden_state, allowed 0.0001 + 0.001·|value|",)


def test_a_drift_that_left_its_tolerance_is_told_as_a_verdict_alone(record):
    after = record("drift", FailureKind.OUT_OF_TOLERANCE, target="ort-cpu", payload=with_drift(record, 1.0).payload)
    pair = Pair(with_drift(record, 2e-7), after)
    assert told(drift_differences(pair)) == []
    assert told(verdict_differences(pair)) == [("broke", "worse")]


def with_p50(record, seconds, **changes):
    payload = record("infer", target="ort-cpu").payload
    latency = payload.latency.model_copy(update={"p50": seconds})
    return record("infer", target="ort-cpu", payload=payload.model_copy(update={"latency": latency}), **changes)


@pytest.mark.parametrize(
    ("ratio", "expected"), [(1.4, [("slower", "other")]), (0.5, [("faster", "other")]), (1.05, []), (0.95, [])]
)
def test_one_launch_a_side_is_never_a_regression(record, ratio, expected):
    pair = Pair(with_p50(record, 1e-3), with_p50(record, ratio * 1e-3))
    assert told(latency_differences(pair)) == expected


def test_a_slowdown_that_the_gate_confirmed_is_worse_however_small(record):
    pair = Pair(with_p50(record, 1e-3), with_p50(record, 1.05e-3), confirmed="5 % slower, 14 launches against 14")
    (one,) = latency_differences(pair)
    assert (one.what, one.sense, one.lines) == ("slower", Sense.WORSE, ("5 % slower, 14 launches against 14",))
    assert one.subject == "infer.ort-cpu: p50 1 ms → 1.05 ms (×1.05)"


def test_times_of_unlike_machines_or_from_the_cache_are_not_compared(record):
    now = with_p50(record, 5e-3)
    assert told(latency_differences(Pair(with_p50(record, 1e-3), now, alike=False))) == []
    assert told(latency_differences(Pair(with_p50(record, 1e-3), with_p50(record, 5e-3, cached=True)))) == []
    assert told(latency_differences(Pair(with_p50(record, 0.0), now))) == []
