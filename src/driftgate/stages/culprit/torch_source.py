"""The reference's values from torch: the program that the exporter made its nodes from, made again and run operator by operator.

A value of the exported file has the name of the operator that it came from, and its node carries that operator as text. The
program is believed if every such text is the same again; its outputs are compared with those of the module itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import blaming
from driftgate.stages.culprit.graphs import Graph
from driftgate.stages.culprit.sources import BUDGET, Chunk
from driftgate.stages.exporting.exporters import EXPORTERS, Axes
from driftgate.stages.exporting.registry import keep_registry
from driftgate.stages.exporting.shortcuts import take
from driftgate.stages.inputs.contents import ModelInputs, Which
from driftgate.stages.loading import Ready
from driftgate.targets.arrays import to_numpy

FX_NODE = "pkg.torch.onnx.fx_node"
_NAME = re.compile(r"%(\w+)\s*:")
_USERS = re.compile(r"\[num_users=\d+\] ")


class TorchSource:
    """The values of an exported program, under the names that they have in the exported file."""

    graph: Graph | None = None

    def __init__(self, program: Any, exported: Graph, inputs: ModelInputs, which: Which) -> None:
        self._program, self._inputs = program, replace(inputs, first=inputs.tensors(which))
        self._names = names_of(program, exported)
        changes_itself = bool(program.graph_signature.buffers_to_mutate)
        self._stateless: fx.GraphModule | None = None if changes_itself else program.module()
        texts = {node.name: _text(node.format_node() or "") for node in program.graph.nodes}
        told = _told(exported)
        self.strange = next((name for name, text in told.items() if texts.get(name) != text), None)
        """An operator of which the file says something else; such a program is not the one that the file was made from."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for names in self._names.values() for name in names)

    def chunks(self, wanted: Collection[str]) -> Iterator[Chunk]:
        held: Chunk = {}
        module = self._stateless or self._program.module()
        for operator, value in _values(module, self._flat(module)):
            names = [name for name in self._names.get(operator, ()) if name in wanted]
            if names and isinstance(value, Tensor):
                held |= dict.fromkeys(names, to_numpy(value))
            if sum(array.nbytes for array in held.values()) >= BUDGET:
                yield held
                held = {}
        yield held

    def _flat(self, module: fx.GraphModule) -> list[Any]:
        """The inputs in the order in which the program takes them: by name where it has our names, else as they come."""
        tensors = {name: tensor.clone() for name, tensor in self._inputs.first.items()}
        named = {**tensors, **self._inputs.arguments}
        taken = [node.name for node in module.graph.nodes if node.op == "placeholder"]
        if set(taken) <= named.keys():
            return [named[name] for name in taken]
        return list(torch.utils._pytree.tree_leaves((list(tensors.values()), self._inputs.arguments)))


def _values(module: fx.GraphModule, flat: list[Any]) -> Iterator[tuple[str, Any]]:
    """Each operator's name and result, in order; what nothing reads any longer is dropped."""
    interpreter = fx.Interpreter(module)
    interpreter.args_iter = iter(flat)
    with torch.no_grad():
        for node in module.graph.nodes:
            interpreter.env[node] = interpreter.run_node(node)
            yield node.name, interpreter.env[node]
            for finished in interpreter.user_to_last_uses.get(node, ()):
                del interpreter.env[finished]


def names_of(program: Any, exported: Graph) -> dict[str, tuple[str, ...]]:
    """Operator of the program → values of the exported file that are its result."""
    names: dict[str, tuple[str, ...]] = {
        node.name: (node.name,) for node in program.graph.nodes if node.name in exported.tensors
    }
    returned = [name for name in program.graph_signature.user_outputs if isinstance(name, str)]
    if len(returned) == len(exported.outputs):  # the export stage gave them the names of the model's own outputs
        for operator, name in zip(returned, exported.outputs, strict=True):
            if name in exported.tensors:
                names[operator] = tuple(dict.fromkeys((*names.get(operator, ()), name)))
    return names


def _told(exported: Graph) -> dict[str, str]:
    """Operator → what the file says of it."""
    found = {}
    for node in exported.nodes:
        text = next((entry.value for entry in node.metadata_props if entry.key == FX_NODE), "")
        match = _NAME.match(text)
        if match:
            found[match[1]] = _text(text)
    return found


def _text(text: str) -> str:
    """Without the number of users, which later passes of the exporter change."""
    return _USERS.sub("", text)


def source_of(
    subject: Ready, exported: Graph, axes: Axes, exporter: str, opset: int | None, which: Which
) -> TorchSource:
    """The source for a file that this exporter made. Raises StageFailure where the exporter hands over no program (TorchScript),
    fails, or makes another one than before."""
    take(keep_registry)
    with blaming(FailureKind.OTHER, "the model cannot be exported again"), torch.no_grad():
        if exporter == "dynamo" and not axes:
            source = TorchSource(_captured(subject), exported, subject.inputs, which)
            if source.strange is None:
                return source
        with _watching() as made:
            EXPORTERS[exporter](subject, axes, opset)
        if not made:
            message = f"the {exporter} exporter hands over no program whose values could be compared"
            raise StageFailure(FailureKind.UNAVAILABLE, message)
        source = TorchSource(made[-1], exported, subject.inputs, which)
    if source.strange is not None:
        raise StageFailure(FailureKind.OTHER, f"exporting again gives another program: {source.strange!r} differs")
    return source


@contextmanager
def _watching() -> Iterator[list[Any]]:
    """The programs that `torch.onnx.export` translates meanwhile: an exporter that calls it keeps them to itself."""
    made: list[Any] = []
    export = torch.onnx.export

    def watched(*arguments: Any, **keywords: Any) -> Any:
        result = export(*arguments, **keywords)
        if result is not None:
            made.append(result.exported_program)
        return result

    torch.onnx.export = watched
    try:
        yield made
    finally:
        torch.onnx.export = export


def _captured(subject: Ready) -> Any:
    """What `torch.onnx.export` does before it translates operators: a third of its time."""
    from torch.onnx._internal.exporter._fx_passes import decompose_with_registry
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    inputs = subject.inputs
    positional = tuple(inputs.first.values()) if inputs.positional else ()
    keywords = inputs.arguments if inputs.positional else {**inputs.first, **inputs.arguments}
    program = torch.export.export(subject.module, positional, keywords, strict=False)
    return decompose_with_registry(program, ONNXRegistry.from_torchlib())
