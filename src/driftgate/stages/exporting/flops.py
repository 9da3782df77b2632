"""Floating-point operations of an ONNX graph, by operator, from its shapes.

A multiplication and an addition count as two. Only nodes that work on floating-point tensors count.

    MatMul, Gemm                  2 × output elements × length of the summed axis (+ output elements for Gemm's C)
    Conv, ConvTranspose           2 × output (input) elements × weights per output (input) channel (+ output elements for a bias)
    Einsum                        operands × product of all index sizes
    LSTM, GRU, RNN                2 × steps × batch × elements of W and R
    Attention                     4 × batch × query length × key length × width of the queries
    Softmax, LogSoftmax           5 × elements (maximum, difference, exponential, sum, quotient)
    LayerNormalization, …         7 × elements (mean, difference, square, mean, quotient, scale, shift)
    BatchNormalization            2 × elements (inference: scale, shift)
    Reduce…, CumSum, Global…Pool  1 × input elements
    AveragePool, MaxPool, LpPool  output elements × window
    Resize, GridSample            2 × points blended into each output element × output elements
    DFT, STFT                     5 × n × log2(n) for each transform of length n
    elementwise                   1 × output elements, whatever the function
    moving data                   nothing

Any other operator (control flow, operators of other domains) is named and counts nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log2, prod
from types import MappingProxyType
from typing import Any

import onnx
from onnx import TensorProto

from driftgate.stages.exporting.inference import Inferred, size_of

Shape = tuple[int, ...]
MOST_NAMED = 20
FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE})


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


MOVING = _names(
    "Cast CastLike CenterCropPad Col2Im Compress Concat ConcatFromSequence Constant ConstantOfShape DepthToSpace Dropout Expand EyeLike "
    "Flatten Gather GatherElements GatherND Identity NonZero OneHot Optional Pad RandomNormal RandomNormalLike RandomUniform "
    "RandomUniformLike Range Reshape ReverseSequence Scatter ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty "
    "SequenceInsert SequenceLength Shape Size Slice SpaceToDepth Split SplitToSequence Squeeze TensorScatter Tile Transpose Trilu "
    "Unique Unsqueeze Where"
)
ELEMENTWISE = _names(
    "Abs Acos Acosh Add And Asin Asinh Atan Atanh Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Ceil "
    "Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HammingWindow HannWindow HardSigmoid HardSwish Hardmax "
    "IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu RotaryEmbedding Round "
    "Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Xor"
)
PER_OUTPUT = MappingProxyType(
    dict.fromkeys(ELEMENTWISE, 1)
    | dict.fromkeys(("Softmax", "LogSoftmax"), 5)
    | dict.fromkeys(
        ("LayerNormalization", "RMSNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization",
         "MeanVarianceNormalization"), 7)
    | {"BatchNormalization": 2}
)  # fmt: skip
PER_INPUT = _names(
    "ArgMax ArgMin CumProd CumSum GlobalAveragePool GlobalLpPool GlobalMaxPool ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax "
    "ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare TopK"
)


@dataclass(frozen=True)
class Flops:
    """`total` is None if a shape that a formula needs is unknown; `unknown` names those nodes, and operators without a formula."""

    total: int | None
    by_op: dict[str, int]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class _Call:
    """A node with the sizes of what it reads and writes. Raises LookupError where one is asked for that is not known."""

    node: onnx.NodeProto
    shapes: Mapping[str, Shape | None]

    def input(self, index: int) -> Shape:
        return self._shape(self.node.input[index])

    def output(self, index: int = 0) -> Shape:
        return self._shape(self.node.output[index])

    def has_input(self, index: int) -> bool:
        return len(self.node.input) > index and bool(self.node.input[index])

    def attribute(self, name: str, default: Any) -> Any:
        found = next((a for a in self.node.attribute if a.name == name), None)
        value = default if found is None else onnx.helper.get_attribute_value(found)
        return value.decode() if isinstance(value, bytes) else value

    def _shape(self, name: str) -> Shape:
        shape = self.shapes.get(name)
        if shape is None:
            raise LookupError(name)
        return shape


def count_flops(inferred: Inferred, sizes: Mapping[str, int]) -> Flops:
    """Count them with dynamic dimensions of these sizes (`batch` → 1)."""
    shapes = {name: _sizes(typed.shape, sizes) for name, typed in inferred.types.items()}
    by_op: Counter[str] = Counter()
    strange: dict[str, None] = {}
    unsized: dict[str, None] = {}
    for node in inferred.graph.node:
        name = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        formula = None if node.domain else _formula(node.op_type)
        if formula is None:
            strange[name] = None
        elif formula is not _nothing and _floating(node, inferred):
            try:
                by_op[name] += formula(_Call(node, shapes))
            except LookupError:
                unsized[f"{name}: {node.name or node.output[0]}"] = None
    told = (*list(unsized)[:MOST_NAMED], *list(strange)[:MOST_NAMED])
    ordered = dict(sorted(by_op.items(), key=lambda item: (-item[1], item[0])))
    return Flops(None if unsized else by_op.total(), ordered, told)


def _sizes(shape: tuple[int | str | None, ...] | None, sizes: Mapping[str, int]) -> Shape | None:
    found = [size_of(dimension, sizes) for dimension in shape or ()]
    return None if shape is None or None in found else tuple(size for size in found if size is not None)


def _floating(node: onnx.NodeProto, inferred: Inferred) -> bool:
    """Whether a node computes with floating-point numbers; so it is taken where no type is known."""
    types = [inferred.types[name].dtype for name in (*node.input, *node.output) if name in inferred.types]
    return not types or not FLOATS.isdisjoint(types)


Formula = Callable[[_Call], int]


def _formula(op: str) -> Formula | None:
    if op in MOVING:
        return _nothing
    if op in PER_OUTPUT:
        return lambda call: PER_OUTPUT[op] * prod(call.output())
    if op in PER_INPUT:
        return _each_input
    return FORMULAS.get(op)


def _nothing(call: _Call) -> int:
    del call
    return 0


def _each_input(call: _Call) -> int:
    return prod(call.input(0))


def _matmul(call: _Call) -> int:
    return 2 * prod(call.output()) * call.input(0)[-1]


def _gemm(call: _Call) -> int:
    output, first = prod(call.output()), call.input(0)
    summed = first[0] if call.attribute("transA", 0) else first[1]
    return 2 * output * summed + (output if call.has_input(2) else 0)


def _conv(call: _Call) -> int:
    output = prod(call.output())
    return 2 * output * prod(call.input(1)[1:]) + (output if call.has_input(2) else 0)


def _conv_transpose(call: _Call) -> int:
    bias = prod(call.output()) if call.has_input(2) else 0
    return 2 * prod(call.input(0)) * prod(call.input(1)[1:]) + bias


def _einsum(call: _Call) -> int:
    terms = call.attribute("equation", "").replace(" ", "").partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for index, term in enumerate(terms):
        if "." in term:
            raise LookupError(term)
        sizes |= dict(zip(term, call.input(index), strict=True))
    return len(terms) * prod(sizes.values())


def _recurrent(call: _Call) -> int:
    steps, batch = call.input(0)[:2]
    return 2 * steps * batch * (prod(call.input(1)) + prod(call.input(2)))


def _attention(call: _Call) -> int:
    queries, keys = call.input(0), call.input(1)
    return 4 * prod(queries) * keys[-2]


def _pool(call: _Call) -> int:
    window: int = prod(call.attribute("kernel_shape", ()))
    return prod(call.output()) * window


def _resize(call: _Call) -> int:
    """Along each axis that changes, linear blends two points, cubic four."""
    points = {"linear": 2, "cubic": 4}.get(call.attribute("mode", "nearest"), 0)
    changed = sum(1 for old, new in zip(call.input(0), call.output(), strict=True) if old != new)
    blended: int = points**changed if points and changed else 0
    return 2 * blended * prod(call.output())


def _grid_sample(call: _Call) -> int:
    points = {"linear": 2, "bilinear": 2, "cubic": 4, "bicubic": 4}.get(call.attribute("mode", "linear"), 0)
    blended: int = points ** (len(call.output()) - 2)
    return 2 * blended * prod(call.output())


def _transform(call: _Call) -> int:
    """The last axis but the one of real and imaginary parts is the transformed one."""
    length = call.output()[-2]
    return round(5 * prod(call.output()[:-1]) * log2(max(length, 2)))


FORMULAS: Mapping[str, Formula] = MappingProxyType(
    {
        "MatMul": _matmul, "Gemm": _gemm, "Conv": _conv, "ConvTranspose": _conv_transpose, "Einsum": _einsum,
        "LSTM": _recurrent, "GRU": _recurrent, "RNN": _recurrent, "Attention": _attention,
        "AveragePool": _pool, "MaxPool": _pool, "LpPool": _pool, "Resize": _resize, "GridSample": _grid_sample,
        "DFT": _transform, "STFT": _transform,
    }
)  # fmt: skip
