"""Which of a row of versions is the first bad one, in as few runs as can be, though a run may be flaky.

    search = Bisection(9)                       # 9 versions, from one that is said to be good to one that is said to be bad
    while (index := search.next()) is not None:
        search.saw(index, bad=run(index))
    search.outcome()                            # Outcome(kind=FOUND, first_bad=6, …)

The good end is run first, then the range is halved: with n versions that is ⌈log₂ n⌉ + 1 runs, the bad end among them where the answer
depends on it. Then the two neighbours of the answer are run again, for one run that was flaky is enough to lead halving astray. What
is believed is a distribution over the answers and over the share of flaky runs (Bayes; each run is right with probability
1 − share): where all agree, it is soon sure; as soon as two runs of a version differ, that which splits the belief most
evenly is run (Horstein 1963: the most that can be learned from one run), until one answer has the confidence asked for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate

SHARES = {0.0: 0.6, 0.05: 0.1, 0.1: 0.1, 0.2: 0.1, 0.3: 0.1}
"""Share of flaky runs → how likely it is thought to be before anything has run."""
CONFIDENCE = 0.98
_STABLE = 4
"""Runs of a version that, all alike, make a flake unlikely enough to call the row not monotone."""


class Kind(StrEnum):
    """What came out."""

    FOUND = "found"
    GOOD_END_IS_BAD = "good_end_is_bad"
    BAD_END_IS_GOOD = "bad_end_is_good"
    NOT_MONOTONE = "not_monotone"
    UNDECIDED = "undecided"
    UNTESTABLE = "untestable"


@dataclass(frozen=True)
class Outcome:
    """`first_bad` is the index of the first bad version and `last_good` that of the last one found good; versions between them could
    not be tested, and any of them may be the first bad one. `confidence` is how sure that is; `runs` how many there were, of
    `tested` different versions, `flaky` those of them that contradict the answer. For a row that is not monotone,
    `bad_before_good` are two versions that show it."""

    kind: Kind
    runs: int
    tested: int
    first_bad: int | None = None
    last_good: int | None = None
    confidence: float = 0.0
    flaky: int = 0
    bad_before_good: tuple[int, int] | None = None


class Bisection:
    """The state of a search: what to run next, and what is known. `count` is at least 2; index 0 is the good end."""

    def __init__(self, count: int, *, confidence: float = CONFIDENCE, most: int | None = None) -> None:
        if count < 2:
            raise ValueError("a range needs two versions at least")
        self._left = list(range(count))
        self._seen: dict[int, Counter[bool]] = {}
        self._confidence = confidence
        self.most = most or 16 * promised_runs(count)

    @property
    def runs(self) -> int:
        """How many runs told whether they are bad."""
        return sum(counts.total() for counts in self._seen.values())

    def saw(self, index: int, *, bad: bool) -> None:
        """A run of this version was bad, or was not."""
        self._seen.setdefault(index, Counter())[bad] += 1

    def skip(self, index: int) -> None:
        """This version can't be tested: the search goes on without it."""
        self._left.remove(index)
        self._seen.pop(index, None)

    def next(self) -> int | None:
        """Which version to run; None when the outcome is there."""
        if self._over() or self._not_monotone(_STABLE) is not None:
            return None
        if 0 not in self._seen:
            return 0
        doubtful = self._not_monotone(1)
        if doubtful is not None:
            return min(doubtful, key=lambda index: self._seen[index].total())
        last_good, first_bad = self._gap()
        if 0 <= last_good < first_bad - 1:
            return self._left[(last_good + first_bad) // 2]
        belief = self._belief()
        if max(belief) >= self._confidence:
            return None
        every = range(len(self._left))
        neighbours = [place for place in (last_good, first_bad) if place in every]
        return self._left[_most_even(belief, neighbours if last_good < first_bad else every)]

    def outcome(self) -> Outcome:
        """What is known now."""
        if 0 not in self._left:
            return Outcome(Kind.UNTESTABLE, self.runs, len(self._seen))
        crossed = self._not_monotone(_STABLE)
        if crossed is not None:
            return Outcome(Kind.NOT_MONOTONE, self.runs, len(self._seen), bad_before_good=crossed)
        belief = self._belief()
        place = max(range(len(belief)), key=belief.__getitem__)
        about = Outcome(
            Kind.UNDECIDED, self.runs, len(self._seen), confidence=belief[place], flaky=self._against()[place]
        )
        if belief[place] < self._confidence:
            return about
        if place == 0:
            return replace(about, kind=Kind.GOOD_END_IS_BAD, first_bad=0)
        last_good = self._left[place - 1]
        if place == len(self._left):
            return replace(about, kind=Kind.BAD_END_IS_GOOD, last_good=last_good)
        return replace(about, kind=Kind.FOUND, first_bad=self._left[place], last_good=last_good)

    def _over(self) -> bool:
        return self.runs >= self.most or 0 not in self._left

    def _gap(self) -> tuple[int, int]:
        """Places of the last good and the first bad version, one beyond the row where there is none. Where runs contradict each other, the
        first is not before the second."""
        places = {index: place for place, index in enumerate(self._left)}
        good = [places[index] for index, counts in self._seen.items() if counts[False]]
        bad = [places[index] for index, counts in self._seen.items() if counts[True]]
        return max(good, default=-1), min(bad, default=len(self._left))

    def _counts(self, index: int) -> Counter[bool]:
        return self._seen.get(index, Counter())

    def _not_monotone(self, least: int) -> tuple[int, int] | None:
        """Two versions, the earlier one bad in all of its `least` or more runs, the later one good in all of its own."""
        bad = [index for index, counts in self._seen.items() if counts[True] >= least and not counts[False]]
        good = [index for index, counts in self._seen.items() if counts[False] >= least and not counts[True]]
        return (min(bad), max(good)) if bad and good and min(bad) < max(good) else None

    def _against(self) -> list[int]:
        """For each place, and for none at all: the runs that say otherwise than they would, were it the first bad one and no run flaky."""
        wrong = [sum(self._counts(index)[False] for index in self._left)]
        for index in self._left:
            counts = self._counts(index)
            wrong.append(wrong[-1] + counts[True] - counts[False])
        return wrong

    def _belief(self) -> list[float]:
        """How likely each place is the first bad one; the last entry: that none is. Before any run all are equally likely."""
        runs, against = self.runs, self._against()
        likelihood = {
            wrong: sum(prior * (1 - share) ** (runs - wrong) * share**wrong for share, prior in SHARES.items())
            for wrong in set(against)
        }
        weights = [likelihood[wrong] for wrong in against]
        total = sum(weights)
        return [weight / total for weight in weights]


def promised_runs(count: int) -> int:
    """In how many runs the first bad one of `count` versions is named if none is flaky: ⌈log₂ n⌉ + 1. About 3 re-runs make sure of it."""
    return math.ceil(math.log2(count)) + 1


def expected_runs(count: int, flaky: float) -> float:
    """How many runs it takes on average, re-runs included, if this share of them (less than a half) tells the wrong thing: about
    (log₂ n + 4) / C, where C is what one run of that kind can tell, in bits."""
    noise = -sum(part * math.log2(part) for part in (flaky, 1 - flaky) if part)
    return (math.log2(count) + 4) / (1 - noise)


def _most_even(belief: list[float], places: Sequence[int]) -> int:
    """That of the places whose run splits the belief most evenly: into first bad ones up to it, and later ones."""
    up_to = list(accumulate(belief))
    return min(places, key=lambda place: abs(up_to[place] - 0.5))
