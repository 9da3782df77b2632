"""Findings by likely cause, one sentence each: what a fleet of red cells has in common, and which change reaches all of them.

    onnxruntime 1.30.0 → 1.31.1: 14 findings in 9 models, all in LayerNormalization

Findings belong together that are about the same place in code or the same operator, then those that failed with the same fingerprint,
then with the same kind and hint, then those of one rule in one column, and last those that nothing but the same change of a package has in
common. Each finding is in one group; one that is like no other is a group by itself. What is news and what was accepted stays apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from driftgate.core.records import Cell, Finding, FindingGroup, Findings, Severity
from driftgate.core.suspects import suspects
from driftgate.core.symptoms import OF_A_FAILURE
from driftgate.core.text import plural

Key = tuple[str, ...]
_OF_BREAKS = frozenset({"new_break", "more_breaks"})
_OF_THE_MACHINERY = frozenset({"machinery", "not_tested"})
_MESSAGE = 160
_RULES_IN_WORDS = {
    "graph_changed": "another graph",
    "missing_cell": "missing",
    "better": "better than before",
    "drift_grew": "more drift",
    "compile_time": "longer compilation",
    "placement_changed": "other execution providers",
    "not_tested": "not tested",
}


@dataclass(frozen=True)
class _Level:
    """One way of belonging together: `key` of a finding, None where it has none, and what those of one key have in common."""

    name: str
    key: Callable[[Finding, Sequence[str]], Key | None]
    said: Callable[[Finding, Sequence[str]], str]


@dataclass(frozen=True)
class Told:
    """A group and the findings that are in it."""

    group: FindingGroup
    findings: tuple[Finding, ...]

    @property
    def is_alarm(self) -> bool:
        """Whether it is bad news that nobody has accepted."""
        return self.group.severity is not Severity.INFO

    @property
    def owner(self) -> str:
        """Whose it is; several are told apart by commas, empty where nobody is named."""
        return ", ".join(self.group.owners)


def grouped(
    findings: Sequence[Finding], changes: Sequence[str]
) -> tuple[tuple[Finding, ...], tuple[FindingGroup, ...]]:
    """The findings, each with the id of its group, in their order, and the groups, worst and largest first. `changes` is what differs from
    the baseline, one `torch 2.12.0 → 2.13.0` each."""
    groups: list[FindingGroup] = []
    group_of: dict[int, str] = {}
    for level, key, members in _gathered(findings, changes):
        group = _group(level, key, [findings[index] for index in members], changes)
        groups.append(group)
        group_of |= dict.fromkeys(members, group.id)
    ranks = list(Severity)
    groups.sort(key=lambda group: (ranks.index(group.severity), -group.findings, group.sentence))
    told = tuple(finding.model_copy(update={"group": group_of[index]}) for index, finding in enumerate(findings))
    return told, tuple(groups)


def by_group(findings: Findings) -> tuple[Told, ...]:
    """The groups with their findings, for whoever shows them; where a run was judged without groups, each finding by itself."""
    members: dict[str | None, list[Finding]] = {}
    for finding in findings.findings:
        members.setdefault(finding.group, []).append(finding)
    told = [Told(group, tuple(members.pop(group.id))) for group in findings.groups if group.id in members]
    rest = (finding for some in members.values() for finding in some)
    return (*told, *(Told(_group(None, (finding.id,), [finding], ()), (finding,)) for finding in rest))


def _gathered(findings: Sequence[Finding], changes: Sequence[str]) -> list[tuple[_Level | None, Key, list[int]]]:
    """Level by level, those of what is left that share a key with another; the rest one by one."""
    found: list[tuple[_Level | None, Key, list[int]]] = []
    left = list(range(len(findings)))
    for level in _LEVELS:
        by_key: dict[Key, list[int]] = {}
        for index in left:
            key = level.key(findings[index], changes)
            if key is not None:
                by_key.setdefault((_apart(findings[index]), level.name, *key), []).append(index)
        several = {key: members for key, members in by_key.items() if len(members) > 1}
        found += [(level, key, members) for key, members in several.items()]
        taken = {index for members in several.values() for index in members}
        left = [index for index in left if index not in taken]
    return found + [(None, ("one", findings[index].id), [index]) for index in left]


def _group(level: _Level | None, key: Key, members: Sequence[Finding], changes: Sequence[str]) -> FindingGroup:
    change = _change(members, changes)
    models = len({one.model for one in members if one.model})
    if level is None:
        sentence = members[0].sentence
    else:
        where = "" if not models else f" in {members[0].model if models == 1 else plural(models, 'model')}"
        what = f"{plural(len(members), 'finding')}{where}, {level.said(members[0], changes)}"
        sentence = f"{change}: {what}" if change else what
    ranks = list(Severity)
    return FindingGroup(
        id=hashlib.sha256("\x1f".join(key).encode("utf-8", "backslashreplace")).hexdigest()[:12],
        severity=min((one.severity for one in members), key=ranks.index),
        sentence=sentence,
        findings=len(members),
        models=models,
        change=change,
        owners=tuple(sorted({one.owner for one in members if one.owner})),
    )


def _change(members: Sequence[Finding], changes: Sequence[str]) -> str | None:
    """The changes that reach every one of them, the likeliest alone: at most two are named, for three say nothing."""
    reaching = [suspects(one, changes) for one in members]
    common = [change for change in reaching[0] if all(change in some for some in reaching)]
    return " or ".join(common) if 0 < len(common) <= 2 else None


def _apart(finding: Finding) -> str:
    if finding.accepted is not None:
        return "accepted"
    return "news" if finding.severity is Severity.INFO else "alarm"


def _place(finding: Finding, _: Sequence[str]) -> Key | None:
    """A graph break's place, an operator of a graph."""
    if finding.rule in _OF_BREAKS and finding.fingerprint:
        return ("break", finding.fingerprint)
    return ("operator", finding.operator) if finding.rule in OF_A_FAILURE and finding.operator else None


