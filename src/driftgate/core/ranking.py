"""Outputs that are scores of classes or tokens: which ones each side ranks first, and both against labels.

Ties go to the lowest index. A row with a NaN has no ranking: the reference's such rows are left out of an agreement, a candidate's
disagree. Works in chunks of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.core.records import Disagreement, Judged, Labelled

Array = NDArray[Any]
Indices = NDArray[np.intp]

TOP = 5
LEAST_CLASSES = 2 * TOP
"""With fewer classes any two choices of five have most in common."""
ROWS_AT_ONCE = 1 << 18
"""Scores looked at together, in elements."""
FEW_CLASSES = 64
"""Up to here it is quicker to sort whole rows."""
BLOCKS = 256
MOST_DISAGREEMENTS = 20


def choices(scores: Array, axis: int = -1) -> Indices:
    """The class with the largest score of every row, −1 where a score is NaN; rows in C order, classes along `axis`."""
    return np.concatenate([_argmax(rows) for rows in _rows(scores, axis)] or [np.zeros(0, np.intp)])


def argmax_agreement(reference: Array, candidate: Array, axis: int = -1) -> float | None:
    """The share of rows that choose the same class; None without rows of two or more classes that can be ranked."""
    if not _is_ranked(reference, axis, least=2):
        return None
    agreed, ranked = 0, 0
    for left, right in zip(_rows(reference, axis), _rows(candidate, axis), strict=True):
        first, second = _argmax(left), _argmax(right)
        agreed += int(((first == second) & (first >= 0)).sum())
        ranked += int((first >= 0).sum())
    return agreed / ranked if ranked else None


def topk_agreement(reference: Array, candidate: Array, axis: int = -1) -> float | None:
    """The mean share of a row's five best classes that both sides have in common; None with fewer than ten classes."""
    if not _is_ranked(reference, axis, least=LEAST_CLASSES):
        return None
    common, ranked = 0, 0
    for left, right in zip(_rows(reference, axis), _rows(candidate, axis), strict=True):
        known = ~np.isnan(left).any(-1)
        both = known & ~np.isnan(right).any(-1)
        first, second = top(left[both]), top(right[both])
        common += int((first[:, :, None] == second[:, None, :]).sum())
        ranked += int(known.sum())
    return common / (ranked * TOP) if ranked else None


def top(rows: Array, count: int = TOP) -> Indices:
    """The columns of the `count` largest elements of each row, the largest first. Rows must hold no NaN."""
    number, width = rows.shape
    if width <= FEW_CLASSES:
        return np.argsort(-rows, axis=1, kind="stable")[:, :count]
    starts = np.arange(0, width, max(1, width // max(BLOCKS, count)))
    # as many blocks as are wanted have a maximum of at least this, so nothing below it can be among the largest
    least = np.partition(np.maximum.reduceat(rows, starts, axis=1), -count, axis=1)[:, -count]
    row, column = np.nonzero(rows >= least[:, None])
    order = np.lexsort((column, -rows[row, column], row))
    first = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=number))[:-1]))[:number]
    chosen: Indices = column[order[first[:, None] + np.arange(count)]]
    return chosen


def judge(output: str, reference: Array, candidate: Array, labels: Array, axis: int = -1) -> Labelled:
    """Both sides against labels, one of each row of scores. A negative label is none: its row is left out."""
    wanted = labels.reshape(-1)
    given = np.flatnonzero(wanted >= 0)
    first, second = choices(reference, axis)[given], choices(candidate, axis)[given]
    agree = (first == second) & (first >= 0)
    return Labelled(
        output=output,
        reference=_judged(first, wanted[given]),
        candidate=_judged(second, wanted[given]),
        agree=int(agree.sum()),
        disagree=int((~agree).sum()),
        disagreements=tuple(
            Disagreement(
                sample=int(given[i]),
                label=int(wanted[given[i]]),
                reference=_choice(first[i]),
                candidate=_choice(second[i]),
            )
            for i in np.flatnonzero(~agree)[:MOST_DISAGREEMENTS]
        ),
    )


def _judged(chosen: Indices, labels: Array) -> Judged:
    away = np.abs(chosen - labels)
    correct = int((away == 0).sum())
    near = int(((away == 1) & (chosen >= 0)).sum())
    return Judged(correct=correct, off_by_one=near, wrong=len(labels) - correct - near)


def _choice(index: np.intp) -> int | None:
    return int(index) if index >= 0 else None


def _is_ranked(scores: Array, axis: int, *, least: int) -> bool:
    return scores.ndim > 0 and scores.size > 0 and scores.shape[axis] >= least and scores.dtype.kind in "fV"


def _argmax(rows: Array) -> Indices:
    chosen = rows.argmax(-1)
    unknown = np.isnan(rows[np.arange(len(rows)), chosen])  # argmax takes a NaN for the largest
    return np.where(unknown, -1, chosen)


def _rows(scores: Array, axis: int) -> Iterator[Array]:
    """Pieces of two dimensions, classes last, in a dtype that numpy ranks itself (it has no partition for bfloat16)."""
    narrow = np.float32 if scores.dtype.itemsize < 4 else scores.dtype
    width = scores.shape[axis]
    step = max(1, ROWS_AT_ONCE // width)
    last = axis in {-1, scores.ndim - 1}
    for part in (scores.reshape(-1, width),) if last else (item.reshape(width, -1).T for item in scores):
        for start in range(0, len(part), step):
            yield part[start : start + step].astype(narrow, copy=False)
