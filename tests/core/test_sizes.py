"""What the sizes of a sweep mean, and how they are named."""

import pytest

from driftgate.core.errors import UsageError
from driftgate.core.sizes import combinations, lengths, parse_size, variant_of

TEXT = ("batch", "sequence")
PICTURE = ("batch", "height", "width")


def names(batches, sizes, axes):
    return [variant_of(size) for size in combinations(batches, [parse_size(text) for text in sizes], axes)]


@pytest.mark.parametrize(
    ("batches", "sizes", "axes", "expected"),
    [
        ((1, 4), [], TEXT, ["b1", "b4"]),
        ((1, 4), ["16,64"], TEXT, ["b1-s16", "b4-s16", "b1-s64", "b4-s64"]),
        ((), ["224"], PICTURE, ["h224-w224"]),
        ((2,), ["height=32", "width=48,64"], PICTURE, ["b2-h32-w48", "b2-h32-w64"]),
        ((), ["4000"], ("batch", "samples"), ["n4000"]),
        ((), ["7"], ("batch", "rows_of_Table"), ["rowsoftable7"]),
    ],
)
def test_sizes_are_crossed_and_named_by_their_axes(batches, sizes, axes, expected):
    assert names(batches, sizes, axes) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,x", "'x' is not a length"),
        ("0", "'0' is not a length"),
        ("-1", "'-1' is not a length"),
        ("", "'' is not a length"),
        ("4,4", "4 is there twice"),
        ("9999999999999999", "is not a length from 1 to 1,048,576"),
        ("²", "'²' is not a length"),
    ],
)
def test_what_is_no_list_of_lengths_is_named(text, says):
    with pytest.raises(UsageError, match=says):
        lengths(text, where="--batch")


@pytest.mark.parametrize(
    ("batches", "sizes", "axes", "says"),
    [
        ((), ["sequnce=3"], TEXT, "no axis 'sequnce' (they have batch, sequence); did you mean 'sequence'?"),
        ((1,), [], (), "no axis 'batch' (they have none whose length can be chosen); write `tensors` and `sizes`"),
        ((), ["3"], ("batch",), "which axis? The model's inputs have none but the batch"),
        ((), ["3"], ("batch", "rows", "columns"), "which axis? The model's inputs have rows, columns"),
        ((), ["sequence=3", "sequence=3"], TEXT, "sequence is there twice"),
        ((), ["sequence=3", "5"], TEXT, "sequence is there twice"),
        ((1,), ["batch=2"], TEXT, "--batch: batch is there twice"),
        (tuple(range(1, 66)), [], TEXT, "these are 65 sizes"),
    ],
)
def test_sizes_that_cannot_be_say_why(batches, sizes, axes, says):
    with pytest.raises(UsageError) as caught:
        names(batches, sizes, axes)
    assert says in str(caught.value)
