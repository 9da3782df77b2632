"""The report's files: Jinja pages with everything escaped, written through the store; what an earlier build left is swept away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from driftgate.core.break_words import ways_out, where
from driftgate.core.records import Cell, Finding
from driftgate.machine.files import write_atomic
from driftgate.machine.store import RunStore
from driftgate.steps.report import units
from driftgate.steps.report.commands import ScriptLink, name_for_commands, script_links
from driftgate.steps.report.marks import MARKS

T = TypeVar("T")
FOLDER = "report"


class Site:
    """Writes pages into a folder, `shared` known to each of them. `name` is always relative to the folder."""

    def __init__(self, folder: Path, **shared: object) -> None:
        self._folder = folder
        self._pages = _environment()
        self._pages.globals |= shared
        self._written: set[Path] = set()

    def page(self, name: str, template: str, **context: object) -> Path:
        """Render a template to `NAME`."""
        context["root"] = "../" * name.count("/")
        return self.file(name, self._pages.get_template(template).render(context))

    def file(self, name: str, text: str) -> Path:
        """Write a file as it is."""
        path = self._folder / name
        write_atomic(path, text)
        self._written.add(path)
        return path

    def style(self) -> None:
        """Write the style sheet."""
        self.file("style.css", (files("driftgate.steps.report") / "templates" / "style.css").read_text("utf-8"))

    def sweep(self) -> None:
        """Remove pages that an earlier build wrote and this one did not."""
        for path in self._folder.rglob("*"):
            if path.suffix in (".html", ".svg") and path not in self._written:
                path.unlink()


def report_of(store: RunStore, **shared: object) -> Site:
    """The `report/` of a run."""

    def scripts(about: Cell | Finding) -> tuple[ScriptLink, ...]:
        """What repeats a cell, or the cell of a finding, without Driftgate."""
        if about.model is None or about.stage is None:
            return ()
        cell = Cell(model=about.model, stage=about.stage, target=about.target, variant=about.variant)
        return script_links(store, cell)

    known = {"marks": MARKS, "run_id": store.run_id, "run": name_for_commands(store), "scripts": scripts}
    return Site(store.root / FOLDER, **known, **shared)


def paged(items: Sequence[T], per_page: int) -> Iterator[Sequence[T]]:
    """Slices of `per_page`; one empty page where there is nothing."""
    for start in range(0, max(1, len(items)), per_page):
        yield items[start : start + per_page]


def page_names(stem: str, number: int, first: str | None = None) -> list[str]:
    """`STEM.html`, `STEM-2.html`, …"""
    return [first or f"{stem}.html", *(f"{stem}-{index}.html" for index in range(2, number + 1))]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("driftgate.steps.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    numbers: dict[str, Any] = {
        name: getattr(units, name) for name in ("seconds", "size", "count", "error", "ratio", "share", "plural")
    }
    environment.filters |= numbers | {
        "clip": clip,
        "web": web_address,
        "where": where,
        "ways_out": ways_out,
        "path": quote,
        "cell_name": finding_cell,
    }
    return environment


def finding_cell(finding: Finding) -> str:
    """The name of the cell that a finding is about; empty where it is about a model or the run as a whole."""
    if finding.model is None or finding.stage is None:
        return ""
    return Cell(model=finding.model, stage=finding.stage, target=finding.target, variant=finding.variant).name


def clip(text: str | None, length: int) -> str:
    """The text, cut at `length` characters with a word that it was cut: a page stays a page."""
    if text is None:
        return ""
    return text if len(text) <= length else f"{text[:length]}… (cut; the record has all {len(text):,} characters)"


def web_address(url: str | None) -> str | None:
    """The address if it is a plain http(s) one, else None: records may come from anywhere."""
    if url is None or not url.startswith(("https://", "http://")) or not url.isprintable():
        return None
    try:
        return url if urlsplit(url).hostname else None
    except ValueError:
        return None
