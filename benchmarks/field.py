"""The whole field: every model type of transformers, timm's families, and full-size models beside tiny ones; then docs/coverage.md.

python -m benchmarks.field                        all of it, an hour and more; cut off and called again it goes on
python -m benchmarks.field timm full_size         these parts alone
python -m benchmarks.field --shard 3/16           a share of the fleets
python -m benchmarks.field --page RUN…            the page alone, of runs that are there (the shares of a fleet, several fleets)

Runs lie below outputs/field, one folder a fleet. A part that is done is not done again until a page tells of all parts. What speaks of
a share or of named models is written beside the runs and not into docs/.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.field_page import Scoreboard, scoreboard
from benchmarks.field_runs import FLEETS, FULL_SIZE, PARTS, SECTION, STOPPED, Call, conduct, finished, stamp_of
from benchmarks.harness import ROOT
from driftgate.core.errors import DriftgateError, ExitCode, UsageError, did_you_mean
from driftgate.machine.files import write_atomic
from driftgate.machine.store import RunStore

OUTPUT = ROOT / "outputs" / "field"
DOCS = ROOT / "docs"
PAGE, TWIN = "coverage.md", "coverage.json"


def main(words: Sequence[str]) -> int:
    """3 if the machinery failed, 1 if a number is not what was asked for, 2 for a wrong call."""
    asked = parsed(words)
    try:
        if asked.page:
            stores = [RunStore.find(str(run), asked.output) for run in asked.page]
            return int(not write_page(stores, None, asked.to or asked.output).holds)
        return whole(asked)
    except DriftgateError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)


def whole(asked: argparse.Namespace) -> int:
    """The parts that were asked for, then the page of all that is there."""
    for part in asked.parts:
        if part not in PARTS:
            raise UsageError(f"the field has no part {part[:80]!r}", mend=did_you_mean(part, PARTS))
    to = asked.to or DOCS
    call = Call(asked.output.resolve(), asked.shard, tuple(asked.model), told_in(to / TWIN))
    idle = [part for part in asked.parts if part not in parts_of(call)]
    if idle:
        raise UsageError(f"{idle[0]} has no part in {'the named models' if call.models else 'a share'}")
    codes: dict[str, int] = {}
    for part in asked.parts or parts_of(call):
        codes[part] = conduct(part, call)
        if codes[part] in STOPPED:
            print("stopped; the same call goes on", file=sys.stderr)
        if codes[part] in (*STOPPED, ExitCode.USAGE):
            return codes[part]
    failed = bool(set(codes.values()) - {0, 1})
    stores = {part: store for part in FLEETS if (store := finished(part, call)) is not None}
    if not stores:
        print("no run has come to its end: no page", file=sys.stderr)
        return int(ExitCode.MACHINERY)
    if asked.to is None and (call.narrowed or "transformers" not in stores):
        to = asked.output
    section = None if call.narrowed else call.folder(FULL_SIZE) / SECTION
    board = write_page(list(stores.values()), section, to, complete=not (asked.parts or failed))
    return int(ExitCode.MACHINERY) if failed else int(not board.holds or codes.get(FULL_SIZE) == 1)


def parts_of(call: Call) -> tuple[str, ...]:
    """All parts; of named models the fleets that have them, of a share both fleets."""
    if call.models:
        return tuple(name for name, fleet in FLEETS.items() if call.models_of(fleet))
    return tuple(FLEETS) if call.shard else PARTS


def told_in(twin: Path) -> frozenset[str]:
    """The runs and sections that a whole page tells of; none where it lacks a part."""
    last = json.loads(twin.read_text("utf-8")) if twin.is_file() else {}
    return frozenset(last["made_of"]) if last.get("complete") else frozenset()


def write_page(stores: Sequence[RunStore], section: Path | None, to: Path, *, complete: bool = False) -> Scoreboard:
    """coverage.md, its pictures and coverage.json. `complete`: of all parts, none of which failed."""
    there = section if section is not None and section.is_file() else None
    board = scoreboard(stores, there.read_text("utf-8") if there else "")
    made_of = [*(store.run_id for store in stores), *([stamp_of(there)] if there else [])]
    for name, text in board.files(PAGE, TWIN, made_of, complete=complete).items():
        write_atomic(to / name, text)
    print(to / PAGE, flush=True)
    return board


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The arguments; a mistake ends with argparse's own line and exit code 2."""
    parser = argparse.ArgumentParser("python -m benchmarks.field", description=(__doc__ or "").partition("\n")[0])
    about = f"{', '.join(PARTS)}; all of them by default"
    parser.add_argument("parts", nargs="*", metavar="PART", help=about)
    parser.add_argument("--shard", help="a share of each fleet, as 3/16")
    parser.add_argument("--model", action="append", default=[], metavar="REF", help="these models alone")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the runs lie")
    parser.add_argument("--to", type=Path, help="where the page is written; docs by default")
    parser.add_argument("--page", nargs="+", metavar="RUN", type=Path, help="the page alone, of these runs")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
