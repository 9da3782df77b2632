"""Rules that compare a cell with what it was when all was well. Each says one sentence, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from driftgate.core.break_changes import BreakChange, Change, changes
from driftgate.core.facts import CellFacts
from driftgate.core.records import Finding, GraphBreak, Severity
from driftgate.core.rules.base import Case
from driftgate.core.rules.cells import first_line, name_of
from driftgate.core.text import human_bytes, human_seconds, plural
from driftgate.core.verdicts import SAYS_NOTHING


class Worse:
    """A cell that was good, or failed otherwise, and now fails."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """One finding, named after what was lost: an export, the agreement of outputs, or the verdict."""
        failure, before = case.record.failure, case.before
        if before is None or failure is None or case.is_expected or case.is_known or failure.kind in SAYS_NOTHING:
            return
        rule, sentence = _lost(case, before)
        yield case.finding(
            rule,
            Severity.ERROR,
            f"{sentence}: {failure.kind.value}: {first_line(failure.message)}",
            fingerprint=failure.fingerprint,
            baseline=_how(before),
            fingerprint_of_failure=failure.fingerprint,
        )


def _lost(case: Case, before: CellFacts) -> tuple[str, str]:
    name = name_of(case)
    if not before.passed:
        return "verdict_worse", f"{name} fails in another way than before ({_how(before)})"
    if case.record.stage == "export":
        return "export_lost", f"{name} is lost ({before.exporter} exported it)"
    if case.record.stage == "drift":
        return "drift_beyond_tolerance", f"{name} was within tolerance and is not any more"
    return "verdict_worse", f"{name} passed and does not any more"


def _how(before: CellFacts) -> str:
    return before.kind.value if before.kind else before.verdict.value


class NewBreak:
    """A graph break that was not there."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """One finding for each place in code; a break whose code alone has changed is no news."""
        for change in _breaks(case, Change.APPEARED):
            one = change.seen
            yield case.finding(
                "new_break",
                Severity.ERROR,
                f"{case.record.model.slug} breaks at a new place: {_of_break(one)}",
                fingerprint=one.fingerprint,
                operator=one.gb_id,
                gb_id=one.gb_id,
                file=one.file,
                line=one.line,
                code=one.code,
            )


class MoreBreaks:
    """A known graph break that happens more often."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """One finding for each place in code."""
        for change in _breaks(case, Change.MORE):
            assert change.before is not None
            yield case.finding(
                "more_breaks",
                Severity.WARNING,
                f"{case.record.model.slug} breaks more often ({change.before.count} → {change.seen.count}): {_of_break(change.seen)}",
                fingerprint=change.seen.fingerprint,
                baseline=str(change.before.count),
                operator=change.seen.gb_id,
                gb_id=change.seen.gb_id,
            )


def _breaks(case: Case, *wanted: Change) -> list[BreakChange]:
    before = case.before
    if before is None or before.break_count is None or case.now.break_count is None:
        return []
    return [change for change in changes(before.breaks, case.now.breaks) if change.change in wanted]


def _of_break(one: GraphBreak) -> str:
    place = f" at {one.file}:{one.line} in {one.function}" if one.file else ""
    return f"{one.gb_id or 'no id'} {one.gb_type}{place}"


class Recompiles:
    """More recompilations than before."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """A warning with both numbers."""
        before, now = case.before, case.now
        if before is None or before.recompiles is None or now.recompiles is None or now.recompiles <= before.recompiles:
            return
        sentence = f"{case.record.model.slug} recompiles more often: {before.recompiles} → {now.recompiles}"
        yield case.finding("recompiles", Severity.WARNING, sentence, baseline=str(before.recompiles))


class AnotherExporter:
    """The exporter that used to succeed no longer does."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """A warning that names both."""
        before, now = case.before, case.now
        if before is None or not (before.passed and now.passed) or before.exporter == now.exporter:
            return
        sentence = f"{name_of(case)} needs another exporter: {before.exporter} → {now.exporter}"
        yield case.finding("another_exporter", Severity.WARNING, sentence, baseline=before.exporter)


class GraphChanged:
    """The exported graph has other operators."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """News, with the operators that came, went or changed in number."""
        before, now = case.before, case.now
        if before is None or not (before.op_histogram and now.op_histogram) or before.op_histogram == now.op_histogram:
            return
        names = sorted({*before.op_histogram, *now.op_histogram})
        counts = {name: (before.op_histogram.get(name, 0), now.op_histogram.get(name, 0)) for name in names}
        moved = [f"{name} {was} → {is_now}" for name, (was, is_now) in counts.items() if was != is_now]
        told = ", ".join(moved[:6]) + (f" and {len(moved) - 6} more" if len(moved) > 6 else "")
        sentence = f"{name_of(case)} made another graph of {case.record.model.slug}: {told}"
        yield case.finding("graph_changed", Severity.INFO, sentence, baseline=str(before.node_count))


class DriftGrew:
    """Within tolerance, and yet far more than it ever was."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """A warning with the factor."""
        limits, worst, now = case.settings.drift_grew, case.past_worst("max_abs"), case.now
        if worst is None or now.max_abs is None or not now.passed or now.max_abs < limits.floor:
            return
        if now.max_abs >= limits.factor * max(worst, limits.floor / limits.factor):
            sentence = f"{name_of(case)} is {now.max_abs:.2g} off, and was never more than {worst:.2g}"
            yield case.finding("drift_grew", Severity.WARNING, sentence, baseline=f"{worst:.3g}", max_abs=now.max_abs)


class Nondeterministic:
    """A model that agreed with itself no longer does."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """A warning: comparisons with it say nothing any more."""
        if case.before is not None and case.before.deterministic and case.now.deterministic is False:
            sentence = f"{name_of(case)} differs from itself from one run to the next, and did not before"
            yield case.finding("nondeterministic", Severity.WARNING, sentence)


class PlacementChanged:
    """Nodes that moved to another execution provider."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """An error: the times of two placements are times of different things. A graph with more nodes, or fewer, moved none."""
        before, now = case.before, case.now
        if before is None or not (before.placement and now.placement) or not _moved(before.placement, now.placement):
            return
        was, is_now = (", ".join(f"{count} on {name}" for name, count in p.placement.items()) for p in (before, now))
        sentence = f"{name_of(case)} runs elsewhere: {was} → {is_now}"
        yield case.finding("placement_changed", Severity.ERROR, sentence, baseline=was)


def _moved(before: Mapping[str, int], now: Mapping[str, int]) -> bool:
    """Whether a provider came or left, or some lost nodes (provider → nodes) while others gained."""
    change = [now.get(name, 0) - before.get(name, 0) for name in {*before, *now}]
    return before.keys() != now.keys() or (min(change) < 0 < max(change))


class CompileTime:
    """Compilation takes much longer, on the same machine."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """A warning, where no night of the window was nearly as slow."""
        worst, now, limits = case.past_worst("compile_s"), case.now.compile_s, case.settings.compile_time
        if worst is None or now is None or not case.same_machine or case.record.cached:
            return
        if now >= limits.ratio * worst and now - worst >= limits.least:
            sentence = f"compiling {case.record.model.slug} takes {human_seconds(now)}, and never took more than {human_seconds(worst)}"
            yield case.finding("compile_time", Severity.WARNING, sentence, baseline=f"{worst:.3g}", compile_s=now)


class Memory:
    """The peak of memory is much higher."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """A warning, where no night of the window came near, on the same machine."""
        worst, now, limits = case.past_worst("peak_rss_bytes"), case.now.peak_rss_bytes, case.settings.memory
        if worst is None or now is None or not case.same_machine or case.record.cached or not case.now.passed:
            return
        if now >= limits.ratio * worst and now - worst >= limits.least:
            sentence = f"{name_of(case)} takes {human_bytes(now)}, and never took more than {human_bytes(int(worst))}"
            yield case.finding("memory", Severity.WARNING, sentence, baseline=str(int(worst)), peak_rss_bytes=now)


class Size:
    """The exported file is larger."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """A warning for its weights, or for its nodes."""
        before, now, limits = case.before, case.now, case.settings.size
        if before is None:
            return
        for what, was, is_now in (
            ("weights", before.weight_bytes, now.weight_bytes),
            ("nodes", before.node_count, now.node_count),
        ):
            if was and is_now and is_now >= limits.ratio * was and (what == "nodes" or is_now - was >= limits.least):
                sentence = f"{name_of(case)} has more {what}: {was:,} → {is_now:,}"
                yield case.finding("size", Severity.WARNING, sentence, fingerprint=what, baseline=str(was))


class Better:
    """What is better than it was."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """News: a cell that passes again, breaks that are gone."""
        before, now = case.before, case.now
        if before is None:
            return
        if not before.passed and now.passed:
            yield case.finding(
                "better", Severity.INFO, f"{name_of(case)} passes again (was {_how(before)})", fingerprint="verdict"
            )
        gone = _breaks(case, Change.GONE, Change.FEWER)
        if gone:
            events = -sum(change.events for change in gone)
            sentence = f"{case.record.model.slug} has {plural(events, 'graph break')} fewer: {_of_break(gone[0].seen)}"
            yield case.finding("better", Severity.INFO, sentence, fingerprint="breaks", gone=len(gone))
