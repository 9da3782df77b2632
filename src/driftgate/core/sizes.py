"""Sizes of a sweep: what `--batch 1,2,4 --size sequence=16,64` means, and how each size is named (`b4-s64`)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from driftgate.core.errors import UsageError, did_you_mean

BATCH = "batch"
MOST_LENGTH = 1 << 20
MOST_SIZES = 64
_LETTERS = {BATCH: "b", "sequence": "s", "decoder_sequence": "d", "height": "h", "width": "w", "samples": "n"}
_IMAGE = ("height", "width")
_USUAL = (("sequence",), _IMAGE, ("samples",))
"""What a size without an axis means: the first of these whose axes the model has."""

Sizes = dict[str, int]


def lengths(text: str, *, where: str) -> tuple[int, ...]:
    """`1,2,4` as numbers, in the order given. Raises UsageError for what is no length, and for one that is there twice."""
    found = []
    for word in text.split(","):
        number = int(word) if word.strip().isdecimal() and len(word) <= 12 else 0
        if not 1 <= number <= MOST_LENGTH:
            raise UsageError(
                f"{word.strip()[:40]!r} is not a length from 1 to {MOST_LENGTH:,}", where=where, mend="e.g. 1,2,4"
            )
        if number in found:
            raise UsageError(f"{number} is there twice", where=where)
        found.append(number)
    return tuple(found)


def parse_size(text: str) -> tuple[str | None, tuple[int, ...]]:
    """`sequence=16,64` as an axis and its lengths; without an axis, None and the lengths."""
    axis, equals, rest = text.partition("=")
    return (axis.strip(), lengths(rest, where="--size")) if equals else (None, lengths(text, where="--size"))


def combinations(
    batches: Sequence[int], sizes: Sequence[tuple[str | None, tuple[int, ...]]], axes: Sequence[str]
) -> tuple[Sizes, ...]:
    """Every size to run, batches growing fastest. `axes` are those of the model's inputs whose length can be asked for.

    A size without an axis is that of the sequence, of the picture's height and width, or of the samples of a sound. Raises
    UsageError for an axis that the model lacks, naming the nearest.
    """
    choices: list[list[Sizes]] = []
    for axis, values in (*sizes, *([(BATCH, tuple(batches))] if batches else [])):
        where = "--batch" if axis == BATCH else "--size"
        names = _usual(axes) if axis is None else (_known(axis, axes, where),)
        if any(name in size for choice in choices for size in choice for name in names):
            raise UsageError(f"{' and '.join(names)} is there twice", where=where, mend="give each axis once")
        choices.append([dict.fromkeys(names, value) for value in values])
    made = [{name: size for part in parts for name, size in part.items()} for parts in itertools.product(*choices)]
    if len(made) > MOST_SIZES:
        raise UsageError(f"these are {len(made)} sizes", mend=f"ask for at most {MOST_SIZES} at once")
    return tuple({axis: size[axis] for axis in sorted(size, key=_order)} for size in made)


def _order(axis: str) -> int:
    return list(_LETTERS).index(axis) if axis in _LETTERS else len(_LETTERS)


def _known(axis: str, axes: Sequence[str], where: str) -> str:
    if axis not in axes:
        have = ", ".join(axes) if axes else "none whose length can be chosen"
        raise UsageError(
            f"the model's inputs have no axis {axis[:40]!r} (they have {have})",
            where=where,
            mend=did_you_mean(axis, axes) if axes else "write `tensors` and `sizes` into inputs/SLUG.yaml",
        )
    return axis


def _usual(axes: Sequence[str]) -> tuple[str, ...]:
    others = tuple(axis for axis in axes if axis != BATCH)
    usual = next((names for names in _USUAL if set(names) <= set(others)), others if len(others) == 1 else ())
    if not usual:
        have = ", ".join(others) if others else "none but the batch"
        raise UsageError(
            f"which axis? The model's inputs have {have}", where="--size", mend="write it like sequence=16,64"
        )
    return usual


def variant_of(size: Mapping[str, int]) -> str:
    """`b4-s64`: a letter for the usual axes (batch, sequence, decoder_sequence, height, width, n for samples), else the name."""
    return "-".join(f"{_LETTERS.get(axis) or _plain(axis)}{length}" for axis, length in size.items())


def _plain(axis: str) -> str:
    return "".join(letter for letter in axis.lower() if letter.isascii() and letter.isalnum()) or "axis"
