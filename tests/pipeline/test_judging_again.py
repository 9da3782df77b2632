"""Saved outputs are judged again by another table, without any inference; and labels go all the way to the report."""

from __future__ import annotations

import io

import numpy as np
import pytest
import yaml
from rich.console import Console

from driftgate.core.records import DriftPayload, StageRecord
from driftgate.core.verdicts import FailureKind
from driftgate.machine.tolerances import NAME
from driftgate.stages.numerics import load_outputs, outputs_file, save_outputs
from driftgate.steps.gate import gate
from driftgate.steps.report import build_report
from driftgate.steps.summary import print_summary
from driftgate.testing.workplace import Workplace

MODEL = "python:driftgate.testing.models:healthy"
SLUG = "python--driftgate.testing.models--healthy"


def table(atol: float, reason: str) -> str:
    return yaml.safe_dump({"tolerances": [{"dtype": "float32", "atol": atol, "rtol": 0, "reason": reason}]})


@pytest.fixture(scope="module")
def drifted(shared_place: Workplace) -> Workplace:
    """A run whose configuration names a table, with labels, and whose ONNX Runtime outputs are 0.01 off by now."""
    place = shared_place
    (place.folder / "inputs").mkdir()
    (place.folder / "inputs" / f"{SLUG}.yaml").write_text("labels: [0, 1]\n")
    (place.folder / "strict.yaml").write_text(table(1e-3, "the configuration's"))
    ended = place.call("run", place.config(MODEL, drift={"tolerances": "strict.yaml"}), "--no-cache")
    assert ended.code == 0, ended.err
    folder = place.store.model_folder(SLUG)
    outputs = load_outputs(folder / outputs_file("ort-cpu", None))
    save_outputs(
        folder / outputs_file("ort-cpu", None), {name: array + np.float32(0.01) for name, array in outputs.items()}
    )
    return place


def drift_of(place: Workplace) -> StageRecord:
    return place.records()[f"{SLUG}/drift.ort-cpu"]


def row_of(record: StageRecord) -> tuple[str | None, str]:
    assert isinstance(record.payload, DriftPayload)
    tolerance = record.payload.tensors[0].tolerance
    return tolerance.row, tolerance.reason


def judge(place: Workplace, *arguments: str) -> StageRecord:
    ended = place.call("drift", "--run", "latest", *arguments)
    assert ended.code == 0, ended.err
    return drift_of(place)


def carried(place: Workplace) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = yaml.safe_load((place.store.root / NAME).read_text())["tolerances"]
    return rows


def test_a_run_is_judged_by_the_table_that_its_configuration_names_and_carries_it(drifted: Workplace) -> None:
    assert row_of(drift_of(drifted)) == ("float32", "the configuration's")
    assert carried(drifted)[0]["reason"] == "the configuration's"
    assert {"float16", "bfloat16", "complex64"} <= {str(name) for row in carried(drifted) for name in row["dtype"]}
    (drifted.folder / "strict.yaml").unlink()  # the run has its own copy
    record = judge(drifted)
    assert record.failure is not None
    assert record.failure.kind is FailureKind.OUT_OF_TOLERANCE
    assert row_of(record) == ("float32", "the configuration's")


def test_another_table_judges_the_same_outputs_again_and_the_run_keeps_it(drifted: Workplace) -> None:
    before = {name: record for name, record in drifted.records().items() if "drift" not in name}
    (drifted.folder / "mine.yaml").write_text(table(0.1, "wide enough"))
    record = judge(drifted, "--tolerances", "mine.yaml")
    assert record.passed
    assert row_of(record) == ("float32", "wide enough")
    assert carried(drifted)[0]["reason"] == "wide enough"
    after = {name: record for name, record in drifted.records().items() if "drift" not in name}
    assert after == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--tolerances", "none.yaml"), "none.yaml: cannot read it: No such file"),
        (("--tolerances", "wrong.yaml"), "tolerances[1].target: there is no target 'ort-cp'; did you mean 'ort-cpu'?"),
        (("--tolerances", "wrong.yaml", "--target", "ort-cpu"), "--tolerances judges a whole run; leave out --model"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_is_told_in_one_line(
    drifted: Workplace, arguments: tuple[str, ...], told: str
) -> None:
    (drifted.folder / "wrong.yaml").write_text(
        table(1, "any") + "- {dtype: float32, target: ort-cp, atol: 1, rtol: 0, reason: x}"
    )
    before = carried(drifted)
    ended = drifted.call("drift", "--run", "latest", *arguments)
    assert ended.code == 2
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert carried(drifted) == before


def test_a_configuration_that_names_no_such_table_is_told_with_its_line(place: Workplace) -> None:
    config = place.config(MODEL, drift={"tolerances": "nowhere.yaml"})
    for command in ("run", "plan"):
        ended = place.call(command, config)
        assert ended.code == 2
        line = next(n for n, text in enumerate(config.read_text().splitlines(), 1) if "nowhere" in text)
        assert f"config.yaml:{line}: drift.tolerances: there is no file" in ended.err
    assert not list((place.folder / "outputs").glob("*"))


def test_labels_are_counted_over_the_fleet_in_the_terminal_and_the_report(drifted: Workplace) -> None:
    labelled = drift_of(drifted).payload
    assert isinstance(labelled, DriftPayload)
    assert labelled.labelled is not None
    right = labelled.labelled.reference.correct
    gate(drifted.store)
    line = f"Right by label: torch-eager-cpu {right} of 2; ort-cpu {right} (2 agree)"
    terminal = io.StringIO()
    print_summary(drifted.store, Console(file=terminal, width=80))
    assert line in terminal.getvalue()
    assert "Against labels" in build_report(drifted.store).read_text()
