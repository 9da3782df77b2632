"""How far models came, the shares of it, and what fails grouped by cause."""

from datetime import UTC, datetime

import pytest

from driftgate.core.coverage import Columns, Reach, Share, funnel, reach, row_of, totals, worst_first
from driftgate.core.failure_groups import failure_groups, headline
from driftgate.core.records import (
    ExportAttempt,
    ExportPayload,
    Failure,
    FailureSummary,
    ModelIdentity,
    SourceLine,
    StageRecord,
)
from driftgate.core.verdicts import FailureKind, Verdict, verdict_of

COLUMNS = Columns("torch-eager-cpu", ("ort-cpu",), frozenset({"ort-cpu"}))
CELLS = ("pull", "inputs", "explain", "export", "infer.torch-eager-cpu", "infer.ort-cpu", "drift.ort-cpu")


def record(name, cell, failure=None, payload=None):
    stage, _, target = cell.partition(".")
    about = ModelIdentity(
        ref=f"zoo:{name}",
        slug=f"zoo--{name}",
        family=name,
        task="fill-mask",
        modality="text",
        architecture=f"{name}Model",
    )
    return StageRecord(
        run_id="r",
        agent="a",
        model=about,
        stage=stage,
        target=target or None,
        verdict=verdict_of(failure.kind) if failure else Verdict.PASSED,
        failure=failure,
        started_at=datetime(2026, 11, 22, tzinfo=UTC),
        duration_s=1.0,
        payload=payload,
    )


def model(name, **failures):
    """A model whose named cells failed so (`ort_runs` for infer.ort-cpu …)."""
    names = {"eager": "infer.torch-eager-cpu", "ort_runs": "infer.ort-cpu", "drift": "drift.ort-cpu"}
    failed = {names.get(cell, cell): failure for cell, failure in failures.items()}
    return row_of(record(name, "pull").model, [record(name, cell, failed.get(cell)) for cell in CELLS], {})


def failure(kind, message="it broke"):
    return Failure.of(kind, message)


UPSTREAM = failure(FailureKind.UPSTREAM, "needs another cell")


@pytest.mark.parametrize(
    ("failures", "stop"),
    [
        ({}, Reach.THROUGH),
        ({"drift": failure(FailureKind.NONDETERMINISTIC)}, Reach.RANDOM),
        ({"drift": failure(FailureKind.OUT_OF_TOLERANCE)}, Reach.DRIFTS),
        ({"ort_runs": failure(FailureKind.SIGNAL), "drift": UPSTREAM}, Reach.UNRUN),
        ({"export": failure(FailureKind.DATA_DEPENDENT), "ort_runs": UPSTREAM, "drift": UPSTREAM}, Reach.UNEXPORTED),
        ({"explain": failure(FailureKind.TIME_LIMIT)}, Reach.UNEXPLAINED),
        ({"pull": failure(FailureKind.LOAD), "eager": UPSTREAM}, Reach.UNFIT),
        ({"pull": failure(FailureKind.NETWORK), "eager": UPSTREAM}, Reach.UNKNOWN),
        ({"ort_runs": failure(FailureKind.NOT_RUN), "drift": UPSTREAM}, Reach.UNKNOWN),
        ({"export": failure(FailureKind.COMPILE), "ort_runs": failure(FailureKind.DISK)}, Reach.UNEXPORTED),
        ({"ort_runs": failure(FailureKind.UNAVAILABLE), "drift": UPSTREAM}, Reach.THROUGH),
    ],
)
def test_a_model_is_counted_where_it_stopped_first(failures, stop):
    assert reach(model("bert", **failures), COLUMNS) is stop


def test_what_the_machinery_did_to_another_size_of_the_input_says_nothing_of_the_first():
    larger = record("bert", "infer.ort-cpu", failure(FailureKind.DISK)).model_copy(update={"variant": "b4"})
    row = row_of(larger.model, [*(record("bert", cell) for cell in CELLS), larger], {})
    assert reach(row, COLUMNS) is Reach.THROUGH


def test_a_cell_that_left_no_record_is_neither_passed_nor_failed():
    row = row_of(record("bert", "pull").model, [record("bert", cell) for cell in CELLS[:-1]], {})
    assert reach(row, COLUMNS) is Reach.UNKNOWN


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [(68, 81, "83.95 %"), (9999, 10000, "99.99 %"), (99999, 100000, "99.99 %"), (81, 81, "100 %"), (0, 0, "–")],
)
def test_a_share_is_never_rounded_up(part, whole, told):
    assert Share("", part, whole).percent == told


def test_a_share_is_held_to_what_is_asked_exactly():
    assert Share("", 88, 100, 88).holds
    assert not Share("", 8799, 10000, 88).holds
    assert Share("", 0, 0, 88).holds is None


