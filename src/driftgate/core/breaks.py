"""Graph breaks as torch's structured trace tells them: text in, facts out.

Each artifact `dynamo_graph_break_reason` is one event: a reason (type, explanation, hints, context, a link whose end is the id) and
the user's stack. `parse_event` reads one; `driftgate.core.break_places` makes of them the list that a record holds, and
`driftgate.core.reconcile` holds their number against what torch counts elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

ANSI = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links and other strings
)
_LINK = re.compile(r"please visit: (?P<url>https?://\S+?/gb(?P<number>\d+)\.html)")
_REASON = re.compile(
    r"^Graph Break Reason: (?P<reason>.*?)(?=^Stack variable source attribution:|^User code traceback:)", re.S | re.M
)
_PREAMBLE = re.compile(
    r"\A(Encountered graph break when attempting to trace [^\n]*\n\s*|"
    r"(?:Failed to handle graph break gracefully|Encountered graph break that we cannot resume from)\.[^\n]*"
    r"Graph break encountered:\s*)"
)
_UNRESUMABLE = "Encountered graph break that we cannot resume from."
_GAVE_UP = "Failed to handle graph break gracefully."
_SECOND = re.compile(r"^\*\*\* While handling this graph break, another graph break occurred: \*\*\*\s*", re.M)
_FIELDS = re.compile(
    r"\A(?P<type>[^\n]*)\n+"
    r"(?:.*?^  Explanation: (?P<explanation>.*?))?"
    r"(?P<hints>(?:^  Hint: .*?)*)"
    r"^  Developer debug context: (?P<context>.*?)(?=^ For more details|\Z)",
    re.S | re.M,
)
_STACK = re.compile(
    r"^(?:User code traceback:|The graph break occurred in the following user code:)\n(?P<stack>(?:  .*\n?)*)", re.M
)
_FRAME = re.compile(
    r'^  File "(?P<file>[^"\n]+)", line (?P<line>\d+)(?:, in (?P<function>[^\n]+))?\n(?:    (?P<code>(?!File )[^\n]*))?',
    re.M,
)
RESUME_PREFIX = "torch_dynamo_resume_in_"
_RESUME = re.compile(RESUME_PREFIX + r"(?P<name>.+)_at_\d+")
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?(?P<name>\w+): ", re.M)
_SITE = re.compile(r"""[^\s"'=(\[]*/(?:site|dist)-packages/""")
_STDLIB = re.compile(r"""[^\s"'=(\[]*/lib/python3\.\d+/(?!site-packages/|dist-packages/)""")
_FORMER_TYPES = {"generic_jump": "Data-dependent branching"}  # what explain still calls it, without an id


class Cut(Enum):
    """What dynamo does about a break."""

    CALL = "the frame is cut around an instruction, and goes on behind it"
    JUMP = "the frame is cut at a branch, and goes on behind either side of it"
    REST = "the frame is cut for good: what follows runs in eager"
    FRAME = "the whole frame is given up"


@dataclass(frozen=True)
class Frame:
    """A line of the user's stack."""

    file: str
    line: int
    function: str
    code: str | None


@dataclass(frozen=True)
class BreakEvent:
    """One graph break. `gave_up` names the second break, because of which the whole frame is skipped; `module` is the submodule at
    work, which the text does not tell."""

    gb_id: str | None
    gb_type: str
    context: str | None = None
    explanation: str | None = None
    hints: tuple[str, ...] = ()
    url: str | None = None
    gave_up: str | None = None
    frame: Frame | None = None
    cut: Cut = Cut.CALL
    module: str | None = None

    @property
    def place(self) -> tuple[object, ...]:
        """What makes two events the same break: where it is and which kind."""
        frame = self.frame
        where = (frame.file, frame.line, frame.code) if frame else (None, None, None)
        return (*where, self.gb_id or self.gb_type)


