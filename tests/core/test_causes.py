"""Findings by likely cause: what they have in common is said once, and what changed is named where it can reach all of them."""

import random

import pytest

from driftgate.core.causes import by_group, grouped
from driftgate.core.records import Severity
from driftgate.core.suspects import suspects
from driftgate.testing.findings import broke, drifted, finding, findings

ORT = "onnxruntime 1.30.0 → 1.31.1"
TORCH = "torch 2.12.0 → 2.13.0"
TRANSFORMERS = "transformers 5.22.0 → 5.23.0"


def sentences(*some, changes=()):
    return [one.sentence for one in grouped(some, changes)[1]]


def test_the_same_operator_after_the_same_change_is_one_sentence():
    slower = [drifted(f"m{number % 9}", variant=f"v{number}") for number in range(14)]
    assert sentences(*slower, changes=(ORT,)) == [f"{ORT}: 14 findings in 9 models, all in LayerNormalization"]


def test_a_break_at_one_place_in_many_models_is_one_cause_and_another_place_is_another():
    some = [broke("a"), broke("b"), broke("c", code="x.item()", gb_id="GB0124")]
    assert sentences(*some) == [
        "2 findings in 2 models, all at one place: GB0170 at transformers/masking.py:40",
        "c breaks at a new place: GB0124 Data-dependent branching at transformers/masking.py:40",
    ]


def test_breaks_of_one_id_at_places_of_their_own_go_together():
    some = [broke(name, code=f"if {name}:") for name in "abc"]
    assert sentences(*some, changes=(TORCH,)) == [f"{TORCH}: 3 findings in 3 models, all GB0170, at several places"]


def test_failures_of_one_fingerprint_say_the_failure():
    lost = {
        "current": "compile",
        "fingerprint": "f00",
        "sentence": "export of a is lost (dynamo exported it): compile: no way",
    }
    assert sentences(finding(model="a", **lost), finding(model="b", **lost)) == [
        "2 findings in 2 models, all alike: compile: no way"
    ]


def test_failures_of_one_kind_and_hint_go_together_and_another_hint_does_not():
    def lost(model, hint):
        return finding(
            model=model, current="compile", fingerprint=model, hint=hint, sentence=f"export of {model} is lost"
        )

    told = sentences(lost("a", "use int()"), lost("b", "use int()"), lost("c", "another"))
    assert told == ["2 findings in 2 models, compile in export; use int()", "export of c is lost"]


def test_slowdowns_go_together_by_column():
    slow = [finding("latency", name, "infer", target="ort-cpu") for name in "abc"]
    other = finding("latency", "a", "infer", target="torch-inductor-cpu", sentence="alone")
    assert sentences(*slow, other, changes=(ORT,)) == [
        f"{ORT}: 3 findings in 3 models, latency: infer.ort-cpu",
        "alone",
    ]


def test_what_has_nothing_but_a_change_in_common_is_told_under_it():
    slow = finding("latency", "a", "infer", target="ort-cpu")
    moved = finding("placement_changed", "b", "infer", target="ort-cpu")
    assert sentences(slow, moved, changes=(ORT,)) == [f"{ORT}: 2 findings in 2 models, nothing else in common"]
    assert len(sentences(slow, moved, changes=(TORCH, TRANSFORMERS))) == 2


def test_a_change_that_cannot_reach_the_finding_is_not_named():
    some = [broke("a"), broke("b")]
    assert sentences(*some, changes=(ORT,))[0].startswith("2 findings")
    assert sentences(*some, changes=(TORCH, ORT))[0].startswith(f"{TORCH}: 2 findings")
    assert sentences(*some, changes=(TORCH, TRANSFORMERS))[0].startswith(f"{TORCH} or {TRANSFORMERS}: ")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ((TORCH, ORT), (ORT,)),
        ((TORCH,), (TORCH,)),
        (("commit a → b",), ()),
        (("cpu one → two",), ()),
        (("python 3.11.2 → 3.12.0",), ("python 3.11.2 → 3.12.0",)),
    ],
)
def test_the_nearest_change_is_suspected_first(changes, named):
    assert suspects(drifted("a"), changes) == named


def test_the_commit_is_suspected_for_code_under_test_alone():
    assert suspects(drifted("a", ref="python:mine.models:made"), ("commit a → b", ORT)) == ("commit a → b",)


def test_what_was_accepted_and_what_is_news_stays_apart_from_alarms():
    some = [drifted("a"), drifted("b"), drifted("c", severity=Severity.INFO, accepted="their fix is on its way")]
    some.append(finding("better", "d", "drift", severity=Severity.INFO, sentence="d passes again"))
    told = by_group(findings(*some))
    assert [(len(one.findings), one.is_alarm) for one in told] == [(2, True), (1, False), (1, False)]


def test_a_failed_fleet_is_one_line_with_the_cells_that_nobody_could_test():
    some = [finding("machinery", None, "pull", current="network")]
    some += [finding("not_tested", name, "pull", current="network") for name in "ab"]
    assert sentences(*some) == ["3 findings in 2 models, not tested: network"]


def test_a_cause_has_the_same_id_the_next_night_in_whatever_order():
    some = [drifted("a"), drifted("b"), broke("a"), broke("b"), finding("flaky", "c")]
    first = {one.sentence: one.id for one in grouped(some, (ORT,))[1]}
    random.Random(1).shuffle(some)
    assert {one.sentence: one.id for one in grouped(some, (ORT,))[1]} == first
    assert len(set(first.values())) == len(first)


def test_two_hundred_findings_are_a_few_causes_and_each_is_in_one():
    some = [drifted(f"m{number}") for number in range(120)]
    some += [broke(f"m{number}", code=f"if {number % 4}:") for number in range(80)]
    told = by_group(findings(*some, changes=(ORT,)))
    assert len(told) == 5
    assert sorted(one.id for group in told for one in group.findings) == sorted(one.id for one in some)
    assert told[0].group.sentence == f"{ORT}: 120 findings in 120 models, all in LayerNormalization"


def test_a_run_that_was_judged_without_groups_is_told_finding_by_finding():
    old = findings(drifted("a"), drifted("b")).model_copy(update={"groups": ()})
    assert [one.group.sentence for one in by_group(old)] == [one.sentence for one in old.findings]


def test_a_group_names_all_its_owners():
    some = [drifted("a", owner="runtime"), drifted("b", owner="kernels"), drifted("c")]
    assert by_group(findings(*some))[0].owner == "kernels, runtime"