def test_each_share_is_of_what_came_so_far_and_what_differs_from_itself_is_not_compared():
    rows = [
        model("a"),
        model("b", export=failure(FailureKind.COMPILE), ort_runs=UPSTREAM, drift=UPSTREAM),
        model("c", drift=failure(FailureKind.NONDETERMINISTIC)),
        model("d", pull=failure(FailureKind.LOAD), **dict.fromkeys(("eager", "explain", "export"), UPSTREAM)),
    ]
    shares = [(share.part, share.whole) for share in funnel(rows, COLUMNS)]
    assert shares == [(3, 4), (3, 3), (2, 3), (2, 2), (1, 1)]


def test_a_refusal_of_the_compiler_is_a_verdict_of_explain_and_a_time_limit_is_none():
    rows = [
        model("a"),
        model("b", explain=failure(FailureKind.COMPILE)),
        model("c", explain=failure(FailureKind.TIME_LIMIT)),
    ]
    judged = funnel(rows, COLUMNS)[1]
    assert (judged.part, judged.whole) == (2, 3)


def test_families_descend_from_what_their_names_begin_with():
    rows = [model(name) for name in ("qwen2", "qwen2_5_vl", "qwen3", "sam3_tracker", "bert", "bert-generation")]
    found = {total.name: len(total.rows) for total in totals(rows, COLUMNS, lambda row: row.stem)}
    assert found == {"qwen": 3, "bert": 2, "sam": 1}


def test_those_that_stopped_first_come_first():
    drifts = {"drift": failure(FailureKind.OUT_OF_TOLERANCE)}
    rows = [model("a"), model("b", **drifts), model("c", pull=failure(FailureKind.LOAD), eager=UPSTREAM)]
    assert [row.name for row in worst_first(rows, COLUMNS)] == ["c", "b", "a"]


@pytest.mark.parametrize(
    "alike",
    [
        (
            "the dynamo exporter failed: GuardError: Could not guard on data-dependent expression Eq(u7, 0)\n\nconsider …",
            "the transformers exporter failed: GuardError: Could not guard on data-dependent expression u1 + 3*u2 > 1",
        ),
        ("FooModel: BarForCausalLM requires the timm library", "BazConfig: requires the timm library"),
        ("mat1 and mat2 shapes cannot be multiplied (2x16 and 32x8)", "mat1 and mat2 shapes cannot be multiplied (4x64 and 8x8)"),
        ("an output 'a_mask' is an input", "an output 'height' is an input"),
        ("no file /tmp/one/model.onnx at line 3", "no file /var/two/model.onnx at line 44"),
    ],
)  # fmt: skip
def test_messages_that_differ_in_names_numbers_symbols_and_paths_are_one(alike):
    one, other = map(headline, alike)
    assert one == other


def test_another_operator_is_another_cause():
    told = "DispatchError: No ONNX function found for <OpOverload(op='aten.{}', overload='default')>"
    assert headline(told.format("cummax")) != headline(told.format("bincount"))


def guarded(name, place, line, expression):
    """An export that failed at a line of a model's code, with the account of its try."""
    message = f"the dynamo exporter failed: GuardError: Could not guard on data-dependent expression {expression}"
    found = failure(FailureKind.DATA_DEPENDENT, message)
    told = FailureSummary(
        kind="data_dependent",
        message=message,
        fingerprint=found.fingerprint,
        source=SourceLine(file=place, line=line, function="forward", code="if n == 0:"),
    )
    tries = (ExportAttempt(exporter="dynamo", dynamic=False, verdict="failed", seconds=1, failure=told),)
    return row_of(
        record(name, "pull").model, [record(name, "export", found, ExportPayload(attempts=tries))], {"export": "why"}
    )


def test_one_cause_of_many_models_is_one_group_with_the_lines_of_code_beneath():
    shared = "transformers/models/glm4v/modeling_glm4v.py"
    rows = [
        guarded("a", shared, 374, "Eq(u7, 0)"),
        guarded("b", "x.py", 1, "Eq(u0, 1)"),
        guarded("c", shared, 374, "Eq(u3, 0)"),
    ]
    (group,) = failure_groups((row.name, seen) for row in rows for seen in row.failures)
    assert [(place, names) for place, _, names in group.places] == [(f"{shared}:374", ["a", "c"]), ("x.py:1", ["b"])]
    assert group.expected == 3
    assert group.reasons == [("why", 3)]


def test_what_only_hangs_on_another_cell_is_no_cause():
    row = model("a", export=failure(FailureKind.COMPILE), ort_runs=UPSTREAM, drift=UPSTREAM)
    assert [group.seen.cell for group in failure_groups((row.name, seen) for seen in row.failures)] == ["export"]
