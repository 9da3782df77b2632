"""Small ONNX graphs made by hand, for tests that need a graph and no exporter: quick to run, fused by the runtime as real ones are.

    attention()      embedding, attention, feed-forward, two layer norms: what a transformer's layer exports to
    convolutions()   three convolutions with a residual: ONNX Runtime lays them out anew (NCHWc)
    odds_and_ends()  a sequence, a branch, a loop, integers, booleans, strings, NaN, infinity, an empty tensor, a weight of 0 dimensions

`made(nodes, …)` puts nodes together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Arrays = dict[str, NDArray[Any]]
IR_VERSION, OPSET = 10, 20


def made(
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, NDArray[Any]],
    feed: Mapping[str, NDArray[Any]],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    """A model that takes arrays of these dtypes and shapes; its outputs' types are left to the runtime."""
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feed.items()
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(
        list(nodes), "made", inputs, [onnx.ValueInfoProto(name=name) for name in outputs], tensors
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def node(op: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """A node called `node_OUTPUT`."""
    return helper.make_node(op, list(inputs), [output], name=f"node_{output}", **attributes)


def attention(width: int = 16, seed: int = 0) -> tuple[onnx.ModelProto, Arrays]:
    """A transformer's layer on six tokens, and its inputs."""
    draw = np.random.default_rng(seed)
    weights: Arrays = {"table": _normal(draw, 20, width), "root": np.array(width**0.5, np.float32)}
    nodes = [node("Gather", ["table", "tokens"], "embedded")]
    for name in ("query", "key", "value", "output"):
        weights |= {f"{name}.weight": _normal(draw, width, width) / 4, f"{name}.bias": _normal(draw, width)}
    for name in ("query", "key", "value"):
        nodes += _linear("embedded", name)
    nodes += [
        node("Transpose", ["key"], "turned", perm=[0, 2, 1]),
        node("MatMul", ["query", "turned"], "products"),
        node("Div", ["products", "root"], "scores"),
        node("Softmax", ["scores"], "shares", axis=-1),
        node("MatMul", ["shares", "value"], "mixed"),
        *_linear("mixed", "output"),
        node("Add", ["output", "embedded"], "first_sum"),
        *_norm("first_sum", "first_norm", weights, draw, width),
    ]
    weights |= {"up.weight": _normal(draw, width, 4 * width) / 4, "up.bias": _normal(draw, 4 * width)}
    weights |= {"down.weight": _normal(draw, 4 * width, width) / 4, "down.bias": _normal(draw, width)}
    nodes += [
        *_linear("first_norm", "up"),
        node("Gelu", ["up"], "gelu"),
        *_linear("gelu", "down"),
        node("Add", ["down", "first_norm"], "second_sum"),
        *_norm("second_sum", "hidden", weights, draw, width),
    ]
    feed: Arrays = {"tokens": np.arange(1, 12, 2)[None]}
    return made(nodes, weights, feed, ["hidden"]), feed


def convolutions(seed: int = 0) -> tuple[onnx.ModelProto, Arrays]:
    """Convolutions with a residual and a classifier on one small image, and the image."""
    draw = np.random.default_rng(seed)
    weights: Arrays = {}
    nodes, value = [], "image"
    for number, (taken, given) in enumerate(((3, 16), (16, 16), (16, 16))):
        name = f"conv{number}"
        weights |= {f"{name}.weight": _normal(draw, given, taken, 3, 3) / 4, f"{name}.bias": _normal(draw, given)}
        nodes.append(node("Conv", [value, f"{name}.weight", f"{name}.bias"], name, pads=[1, 1, 1, 1]))
        nodes.append(node("Relu", [name], f"relu{number}"))
        value = f"relu{number}"
    weights |= {"fc.weight": _normal(draw, 16, 5), "fc.bias": _normal(draw, 5)}
    nodes += [
        node("Add", ["relu0", "relu2"], "residual"),
        node("GlobalAveragePool", ["residual"], "pooled"),
        node("Flatten", ["pooled"], "flat"),
        node("Gemm", ["flat", "fc.weight", "fc.bias"], "logits"),
    ]
    feed: Arrays = {"image": _normal(draw, 1, 3, 12, 12)}
    return made(nodes, weights, feed, ["logits"]), feed


def odds_and_ends() -> tuple[onnx.ModelProto, Arrays]:
    """What must not make a search stumble: every kind of value that is no floating tensor of some size."""
    weights: Arrays = {
        "half": np.array(0.5, np.float32),
        "zero": np.array(0.0, np.float32),
        "one": np.array(1, np.int64),
        "three": np.array(3, np.int64),
        "true": np.array(True),
        "begin": np.array([0], np.int64),
        "words": np.array(["some", "words"], object),
    }
    nodes = [
        node("Mul", ["x", "half"], "halved"),
        node("SequenceConstruct", ["x", "halved"], "pair"),
        node("SequenceAt", ["pair", "one"], "second"),
        node("Greater", ["second", "zero"], "positive"),
        node("Cast", ["positive"], "counts", to=TensorProto.INT64),
        node("If", ["true"], "chosen", then_branch=_branch("Add"), else_branch=_branch("Sub")),
        node("Loop", ["three", "", "chosen"], "looped", body=_body()),
        node("Slice", ["looped", "begin", "begin", "begin"], "empty"),
        node("Div", ["zero", "zero"], "nan"),
        node("Log", ["zero"], "infinite"),
        node("Identity", ["words"], "same_words"),
        node("Add", ["looped", "nan"], "all_nan"),
        node("Concat", ["looped", "empty"], "joined", axis=0),
        node("Relu", ["joined"], "result"),
    ]
    outputs = ["result", "counts", "empty", "nan", "infinite", "all_nan", "same_words"]
    feed: Arrays = {"x": np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2)}
    return made(nodes, weights, feed, outputs), feed


def _branch(op: str) -> onnx.GraphProto:
    """Reads `second` and `half` from outside."""
    return helper.make_graph(
        [helper.make_node(op, ["second", "half"], ["branched"])],
        op,
        [],
        [helper.make_tensor_value_info("branched", TensorProto.FLOAT, None)],
    )


def _body() -> onnx.GraphProto:
    """Adds `half`, which it reads from outside, at each turn."""
    info = helper.make_tensor_value_info
    return helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes_on"]),
            helper.make_node("Add", ["carried", "half"], ["carried_on"]),
        ],
        "body",
        [
            info("turn", TensorProto.INT64, []),
            info("going", TensorProto.BOOL, []),
            info("carried", TensorProto.FLOAT, None),
        ],
        [info("goes_on", TensorProto.BOOL, []), info("carried_on", TensorProto.FLOAT, None)],
    )


def _linear(value: str, name: str) -> list[onnx.NodeProto]:
    return [
        node("MatMul", [value, f"{name}.weight"], f"{name}.product"),
        node("Add", [f"{name}.product", f"{name}.bias"], name),
    ]


def _norm(value: str, name: str, weights: Arrays, draw: np.random.Generator, width: int) -> list[onnx.NodeProto]:
    weights |= {f"{name}.weight": 1 + _normal(draw, width) / 8, f"{name}.bias": _normal(draw, width)}
    inputs = [value, f"{name}.weight", f"{name}.bias"]
    return [node("LayerNormalization", inputs, name, axis=-1, epsilon=1e-5)]


def _normal(draw: np.random.Generator, *shape: int) -> NDArray[Any]:
    return draw.standard_normal(shape).astype(np.float32)
