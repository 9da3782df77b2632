"""infer and drift, one after the other on a desk's run."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from sample_models import X
from stage_desk import NO_LATENCY, Desk

from driftgate.core.records import DriftPayload, Failure, InferPayload
from driftgate.core.verdicts import FailureKind
from driftgate.machine.settings import LatencySettings
from driftgate.stages.drift import drift
from driftgate.stages.export import export
from driftgate.stages.infer import infer
from driftgate.stages.numerics import (
    class_axis,
    describe_outputs,
    differences,
    load_outputs,
    outputs_file,
    save_outputs,
)

EAGER, ORT = "torch-eager-cpu", "ort-cpu"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path, "plain")
    desk.give({"x": X}, {"x": X[:2].clone()})
    return desk


def put(desk: Desk, target: str, **outputs: np.ndarray) -> None:
    save_outputs(desk.folder / outputs_file(target, None), outputs)


def failure_of(desk: Desk) -> Failure:
    failure = desk.run(drift, ORT).failure
    assert failure is not None
    return failure


def test_a_model_goes_from_eager_and_onnx_runtime_to_a_table_within_tolerance(desk: Desk) -> None:
    assert desk.run(export, part="dynamo").passed
    reference, candidate = desk.run(infer, EAGER).payload, desk.run(infer, ORT).payload
    assert isinstance(reference, InferPayload)
    assert isinstance(candidate, InferPayload)
    assert (
        [output.name for output in reference.outputs]
        == [output.name for output in candidate.outputs]
        == ["logits", "hidden"]
    )
    assert reference.self_max_abs == 0
    assert reference.deterministic
    assert candidate.deterministic is None
    assert candidate.placement["CPUExecutionProvider"] > 0
    assert reference.batch == 3
    assert reference.latency is None
    record = desk.run(drift, ORT)
    assert record.passed
    assert isinstance(record.payload, DriftPayload)
    logits = record.payload.tensors[0]
    assert logits.within_tolerance
    assert logits.argmax_agreement == 1
    assert record.payload.self_max_abs == 0


def test_the_dynamic_variant_runs_the_dynamic_file_at_the_second_size(desk: Desk) -> None:
    assert desk.run(export, variant="dynamic", part="dynamo").passed
    assert desk.run(infer, EAGER, "dynamic").passed
    payload = desk.run(infer, ORT, "dynamic").payload
    assert isinstance(payload, InferPayload)
    assert payload.outputs[0].shape == (2, 5)
    assert desk.run(drift, ORT, "dynamic").passed


def test_latency_is_taken_when_asked_for(tmp_path: Path) -> None:
    settings = NO_LATENCY.model_copy(update={"latency": LatencySettings(budget="200ms", precision=0.5)})
    desk = Desk(tmp_path, "plain", settings)
    desk.give({"x": X})
    payload = desk.run(infer, EAGER).payload
    assert isinstance(payload, InferPayload)
    assert payload.latency is not None
    assert payload.latency.min <= payload.latency.p50 <= payload.latency.p99 <= payload.latency.max
    assert payload.throughput == pytest.approx(3 / payload.latency.mean)


def test_inference_without_an_exported_file_waits_for_it(desk: Desk) -> None:
    failure = desk.run(infer, ORT).failure
    assert failure is not None
    assert failure.kind is FailureKind.UPSTREAM


def test_a_model_that_raises_is_told_with_its_own_frames(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "raises")
    desk.give({"x": X})
    failure = desk.run(infer, EAGER).failure
    assert failure is not None
    assert "ZeroDivisionError: the model's own mistake" in failure.message
    assert failure.traceback is not None
    assert "raise ZeroDivisionError" in failure.traceback


def test_a_model_that_differs_from_itself_is_marked_not_blamed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "random")
    desk.give({"x": X})
    payload = desk.run(infer, EAGER).payload
    assert isinstance(payload, InferPayload)
    assert payload.deterministic is False
    assert payload.self_max_abs is not None
    assert payload.self_max_abs > 0
    put(desk, ORT, output=X.numpy())
    failure = failure_of(desk)
    assert failure.kind is FailureKind.NONDETERMINISTIC
    assert "differs from itself" in failure.message
    assert failure.hint is not None
    assert "by up to" in failure.hint


def test_a_model_whose_output_has_another_length_each_time_is_marked_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "random_length")
    desk.give({"x": X})
    payload = desk.run(infer, EAGER).payload
    assert isinstance(payload, InferPayload)
    assert payload.deterministic is False
    assert payload.self_max_abs is None
    put(desk, ORT, output=X.numpy())
    assert failure_of(desk).kind is FailureKind.NONDETERMINISTIC


def test_beyond_tolerance_fails_with_the_table(desk: Desk) -> None:
    put(desk, EAGER, logits=np.ones((2, 3), np.float32), hidden=np.zeros(2, np.float32))
    put(desk, ORT, logits=np.full((2, 3), 1.5, np.float32), hidden=np.zeros(2, np.float32))
    record = desk.run(drift, ORT)
    assert record.failure is not None
    assert record.failure.kind is FailureKind.OUT_OF_TOLERANCE
    assert record.failure.message == "logits is beyond its tolerance of 0.0001 + 0.001·|reference|"
    assert record.failure.hint is not None
    assert "off by 0.5" in record.failure.hint
    assert isinstance(record.payload, DriftPayload)
    assert [tensor.within_tolerance for tensor in record.payload.tensors] == [False, True]
    assert record.payload.buckets == {"≤1": 6, "≤0": 2}


def test_nan_on_one_side_alone_is_beyond_tolerance(desk: Desk) -> None:
    put(desk, EAGER, logits=np.ones(3, np.float32))
    put(desk, ORT, logits=np.array([1, np.nan, 1], np.float32))
    failure = failure_of(desk)
    assert "not finite in the same places" in failure.message
    assert failure.hint is not None
    assert "1 element NaN or infinite on one side alone" in failure.hint


def test_the_fingerprint_of_a_drift_is_the_same_whatever_its_size(desk: Desk) -> None:
    put(desk, EAGER, logits=np.ones(3, np.float32))
    prints = set()
    for off in (0.5, 0.7):
        put(desk, ORT, logits=np.full(3, 1 + off, np.float32))
        prints.add(failure_of(desk).fingerprint)
    assert len(prints) == 1


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ({"hidden": np.ones(2, np.float32)}, "'logits' is missing; 'hidden' is not an output of the reference"),
        ({"logits": np.ones((3, 1), np.float32)}, "'logits' has shape [3, 1], the reference [3]"),
        ({"logits": np.ones(3, np.float64)}, "'logits' is float64, the reference float32"),
        ({"logits": np.ones((), np.float32)}, "'logits' has shape [], the reference [3]"),
        ({"logits": np.ones((1, 3), np.float32)}, "'logits' has shape [1, 3], the reference [3]"),
        ({"logits": np.ones(3, bool)}, "'logits' is bool, the reference float32"),
        (
            {"logits": np.ones(3, np.float32), "loss": np.ones((), np.float32)},
            "'loss' is not an output of the reference",
        ),
        ({}, "'logits' is missing"),
    ],
)
def test_other_names_shapes_or_dtypes_are_a_typed_failure(
    desk: Desk, outputs: dict[str, np.ndarray], told: str
) -> None:
    put(desk, EAGER, logits=np.ones(3, np.float32))
    put(desk, ORT, **outputs)
    failure = failure_of(desk)
    assert failure.kind is FailureKind.SHAPE_MISMATCH
    assert told in failure.message


def test_a_scalar_is_no_vector_of_one_and_a_mask_no_integer(desk: Desk) -> None:
    put(desk, EAGER, loss=np.ones((), np.float32), mask=np.ones(2, bool))
    put(desk, ORT, loss=np.ones(1, np.float32), mask=np.ones(2, np.int8))
    failure = failure_of(desk)
    assert failure.kind is FailureKind.SHAPE_MISMATCH
    assert "'loss' has shape [1], the reference []; 'mask' is int8, the reference bool" in failure.message


def test_a_file_whose_order_names_other_outputs_than_it_holds_is_damaged(desk: Desk) -> None:
    put(desk, EAGER, logits=np.ones(3, np.float32))
    for order in ('["logits", "more"]', "[]", "3", "[[", "[" * 5000):
        damaged = save({"logits": np.ones(3, np.float32)}, metadata={"order": order})
        (desk.folder / outputs_file(ORT, None)).write_bytes(damaged)
        assert failure_of(desk).kind is FailureKind.INTEGRITY


def test_a_damaged_file_of_outputs_is_an_integrity_failure(desk: Desk) -> None:
    put(desk, EAGER, logits=np.ones(3, np.float32))
    (desk.folder / outputs_file(ORT, None)).write_bytes(b"\x00" * 20)
    assert failure_of(desk).kind is FailureKind.INTEGRITY


def test_outputs_keep_order_dtype_shape_and_scalars_on_disk(tmp_path: Path) -> None:
    outputs = {"z": np.float32(3).reshape(()), "a": np.zeros((0, 2), np.int64), "m": np.array([True])}
    save_outputs(tmp_path / "o.safetensors", outputs)
    back = load_outputs(tmp_path / "o.safetensors")
    assert list(back) == ["z", "a", "m"]
    assert not differences(outputs, back)
    assert [output.sha256 for output in describe_outputs(back)] == [
        output.sha256 for output in describe_outputs(outputs)
    ]


def test_scores_are_known_by_name_or_task_and_so_is_the_axis_of_their_classes() -> None:
    assert class_axis("logits_per_image", "other", 2) == -1
    assert class_axis("output", "image-classification", 2) == -1
    assert class_axis("logits", "image-segmentation", 4) == 1
    assert class_axis("last_hidden_state", "feature-extraction", 3) is None
    assert class_axis("hidden_states.1", "image-classification", 3) is None
    assert class_axis("masks_queries_logits", "image-segmentation", 4) is None
    assert class_axis("logits", "other", 0) is None
