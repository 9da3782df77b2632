"""Memory of a search in a large graph, against that of a normal run: `python -m benchmarks.large_graph normal|search FOLDER`."""

from __future__ import annotations

import math
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnxruntime import InferenceSession, SessionOptions

from benchmarks.harness import ROOT
from benchmarks.zoo_graphs import job_for
from driftgate.core.errors import StageFailure
from driftgate.core.records import DriftPayload
from driftgate.machine.jobs import TwoFiles


def memory(place: Path) -> tuple[float, float]:
    """Peak of the search over the peak of a normal run of the same large graph, and the latter in MB."""
    folder = place / "large"
    folder.mkdir()
    large_graph(folder / "model.onnx", at_fault=False)
    large_graph(folder / "faulty.onnx", at_fault=True)
    peaks = [_peak(what, folder) for what in ("normal", "search")]
    return peaks[1] / peaks[0], peaks[0]


def _peak(what: str, folder: Path) -> float:
    """Peak resident size of `python -m benchmarks.large_graph WHAT FOLDER`, in MB."""
    command = [sys.executable, "-m", "benchmarks.large_graph", what, str(folder)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(answer.stdout.splitlines()[-1])


def large_graph(path: Path, *, at_fault: bool, layers: int = 12, width: int = 2048) -> None:
    """A perceptron with 16 MB of weights and three values of 16 MB per layer; one bias near the end may be off."""
    draw = np.random.default_rng(0)
    nodes, weights, value = [], [], "x"
    for layer in range(layers):
        matrix = (draw.standard_normal((width, width)) / math.sqrt(width)).astype(np.float32)
        bias = np.full(width, 1.0 if at_fault and layer == layers - 2 else 0.0, np.float32)
        for name, array in ((f"w{layer}", matrix), (f"b{layer}", bias)):
            weights.append(onnx.numpy_helper.from_array(array, name))
        for op, inputs, made in (
            ("MatMul", [value, f"w{layer}"], f"m{layer}"),
            ("Add", [f"m{layer}", f"b{layer}"], f"a{layer}"),
            ("Tanh", [f"a{layer}"], f"t{layer}"),
        ):
            nodes.append(onnx.helper.make_node(op, inputs, [made], name=f"node_{made}"))
            value = made
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "large", [info("x", 1, [width, width])], [info(value, 1, [width, width])], weights
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10), path)


def _normal(folder: Path) -> None:
    options = SessionOptions()
    options.intra_op_num_threads = 1
    session = InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    session.run(None, {"x": np.random.default_rng(0).standard_normal(shape).astype(np.float32)})


def _search(folder: Path) -> None:
    from driftgate.stages.culprit.files import diff

    files = TwoFiles(reference=folder / "model.onnx", candidate=folder / "faulty.onnx")
    try:
        diff(job_for(files, folder), None)  # type: ignore[arg-type]
    except StageFailure as failure:
        culprit = failure.payload.culprit if isinstance(failure.payload, DriftPayload) else None
        if culprit is None or culprit.node != "node_a10":
            raise RuntimeError(f"the search ended with {failure}, culprit {culprit}") from failure


if __name__ == "__main__":
    {"normal": _normal, "search": _search}[sys.argv[1]](Path(sys.argv[2]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
