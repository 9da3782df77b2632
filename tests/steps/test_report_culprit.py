"""How a model's page shows where a drift begins."""

from pathlib import Path

import pytest
from pages import read

from driftgate.core.records import Culprit, DriftPayload, Tolerance
from driftgate.steps.report import build_report
from driftgate.testing.runs import Story, synthetic_run

CULPRIT = Culprit(
    node="node_linear_2",
    op_type="Gemm",
    module="encoder.layer.0.dense",
    source="transformers/models/bert/modeling_bert.py:335",
    code="hidden_states = self.dense(hidden_states)",
    own_error=0.25,
    inherited_error=2.4e-7,
    value="linear_2",
    tolerance=Tolerance(atol=2.8e-5, rtol=1e-3, reason="for a test"),
    covers=("node_matmul", "node_linear_2"),
    runs_as="com.microsoft::FusedGemm",
    repro="repro/drift.ort-cpu",
    repro_bytes=5092,
)


def text_of_page(folder: Path, culprit: Culprit | None, note: str | None = None) -> str:
    store = synthetic_run(folder / "outputs", stories=(Story.DRIFT,))
    record = next(record for record in store.records() if record.stage == "drift" and record.failure is not None)
    assert isinstance(record.payload, DriftPayload)
    told = record.payload.model_copy(update={"culprit": culprit, "culprit_note": note})
    store.write_record(record.model_copy(update={"payload": told}))
    build_report(store)
    return " ".join(read(store.root / "report" / "models" / f"{record.model.slug}.html").text.split())


def test_node_module_line_code_and_both_errors_are_shown(tmp_path: Path) -> None:
    text = text_of_page(tmp_path, CULPRIT)
    assert "Gemm node_linear_2 in encoder.layer.0.dense, transformers/models/bert/modeling_bert.py:335" in text
    assert "hidden_states = self.dense(hidden_states)" in text
    assert "Own error0.25 of linear_2" in text
    assert "Inherited error2.4e-7" in text
    assert "Runs ascom.microsoft::FusedGemm" in text
    assert "Coversnode_matmul, node_linear_2" in text
    assert "repro/drift.ort-cpu 5.09 KB" in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"own_error": None, "inherited_error": None}, "Own errorno number"),
        ({"vanishes_when_tapped": True, "own_error": None}, "vanishes when tapped"),
        ({"magnified": "logits"}, "within tolerance by itself, until logits is beyond its own"),
        ({"module": ""}, "in the model itself"),
        ({"node": "</code><script>alert(1)</script>"}, "</code><script>alert(1)</script> in"),
    ],
)
def test_what_is_out_of_the_ordinary_is_said(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    assert told in text_of_page(tmp_path, CULPRIT.model_copy(update=changes))


def test_why_no_node_is_named_is_said(tmp_path: Path) -> None:
    assert "No node is named: it adds up" in text_of_page(tmp_path, None, "it adds up")
