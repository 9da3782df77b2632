"""What explain found, as a tree in the terminal: each break under the module or function whose code it cuts, with a way out.

Made for 80 columns: a break's text starts at column 8, so that torch's pages about breaks stay in one line that can be clicked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from driftgate.core.break_words import counts_beside, ways_out
from driftgate.core.errors import one_line
from driftgate.core.records import ExplainPayload, Fullgraph, GraphBreak, Recompile, SkippedFrame
from driftgate.core.text import human_seconds, plural

COLUMNS = 80
MOST_BREAKS = 60
MOST_FRAMES = 10
MOST_HINTS = 3
MOST_GUARDS = 3
MOST_GRAPHS = 12
MOST_TEXT = 600


def explain_text(payload: ExplainPayload, title: str, *, width: int = COLUMNS) -> str:
    """The tree as plain text, no line wider than `width` columns."""
    out = StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(explain_tree(payload, title))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def explain_tree(payload: ExplainPayload, title: str) -> Tree:
    """Model → its graphs, its breaks by module and function, what was given up or compiled again, what fullgraph and a second size
    make of it."""
    tree = Tree(_line(title, "bold"), guide_style="dim", highlight=False)
    tree.add(_line(_graphs(payload)))
    tree.add(_line(_breaks(payload), "bold" if payload.break_count else "green"))
    _add_breaks(tree, payload.breaks[:MOST_BREAKS])
    if len(payload.breaks) > MOST_BREAKS:
        tree.add(_line(f"… and breaks at {plural(len(payload.breaks) - MOST_BREAKS, 'more place')} in the record"))
    if payload.frames_skipped:
        frames = tree.add(_line(f"{plural(payload.frames_skipped, 'function')} given up, run in eager", "bold"))
        _add_some(frames, (_lines(_frame(one), one.reason) for one in payload.skipped))
    if payload.recompiles:
        _add_recompiles(tree, plural(payload.recompiles, "recompile"), payload.recompiled)
    if payload.cache_limit_hits:
        tree.add(_line(f"dynamo's limit of recompiles reached {plural(payload.cache_limit_hits, 'time')}", "bold"))
    if payload.fullgraph is not None:
        tree.add(_lines(*_fullgraph(payload.fullgraph)))
    _add_second_size(tree, payload)
    for line in counts_beside(payload):
        tree.add(_line(line, "dim"))
    return tree


def _graphs(payload: ExplainPayload) -> str:
    ops, phases = payload.ops_per_graph, payload.phases
    each = f" ({', '.join(map(str, ops[:MOST_GRAPHS]))}{', …' if len(ops) > MOST_GRAPHS else ''})" if ops[1:] else ""
    guards = f", {plural(payload.guard_count, 'guard')}" if payload.guard_count else ""
    spent = (
        f", {human_seconds(phases.restarted_s)} of it thrown away at restarts" if phases and phases.restarted_s else ""
    )
    graphs, operators = plural(payload.graph_count, "graph"), plural(payload.op_count, "op")
    return f"{graphs}, {operators}{each}{guards}; compiled in {human_seconds(payload.compile_s)}{spent}"


def _breaks(payload: ExplainPayload) -> str:
    if not payload.break_count:
        return "no graph breaks"
    return f"{plural(payload.break_count, 'graph break')} at {plural(payload.unique_break_count, 'place')}"


def _add_breaks(tree: Tree, breaks: Iterable[GraphBreak], when: str = "") -> None:
    """Under the module path and function that they cut, in the order of first occurrence; `when` is said beside each."""
    owners: dict[tuple[str | None, ...], list[GraphBreak]] = {}
    for one in breaks:
        owners.setdefault((one.module, one.function, one.file), []).append(one)
    for (module, function, _), some in owners.items():
        name = function or "unknown function"
        branch = tree.add(_line((f"{module} · {name}" if module else name) + when, "bold"))
        for one in some:
            branch.add(_break(one))


def _break(one: GraphBreak) -> Group:
    """Id and type, place, code, why, what to do, where to read on."""
    times = f" ×{one.count}" if one.count > 1 else ""
    parts: list[RenderableType] = [
        Text.assemble((f"{one.gb_id or 'no id'} ", "bold"), f"{one_line(one.gb_type)}{times}", overflow="fold")
    ]
    if one.file:
        parts.append(_line(_place(one.file, one.line), "cyan"))
    if one.code:
        parts.append(_line(one.code))
    parts.append(_line(one.explanation or one.reason, "dim"))
    parts += [_hanging("→", hint) for hint in ways_out(one)[:MOST_HINTS]]
    if one.url:
        parts.append(_line(one.url, "dim"))
    return Group(*parts)


def _add_recompiles(tree: Tree, title: str, recompiled: Sequence[Recompile]) -> None:
    branch = tree.add(_line(title, "bold"))
    _add_some(branch, (_lines(_frame(one), *one.guards[:MOST_GUARDS]) for one in recompiled))


def _add_some(branch: Tree, parts: Iterable[RenderableType]) -> None:
    for number, part in enumerate(parts):
        if number == MOST_FRAMES:
            branch.add(_line("… more in the record"))
            return
        branch.add(part)


def _frame(one: Recompile | SkippedFrame) -> str:
    return f"{one.function}, {_place(one.file, one.line)}" if one.file else one.function


def _place(file: str, line: int | None) -> str:
    """`mine.py:7`; below the current folder as a person would type it."""
    beside = file.removeprefix(f"{Path.cwd()}/")
    return f"{beside}:{line}" if line else beside


def _fullgraph(verdict: Fullgraph) -> Iterator[str]:
    obstacle = f": {verdict.reason.strip().splitlines()[0]}" if verdict.reason and verdict.reason.strip() else ""
    gb_id = f" ({verdict.gb_id})" if verdict.gb_id else ""
    yield f"fullgraph=True: {'accepted' if verdict.passed else 'refused'}{obstacle}{gb_id}"
    if verdict.note:
        yield verdict.note


def _add_second_size(tree: Tree, payload: ExplainPayload) -> None:
    second = payload.second_shape
    if second is None:
        return
    told = f"at a second size: {plural(second.recompiles, 'recompile')}, {plural(second.breaks, 'break')}"
    if second.found:
        told += f", at {plural(len(second.found), 'place')} that the first size does not show"
    _add_recompiles(tree, told, second.recompiled)
    _add_breaks(tree, second.found, when=" (at the second size alone)")


def _hanging(sign: str, text: str) -> Table:
    """A paragraph whose further lines start below its first word."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(sign, _line(text))
    return grid


def _lines(first: str, *others: str) -> Group:
    return Group(_line(first), *(_line(other, "dim") for other in others))


def _line(text: str, style: str = "") -> Text:
    """One paragraph: nothing that a terminal would obey, cut where it is long."""
    line = one_line(text)
    return Text(line if len(line) <= MOST_TEXT else f"{line[:MOST_TEXT]}…", style=style, overflow="fold")
