"""The text of an exporter's deepest exception says what kind of failure it is, what would mend it, and which failures are the same."""

import pytest

from driftgate.core.export_causes import cause_of, identity
from driftgate.core.fingerprints import fingerprint
from driftgate.core.verdicts import FailureKind

TEXTS = [
    ("No ONNX function found for <OpOverload(op='aten.foo', overload='default')>", FailureKind.UNSUPPORTED_OP),
    ("No ONNX function found for <OpOverload(op='mine.foo', overload='default')>", FailureKind.CUSTOM_OP),
    (
        "No ONNX function found for <OpOverload(op='transformers.grouped_mm', overload='default')>",
        FailureKind.CUSTOM_OP,
    ),
    ("Exporting the operator 'aten::foo' to ONNX opset version 17 is not supported", FailureKind.UNSUPPORTED_OP),
    ("ONNX export failed on an operator with unrecognized namespace mine::foo. If", FailureKind.CUSTOM_OP),
    ("Unsupported output type <class 'transformers.cache_utils.DynamicCache'>", FailureKind.CACHE_TYPE),
    ("Could not guard on data-dependent expression Eq(u0, 1)", FailureKind.DATA_DEPENDENT),
    ("Could not extract specialized integer from data-dependent expression u0", FailureKind.DATA_DEPENDENT),
    ("Constraints violated (batch)! For more information", FailureKind.SHAPE_MISMATCH),
    ("Unsupported ONNX opset version: 23", FailureKind.UNAVAILABLE),
    (
        "No ONNX function found for <OpOverload(op='aten._is_all_true', overload='default')>.",
        FailureKind.UNSUPPORTED_OP,
    ),
    (
        "0 INTERNAL ASSERT FAILED at x.cpp. We don't have an op for aten::scatter but it isn't",
        FailureKind.UNSUPPORTED_OP,
    ),
    ("conversion of scaled_dot_product_attention not implemented if enable_gqa", FailureKind.UNSUPPORTED_OP),
    ("type Tensor doesn't define __round__ method", FailureKind.COMPILE),
    ("unordered_map::at", FailureKind.COMPILE),
    ("Expected node type 'onnx::Constant' for argument 'n' of node 'multinomial'", FailureKind.DATA_DEPENDENT),
    ("Found <class 'm.Pair'> in output, which is not a known type. If this", FailureKind.COMPILE),
]


@pytest.mark.parametrize(("text", "kind"), TEXTS)
def test_a_known_text_has_a_kind_and_a_way_out(text: str, kind: FailureKind) -> None:
    found = cause_of(f"SomeError: {text}")
    assert found is not None
    assert found.kind is kind
    assert found.hint()


def test_complex_numbers_and_missing_operators_are_told_apart() -> None:
    text = "DispatchError: No ONNX function found for <OpOverload(op='aten.unsqueeze', overload='default')>. Failure message: "
    complex_valued = cause_of(text + "No decompositions registered for the complex-valued input")
    real_valued = cause_of(text + "No decompositions registered for the real-valued input")
    assert complex_valued is not None
    assert real_valued is not None
    assert (complex_valued.cause.name, real_valued.cause.name) == ("complex numbers", "missing ONNX function")


def test_a_text_that_nobody_has_seen_has_no_cause() -> None:
    assert cause_of("ValueError: something nobody has seen") is None


def test_the_way_out_names_the_operator_and_the_line() -> None:
    found = cause_of("DispatchError: No ONNX function found for <OpOverload(op='aten.foo', overload='default')>")
    assert found is not None
    hint = found.hint(operator="aten.foo.default", where="model.py:7")
    assert hint is not None
    assert "custom_translation_table={torch.ops.aten.foo.default: function}" in hint
    assert "model.py:7" in hint


def test_braces_in_a_message_are_text() -> None:
    found = cause_of("GuardOnDataDependentSymNode: Could not guard on data-dependent expression {where} > u0\nmore")
    assert found is not None
    assert "{where} > u0" in str(found.hint(where="model.py:7"))


def test_sizes_symbols_and_indices_are_no_part_of_an_identity() -> None:
    one = identity(
        "RuntimeError: shape '[2, 3]' is invalid for input of size 7 at layers.0.attn u0\nmore", "forward: y"
    )
    two = identity(
        "RuntimeError: shape '[5, 1, 4]' is invalid for input of size 12345 at layers.11.attn u31", "forward: y"
    )
    assert fingerprint(*one) == fingerprint(*two)


def test_the_expression_of_a_guard_is_no_part_of_an_identity_and_its_line_is() -> None:
    guard = "GuardOnDataDependentSymNode: Could not guard on data-dependent expression "
    assert identity(guard + "Eq(u0, 1) (unhinted: …", "forward: a") == identity(guard + "u1*u3 > 1", "forward: a")
    assert identity(guard + "Eq(u0, 1)", "forward: a") != identity(guard + "Eq(u0, 1)", "forward: b")


def test_other_operators_are_other_failures() -> None:
    text = "DispatchError: No ONNX function found for <OpOverload(op='{}', overload='default')>"
    assert identity(text.format("aten.foo")) != identity(text.format("aten.bar"))
