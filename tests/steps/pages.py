"""Reads a built report as a strict browser would: elements, links, ids."""

from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

VOID = {"meta", "link", "img", "br", "hr", "input"}


@dataclass
class Page(HTMLParser):
    """One page: every element with its attributes, ids, and the text of all."""

    elements: list = field(default_factory=list)
    text: str = ""

    def __post_init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        self.text += data

    @cached_property
    def ids(self):
        return {attrs["id"] for _, attrs in self.elements if "id" in attrs}

    @property
    def links(self):
        return [attrs[name] for _, attrs in self.elements for name in ("href", "src") if name in attrs]

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def read(path):
    page = Page()
    page.feed(path.read_text("utf-8"))
    page.close()
    assert page.open == [], f"{path.name} leaves {page.open} open"
    return page


def report_pages(store):
    """Path → page, of the whole report."""
    return {path: read(path) for path in sorted((store.root / "report").rglob("*.html"))}


def broken_links(pages, root):
    """Every link that leads nowhere, out of the run, or to something a browser would run."""
    root = root.resolve()
    by_path = {path.resolve(): page for path, page in pages.items()}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                broken += [] if parts.scheme in ("http", "https") else [link]
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            if not target.is_relative_to(root) or not target.exists():
                broken.append(f"{path.name}: {link}")
            elif parts.fragment and target in by_path and unquote(parts.fragment) not in by_path[target].ids:
                broken.append(f"{path.name}: {link} (no such place)")
    return broken
