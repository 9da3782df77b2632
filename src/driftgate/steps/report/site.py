"""The report's files: Jinja pages with everything escaped, written through the store; what an earlier build left is swept away."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from driftgate.core.records import Cell, Finding
from driftgate.machine.store import RunStore
from driftgate.steps.report import units
from driftgate.steps.report.marks import MARKS

FOLDER = "report"


class Site:
    """Writes `report/…` of a run. `name` is always relative to that folder."""

    def __init__(self, store: RunStore, **shared: object) -> None:
        self._store = store
        self._pages = _environment()
        self._pages.globals |= {"marks": MARKS, "run_id": store.run_id, **shared}
        self._written: set[Path] = set()

    def page(self, name: str, template: str, **context: object) -> Path:
        """Render a template to `report/NAME`."""
        context["root"] = "../" * name.count("/")
        return self.file(name, self._pages.get_template(template).render(context))

    def file(self, name: str, text: str) -> Path:
        """Write a file as it is."""
        path = self._store.write_text(f"{FOLDER}/{name}", text)
        self._written.add(path)
        return path

    def style(self) -> None:
        """Write the style sheet."""
        self.file("style.css", (files("driftgate.steps.report") / "templates" / "style.css").read_text("utf-8"))

    def sweep(self) -> None:
        """Remove pages that an earlier build wrote and this one did not."""
        for path in (self._store.root / FOLDER).rglob("*"):
            if path.suffix in (".html", ".svg") and path not in self._written:
                path.unlink()


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
        name: getattr(units, name) for name in ("seconds", "size", "count", "error", "ratio", "plural")
    }
    environment.filters |= numbers | {"clip": clip, "web": web_address, "path": quote, "cell_name": finding_cell}
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
