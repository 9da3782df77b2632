"""`python -m benchmarks [NAME…]`: run them, print each section, and put it into docs/benchmarks.md."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib import import_module

from benchmarks.harness import ROOT, calibration_seconds, markdown

NAMES = (
    "command_line",
    "desk",
    "quickstart",
    "inductor",
    "fleet_memory",
    "drift",
    "speed_views",
    "explain_cost",
    "export_kinds",
    "report",
    "archive",
    "publish",
    "history",
    "calibration",
    "rivals",
    "bisection",
    "localisation",
    "coverage",
    "overhead",
    "events",
)
ASKED_FOR = ("full_size",)
"""Only when named: it takes minutes, and `make field` runs it."""
DOCUMENT = ROOT / "docs" / "benchmarks.md"


def main(names: list[str]) -> int:
    """Run the named benchmarks (default: all); 1 if a bound was missed."""
    unknown = set(names) - {*NAMES, *ASKED_FOR}
    if unknown:
        print(
            f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join((*NAMES, *ASKED_FOR))}", file=sys.stderr
        )
        return 2
    missed = False
    for name in names or NAMES:
        module = import_module(f"benchmarks.{name}")
        before = calibration_seconds()
        figures = module.measure()
        section = markdown(module.TITLE, f"python -m benchmarks {name}", figures, before)
        print(section, flush=True)
        put(name, section)
        missed |= any(figure.holds is False for figure in figures)
    return int(missed)


def put(name: str, section: str) -> None:
    """Replace the section between the benchmark's marks in the document, or add it at the end."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    stamp = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {platform.machine()}"
    block = f"{begin}\n{section}\nMeasured {stamp}.\n{end}"
    text = DOCUMENT.read_text("utf-8")
    if begin in text:
        head, _, rest = text.partition(begin)
        text = head + block + rest.partition(end)[2]
    else:
        text = text.rstrip() + f"\n\n{block}\n"
    DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
