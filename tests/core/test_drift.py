"""The arithmetic of drift in single cases; `test_drift_metrics.py` holds it against slow definitions."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from driftgate.core.drift import compare, max_abs_difference, nonfinite
from driftgate.core.ranking import argmax_agreement
from driftgate.core.records import Tolerance

LOOSE = Tolerance(atol=1e-4, rtol=1e-3, reason="a test")
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape, elements = draw(SHAPES), st.floats(allow_subnormal=False)
    return tuple(draw(hnp.arrays(np.float64, shape, elements=elements)) for _ in range(2))


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_the_largest_doubles_overflow_nothing_but_their_own_difference(pair: tuple[np.ndarray, np.ndarray]) -> None:
    drift, _ = compare("x", *pair, LOOSE)
    assert drift.max_abs is None or math.isfinite(drift.max_abs)


def test_opposite_extremes_are_beyond_any_tolerance_though_their_distance_is_no_number() -> None:
    huge = np.array([1.7e308])
    drift, _ = compare("x", huge, -huge, Tolerance(atol=0, rtol=10, reason="a test"))
    assert drift.max_abs is None
    assert not drift.within_tolerance


def test_a_tensor_equals_itself_whatever_it_holds() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3.4e38], np.float32)
    drift, _ = compare("x", odd, odd.copy(), Tolerance(atol=0, rtol=0, reason="a test"))
    assert drift.within_tolerance
    assert drift.max_abs == 0


def test_nan_against_a_number_and_infinities_of_other_sign_are_mismatches() -> None:
    drift, _ = compare("x", np.array([np.nan, np.inf, 1.0, 2.0]), np.array([1.0, -np.inf, np.nan, 2.0]), LOOSE)
    assert drift.nonfinite_mismatch == 3
    assert not drift.within_tolerance
    assert drift.max_abs == 0


def test_integers_are_compared_exactly_even_where_float64_cannot_tell_them_apart() -> None:
    left = np.array([2**60, -(2**63), 2**63 - 1], np.int64)
    right = np.array([2**60 + 1, 2**63 - 1, -(2**63)], np.int64)
    drift, _ = compare("ids", left, right, LOOSE)
    assert drift.max_abs == pytest.approx(2**64 - 1)
    assert not drift.within_tolerance
    assert compare("ids", left, left, LOOSE)[0].within_tolerance
    assert not compare("ids", left[:1], right[:1], LOOSE)[0].within_tolerance


def test_booleans_are_compared_exactly() -> None:
    drift, _ = compare("mask", np.array([True, False]), np.array([True, True]), LOOSE)
    assert not drift.within_tolerance
    assert drift.mae == 0.5


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, np.complex64])
def test_every_floating_dtype_is_compared_in_float64(dtype: type) -> None:
    left, right = np.ones(4, dtype), np.array([1, 1, 1, 2], dtype)
    drift, _ = compare("x", left, right, LOOSE)
    assert drift.max_abs == 1
    assert drift.mae == pytest.approx(0.125 if dtype is np.complex64 else 0.25)
    assert drift.dtype == np.dtype(dtype).name
    assert not drift.within_tolerance


def test_half_precision_does_not_overflow_on_the_way() -> None:
    left = np.full(1000, 60000, np.float16)
    drift, _ = compare("x", left, -left, LOOSE)
    assert drift.max_abs == 120000
    assert drift.rmse == pytest.approx(120000)
    assert drift.cosine == pytest.approx(-1)


def test_an_empty_tensor_and_a_scalar_can_be_compared() -> None:
    empty, _ = compare("x", np.zeros((0, 3)), np.zeros((0, 3)), LOOSE)
    assert empty.within_tolerance
    assert empty.max_abs is None
    scalar, _ = compare("x", np.array(1.0), np.array(1.5), LOOSE)
    assert scalar.max_abs == 0.5
    assert scalar.argmax_agreement is None


def test_unequal_shapes_are_refused_never_broadcast() -> None:
    with pytest.raises(ValueError, match=r"x: float64\[2, 1\] cannot be compared with float64\[2, 2\]"):
        compare("x", np.zeros((2, 2)), np.zeros((2, 1)), LOOSE)
    with pytest.raises(ValueError, match="cannot be compared"):
        compare("x", np.zeros(2, np.float32), np.zeros(2), LOOSE)


def test_argmax_agreement_is_the_share_of_rows_that_choose_the_same() -> None:
    left = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    right = np.array([[0.2, 0.8], [0.3, 0.7], [0.1, 0.9], [0.9, 0.1]])
    assert compare("logits", left, right, LOOSE, class_axis=-1)[0].argmax_agreement == 0.75
    assert argmax_agreement(left[:, :1], right[:, :1]) is None


def test_a_tensor_larger_than_a_chunk_gives_the_same_numbers() -> None:
    random = np.random.default_rng(0)
    left = random.normal(size=(700, 1000)).astype(np.float32)
    right = left + random.normal(0, 1e-5, size=left.shape).astype(np.float32)
    drift, buckets = compare("x", left, right, LOOSE, class_axis=-1)
    distance = np.abs(left.astype(np.float64) - right.astype(np.float64))
    assert drift.max_abs == distance.max()
    assert drift.mae == pytest.approx(distance.mean())
    assert sum(buckets.values()) == left.size
    assert drift.argmax_agreement == (left.argmax(-1) == right.argmax(-1)).mean()


def test_a_difference_that_cannot_be_measured_is_none_not_zero() -> None:
    assert max_abs_difference(np.zeros(2), np.zeros(3)) is None
    assert max_abs_difference(np.array([np.nan]), np.array([0.0])) is None
    assert max_abs_difference(np.array([1.0]), np.array([3.0])) == 2


def test_nonfinite_elements_are_counted() -> None:
    assert nonfinite(np.array([np.nan, np.inf, 1], ml_dtypes.bfloat16)) == 2
    assert nonfinite(np.array([1, 2])) == 0
