"""What became of graph breaks between two runs."""

from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.break_changes import Change, changes, site_of
from driftgate.core.fingerprints import break_fingerprint
from driftgate.core.records import GraphBreak


def seen(
    code: str = "x.item()", *, gb_id: str = "GB0124", file: str = "model.py", line: int = 10, count: int = 1
) -> GraphBreak:
    return GraphBreak(
        gb_id=gb_id,
        gb_type="type",
        reason="reason",
        file=file,
        line=line,
        function="forward",
        code=code,
        count=count,
        fingerprint=break_fingerprint(gb_id, "forward", code),
        site=break_fingerprint(gb_id, "forward"),
    )


def kinds(before: list[GraphBreak], after: list[GraphBreak]) -> list[str]:
    return [found.change.value for found in changes(before, after)]


def test_what_is_as_it_was_is_no_change() -> None:
    assert changes([seen()], [seen()]) == ()
    other_words = seen().model_copy(update={"explanation": "better words", "hints": ("try this",), "module": "encoder"})
    assert changes([seen()], [other_words]) == ()


def test_a_break_of_another_id_appeared_and_the_old_one_is_gone() -> None:
    new = seen("print()", gb_id="GB0059")
    assert kinds([seen()], [new]) == ["appeared", "gone"]
    appeared, gone = changes([seen()], [new])
    assert (appeared.before, appeared.after, gone.before, gone.after) == (None, new, seen(), None)
    assert (appeared.events, gone.events) == (1, -1)


def test_other_code_at_the_same_site_is_changed_and_not_new() -> None:
    (found,) = changes([seen()], [seen("y.item()", line=11)])
    assert found.change is Change.CHANGED
    assert (found.before, found.after) == (seen(), seen("y.item()", line=11))


def test_another_line_or_file_is_moved() -> None:
    assert kinds([seen()], [seen(line=99)]) == ["moved"]
    assert kinds([seen()], [seen(file="renamed.py")]) == ["moved"]


def test_other_numbers_of_events_are_more_or_fewer_even_where_it_moved() -> None:
    assert kinds([seen()], [seen(count=3)]) == ["more"]
    (found,) = changes([seen(count=3)], [seen(line=12)])
    assert (found.change, found.events, found.moved) == (Change.FEWER, -2, True)


def test_of_two_breaks_with_one_code_each_keeps_its_place() -> None:
    first, second = seen(line=10), seen(line=20)
    assert changes([first, second], [second, first]) == ()
    assert kinds([first, second], [second]) == ["gone"]
    assert changes([first, second], [second])[0].before == first


def test_a_record_without_sites_is_compared_all_the_same() -> None:
    old = seen().model_copy(update={"site": None})
    assert site_of(old) == seen().site
    assert kinds([old], [seen("y.item()")]) == ["changed"]


BREAKS = st.builds(
    seen,
    st.sampled_from(["x.item()", "y.item()"]),
    gb_id=st.sampled_from(["GB0124", "GB0059"]),
    line=st.integers(1, 3),
    count=st.integers(1, 2),
)


@given(st.lists(BREAKS, max_size=5), st.lists(BREAKS, max_size=5))
def test_no_break_is_told_twice_and_events_add_up(before: list[GraphBreak], after: list[GraphBreak]) -> None:
    found = changes(before, after)
    appeared = sum(one.change is Change.APPEARED for one in found)
    gone = sum(one.change is Change.GONE for one in found)
    assert len(after) - len(before) == appeared - gone
    assert sum(one.events for one in found) == sum(b.count for b in after) - sum(b.count for b in before)
    ids = [id(one.after) for one in found if one.after] + [id(one.before) for one in found if one.before]
    assert len(ids) == len(set(ids))


@given(st.lists(BREAKS, max_size=5))
def test_a_run_beside_itself_has_no_changes(breaks: list[GraphBreak]) -> None:
    assert changes(breaks, breaks[::-1]) == ()
