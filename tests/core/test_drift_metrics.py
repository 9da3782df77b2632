"""Every metric of drift against its slow definition, element by element, in exact fractions; for every dtype there is.

Arrays are drawn as bits, so that NaN, infinities, zeros of both signs and subnormal numbers all come.
"""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from driftgate.core.drift import BUCKETS, compare, max_abs_difference, nan_count, nonfinite
from driftgate.core.ranking import argmax_agreement, choices, judge, top, topk_agreement
from driftgate.core.records import TensorDrift, Tolerance
from driftgate.core.ulps import ulp_distances

LOOSE = Tolerance(atol=1e-4, rtol=1e-3, reason="a test")
FLOATS = (np.float16, np.float32, np.float64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)
COMPLEX = (np.complex64, np.complex128)
EXACT = (np.int8, np.int32, np.int64, np.uint8, np.uint64, np.bool_)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
RANKED = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=13)


@st.composite
def arrays(draw, dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return draw(hnp.arrays(bool, shape))
    width, parts = (dtype.itemsize // 2, 2) if dtype.kind == "c" else (dtype.itemsize, 1)
    bits = st.integers(0, 2 ** (8 * width) - 1)
    # numbers near each other and special ones come often enough only if they are asked for
    few = st.sampled_from([0, 1, 2, 1 << (8 * width - 1), *(special(dtype, width))])
    drawn = draw(hnp.arrays(f"u{width}", (*shape, parts), elements=bits | few))
    return drawn.view(dtype).reshape(shape)


def special(dtype, width):
    if dtype.kind in "iu":
        return ()
    plain = np.array([1, -1, 1.5, 3, np.nan, np.inf, -np.inf, 1e-3, -100], np.float32)
    part = np.zeros(0, dtype).real.dtype if dtype.kind == "c" else dtype
    with np.errstate(all="ignore"):
        return plain.astype(part).view(f"u{width}").tolist()


@st.composite
def pairs(draw, dtypes, shapes=SHAPES):
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes)
    reference = draw(arrays(dtype, shape))
    return reference, draw(st.just(reference) | arrays(dtype, shape))


def parts(array):
    """The elements as Python numbers; a complex one is two."""
    flat = [array.reshape(-1)] if array.dtype.kind != "c" else [array.real.reshape(-1), array.imag.reshape(-1)]
    of = int if array.dtype.kind in "biu" else float
    return [of(x) for x in np.stack(flat, -1).reshape(-1)]


def same(left, right):
    return left == right or (math.isnan(left) and math.isnan(right))


def as_float(fraction):
    """The nearest double; infinite where it is too large."""
    try:
        return float(fraction)
    except OverflowError:
        return math.inf


def number(fraction):
    value = as_float(fraction)
    return value if math.isfinite(value) else None


def about(fraction):
    value = None if fraction is None else number(fraction)
    return None if value is None else pytest.approx(value, rel=1e-9)


def root(fraction):
    return (Decimal(fraction.numerator) / Decimal(fraction.denominator)).sqrt()


class Slow:
    """The definitions."""

    def __init__(self, reference, candidate, tolerance):
        pairs = list(zip(parts(reference), parts(candidate), strict=True))
        self.exact = reference.dtype.kind in "biu"
        self.finite = [(r, c) for r, c in pairs if math.isfinite(r) and math.isfinite(c)]
        others = [(r, c) for r, c in pairs if not (math.isfinite(r) and math.isfinite(c))]
        self.nonfinite = [sum(not math.isfinite(pair[side]) for pair in pairs) for side in (0, 1)]
        self.mismatched = sum(not same(r, c) for r, c in others)
        self.errors = [abs(Fraction(c) - Fraction(r)) for r, c in self.finite]
        self.within = self.mismatched == 0 and all(self.allowed(r, c, tolerance) for r, c in self.finite)
        self.overflown = any(math.isinf(as_float(error)) for error in self.errors)

    def allowed(self, r, c, tolerance):
        return (
            r == c if self.exact else abs(c - r) <= tolerance.atol + tolerance.rtol * abs(r) and abs(c - r) < math.inf
        )

    @property
    def mean(self):
        return sum(self.errors) / len(self.errors)

    @property
    def mean_square(self):
        return sum(error * error for error in self.errors) / len(self.errors)

    @property
    def relative(self):
        ratios = [error / abs(Fraction(r)) for error, (r, _) in zip(self.errors, self.finite, strict=True) if r]
        return max(ratios) if ratios else None

    @property
    def cosine(self):
        lengths = [root(sum(Fraction(pair[side]) ** 2 for pair in self.finite) + Fraction(0)) for side in (0, 1)]
        if not all(lengths):
            return None
        dot = sum(Fraction(r) * Fraction(c) for r, c in self.finite)
        return float(Decimal(dot.numerator) / Decimal(dot.denominator) / lengths[0] / lengths[1])

    @property
    def psnr(self):
        values = [Fraction(r) for r, _ in self.finite]
        extent = max(values) - min(values)
        if not self.mean_square or not extent:
            return None
        ratio = extent * extent / self.mean_square
        return float(10 * (Decimal(ratio.numerator) / Decimal(ratio.denominator)).log10())

    @property
    def buckets(self):
        counts = {}
        for error in self.errors:
            end = next((f"≤{end:g}" for end in BUCKETS if as_float(error) <= end), "larger")
            counts[end] = counts.get(end, 0) + 1
        return counts


@settings(max_examples=250, deadline=None)
@given(pairs((*FLOATS, *COMPLEX, *EXACT)))
def test_every_number_is_what_its_slow_definition_says(pair):
    reference, candidate = pair
    drift, buckets = compare("x", reference, candidate, LOOSE)
    slow = Slow(reference, candidate, LOOSE)
    assert drift.compared == len(slow.finite)
    assert [drift.reference_nonfinite, drift.candidate_nonfinite] == slow.nonfinite
    assert drift.nonfinite_mismatch == slow.mismatched
    assert drift.within_tolerance == slow.within
    assert buckets == slow.buckets
    if not slow.finite:
        numbers = (drift.max_abs, drift.mae, drift.rmse, drift.max_rel, drift.cosine, drift.psnr, drift.ulps)
        assert numbers == (None,) * 7
        return
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 60, 10**6, -(10**6)
        check_numbers(drift, slow)


def check_numbers(drift: TensorDrift, slow: Slow) -> None:
    assert drift.max_abs == number(max(slow.errors))
    if slow.overflown:  # a distance that is no double: nothing that is made of it can be told
        assert (drift.max_abs, drift.mae, drift.rmse, drift.psnr) == (None,) * 4
        return
    assert drift.mae == (None if math.isinf(as_float(sum(slow.errors))) else about(slow.mean))
    assert drift.rmse == pytest.approx(float(root(slow.mean_square)), rel=1e-9)
    assert drift.max_rel == about(slow.relative)
    assert drift.cosine == (None if slow.cosine is None else pytest.approx(slow.cosine, abs=1e-9))
    assert drift.psnr == (None if slow.psnr is None else pytest.approx(slow.psnr, abs=1e-6))


# -- units in the last place -------------------------------------------------------------------------------------


def place(value, dtype):
    """Where a finite float stands among all floats of its dtype, zero at 0."""
    width = 8 * np.dtype(dtype).itemsize
    bits = int(np.array(value, dtype).view(f"u{width // 8}"))
    return -(bits & (2 ** (width - 1) - 1)) if bits >> (width - 1) else bits


def twelve_bits(value):
    spare = max(0, value.bit_length() - 12)
    return value >> spare << spare


def nearest_rank(values, percent):
    return sorted(values)[math.ceil(Fraction(percent * len(values), 100)) - 1]


@settings(max_examples=200, deadline=None)
@given(pairs(FLOATS))
def test_ulps_are_the_floats_in_between_counted(pair):
    reference, candidate = pair
    dtype = reference.dtype
    distances = [
        abs(place(c, dtype) - place(r, dtype))
        for r, c in zip(reference.reshape(-1), candidate.reshape(-1), strict=True)
        if np.isfinite(r) and np.isfinite(c)
    ]
    ulps = compare("x", reference, candidate, LOOSE)[0].ulps
    if not distances:
        assert ulps is None
        return
    assert ulps is not None
    assert ulps.max == max(distances)
    assert ulps.p50 == twelve_bits(nearest_rank(distances, 50))
    assert ulps.p99 == twelve_bits(nearest_rank(distances, 99))


@pytest.mark.parametrize("dtype", FLOATS)
def test_neighbours_are_one_ulp_apart_and_both_zeros_are_one_number(dtype):
    one, zero = np.ones(1, dtype), np.zeros(1, dtype)
    up = (one.view(f"u{one.dtype.itemsize}") + 1).astype(f"u{one.dtype.itemsize}").view(dtype)
    assert ulp_distances(one, up).tolist() == [1]
    assert ulp_distances(zero, -zero).tolist() == [0]


def test_the_widest_distance_of_doubles_is_counted_exactly():
    huge = np.array([np.finfo(np.float64).max])
    ulps = compare("x", huge, -huge, LOOSE)[0].ulps
    assert ulps is not None
    assert ulps.max == 2 * 0x7FEFFFFFFFFFFFFF
    assert ulps.p50 == twelve_bits(ulps.max)


def test_integers_have_no_ulps_and_complex_numbers_those_of_their_parts():
    assert compare("x", np.arange(3), np.arange(3), LOOSE)[0].ulps is None
    left = np.array([1 + 1j], np.complex64)
    right = np.array([np.nextafter(np.float32(1), np.float32(2)) + 1j], np.complex64)
    ulps = compare("x", left, right, LOOSE)[0].ulps
    assert ulps is not None
    assert (ulps.p50, ulps.max) == (0, 1)


# -- what is ranked first ----------------------------------------------------------------------------------------


def ranking(row):
    """The classes of a row, best first; None where there is a NaN."""
    values = [float(x) for x in row]
    return None if any(map(math.isnan, values)) else sorted(range(len(values)), key=lambda i: (-values[i], i))


@st.composite
def scores(draw):
    """Scores of few different values, so that they tie, and with NaN and infinities."""
    dtype, shape = draw(st.sampled_from(FLOATS)), draw(RANKED)
    values = st.sampled_from([0.0, 1.0, 1.0, 2.0, -3.0, 0.5, math.inf, -math.inf]) | st.floats(-4, 4, width=16)
    elements = values | st.just(math.nan) if draw(st.booleans()) else values
    drawn = [draw(hnp.arrays(np.float32, shape, elements=elements)) for _ in range(2)]
    return [array.astype(dtype) for array in drawn]


@settings(max_examples=200, deadline=None)
@given(scores())
def test_agreement_is_the_share_of_what_sorting_each_row_says(pair):
    reference, candidate = pair
    width = reference.shape[-1]
    rows = [
        (ranking(r), ranking(c))
        for r, c in zip(reference.reshape(-1, width), candidate.reshape(-1, width), strict=True)
    ]
    known = [(first, second) for first, second in rows if first is not None]
    assert choices(reference).tolist() == [-1 if first is None else first[0] for first, _ in rows]
    first = argmax_agreement(reference, candidate)
    five = topk_agreement(reference, candidate)
    if width < 2 or not known:
        assert first is None
    else:
        assert first == pytest.approx(sum(bool(c) and r[0] == c[0] for r, c in known) / len(known))
    if width < 10 or not known:
        assert five is None
    else:
        assert five == pytest.approx(sum(len({*r[:5]} & {*(c or [])[:5]}) for r, c in known) / (5 * len(known)))


def test_the_best_of_a_long_row_are_found_in_order_and_ties_go_to_the_first():
    random = np.random.default_rng(0)
    for width in (64, 65, 300, 5000):
        rows = random.integers(0, 50, size=(7, width)).astype(np.float32)
        assert top(rows, 9).tolist() == [ranking(row)[:9] for row in rows]
    assert top(np.zeros((2, 3000), np.float32)).tolist() == [[0, 1, 2, 3, 4]] * 2


def test_classes_may_lie_along_the_second_axis_as_in_an_image_of_scores():
    random = np.random.default_rng(0)
    images = random.normal(size=(2, 12, 3, 4)).astype(np.float32)
    last = np.ascontiguousarray(np.moveaxis(images, 1, -1))
    other = images + random.normal(size=images.shape).astype(np.float32)
    other_last = np.ascontiguousarray(np.moveaxis(other, 1, -1))
    assert choices(images, 1).tolist() == choices(last).tolist()
    assert argmax_agreement(images, other, 1) == argmax_agreement(last, other_last)
    assert topk_agreement(images, other, 1) == topk_agreement(last, other_last)


@settings(max_examples=100, deadline=None)
@given(scores(), st.data())
def test_labels_put_each_sample_of_both_sides_into_one_bucket(pair, data):
    reference, candidate = pair
    labels = data.draw(hnp.arrays(np.int64, reference.shape[:-1], elements=st.integers(-1, reference.shape[-1])))
    judged = judge("logits", reference, candidate, labels)

    def bucket(choice, label):
        return "wrong" if choice < 0 else {0: "correct", 1: "off_by_one"}.get(abs(choice - label), "wrong")

    first, second, wanted = choices(reference).tolist(), choices(candidate).tolist(), labels.reshape(-1).tolist()
    samples = [(r, c, label) for r, c, label in zip(first, second, wanted, strict=True) if label >= 0]
    for side, counts in ((0, judged.reference), (1, judged.candidate)):
        told = [bucket(sample[side], sample[2]) for sample in samples]
        assert counts.model_dump() == {name: told.count(name) for name in ("correct", "off_by_one", "wrong")}
    assert judged.agree == sum(r == c >= 0 for r, c, _ in samples)
    assert judged.agree + judged.disagree == len(samples)
    assert len(judged.disagreements) == min(20, judged.disagree)


def test_a_sample_on_which_the_sides_disagree_is_told_with_both_choices():
    reference = np.eye(3, dtype=np.float32)
    candidate = reference[[0, 2, 2]].copy()
    candidate[2, 1] = np.nan
    judged = judge("logits", reference, candidate, np.array([0, 1, 2]))
    assert judged.reference.correct == 3
    assert judged.candidate.model_dump() == {"correct": 1, "off_by_one": 1, "wrong": 1}
    assert (judged.agree, judged.disagree) == (1, 2)
    told = [(one.sample, one.label, one.reference, one.candidate) for one in judged.disagreements]
    assert told == [(1, 1, 1, 2), (2, 2, 2, None)]


# -- counts and refusals -----------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(pairs((*FLOATS, *COMPLEX, *EXACT)))
def test_counts_of_nan_and_of_what_is_not_finite(pair):
    array, _ = pair
    assert nonfinite(array) == sum(not math.isfinite(x) for x in parts(array))
    assert nan_count(array) == sum(math.isnan(x) for x in parts(array))


@settings(max_examples=100, deadline=None)
@given(pairs((*FLOATS, *COMPLEX, *EXACT)))
def test_the_largest_difference_is_none_unless_it_is_one(pair):
    reference, candidate = pair
    slow = Slow(reference, candidate, LOOSE)
    expected = None if slow.mismatched or not slow.errors else number(max(slow.errors))
    assert max_abs_difference(reference, candidate) == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.zeros((2, 2), np.float32), np.zeros((2, 1), np.float32)),
        (np.zeros((), np.float32), np.zeros(1, np.float32)),
        (np.zeros(1, np.float32), np.zeros((1, 1), np.float32)),
        (np.zeros(2, bool), np.zeros(2, np.int8)),
        (np.zeros(2, np.int32), np.zeros(2, np.int64)),
        (np.zeros(2, np.float32), np.zeros(2, np.float64)),
        (np.zeros(2, np.float16), np.zeros(2, ml_dtypes.bfloat16)),
    ],
)
def test_what_has_another_shape_or_dtype_is_refused_in_both_directions(left, right):
    for pair in ((left, right), (right, left)):
        with pytest.raises(ValueError, match="cannot be compared"):
            compare("x", *pair, LOOSE)
