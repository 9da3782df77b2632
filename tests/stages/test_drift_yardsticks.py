"""What a drift is measured by besides the two outputs: the run's tolerances, labels, float64, and the reference itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sample_models import X
from stage_desk import NO_LATENCY, Desk

from driftgate.core.errors import UsageError
from driftgate.core.records import DriftPayload, InferPayload, TensorDrift
from driftgate.core.tolerances import ToleranceRow, ToleranceTable
from driftgate.core.verdicts import FailureKind
from driftgate.machine.settings.schema import DriftSettings
from driftgate.machine.tolerances import keep_tolerances
from driftgate.stages.drift import drift
from driftgate.stages.infer import infer
from driftgate.stages.inputs.contents import load_inputs, load_labels
from driftgate.stages.inputs.override import load_override
from driftgate.stages.numerics import load_outputs, outputs_file, save_outputs

EAGER, ORT = "torch-eager-cpu", "ort-cpu"
FLOAT64 = NO_LATENCY.model_copy(update={"drift": DriftSettings(fp64=True)})
ONES = np.ones((2, 3), np.float32)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, "plain")


def put(desk: Desk, target: str, **outputs: np.ndarray) -> None:
    save_outputs(desk.folder / outputs_file(target, None), outputs)


def payload_of(desk: Desk) -> DriftPayload:
    payload = desk.run(drift, ORT).payload
    assert isinstance(payload, DriftPayload)
    return payload


def only_tensor(desk: Desk) -> TensorDrift:
    (tensor,) = payload_of(desk).tensors
    return tensor


# -- tolerances --------------------------------------------------------------------------------------------------


def table(atol: float, **narrowed: tuple[str, ...]) -> ToleranceTable:
    general = ToleranceRow(dtype=("float32",), atol=1e-4, rtol=0, reason="any")
    special = ToleranceRow(dtype=("float32",), atol=atol, rtol=0, reason="this one", **narrowed)
    return ToleranceTable(tolerances=(general, special))


def test_outputs_are_judged_by_the_row_for_their_target_and_the_record_says_which(desk: Desk) -> None:
    put(desk, EAGER, logits=ONES)
    put(desk, ORT, logits=ONES + np.float32(0.01))
    assert not only_tensor(desk).within_tolerance
    keep_tolerances(desk.job("drift").store, table(0.1, target=(ORT,)))
    tensor = only_tensor(desk)
    assert tensor.within_tolerance
    assert (tensor.tolerance.row, tensor.tolerance.reason) == ("float32, target ort-cpu", "this one")
    keep_tolerances(desk.job("drift").store, table(0.1, target=("ort-cuda",)))
    assert only_tensor(desk).tolerance.row == "float32"


def test_a_dtype_without_a_row_is_told_and_not_waved_through(desk: Desk) -> None:
    put(desk, EAGER, logits=ONES.astype(np.float64))
    put(desk, ORT, logits=ONES.astype(np.float64))
    keep_tolerances(desk.job("drift").store, table(0.1, target=(ORT,)))
    failure = desk.run(drift, ORT).failure
    assert failure is not None
    assert failure.message == "no tolerance is kept for float64"


# -- what is not finite ------------------------------------------------------------------------------------------


def test_an_output_that_is_nan_everywhere_is_within_tolerance_and_seen(desk: Desk) -> None:
    nothing = np.full((2, 3), np.nan, np.float32)
    for target in (EAGER, ORT):
        put(desk, target, logits=nothing, hidden=ONES)
    payload = payload_of(desk)
    logits, hidden = payload.tensors
    assert logits.within_tolerance
    assert (logits.compared, logits.reference_nonfinite, logits.candidate_nonfinite) == (0, 6, 6)
    assert (logits.max_abs, logits.psnr, logits.ulps) == (None, None, None)
    assert (hidden.compared, hidden.reference_nonfinite) == (6, 0)
    assert payload.notes == ("logits: 6 elements of torch-eager-cpu NaN or infinite, none left to compare",)


def test_infinities_of_a_mask_are_noted_and_the_rest_is_compared(desk: Desk) -> None:
    masked = ONES.copy()
    masked[0, 0] = -np.inf
    for target in (EAGER, ORT):
        put(desk, target, logits=masked)
    assert payload_of(desk).notes == ("logits: 1 element of torch-eager-cpu NaN or infinite, 5 compared",)


# -- the reference itself ----------------------------------------------------------------------------------------


def test_a_reference_as_far_from_itself_as_the_candidate_is_no_measure_under_a_tighter_table_either(desk: Desk) -> None:
    desk.give({"x": X})
    assert desk.run(infer, EAGER).passed
    record = desk.job("infer", EAGER).store.record(desk.job("infer", EAGER).cell)
    assert record is not None
    assert isinstance(record.payload, InferPayload)
    noisy = tuple(output.model_copy(update={"self_max_abs": 1e-5}) for output in record.payload.outputs)
    payload = record.payload.model_copy(update={"outputs": noisy, "self_max_abs": 1e-5})
    desk.job("infer").store.write_record(record.model_copy(update={"payload": payload}))
    outputs = load_outputs(desk.folder / outputs_file(EAGER, None))
    keep_tolerances(desk.job("drift").store, table(1e-7, target=(ORT,)))
    for off, kind in ((5e-6, FailureKind.NONDETERMINISTIC), (5e-5, FailureKind.OUT_OF_TOLERANCE)):
        put(desk, ORT, **{name: array + np.float32(off) for name, array in outputs.items()})
        failure = desk.run(drift, ORT).failure
        assert failure is not None
        assert failure.kind is kind


# -- float64 -----------------------------------------------------------------------------------------------------


def test_both_sides_are_held_against_the_reference_in_float64_where_that_is_asked_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "plain", FLOAT64)
    desk.give({"x": X})
    inferred = desk.run(infer, EAGER).payload
    assert isinstance(inferred, InferPayload)
    assert inferred.float64_failure is None
    exact = load_outputs(desk.folder / "reference.float64.safetensors")
    assert {array.dtype for array in exact.values()} == {np.dtype(np.float64)}
    put(desk, ORT, **{name: array.astype(np.float32) for name, array in exact.items()})
    for tensor in payload_of(desk).tensors:
        assert tensor.reference_error is not None
        assert tensor.candidate_error is not None
        assert 0 < tensor.candidate_error <= tensor.reference_error < 1e-6


def test_a_candidate_nearer_to_float64_than_the_reference_is_not_blamed_in_words(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "plain", FLOAT64)
    desk.give({"x": X})
    put(desk, EAGER, logits=ONES)
    put(desk, ORT, logits=ONES + np.float32(0.5))
    save_outputs(desk.folder / "reference.float64.safetensors", {"logits": ONES.astype(np.float64) + 0.4})
    failure = desk.run(drift, ORT).failure
    assert failure is not None
    assert failure.kind is FailureKind.OUT_OF_TOLERANCE
    assert failure.hint is not None
    assert "from float64 the candidate is off by 0.1, the reference itself by 0.4" in failure.hint
    assert "the candidate is the nearer one" in failure.hint


def test_what_the_model_casts_to_float32_on_its_way_runs_in_float64_all_the_same(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "precision_models:casts_to_float32", FLOAT64)
    desk.give({"x": X})
    assert desk.run(infer, EAGER).passed
    (exact,) = load_outputs(desk.folder / "reference.float64.safetensors").values()
    assert exact.dtype == np.float64
    assert np.array_equal(exact, X.numpy().astype(np.float64) / 3 + np.float64(0.1))


def test_a_model_that_cannot_run_in_float64_says_why(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "precision_models:float32_alone", FLOAT64)
    desk.give({"x": X})
    inferred = desk.run(infer, EAGER).payload
    assert isinstance(inferred, InferPayload)
    assert inferred.float64_failure == "the model fails in float64: TypeError: single precision or nothing"
    put(desk, ORT, output=X.numpy())
    assert payload_of(desk).notes == (f"no run in float64: {inferred.float64_failure}",)


def test_float64_leaves_torch_as_it_was(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "precision_models:float32_alone", FLOAT64)
    desk.give({"x": X})
    desk.run(infer, EAGER)
    assert torch.get_default_dtype() is torch.float32
    assert torch.zeros(1).to(torch.float32).dtype is torch.float32


# -- labels ------------------------------------------------------------------------------------------------------


def labelled(desk: Desk, labels: list[object]) -> DriftPayload:
    desk.give({"x": X}, labels=labels)
    scores = np.eye(4, dtype=np.float32)[[0, 1, 2]]
    other = scores[[0, 2, 2]]
    put(desk, EAGER, hidden=np.zeros((3, 2), np.float32), logits=scores)
    put(desk, ORT, hidden=np.zeros((3, 2), np.float32), logits=other)
    return payload_of(desk)


def test_both_sides_are_held_against_labels_in_buckets(desk: Desk) -> None:
    payload = labelled(desk, [0, 1, 0])
    assert payload.labelled is not None
    assert payload.labelled.output == "logits"
    assert payload.labelled.reference.model_dump() == {"correct": 2, "off_by_one": 0, "wrong": 1}
    assert payload.labelled.candidate.model_dump() == {"correct": 1, "off_by_one": 1, "wrong": 1}
    assert (payload.labelled.agree, payload.labelled.disagree) == (2, 1)


def test_labels_that_fit_no_output_or_no_class_are_noted(desk: Desk) -> None:
    payload = labelled(desk, [0, 1])
    assert payload.labelled is None
    assert payload.notes == ("labels of shape [2] fit the scores of no output",)
    assert labelled(desk, [0, 1, 9]).notes == ("1 of the labels are beyond the 4 classes of logits",)


def test_labels_belong_to_the_first_size_alone(desk: Desk) -> None:
    desk.give({"x": X}, {"x": X[:2]}, labels=[0, 1, 2])
    for target in (EAGER, ORT):
        save_outputs(desk.folder / outputs_file(target, "dynamic"), {"logits": ONES})
    payload = desk.run(drift, ORT, "dynamic").payload
    assert isinstance(payload, DriftPayload)
    assert payload.labelled is None
    assert payload.notes == ()


def test_labels_come_from_either_kind_of_inputs_file_and_stay_with_the_inputs(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("labels: [[3, -100], [0, 1]]")
    assert load_override(tmp_path / "model.yaml").labels == [[3, -100], [0, 1]]
    from safetensors.torch import save_file

    save_file({"x": X.contiguous()}, tmp_path / "model.safetensors", metadata={"labels": "[1, 0, 2]"})
    override = load_override(tmp_path / "model.safetensors")
    desk.give({"x": X}, labels=override.labels)
    assert load_inputs(desk.folder).labels == [1, 0, 2]
    labels = load_labels(desk.folder)
    assert labels is not None
    assert labels.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    "labels", ["three", "[a]", "[[1], [1, 2]]", "[1.5]", "[]", "{a: 1}", "[true]", "[99999999999999999999]"]
)
def test_labels_that_are_no_whole_numbers_are_refused_with_their_line(tmp_path: Path, labels: str) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(f"sizes: {{}}\nlabels: {labels}\n")
    with pytest.raises(UsageError, match="model.yaml:2: labels: must be a list of whole numbers"):
        load_override(path)


def test_labels_in_the_metadata_of_tensors_must_be_json_numbers(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for labels, told in (("[1", "not JSON"), ('"x"', "whole numbers"), ("[" * 100_000, "not JSON")):
        save_file({"x": X.contiguous()}, tmp_path / "model.safetensors", metadata={"labels": labels})
        with pytest.raises(UsageError, match=f"model.safetensors: labels: .*{told}"):
            load_override(tmp_path / "model.safetensors")
