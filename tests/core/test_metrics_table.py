"""The table of metrics: one name, one kind, one help; and no sample that it does not know."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.metrics import LABELS, METRICS, REASON_LENGTH, Kind, Sample, merged, model_label, reason_label
from driftgate.core.records import GraphBreak

CONTRACT = [
    "compile_breaks_total",
    "driftgate_stage_passed",
    "driftgate_stage_duration_seconds",
    "driftgate_export_passed",
    "driftgate_output_drift_max_abs",
    "driftgate_output_drift_mae",
    "driftgate_output_within_tolerance",
    "driftgate_output_agreement_ratio",
    "driftgate_latency_seconds",
    "driftgate_throughput_samples_per_second",
    "driftgate_compile_seconds",
    "driftgate_peak_rss_bytes",
    "driftgate_findings",
    "driftgate_run_info",
    "driftgate_last_run_timestamp_seconds",
    "driftgate_last_good_run_timestamp_seconds",
]


def graph_break(gb_id, gb_type):
    return GraphBreak(gb_id=gb_id, gb_type=gb_type, reason=gb_type, count=1, fingerprint="f")


def test_every_metric_that_people_rely_on_is_there_with_its_labels():
    assert set(CONTRACT) <= set(METRICS)
    assert METRICS["compile_breaks_total"].labels == ("commit", "reason", "family", "modality")
    assert METRICS["compile_breaks_total"].kind is Kind.COUNTER
    assert METRICS["driftgate_stage_passed"].labels == ("stage", "target", "variant")
    assert METRICS["driftgate_findings"].labels == ("rule", "severity")


def test_every_label_has_a_meaning_and_no_meaning_is_without_a_label():
    used = {label for metric in METRICS.values() for label in metric.labels} | {"fleet", "model"}
    assert used == set(LABELS)


def test_names_say_their_unit_as_prometheus_wants_it():
    for name, metric in METRICS.items():
        assert name.endswith("_total") == (metric.kind is Kind.COUNTER), name
        assert (metric.unit in {"seconds", "timestamp"}) == name.endswith("_seconds"), name
        assert (metric.unit == "bytes") == name.endswith("_bytes"), name
        assert metric.help.endswith("."), name


@pytest.mark.parametrize(
    ("name", "labels"), [("driftgate_latencies", {}), ("driftgate_latency_seconds", {"quantile": "0.5"})]
)
def test_a_sample_that_the_table_does_not_know_is_refused(name, labels):
    with pytest.raises(ValueError, match="not in the table of metrics"):
        Sample.of(name, 1, **labels)


def test_an_empty_label_is_left_out():
    assert Sample.of("driftgate_stage_passed", True, stage="export", target=None).labels == (("stage", "export"),)


def test_samples_of_equal_labels_are_added_up():
    one = Sample.of("driftgate_cells", 2, stage="infer", verdict="passed")
    other = Sample.of("driftgate_cells", 1, stage="drift", verdict="passed")
    assert merged([one, other, one]) == (Sample(one.metric, one.labels, 4.0), other)


def test_a_reason_is_the_id_and_the_type():
    assert reason_label(graph_break("GB0170", "Data-dependent branching")) == "GB0170 Data-dependent branching"


def test_two_unregistered_breaks_that_differ_in_a_number_are_one_reason():
    one, other = (graph_break(None, f"cannot guard on u{n} == {n}77 at 0x7f{n}") for n in (1, 2))
    assert reason_label(one) == reason_label(other) == "cannot guard on SYM == N at ADDR"


@given(st.none() | st.just("GB0001"), st.text(max_size=400))
def test_a_reason_is_never_empty_and_never_long(gb_id, gb_type):
    reason = reason_label(graph_break(gb_id, gb_type))
    assert reason
    assert len(reason) <= REASON_LENGTH
    assert reason == reason.strip() or not re.search(r"\s$", reason)


def test_a_model_called_all_is_not_the_run():
    assert (model_label("all"), model_label("gpt2")) == ("hf--all", "gpt2")
