"""The gate warns of a reference that returns nothing to compare with."""

from datetime import UTC, datetime

import pytest

from driftgate.core.expectations import Expectations
from driftgate.core.records import InferPayload, LockEntry, Output, Severity, StageRecord
from driftgate.core.rules import RULES
from driftgate.core.rules.base import Case

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def findings(*, deterministic=True, shape=(2, 3), **counts):
    output = Output(name="logits", dtype="float32", shape=shape, sha256="0" * 64, **counts)
    payload = InferPayload(device="cpu", init_s=0, first_s=0, outputs=(output,), deterministic=deterministic)
    record = StageRecord(
        run_id="run",
        agent="agent",
        model=LockEntry(ref="zoo:bert", slug="bert", scheme="zoo", name="bert").identity(),
        stage="infer",
        target="torch-eager-cpu",
        verdict="passed",
        started_at=NOW,
        duration_s=1,
        payload=payload,
    )
    case = Case(record, "fleet", Expectations(), NOW.date())
    return list(RULES.load("nonfinite_outputs")().judge(case))


def test_an_output_of_nan_alone_is_a_warning_in_words():
    (finding,) = findings(nonfinite=6, nan=6)
    assert finding.severity is Severity.WARNING
    assert finding.sentence == (
        "infer.torch-eager-cpu of bert: output 'logits' has 6 NaNs among 6 elements; no target can be compared there"
    )


@pytest.mark.parametrize("counts", [{"nonfinite": 1, "nan": 1}, {"nonfinite": 6, "nan": 0}, {"nonfinite": 6}])
def test_a_single_nan_and_an_output_without_a_finite_element_are_warnings_too(counts):
    assert len(findings(**counts)) == 1


@pytest.mark.parametrize("counts", [{"nonfinite": 0, "nan": 0}, {"nonfinite": 5, "nan": 0}, {"nonfinite": 5}])
def test_infinities_among_numbers_are_a_mask_and_nobodys_business(counts):
    assert findings(**counts) == []


def test_an_empty_output_and_a_target_that_is_not_the_reference_are_left_alone():
    assert findings(shape=(0, 3), nonfinite=0) == []
    assert findings(deterministic=None, nonfinite=6, nan=6) == []
