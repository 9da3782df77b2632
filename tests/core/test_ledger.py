"""What each reason, family, function and line costs a fleet, and what its mending would free."""

import pytest

from driftgate.core.ledger import Ledger, in_library
from driftgate.core.records import ModelIdentity
from driftgate.testing.breaks import OWN, explained, graph_break

ITEM = graph_break("n = mask.sum().item()", "GB0124", count=3)
BRANCH = graph_break("if mask.any():")
PRINT = graph_break("print(x.shape)", "GB0059", file=OWN)


def model(slug, family="led"):
    return ModelIdentity(ref=f"hf:{slug}", slug=slug, family=family, task="other", modality="text", architecture="Led")


def ledger_of(**fleet):
    ledger = Ledger()
    for slug, breaks in fleet.items():
        ledger.add(model(slug, slug.partition("_")[0]), explained(*breaks))
    return ledger


FLEET = {
    "led_a": (ITEM,),
    "led_b": (ITEM, BRANCH),
    "bert_c": (BRANCH,),
    "bert_d": (PRINT,),
    "bert_e": (),
}


@pytest.fixture
def ledger():
    return ledger_of(**FLEET)


def rows(groups):
    return {" ".join(group.key): (len(group.models), group.frees, group.places, group.events) for group in groups}


def test_the_fleet_is_counted_once_whatever_it_is_grouped_by(ledger):
    assert (ledger.explained, ledger.models, ledger.places, ledger.events) == (5, 4, 3, 9)
    for grouping in ("reason", "family", "frame", "model", "place", "line"):
        assert sum(group.events for group in ledger.by(grouping)) == 9


def test_a_reason_frees_the_models_that_break_for_it_alone(ledger):
    assert rows(ledger.by("reason")) == {
        "GB0124 Unsupported Tensor.item()": (2, 1, 1, 6),
        "GB0170 Data-dependent branching": (2, 1, 1, 2),
        "GB0059 Failed to trace print": (1, 1, 1, 1),
    }


def test_families_functions_and_models_have_their_own_groups(ledger):
    assert rows(ledger.by("family")) == {"led": (2, 2, 2, 7), "bert": (2, 2, 2, 2)}
    assert {group.key[0] for group in ledger.by("model")} == {"led_a", "led_b", "bert_c", "bert_d"}
    assert rows(ledger.by("frame"))[f"{BRANCH.file} forward"] == (3, 3, 2, 8)


def test_those_come_first_that_touch_most_models(ledger):
    assert [group.key[0] for group in ledger.by("reason")] == ["GB0124", "GB0170", "GB0059"]


def test_levers_are_lines_of_library_code_and_say_what_they_free_alone_and_together(ledger):
    told = [(lever.group.seen.code, lever.group.frees, lever.together) for lever in ledger.levers()]
    assert told == [(ITEM.code, 1, 1), (BRANCH.code, 1, 3)]


def test_two_reasons_on_one_line_are_mended_together():
    again = graph_break(BRANCH.code, "GB0124")
    (lever,) = ledger_of(led=(BRANCH, again)).levers()
    assert lever.group.frees == 1
    assert lever.group.places == 2


def test_the_same_code_in_two_files_is_two_places():
    copied = graph_break(BRANCH.code, file="transformers/models/bert/modeling_bert.py")
    ledger = ledger_of(led=(BRANCH,), bert=(copied,))
    assert ledger.places == 2
    assert [lever.group.frees for lever in ledger.levers()] == [1, 1]


def test_a_line_that_moved_between_two_models_is_one_place():
    assert ledger_of(a=(BRANCH,), b=(graph_break(BRANCH.code, line=99),)).places == 1


def test_no_more_than_ten_levers():
    breaks = [graph_break(f"if x[{number}]:") for number in range(30)]
    ledger = ledger_of(**{f"m{number}": (one,) for number, one in enumerate(breaks)})
    assert len(ledger.levers()) == 10
    assert ledger.levers()[-1].together == 10


def test_a_fleet_without_breaks_has_nothing_to_tell():
    ledger = ledger_of(a=(), b=())
    assert (ledger.explained, ledger.models, ledger.by("reason"), ledger.levers()) == (2, 0, [], [])


@pytest.mark.parametrize(
    ("file", "library"),
    [
        ("torch/_dynamo/external_utils.py", False),
        ("torch/nn/modules/rnn.py", True),
        ("einops.py", True),
        (OWN, False),
        ("C:\\mine.py", False),
        (None, False),
        ("<frozen importlib>", False),
        ("", False),
    ],
)
def test_what_lies_below_site_packages_is_library_code(file, library):
    assert in_library(file) is library
