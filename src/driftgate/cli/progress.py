"""Progress of a run: a live table on a terminal, plain lines in CI (no terminal, or NO_COLOR), always on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from driftgate.core.expectations import Expectations
from driftgate.core.records import StageRecord
from driftgate.core.text import human_bytes, plural
from driftgate.core.verdicts import Verdict
from driftgate.executors.conductor import Watcher
from driftgate.executors.local import LocalPool, Task

if TYPE_CHECKING:
    from rich.console import Group

PLAIN_SECONDS = 15.0
SYMBOLS = {
    Verdict.PASSED: "✓",
    Verdict.FAILED: "✗",
    Verdict.TIMEOUT: "⧖",
    Verdict.OOM: "▲",
    Verdict.CRASHED: "⚡",
    Verdict.SKIPPED: "–",
}
EXPECTED = "○"


@contextmanager
def watcher_for(run_id: str, expectations: Expectations) -> Iterator[Watcher]:
    """The watcher that fits where stderr goes. What is expected to fail is told as that."""
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb":
        with LiveWatcher(run_id, expectations) as live:
            yield live
    else:
        yield PlainWatcher(expectations)


def told(record: StageRecord, expectations: Expectations) -> str | None:
    """A line about a cell that did not pass; None for one that did, and for what only hangs on an earlier failure."""
    if record.failure is None or record.verdict is Verdict.SKIPPED:
        return None
    row = expectations.explaining(record, datetime.now(UTC).date())
    if row is not None:
        return f"{EXPECTED} {record.cell}: {record.failure.kind.value}, as expected"
    message = record.failure.message.splitlines()[0][:160]
    return f"{SYMBOLS[record.verdict]} {record.cell}: {record.verdict.value}: {record.failure.kind.value}: {message}"


class PlainWatcher:
    """One line per cell that did not pass, and one every few seconds that says how far it is."""

    def __init__(self, expectations: Expectations) -> None:
        self._expectations = expectations
        self._total = self._done = 0
        self._counts: Counter[Verdict] = Counter()
        self._said = time.monotonic()

    def begin(self, total: int, done: int) -> None:
        """Start counting."""
        self._total, self._done = total, done
        self._say(plural(total, "cell") + (f", {done} done before" if done else ""))

    def ended(self, record: StageRecord) -> None:
        """Tell at once what did not pass, except what only hangs on an earlier failure."""
        self._done += 1
        self._counts[record.verdict] += 1
        line = told(record, self._expectations)
        if line is not None:
            self._say(line)
        if self._done == self._total:
            self._tell()

    def tick(self, pool: LocalPool) -> None:
        """Now and then, how far it is."""
        del pool
        if time.monotonic() - self._said > PLAIN_SECONDS:
            self._tell()

    def downloading(self, task: Task, done: int, total: int | None) -> None:
        """A download is one line when it ends; the cell's record tells that."""
        del task, done, total

    def _tell(self) -> None:
        parts = [f"{count} {verdict.value}" for verdict, count in self._counts.most_common()]
        self._say(f"{self._done}/{self._total} cells: {', '.join(parts)}")

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        print(text, file=sys.stderr, flush=True)  # noqa: T201


class LiveWatcher:
    """A bar for the whole run, counts by verdict, and what runs right now and for how long."""

    def __init__(self, run_id: str, expectations: Expectations) -> None:
        from rich.console import Console
        from rich.live import Live

        self._run_id, self._expectations = run_id, expectations
        self._total = self._done = 0
        self._counts: Counter[Verdict] = Counter()
        self._downloads: dict[str, str] = {}
        self._pool: LocalPool | None = None
        self._live = Live(console=Console(stderr=True), get_renderable=self._draw, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveWatcher:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def begin(self, total: int, done: int) -> None:
        """Start counting."""
        self._total, self._done = total, done

    def ended(self, record: StageRecord) -> None:
        """Count the cell; a failure stays on the screen above the table."""
        self._done += 1
        self._counts[record.verdict] += 1
        line = told(record, self._expectations)
        if line is not None:
            self._live.console.print(line, markup=False, highlight=False)

    def tick(self, pool: LocalPool) -> None:
        """Remember what runs, for the next drawing."""
        self._pool = pool

    def downloading(self, task: Task, done: int, total: int | None) -> None:
        """Remember how far the download is, for the next drawing."""
        share = f" {100 * done // total} %" if total else ""
        self._downloads[task.id] = f"{human_bytes(done)}{share}"

    def _draw(self) -> Group:
        from rich.console import Group as RichGroup
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        counts = "  ".join(f"{SYMBOLS[v]} {n} {v.value}" for v, n in self._counts.most_common())
        table = Table.grid(padding=(0, 2))
        for running in self._pool.running if self._pool else ():
            seconds = time.monotonic() - running.since
            download = self._downloads.get(running.task.id, "")
            state = "waits for the machine" if running.waiting_for_machine else download
            table.add_row(
                "  ", Text(str(running.task.job.cell)), running.task.job.part or "", f"{seconds:4.0f} s", state
            )
        bar = Table.grid()  # a bar by itself does not end its line
        bar.add_row(ProgressBar(total=max(self._total, 1), completed=self._done, width=60))
        return RichGroup(Text(f"{self._run_id}  {self._done}/{self._total} cells  {counts}"), bar, table)
