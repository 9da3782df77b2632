"""Grafana's classic dashboard schema: panels that are laid out in rows, so that none covers another, and the variables of every board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boards.series import Query
from driftgate.core.metrics import VERDICT_CODES
from driftgate.core.verdicts import Verdict

SCHEMA_VERSION = 41
WIDTH = 24
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
LOKI = {"type": "loki", "uid": "${loki}"}
COLOURS = {
    "passed": "green",
    "failed": "red",
    "timeout": "orange",
    "oom": "purple",
    "crashed": "dark-red",
    "skipped": "gray",
    "expected": "blue",
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """One panel. `kind` is Grafana's name of it; `custom`, `defaults` and `options` go where its schema has them."""

    kind: str
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 12
    height: int = 8
    options: Mapping[str, Any] = field(default_factory=dict)
    custom: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    most_points: int | None = None

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at its place."""
        logs = any(query.logs for query in self.queries)
        defaults = {"unit": self.unit, "custom": dict(self.custom), "mappings": [], **self.defaults}
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": LOKI if logs else PROMETHEUS,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [_target(query, chr(ord("A") + index)) for index, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": defaults, "overrides": list(self.overrides)},
            "options": dict(self.options),
            "transformations": list(self.transformations),
            **({} if self.most_points is None else {"maxDataPoints": self.most_points}),
        }


def _target(query: Query, reference: str) -> Json:
    if query.logs:
        return {"refId": reference, "datasource": LOKI, "expr": query.expr, "queryType": "range"}
    return {
        "refId": reference,
        "datasource": PROMETHEUS,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend,
        "format": "table" if query.table else "time_series",
        "instant": query.instant,
        "range": not query.instant,
    }


@dataclass(frozen=True)
class Board:
    """A dashboard: its rows of panels, from the top down, and its variables."""

    uid: str
    title: str
    description: str
    variables: tuple[Json, ...]
    rows: tuple[tuple[Panel, ...], ...]

    def json(self) -> Json:
        """The whole document."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["driftgate"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "browser",
            "refresh": "5m",
            "time": {"from": "now-14d", "to": "now"},
            "links": [_links()],
            "annotations": {"list": []},
            "templating": {"list": [*self.variables]},
            "panels": _laid_out(self.rows),
        }


def _laid_out(rows: Sequence[Sequence[Panel]]) -> list[Json]:
    placed: list[Json] = []
    y = 0
    for row in rows:
        x = 0
        for panel in row:
            if x + panel.width > WIDTH:
                raise ValueError(f"{panel.title!r} does not fit into its row")
            placed.append(panel.json(len(placed) + 1, x, y))
            x += panel.width
        y += max(panel.height for panel in row)
    return placed


def _links() -> Json:
    """To the other boards, with the variables and the time of this one."""
    return {
        "type": "dashboards",
        "title": "Driftgate",
        "tags": ["driftgate"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


# -- variables -------------------------------------------------------------------------------------------------------------


def source_variable(name: str, label: str, kind: str) -> Json:
    """A data source to choose; the provisioned one is the first."""
    return {"type": "datasource", "name": name, "label": label, "query": kind, "hide": 0, "refresh": 1, "current": {}}


def variable(name: str, label: str, query: str, *, many: bool) -> Json:
    """The values of a label. With `many`, several or All of them may be chosen."""
    shared = {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": PROMETHEUS,
        "query": {"query": query, "refId": f"variable-{name}"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": many,
        "includeAll": many,
    }
    if many:
        return shared | {"allValue": ".+", "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}
    return shared | {"current": {}}


# -- pieces of field configurations ----------------------------------------------------------------------------------------


def link(title: str, url: str, *, blank: bool = False) -> Json:
    """A data link."""
    return {"title": title, "url": url, "targetBlank": blank}


def board_link(title: str, uid: str, *, fleet: str = "${fleet}", **values: str) -> Json:
    """A data link to a board with these variables, and the time and the data sources of this one."""
    given = {"datasource": "${datasource}", "loki": "${loki}", "fleet": fleet, **values}
    chosen = "".join(f"&var-{name}={value}" for name, value in given.items())
    return link(title, f"/d/{uid}?${{__url_time_range}}{chosen}")


def override(field_name: str, **properties: Any) -> Json:
    """Properties of one column (`links`, `unit`, `custom.width`, …; a double underscore stands for the dot)."""
    listed = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    return {"matcher": {"id": "byName", "options": field_name}, "properties": listed}


def steps(*at: tuple[float | None, str]) -> Json:
    """Thresholds: from each value on, a colour; the first value is None."""
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in at]}


def verdict_mappings() -> list[Json]:
    """The verdicts' names and colours for their numbers; 0 is passed."""
    codes = {Verdict.PASSED.value: 0, **VERDICT_CODES}
    options = {str(code): {"text": name, "color": COLOURS[name], "index": code} for name, code in codes.items()}
    return [{"type": "value", "options": options}]


def passed_mappings(yes: str = "passed", no: str = "failed") -> list[Json]:
    """Words and colours for 1 and 0."""
    options = {"1": {"text": yes, "color": "green", "index": 0}, "0": {"text": no, "color": "red", "index": 1}}
    return [{"type": "value", "options": options}]
