"""Run by a test in a process of its own: what explain and export find before the shortcuts are taken and after, and what the shortcuts
say of a torch that looks different. Prints JSON."""

import contextlib
import hashlib
import io
import json
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import onnx.parser
import onnx_ir as ir
import sample_models
import torch
import torch._dynamo.symbolic_convert as converting
from onnxscript import optimizer
from onnxscript.rewriter import _matcher
from torch import Tensor, nn
from torch._export import utils
from torch.onnx._internal.exporter import _registration

from driftgate.core.errors import MachineryError
from driftgate.stages.explain import count_breaks
from driftgate.stages.explaining.headers import name_only_what_is_logged
from driftgate.stages.exporting.matching import keep_to_candidates
from driftgate.stages.exporting.operators import look_up_once
from driftgate.stages.exporting.registry import keep_registry
from driftgate.stages.exporting.shortcuts import take_shortcuts
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.loading import Ready

SLICES = """
<ir_version: 10, opset_import: ["" : 20]>
g (float[2,3,8] x) => (float[2,3,8] z, float[2,3,4] l3, float[2,3,4] r3)
<int64[1] zero = {0}, int64[1] four = {4}, int64[1] eight = {8}, int64[1] last = {2}>
{
  r1 = Slice(x, four, eight, last)
  l1 = Slice(x, zero, four, last)
  y = Concat<axis=2>(r1, l1)
  inner = Slice(y, four, eight, last)
  r2 = Slice(y, four, eight, last)
  l2 = Slice(y, zero, four, last)
  both = Add(inner, r2)
  z = Concat<axis=2>(both, l2)
  l3 = Slice(z, zero, four, last)
  r3 = Slice(z, four, eight, last)
}
"""
"""Halves of three tensors. The optimiser makes a Split of a right half and the left one after it, and leaves the last two."""
X = torch.arange(48, dtype=torch.float32).reshape(2, 3, 8) / 48


class Halves(nn.Module):
    """Many slices of few tensors, all of them partners by operator, none by what the rule asks."""

    def forward(self, x: Tensor) -> Tensor:
        for round_ in range(6):
            left, right = x[..., :4], x[..., 4:]
            x = torch.cat((right * (round_ + 1), left), -1)
            thirds = (x[..., :3], x[..., 3:6], x[..., 6:])
            x = torch.cat(thirds[::-1], -1) + x[..., 2:3]
        return torch.cat((x[..., 4:], -x[..., :4]), -1)


class Attends(nn.Module):
    """What composite operators, casts and reshapes make of a small attention."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.projection = nn.Linear(8, 24)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (part.unsqueeze(1) for part in self.projection(x).chunk(3, -1))
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).squeeze(1)
        return self.norm(seen.to(torch.float64).to(torch.float32) + x).clamp(min=0).clamp(max=1)


def graphs() -> dict[str, Any]:
    found = {}
    for module in (Halves(), Attends()):
        with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            program = torch.onnx.export(module.eval(), (X,), dynamo=True, verbose=False)
        assert program is not None
        text = program.model_proto.SerializeToString()
        counted = Counter(node.op_type for node in program.model_proto.graph.node)
        found[type(module).__name__] = [hashlib.sha256(text).hexdigest(), counted]
    return found


def slices() -> list[list[str]]:
    model = ir.serde.deserialize_model(onnx.parser.parse_model(SLICES))
    optimizer.optimize_ir(model)
    return [[node.op_type, *(value.name or "" for value in (*node.inputs, *node.outputs))] for node in model.graph]


def counts() -> dict[str, Any]:
    module, inputs = sample_models.three_breaks()
    counted = count_breaks(Ready(module.eval(), ModelInputs(first=inputs)))
    return counted.to_dict() | {"compile_s": 0, "phases": None, "seconds": None}


def logged_header() -> str:
    """What dynamo logs of an operator for somebody who listens."""
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    torch._logging.set_logs(trace_call=True)
    logger = logging.getLogger("torch._dynamo.output_graph.__trace_call")
    logger.addHandler(handler)
    counts()
    logger.removeHandler(handler)
    torch._logging.set_logs()
    return "\n".join(heard)


def refusal(where: Any, name: str, other: Any, shortcut: Callable[[], None]) -> str:
    """What the shortcut says where torch's `name` is something else."""
    own = getattr(where, name)
    setattr(where, name, other)
    try:
        shortcut()
    except MachineryError as error:
        return str(error)
    finally:
        setattr(where, name, own)
    return "taken all the same"


def left_out() -> dict[str, Any]:
    """What is said, and found, where one shortcut does not fit and the others are taken."""
    own, said = _matcher.SimplePatternMatcher.match, io.StringIO()

    def match(self: Any, *others: Any, **options: Any) -> Any:
        return own(self, *others, **options)

    _matcher.SimplePatternMatcher.match = match  # type: ignore[method-assign]
    try:
        with contextlib.redirect_stderr(said):
            take_shortcuts()
        return {"said": said.getvalue(), "graphs": graphs()}
    finally:
        _matcher.SimplePatternMatcher.match = own  # type: ignore[method-assign]


class AnotherRegistry:
    """A registry that keeps its functions elsewhere."""

    from_torchlib = None
    overloads: tuple[str, ...] = ()


def main() -> None:
    refusals = {
        "registry": refusal(_registration, "ONNXRegistry", AnotherRegistry, keep_registry),
        "operators": refusal(utils, "_materialize_cpp_cia_ops", lambda namespace: namespace, look_up_once),
        "matching": refusal(_matcher.SimplePatternMatcher, "match", lambda self, node: node, keep_to_candidates),
        "headers": refusal(converting, "get_funcname", None, name_only_what_is_logged),
    }
    own = {"graphs": graphs(), "counts": counts(), "header": logged_header(), "slices": slices()}
    without = left_out()
    take_shortcuts()
    name_only_what_is_logged()
    names = [converting.get_funcname(__file__, 1), utils._materialize_cpp_cia_ops, _matcher.SimplePatternMatcher.match]
    take_shortcuts()
    name_only_what_is_logged()
    again = [converting.get_funcname(__file__, 1), utils._materialize_cpp_cia_ops, _matcher.SimplePatternMatcher.match]
    short = {"graphs": graphs(), "counts": counts(), "header": logged_header(), "slices": slices()}
    print(json.dumps({"own": own, "short": short, "refusals": refusals, "without": without, "once": names == again}))


if __name__ == "__main__":
    main()
