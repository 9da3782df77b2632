"""Counts beside the trace: each difference has a reason, and what has none is said to have none."""

import pytest

from driftgate.core.breaks import BreakEvent, Cut
from driftgate.core.compilations import Compilation, guard, read_compilation
from driftgate.core.reconcile import UNEXPLAINED, reconcile


def event(cut: Cut = Cut.CALL, gb_type: str = "type") -> BreakEvent:
    return BreakEvent(gb_id=None, gb_type=gb_type, cut=cut)


def compiled(frame: str = "0", number: int = 0, **facts: object) -> Compilation:
    told: dict[str, object] = {"graph": True} | facts
    return Compilation(frame=frame, number=number, function="forward", file=None, line=None, **told)  # type: ignore[arg-type]


def terms(events: list[BreakEvent], compilations: list[Compilation], counter: int, said: int) -> list[tuple[str, int]]:
    return [(found.beside, found.events) for found in reconcile(events, compilations, counter=counter, said=said)]


def test_a_cut_between_two_graphs_is_counted_alike_by_all() -> None:
    assert terms([event()], [compiled(), compiled("1", resumed=True)], counter=1, said=1) == []


def test_a_branch_on_a_value_is_missing_in_the_counter() -> None:
    found = reconcile([event(Cut.JUMP)], [compiled(), compiled("1", resumed=True)], counter=0, said=1)
    assert [(one.beside, one.events) for one in found] == [("counters", -1)]
    assert "unimplemented" in found[0].reason


def test_a_function_given_up_is_missing_twice_in_what_explain_says() -> None:
    found = terms([event(Cut.FRAME)], [compiled(graph=False, fail_reason="loop")], counter=0, said=-1)
    assert found == [("counters", -1), ("explain", -2)]


def test_empty_graphs_and_functions_compiled_by_themselves_are_told() -> None:
    parts = [compiled(graph=False), compiled("1"), compiled("2", resumed=True), compiled("1", 1)]
    found = {one.reason.partition(":")[0]: one.events for one in reconcile([event()], parts, counter=1, said=2)}
    assert found == {
        "functions compiled by themselves, because what calls them was cut or given up": 1,
        "compilations of a function for another input": 1,
        "graphs without an operation, which explain does not see": -1,
    }


def test_a_graph_of_a_region_with_its_own_backend_is_not_explains() -> None:
    found = terms([event()], [compiled(), compiled("1", resumed=True, foreign=True)], counter=1, said=0)
    assert found == [("explain", -1)]


def test_an_error_in_how_torch_is_used_is_not_counted_by_dynamo() -> None:
    found = terms([event(gb_type="UserError")], [compiled(), compiled("1", resumed=True)], counter=0, said=1)
    assert found == [("counters", -1)]


def test_what_no_reason_covers_is_said_to_be_unexplained() -> None:
    found = reconcile([], [compiled()], counter=2, said=5)
    assert [(one.beside, one.events, one.reason) for one in found] == [
        ("counters", 2, UNEXPLAINED),
        ("explain", 5, UNEXPLAINED),
    ]


def test_metrics_become_a_compilation_under_the_name_of_the_users_function() -> None:
    read = read_compilation(
        {
            "compile_id": "3/2",
            "co_name": "torch_dynamo_resume_in_forward_at_49",
            "co_filename": "/opt/venv/lib/python3.11/site-packages/transformers/model.py",
            "co_firstlineno": 40,
            "guard_count": 7,
            "entire_frame_compile_time_s": 0.5,
            "fail_type": "Unsupported",
            "fail_reason": "graph break in loop\n  Explanation: long",
        },
        reasons=["0/1: n == 6   # return x*n  # a/b.py:19 in forward\nUser stack trace:\n  File"],
    )
    assert (read.frame, read.number, read.again, read.resumed) == ("3", 2, True, True)
    assert read.recompile().guards == ("n == 6  # return x*n",)
    skipped = read.skip()
    assert (skipped.function, skipped.file, skipped.line) == ("forward", "transformers/model.py", 40)
    assert skipped.reason.startswith("graph break in loop")
    assert not read_compilation({}).again


def test_a_guard_is_told_without_numbers_of_compilations_and_places_of_a_machine() -> None:
    assert guard("0/0: tensor 'x' size mismatch at index 0. expected 3, actual 5") == (
        "tensor 'x' size mismatch at index 0. expected 3, actual 5"
    )


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (
            "0/1: ___check_obj_id(func.__code__, 140423618325328), type=<class 'code'>  # output = func(self, *args)",
            "___check_obj_id(func.__code__, …), type=<class 'code'>  # output = func(self, *args)",
        ),
        (
            "___check_type_id(self._modules['mlp'], 94069731215264), type=<class 'a.Mlp'>",
            "___check_type_id(self._modules['mlp'], …), type=<class 'a.Mlp'>",
        ),
        (
            "f is <function f at 0x7f12ab34cd>  # if f is 0x7f12ab34cd:",
            "f is <function f at …>  # if f is 0x7f12ab34cd:",
        ),
        ("___check_metadata_140423618325328_c0(x)", "___check_metadata_…_c0(x)"),
        ("n == 140423618325328 and sizes == (3, 500)", "n == 140423618325328 and sizes == (3, 500)"),
        ("", ""),
    ],
)
def test_a_guard_holds_no_address_of_an_object_and_every_number_of_the_models(told: str, kept: str) -> None:
    assert guard(told) == kept


def test_a_function_compiled_too_often_is_neither_given_up_nor_compiled_again() -> None:
    limited = compiled("0", 8, graph=False, fail_reason="Dynamo recompile limit exceeded\n  Explanation: long")
    assert (limited.again, limited.failed) == (False, False)
    assert terms([], [compiled(), limited], counter=0, said=0) == []
