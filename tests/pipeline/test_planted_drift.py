"""A drift that was planted, from the exported file to the page that shows it: node, source line, both errors, and the reproduction."""

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from driftgate.core.records import DriftPayload
from driftgate.testing.workplace import Workplace

MODEL = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


def net():
    torch.manual_seed(0)
    return nn.Sequential(Block(), Block(), Block()), {"input": torch.linspace(-1, 1, 32).reshape(4, 8)}
"""
LINE = next(number for number, line in enumerate(MODEL.splitlines(), 1) if "gelu" in line)


def plant(path: Path) -> None:
    """One weight of the second block's `up` is off by a half."""
    model = onnx.load(path)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "1.up.weight")
    array = numpy_helper.to_array(weight).copy()
    array[3, 3] += np.float32(0.5)
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    onnx.save(model, path)


@pytest.mark.full
def test_a_planted_drift_is_shown_with_its_node_its_line_and_a_reproduction_that_runs_elsewhere(
    place: Workplace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (place.folder / "mine.py").write_text(MODEL)
    config = place.config("python:mine:net", keep={"onnx": "always"})
    assert place.call("run", config).code == 0
    folder = place.store.model_folder("python--mine--net")
    plant(folder / "model.onnx")
    assert place.call("infer", "--run", "latest", "--target", "ort-cpu", "--no-cache").code == 0
    told = place.call("drift", "--run", "latest", "--no-cache").out
    assert re.search(r"begins at Gemm node_linear_2\n.*in 1\.up, .*mine\.py:" + str(LINE), told)
    payload = place.records()["python--mine--net/drift.ort-cpu"].payload
    assert isinstance(payload, DriftPayload)
    culprit = payload.culprit
    assert culprit is not None
    assert culprit.own_error is not None
    assert culprit.own_error > 100 * (culprit.inherited_error or 0)
    assert place.call("report", "--run", "latest").code == 0
    page = html.unescape((place.store.root / "report" / "models" / "python--mine--net.html").read_text())
    for shown in ("Where it begins", "node_linear_2", f"mine.py:{LINE}", "Own error", "Inherited error", culprit.repro):
        assert shown is not None
        assert shown in page
    copy = tmp_path_factory.mktemp("elsewhere") / "copied"
    shutil.copytree(folder / "repro" / "drift.ort-cpu", copy)
    again = subprocess.run([sys.executable, "-I", copy / "repro.py"], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (1, "still differs")
