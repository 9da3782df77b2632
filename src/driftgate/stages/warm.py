"""Warm the server from which workers are forked: import what stages need and run each compiler once on something tiny.

A worker forked from it skips 5 to 10 seconds of imports and first calls. What is warmed must not change what a worker finds:
dynamo is reset, the random state put back, and the second exporter only imported, because using it registers cache
types for the whole process.
"""

from __future__ import annotations

import gc
import threading
import time
import warnings

import torch
import torch._dynamo
from torch import Tensor, nn

from driftgate.core.errors import MachineryError
from driftgate.stages.explaining.headers import name_only_what_is_logged
from driftgate.stages.exporting.shortcuts import take, take_shortcuts


class _Tiny(nn.Module):
    """Enough for every part of the compilers that each model uses: a weight, a shape, an attention."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.layer(x).view(x.shape[0], 1, -1, 4)
        z = nn.functional.scaled_dot_product_attention(y, y, y)
        return {"output": nn.functional.gelu(z).softmax(-1) + 1}


def warm() -> dict[str, float]:
    """Do it; returns the seconds of each part. Ends with one Python thread, or raises MachineryError naming the others."""
    state = torch.random.get_rng_state()
    _without_monitor()
    torch.set_num_threads(1)
    seconds = {}
    for part in (_imports, _tables, _loading, _dynamo, _onnx):
        began = time.perf_counter()
        part()
        seconds[part.__name__.strip("_")] = time.perf_counter() - began
    torch._dynamo.reset()
    torch.random.set_rng_state(state)
    gc.collect()
    _check_threads()
    return seconds


def imports() -> None:
    """The imports alone, for a handful of jobs: a fork then pays a compiler's first call itself, which is less than all of them
    cost here."""
    _without_monitor()
    torch.set_num_threads(1)
    _imports()
    gc.collect()
    _check_threads()


def _imports() -> None:
    """Everything that a stage imports at first use."""

    import driftgate.stages.drift
    import driftgate.stages.explain
    import driftgate.stages.export
    import driftgate.stages.infer
    import driftgate.stages.inputs.maker  # noqa: F401


def _tables() -> None:
    """What each worker would parse again from package data."""
    from driftgate.machine.tolerances import packaged_tolerances
    from driftgate.stages.zoo.table import row_of

    packaged_tolerances()
    row_of("")


def _loading() -> None:
    """transformers compiles a thousand patterns of weights' names before it first saves or loads. A model is not made here: transformers
    keeps a list of the classes that were, and dynamo guards it in every model."""
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_checkpoint_conversion_mapping("bert")  # type: ignore[no-untyped-call]


def _dynamo() -> None:
    """Explain, and compile once for a second size: symbolic shapes import sympy."""
    take(name_only_what_is_logged)
    module = _Tiny().eval()
    with torch.no_grad():
        torch._dynamo.explain(module)(torch.ones(2, 3, 4))
        compiled = torch.compile(module, backend="eager")
        compiled(torch.ones(2, 3, 4))
        compiled(torch.ones(3, 5, 4))


def _onnx() -> None:
    """Export statically and dynamically, and run the result."""
    import onnxruntime

    take_shortcuts()
    module = _Tiny().eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        example = (torch.ones(2, 3, 4),)
        torch.onnx.export(module, example, dynamo=True, verbose=False)
        named = ({0: "batch", 1: "sequence"},)
        program = torch.onnx.export(module, example, dynamo=True, verbose=False, dynamic_shapes=named)
    assert program is not None
    model = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    session.run(None, {session.get_inputs()[0].name: example[0].numpy()})


def _without_monitor() -> None:
    """The exporter draws progress bars, and tqdm's first bar starts a thread that watches over all of them."""
    import tqdm  # type: ignore[import-untyped]

    tqdm.tqdm.monitor_interval = 0
    if tqdm.tqdm.monitor is not None:
        tqdm.tqdm.monitor.exit()
        tqdm.tqdm.monitor = None


def _check_threads() -> None:
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        raise MachineryError(f"cannot fork after warming: Python threads are still running ({', '.join(others)})")