def _said_place(finding: Finding, _: Sequence[str]) -> str:
    if finding.rule not in _OF_BREAKS:
        return f"all in {finding.operator}"
    file, line = finding.evidence.get("file"), finding.evidence.get("line")
    return f"all at one place: {finding.operator or 'no id'}" + (f" at {file}:{line}" if file else "")


def _fingerprint(finding: Finding, _: Sequence[str]) -> Key | None:
    if finding.rule in _OF_BREAKS:
        return ("id", finding.operator) if finding.operator else None
    return ("failure", finding.fingerprint) if finding.rule in OF_A_FAILURE and finding.fingerprint else None


def _said_fingerprint(finding: Finding, _: Sequence[str]) -> str:
    if finding.rule in _OF_BREAKS:
        return f"all {finding.operator}, at several places"
    return f"all alike: {_failure(finding)}"


def _kind(finding: Finding, _: Sequence[str]) -> Key | None:
    if finding.current is None:
        return None
    if finding.rule in _OF_THE_MACHINERY:
        return ("machinery", finding.current)
    return (finding.stage or "", finding.current, finding.hint or "") if finding.rule in OF_A_FAILURE else None


def _said_kind(finding: Finding, _: Sequence[str]) -> str:
    if finding.rule in _OF_THE_MACHINERY:
        return f"not tested: {finding.current}"
    hint = f"; {_cut(finding.hint)}" if finding.hint else ""
    return f"{finding.current} in {finding.stage}{hint}"


def _rule(finding: Finding, _: Sequence[str]) -> Key | None:
    return None if finding.rule in OF_A_FAILURE | _OF_BREAKS else (finding.rule, _column(finding))


def _said_rule(finding: Finding, _: Sequence[str]) -> str:
    column = _column(finding)
    words = _RULES_IN_WORDS.get(finding.rule, finding.rule.replace("_", " "))
    return f"{words}: {column}" if column else words


def _same_change(finding: Finding, changes: Sequence[str]) -> Key | None:
    reaching = suspects(finding, changes)
    return tuple(reaching) if len(reaching) == 1 and _apart(finding) == "alarm" else None


def _said_change(_: Finding, __: Sequence[str]) -> str:
    return "nothing else in common"


_LEVELS = (
    _Level("place", _place, _said_place),
    _Level("fingerprint", _fingerprint, _said_fingerprint),
    _Level("kind", _kind, _said_kind),
    _Level("rule", _rule, _said_rule),
    _Level("change", _same_change, _said_change),
)


def _column(finding: Finding) -> str:
    if finding.stage is None:
        return ""
    return Cell(model="", stage=finding.stage, target=finding.target, variant=finding.variant).name


def _failure(finding: Finding) -> str:
    """`kind: message`, with which the sentence of a failure ends."""
    head = f": {finding.current}: "
    return _cut(f"{finding.current}: {finding.sentence.partition(head)[2]}")


def _cut(text: str) -> str:
    return text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]}…"
