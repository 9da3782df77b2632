r"""Why an export failed, from the text of the deepest exception: its kind, what would mend it, and what makes two failures the same.

    cause_of("DispatchError: No ONNX function found for <OpOverload(op='aten.foo', …")  → the row of the table
    identity(text, place)                                                               → what the fingerprint is made of

The identity does not depend on the table, so that a row more or less changes no fingerprint but by its kind. A script can repeat it:

    first = re.sub(r"(data-dependent expression).*", r"\1", text.strip().splitlines()[0])
    first = re.sub(r"\b\d+\b", "N", re.sub(r"[\[(][\d, ]*[\])]", "[]", first))
    fingerprint(kind, first, place)

`place` is the operator of the node that could not be translated (`call_function[target=torch.ops.aten.foo.default]` in a message
of the chain: `aten.foo.default`); without one, `function: code` of the deepest frame of the model's own code in the tracebacks of the
chain, outermost exception first (own: not below torch, onnx, onnxscript, onnx_ir, sympy, transformers/exporters, the standard library);
without one, nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from driftgate.core.verdicts import FailureKind

_EXPRESSION = re.compile(r"(data-dependent expression).*")
_NUMBERS = re.compile(r"[\[(][\d, ]*[\])]")
_NUMBER = re.compile(r"\b\d+\b")


def identity(text: str, place: str = "") -> tuple[str, str]:
    """The first line without the numbers, sizes and expressions that differ from model to model, and the place."""
    first = _EXPRESSION.sub(r"\1", text.strip().splitlines()[0] if text.strip() else "")
    return _NUMBER.sub("N", _NUMBERS.sub("[]", first)), place


@dataclass(frozen=True)
class Cause:
    """One row: `hint` may name what the pattern caught, and `{operator}`, `{where}` (the line of the model's code)."""

    name: str
    kind: FailureKind
    pattern: str
    hint: str | None
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", re.compile(self.pattern, re.S))


@dataclass(frozen=True)
class Recognised:
    """A cause and what its pattern caught."""

    cause: Cause
    caught: Mapping[str, str]

    @property
    def kind(self) -> FailureKind:
        """The kind of the row."""
        return self.cause.kind

    def hint(self, *, operator: str | None = None, where: str | None = None) -> str | None:
        """What would mend it, here."""
        named = {"operator": operator or "the operator", "where": where or "the model's code"}
        return self.cause.hint and self.cause.hint.format_map(named | dict(self.caught))


_TRANSLATE = (
    "write {operator} in onnxscript and pass custom_translation_table={{torch.ops.{operator}: function}} to torch.onnx.export, "
    "or say it in other operators at {where}"
)
_NO_FUNCTION = r"No ONNX function found for <OpOverload\(op='(?!(?:aten|prims|prim)\.)"
_BOTH_HAPPEN = "torch.where or torch.cond if both answers happen"

CAUSES = (
    Cause("experts of transformers", FailureKind.CUSTOM_OP, r"No ONNX function found for <OpOverload\(op='transformers\.grouped_mm",
          "model.set_experts_implementation('batched_mm') before the export, or add `transformers` to export.exporters: its exporter "
          "translates {operator}"),
    Cause("operator of transformers", FailureKind.CUSTOM_OP, r"No ONNX function found for <OpOverload\(op='transformers\.",
          "add `transformers` to export.exporters: its exporter translates the operators of that library ({operator})"),
    Cause("custom operator", FailureKind.CUSTOM_OP, _NO_FUNCTION, _TRANSLATE),
    Cause("custom operator", FailureKind.CUSTOM_OP, r"operator with unrecognized namespace (?P<operator>[\w:]+)",
          "torch.onnx.register_custom_op_symbolic('{operator}', function, opset), or the `dynamo` exporter with a "
          "custom_translation_table"),
    Cause("complex numbers", FailureKind.UNSUPPORTED_OP, r"No decompositions registered for the complex-valued input",
          "ONNX has no complex numbers: say {operator} at {where} with a real and an imaginary part (rotary embeddings: cosine and sine)"),
    Cause("check on a tensor", FailureKind.UNSUPPORTED_OP, r"No ONNX function found for <OpOverload\(op='aten\._is_all_true'",
          "it is a check on values, not part of the result: TRANSFORMERS_DISABLE_TORCH_CHECK=1 in the environment leaves those of "
          "transformers out; leave torch._check_tensor_all out at {where} while torch.compiler.is_exporting()"),
    Cause("later opset", FailureKind.UNSUPPORTED_OP, r"Support for this operator was added in version (?P<version>\d+)",
          "set export.opset to {version} or more"),
    Cause("missing ONNX function", FailureKind.UNSUPPORTED_OP, r"No ONNX function found|No decompositions registered", _TRANSLATE),
    Cause("missing symbolic function", FailureKind.UNSUPPORTED_OP, r"Exporting the operator '(?P<operator>[^']+)' to ONNX opset",
          "the `dynamo` exporter knows more operators; or torch.onnx.register_custom_op_symbolic('{operator}', function, opset)"),
    Cause("missing symbolic function", FailureKind.UNSUPPORTED_OP,
          r"(?:conversion of|We don't have an op for) (?P<operator>[\w:]+) (?:not implemented|but it)",
          "TorchScript has no translation of {operator} with these arguments: use the `dynamo` exporter, or other arguments at {where}"),
    Cause("opset conversion", FailureKind.UNSUPPORTED_OP, r"No Adapter|[Aa]dapter .*not (?:found|implemented)|convert_version",
          "leave export.opset out, or choose one near 20, which the exporter writes by itself"),
    Cause("opset out of reach", FailureKind.UNAVAILABLE, r"Unsupported ONNX opset version",
          "the TorchScript exporter ends at opset 20: set export.opset lower, or leave `torchscript` out of export.exporters"),
    Cause("cache type", FailureKind.CACHE_TYPE,
          r"Dynamic(?:Layer|Cache)|StaticCache|EncoderDecoderCache|past_key_values.*(?:type|pytree)|Unsupported .*Cache|"
          r"output type.*Cache",
          "call the model with use_cache=False (`arguments` in inputs/SLUG.yaml), or add `transformers` to export.exporters: its "
          "exporter registers the caches"),
    Cause("value taken from a tensor", FailureKind.DATA_DEPENDENT,
          r"Could not extract specialized integer|_local_scalar_dense|DataDependentOutput",
          "{where} takes a Python number from a tensor (int(), .item(), .tolist(), a size): keep it a tensor, or bound it with "
          "torch._check"),
    Cause("branch on a tensor", FailureKind.DATA_DEPENDENT, r"Could not guard on data-dependent expression Eq\(u\d+, 1\)",
          "{where} branches on a value of a tensor (its truth, or whether it is 1): " + _BOTH_HAPPEN + ", torch._check if the answer is "
          "always the same"),
    Cause("data-dependent guard", FailureKind.DATA_DEPENDENT,
          r"Could not guard on data-dependent expression (?P<expression>[^\n]*?)(?: \(unhinted|\n|$)",
          "{where} asks whether {expression}: say it with torch._check if the answer is always the same, " + _BOTH_HAPPEN),
    Cause("constant asked for", FailureKind.DATA_DEPENDENT,
          r"Expected node type 'onnx::Constant' for argument '(?P<argument>\w+)' of node '(?P<operator>\w+)'",
          "{operator} wants its {argument} as a constant, and {where} computes it from a tensor: use the `dynamo` exporter, or a number"),
    Cause("output size from values", FailureKind.DATA_DEPENDENT, r"DynamicOutputShape",
          "{operator} at {where} gives as many rows as the values ask for: bound the count with torch._check, or use a mask"),
    Cause("data-dependent value", FailureKind.DATA_DEPENDENT,
          r"GuardOnDataDependent|[Dd]ata[- ]dependent|unbacked symint|PendingUnbackedSymbolNotFound|Could not infer",
          "{where} depends on values of a tensor: torch._check what is always true of them, " + _BOTH_HAPPEN),
    Cause("unknown type", FailureKind.COMPILE, r"Found <class '(?P<type>[^']+)'> in (?P<place>\w+), which is not a known type",
          "torch.export does not know {type} in the {place}: torch.export.register_dataclass, or tensors, dicts, tuples alone"),
    Cause("output that is no tensor", FailureKind.COMPILE,
          r"^AttributeError: '(?P<type>str|int|float|bool|NoneType)' object has no attribute '(?:name|shape|dtype|type)'",
          "the model returns a {type} beside its tensors: return tensors alone"),
    Cause("error inside torch", FailureKind.COMPILE, r"INTERNAL ASSERT FAILED|unordered_map::at|_M_range_check|please report a bug",
          "torch fails by itself here: try another of export.exporters, and report it to PyTorch with a repro script"),
    Cause("size that became a tensor", FailureKind.COMPILE,
          r"type Tensor doesn't define|'Tensor' object cannot be interpreted as an integer|only integer tensors of a single element|"
          r"must be (?:int|float|a number|tuple of ints), not (?:torch\.)?Tensor",
          "under tracing a size is a tensor: int() around it at {where}, or the `dynamo` exporter"),
    Cause("fixed axis", FailureKind.SHAPE_MISMATCH, r"Constraints violated|specialized",
          "the model's code fixes an axis that was to be dynamic: remove what compares or unrolls it at {where}, or leave the axis "
          "out of `sizes` in inputs/SLUG.yaml"),
    Cause("checker", FailureKind.CHECKER, r"onnx\.checker|onnx_cpp2py_export\.checker|ValidationError|InferenceError",
          "the exporter made a graph that ONNX refuses: try another opset or exporter, and report it to its project"),
    Cause("shapes that don't fit", FailureKind.SHAPE_MISMATCH,
          r"size mismatch|shape mismatch|must match the size|The size of tensor|mat1 and mat2|broadcast|Sizes of tensors must match|"
          r"must have the same rank|"
          r"shape '.*' is invalid|expand\(.*\) must|cannot reshape",
          "sizes that fit in eager mode don't under the exporter at {where}: a size computed in Python was frozen or made symbolic"),
    Cause("operator without fake kernel", FailureKind.CUSTOM_OP,
          r"UnsupportedOperatorException|UnsupportedFakeTensor|no fake impl|register_fake",
          "give the operator a fake kernel: torch.library.register_fake"),
    Cause("not implemented", FailureKind.UNSUPPORTED_OP,
          r"UnsupportedOperator|NotImplementedError|Unsupported FX nodes|is not supported in ONNX|does not support|"
          r"could not find kernel|not implemented for|Couldn't export",
          "replace {operator} at {where} by operators that ONNX has, or give it a translation (custom_translation_table)"),
    Cause("tracing", FailureKind.COMPILE,
          r"torch\._dynamo|TorchDynamo|Unsupported|UserError|InternalTorch|FakeTensor|functionaliz|TorchExportError|"
          r"ConversionError|torch\.export|GraphConstructionError|Tracer|torch\.jit",
          "the capture of the graph fails at {where}: torch.export.draft_export(model, …) lists all such places at once"),
)  # fmt: skip
"""First match wins, over `ClassName: text` of the deepest exception."""


def cause_of(text: str) -> Recognised | None:
    """The first row whose pattern is found in `ClassName: text`, or None."""
    for cause in CAUSES:
        match = cause.compiled.search(text)
        if match:
            return Recognised(cause, {name: caught for name, caught in match.groupdict().items() if caught})
    return None
