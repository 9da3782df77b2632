"""The closed vocabularies of a record: verdicts, failure kinds, and what each kind means for blame and retry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Verdict(StrEnum):
    """How a cell ended. `PASSED` means that the stage did its job, not that the news is good."""

    PASSED = "passed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OOM = "oom"
    CRASHED = "crashed"
    SKIPPED = "skipped"


class FailureKind(StrEnum):
    """Why a cell did not pass."""

    UPSTREAM = "upstream"
    UNAVAILABLE = "unavailable"
    NOT_RUN = "not_run"
    NETWORK = "network"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    INTEGRITY = "integrity"
    DISK = "disk"
    CONFIG = "config"
    LOAD = "load"
    INPUTS = "inputs"
    COMPILE = "compile"
    UNSUPPORTED_OP = "unsupported_op"
    DATA_DEPENDENT = "data_dependent"
    CACHE_TYPE = "cache_type"
    CUSTOM_OP = "custom_op"
    CHECKER = "checker"
    SHAPE_MISMATCH = "shape_mismatch"
    FELL_BACK = "fell_back"
    OUT_OF_TOLERANCE = "out_of_tolerance"
    NONDETERMINISTIC = "nondeterministic"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    SIGNAL = "signal"
    EXIT_NO_RECORD = "exit_no_record"
    BAD_RECORD = "bad_record"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What a kind means: its verdict, whether the machinery (never the model) is to blame, whether an
    identical second try could end otherwise (`retry`), whether the same inputs always give it (`deterministic`,
    which is what the cache asks)."""

    verdict: Verdict
    machinery: bool = False
    retry: bool = False
    deterministic: bool = True


_FAILED = KindFacts(Verdict.FAILED)
_CRASHED = KindFacts(Verdict.CRASHED, retry=True, deterministic=False)

KIND_FACTS = MappingProxyType(
    dict.fromkeys(FailureKind, _FAILED)
    | {
        FailureKind.UPSTREAM: KindFacts(Verdict.SKIPPED, deterministic=False),
        FailureKind.UNAVAILABLE: KindFacts(Verdict.SKIPPED, deterministic=False),
        FailureKind.NOT_RUN: KindFacts(Verdict.SKIPPED, machinery=True, deterministic=False),
        FailureKind.NETWORK: KindFacts(Verdict.FAILED, machinery=True, retry=True, deterministic=False),
        FailureKind.AUTH: KindFacts(Verdict.FAILED, machinery=True, deterministic=False),
        FailureKind.DISK: KindFacts(Verdict.FAILED, machinery=True, deterministic=False),
        FailureKind.NOT_FOUND: KindFacts(Verdict.FAILED, deterministic=False),
        FailureKind.INTEGRITY: KindFacts(Verdict.FAILED, deterministic=False),
        FailureKind.LOAD: KindFacts(Verdict.FAILED, deterministic=False),
        FailureKind.OTHER: KindFacts(Verdict.FAILED, deterministic=False),
        FailureKind.TIME_LIMIT: KindFacts(Verdict.TIMEOUT, retry=True, deterministic=False),
        FailureKind.MEMORY_LIMIT: KindFacts(Verdict.OOM, deterministic=False),
        FailureKind.SIGNAL: _CRASHED,
        FailureKind.EXIT_NO_RECORD: _CRASHED,
        FailureKind.BAD_RECORD: _CRASHED,
    }
)


def not_the_models(kind: FailureKind) -> bool:
    """Whether a failure of this kind accuses no model: it is the machinery's, or the target isn't there."""
    return KIND_FACTS[kind].machinery or kind is FailureKind.UNAVAILABLE


SAYS_NOTHING = frozenset(kind for kind in FailureKind if kind is FailureKind.UPSTREAM or not_the_models(kind))
"""Kinds of a failure after which nobody knows how the cell would have ended."""


def verdict_of(kind: FailureKind) -> Verdict:
    """The verdict that a failure of this kind gives its cell."""
    return KIND_FACTS[kind].verdict
