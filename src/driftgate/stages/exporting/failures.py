"""What kind of failure an exporter's exception is: a table of patterns over the deepest cause, first match wins."""

from __future__ import annotations

import re

from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import deepest, describe

_TABLE: tuple[tuple[str, FailureKind], ...] = (
    (r"Dynamic(?:Layer|Cache)|StaticCache|EncoderDecoderCache|past_key_values.*(?:type|pytree)|"
     r"Unsupported .*Cache|output type.*Cache", FailureKind.CACHE_TYPE),
    (r"GuardOnDataDependent|data[- ]dependent|unbacked symint|DataDependentOutput|DynamicOutputShape|"
     r"PendingUnbackedSymbolNotFound|Could not (?:extract|guard on|infer)", FailureKind.DATA_DEPENDENT),
    (r"(?:No ONNX function found|No decompositions registered|DispatchError|not implemented for|Unsupported FX nodes|"
     r"is not supported in ONNX|No Adapter).*(?!aten|prims)(?:torchvision|custom|_C)", FailureKind.CUSTOM_OP),
    (r"No ONNX function found|No decompositions registered|DispatchError|UnsupportedOperator|NotImplementedError|"
     r"Unsupported FX nodes|is not supported in ONNX|does not support|could not find kernel", FailureKind.UNSUPPORTED_OP),
    (r"onnx\.checker|onnx_cpp2py_export\.checker|ValidationError|InferenceError", FailureKind.CHECKER),
    (r"Constraints violated|specialized|size mismatch|shape mismatch|must match the size|"
     r"The size of tensor|mat1 and mat2|broadcast", FailureKind.SHAPE_MISMATCH),
    (r"torch\._dynamo|TorchDynamo|Unsupported|UserError|InternalTorch|FakeTensor|functionaliz|TorchExportError|"
     r"ConversionError|torch\.export", FailureKind.COMPILE),
)  # fmt: skip
TABLE = tuple((re.compile(pattern, re.S), kind) for pattern, kind in _TABLE)
OWN_NAMESPACES = frozenset({"aten", "prims", "prim", "higher_order", "_operator", "math"})
_TARGET = re.compile(r"No (?:ONNX function|decompositions)[^<\n]*<OpOverload\(op='(?P<namespace>\w+)\.")


def kind_of(error: BaseException) -> FailureKind:
    """The kind of an exporter's exception; `other` where no pattern knows it."""
    text = describe(deepest(error))
    target = _TARGET.search(text)
    if target and target["namespace"] not in OWN_NAMESPACES:
        return FailureKind.CUSTOM_OP
    for pattern, kind in TABLE:
        if pattern.search(text):
            return kind
    return FailureKind.COMPILE if _came_from_compiler(error) else FailureKind.OTHER


def _came_from_compiler(error: BaseException) -> bool:
    """Whether any exception of the chain is one of torch's exporter or compiler."""
    names = {type(error).__name__}
    while error.__cause__ is not None:
        error = error.__cause__
        names.add(type(error).__name__)
    return bool(names & {"TorchExportError", "ConversionError", "OnnxExporterError", "InternalTorchDynamoError"})