def ids_by_type(registry: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
    """Type → id, from torch's `graph_break_registry.json` (id → entries, each with a `Gb_type`)."""
    return {entry["Gb_type"]: gb_id for gb_id, entries in registry.items() for entry in entries}


def parse_event(text: str, ids: Mapping[str, str], *, above: str = "") -> BreakEvent:
    """Read the payload of one `dynamo_graph_break_reason` artifact.

    `ids` is `ids_by_type(…)`. `above` is the folder of the code that called the model: frames up to the last one of it are
    not the user's.
    """
    text = ANSI.sub("", text)
    whole = _reason(text)
    cause, _, second = (part.strip() for part in _partition(_PREAMBLE.sub("", whole)))
    fields = _FIELDS.match(cause + "\n")
    link = _LINK.search(cause)
    gb_type, context = _type_of(cause, text, fields)
    gave_up = second.splitlines()[0] if second else None
    return BreakEvent(
        gb_id=id_in(cause, ids) or ids.get(gb_type),
        gb_type=gb_type,
        context=context,
        explanation=_tidy(fields["explanation"]) if fields else None,
        hints=_hints(fields["hints"]) if fields else (),
        url=link["url"] if link else None,
        gave_up=gave_up,
        frame=user_frame(text, above),
        cut=_cut(whole),
    )


def id_in(reason: str, ids: Mapping[str, str]) -> str | None:
    """The id that a reason's link ends in, or that its first line is the type of; None for an error that is no registered break."""
    link = _LINK.search(reason)
    return f"GB{link['number']}" if link else ids.get(reason.partition("\n")[0].removeprefix("Unsupported: ").strip())


def _reason(text: str) -> str:
    """The reason, with what dynamo was doing when it met it."""
    found = _REASON.search(text)
    return (found["reason"] if found else _last_exception(text)).strip()


def _cut(reason: str) -> Cut:
    if reason.startswith(_GAVE_UP):
        return Cut.FRAME
    if reason.startswith(_UNRESUMABLE):
        return Cut.REST
    return Cut.CALL if _PREAMBLE.match(reason) else Cut.JUMP


def unresumed(function: str) -> str:
    """The name of the function that a resumed part belongs to."""
    resumed = _RESUME.fullmatch(function)
    return resumed["name"] if resumed else function


def _last_exception(text: str) -> str:
    """Events raised before dynamo has a frame state carry their reason in the Python traceback alone."""
    matches = list(_EXCEPTION.finditer(text))
    return text[matches[-1].end() :] if matches else text


def _partition(reason: str) -> tuple[str, str, str]:
    found = _SECOND.search(reason)
    return (reason[: found.start()], found[0], reason[found.end() :]) if found else (reason, "", "")


def _type_of(cause: str, text: str, fields: re.Match[str] | None) -> tuple[str, str | None]:
    """The bounded name of the break, and what was special this time.

    A reason without the usual fields may carry values in its first line (`Could not guard on … u0`): there the class of the exception
    is the type and the line the context.
    """
    if fields:
        return fields["type"].strip(), _tidy(fields["context"])
    first = cause.splitlines()[0].strip() if cause else ""
    former = _FORMER_TYPES.get(first.partition(" ")[0])
    if former:
        return former, first
    names = _EXCEPTION.findall(text)
    return (names[-1], first or None) if names else (first[:120] or "unknown", None)


def _hints(block: str) -> tuple[str, ...]:
    hints = (_tidy(part) for part in re.split(r"^  Hint: ", block, flags=re.M))
    return tuple(hint for hint in hints if hint)


def _tidy(text: str | None) -> str | None:
    """Lines joined where torch indented them, paths shortened."""
    if not text or not text.strip():
        return None
    lines = (line.strip() for line in text.strip().splitlines())
    return _STDLIB.sub("", shorten("\n".join(line for line in lines if line)))


def shorten(text: str) -> str:
    """Paths below site-packages start there: the rest is about one machine."""
    return _SITE.sub("", text)


def user_frame(text: str, above: str = "") -> Frame | None:
    """The deepest frame of the user's stack that is neither torch's own nor the standard library's; if there is no such
    frame, the deepest of all (a break inside a module of torch)."""
    found = _STACK.search(text)
    frames = [_frame(match) for match in _FRAME.finditer(found["stack"])] if found else []
    ours = [index for index, frame in enumerate(frames) if above and frame.file.startswith(f"{shorten(above)}/")]
    below = frames[ours[-1] + 1 :] if ours else frames
    users = [frame for frame in below if not frame.file.startswith("torch/") and not _STDLIB.search(frame.file)]
    deepest = users or below
    return deepest[-1] if deepest else None


def _frame(match: re.Match[str]) -> Frame:
    code = (match["code"] or "").strip() or None
    return Frame(shorten(match["file"]), int(match["line"]), unresumed(match["function"] or "<unknown>"), code)
