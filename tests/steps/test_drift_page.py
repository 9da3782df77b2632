"""What a drift says beyond its numbers reaches the report: notes, labels, the row that applied, float64."""

import io

import pytest
from pages import read
from rich.console import Console

from driftgate.core.labels import roll_up
from driftgate.core.records import Disagreement, DriftPayload, Judged, Labelled, Ulps
from driftgate.steps.report import build_report
from driftgate.steps.summary import print_summary
from driftgate.testing.runs import Story, synthetic_run

LABELLED = Labelled(
    output="logits",
    reference=Judged(correct=7, off_by_one=2, wrong=1),
    candidate=Judged(correct=6, off_by_one=2, wrong=2),
    agree=9,
    disagree=1,
    disagreements=(Disagreement(sample=4, label=3, reference=3, candidate=None),),
)


@pytest.fixture
def store(tmp_path):
    """Three clean models; the outputs of two were held against labels, one's against float64 too."""
    store = synthetic_run(tmp_path / "outputs", models=3, stories=(Story.CLEAN,))
    drifts = [record for record in store.records() if isinstance(record.payload, DriftPayload)]
    for number, record in enumerate(drifts[:2]):
        first, *rest = record.payload.tensors
        tolerance = first.tolerance.model_copy(update={"row": "float32, target ort-cpu"})
        more = {
            "psnr": 141.2,
            "ulps": Ulps(p50=3, p99=77, max=1780142351),
            "topk_agreement": 0.984,
            "tolerance": tolerance,
        }
        if not number:
            more |= {"reference_error": 3.25e-4, "candidate_error": 1.5e-6}
        update = {"tensors": (first.model_copy(update=more), *rest), "labelled": LABELLED, "notes": ("a <b>note</b>",)}
        store.write_record(record.model_copy(update={"payload": record.payload.model_copy(update=update)}))
    build_report(store)
    return store


def page_of(store, number):
    return read(store.root / "report" / "models" / f"{store.lock().models[number].slug}.html")


def test_a_models_page_shows_notes_the_row_that_applied_and_every_metric(store):
    text = " ".join(page_of(store, 0).text.split())
    for told in ("a <b>note</b>", "float32, target ort-cpu:", "141 dB", "1.8e9", "98.4%", "3.2e-4", "1.5e-6"):
        assert told in text
    assert "off float64" in text
    assert "off float64" not in page_of(store, 1).text


def test_a_models_page_shows_both_sides_against_labels_and_where_they_disagree(store):
    text = " ".join(page_of(store, 0).text.split())
    assert "logits against labels" in text
    assert "7 → 6" in text
    assert "sample 4 (label 3: 3 → NaN)" in text
    assert "against labels" not in page_of(store, 2).text


def in_the_terminal(store):
    console = Console(file=io.StringIO(), width=80)
    print_summary(store, console)
    return console.file.getvalue()


def test_the_fleet_is_added_up_per_target_in_report_and_summary(store):
    index = " ".join(read(store.root / "report" / "index.html").text.split())
    assert "Against labels" in index
    for told in ("14 → 12", "4 → 4", "2 → 4"):
        assert told in index
    assert "Right by label: the reference 14 of 20; ort-cpu 12 (18 agree)" in in_the_terminal(store)


def test_a_run_without_labels_does_not_speak_of_them(tmp_path):
    store = synthetic_run(tmp_path / "outputs", models=1, stories=(Story.CLEAN,))
    assert "Against labels" not in build_report(store).read_text()
    assert "by label" not in in_the_terminal(store)


def test_targets_are_added_up_apart():
    other = LABELLED.model_copy(update={"agree": 10, "disagree": 0, "candidate": LABELLED.reference})
    totals = roll_up([("ort-cpu", LABELLED), ("torch-inductor-cpu", other), ("ort-cpu", LABELLED)])
    assert [(one.target, one.models, one.samples, one.agree) for one in totals] == [
        ("ort-cpu", 2, 20, 18),
        ("torch-inductor-cpu", 1, 10, 10),
    ]
    assert totals[0].candidate == Judged(correct=12, off_by_one=4, wrong=4)
    assert roll_up([]) == ()
