"""The kinds of panels that the boards are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boards.schema import Json, Panel, passed_mappings, steps, verdict_mappings
from boards.series import Query

MATRIX_CELL = {"align": "center", "cellOptions": {"type": "color-background", "mode": "basic"}}
_LEGEND = {"displayMode": "table", "placement": "right", "showLegend": True, "calcs": ["lastNotNull", "max"]}
_PER_PAGE = 30
_MOST_POINTS = 100
"""Of a status history: by default Grafana asks for one a pixel, and then draws nothing but "Too many points to visualize properly"."""


def stat(title: str, description: str, unit: str, query: Query, *, width: int = 4, **defaults: Any) -> Panel:
    """One number, large, for each series."""
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options = {"reduceOptions": reduced, "colorMode": "background", "graphMode": "none", "textMode": "auto"}
    return Panel("stat", title, description, unit, (query,), width, 4, options, defaults=defaults)


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    stacked: bool = False,
    logarithmic: bool = False,
    links: Sequence[Json] = (),
    width: int = 12,
    height: int = 9,
) -> Panel:
    """Series over time. Values change once a run, so they are drawn as steps."""
    custom: Json = {"drawStyle": "line", "lineInterpolation": "stepAfter", "lineWidth": 1, "showPoints": "never"}
    custom |= {"fillOpacity": 60 if stacked else 0, "stacking": {"mode": "normal" if stacked else "none", "group": "A"}}
    custom["scaleDistribution"] = {"type": "log", "log": 10} if logarithmic else {"type": "linear"}
    options = {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}}
    defaults = {"links": list(links), "min": 0} if stacked else {"links": list(links)}
    return Panel("timeseries", title, description, unit, queries, width, height, options, custom, defaults)


def table(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    columns: Mapping[str, str],
    sort_by: str | None = None,
    overrides: Sequence[Json] = (),
    width: int = 12,
    height: int = 9,
) -> Panel:
    """Newest values as rows. `columns` are the labels and values that are shown, in this order, and what they are called."""
    shown = {name: index for index, name in enumerate(columns)}
    renamed = {name: title for name, title in columns.items() if name != title}
    transformations: list[Json] = [{"id": "merge", "options": {}}] if len(queries) > 1 else []
    transformations += [
        {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}},
        {"id": "organize", "options": {"indexByName": shown, "renameByName": renamed, "excludeByName": {}}},
    ]
    sorting = [{"displayName": columns[sort_by], "desc": True}] if sort_by else []
    options = {"showHeader": True, "sortBy": sorting, "footer": {"show": False, "enablePagination": True}}
    return Panel(
        "table",
        title,
        description,
        unit,
        queries,
        width,
        height,
        options,
        {"filterable": True},
        overrides=tuple(overrides),
        transformations=tuple(transformations),
    )


def matrix(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    row: str,
    column: str,
    row_links: Sequence[Json],
    height: int = 18,
    **defaults: Any,
) -> Panel:
    """A square for each value of two labels, now."""
    grouped = {"rowField": row, "columnField": column, "valueField": "Value", "emptyValue": "null"}
    corner = f"{row}\\{column}"
    first = {
        "matcher": {"id": "byName", "options": corner},
        "properties": [
            {"id": "links", "value": list(row_links)},
            {"id": "custom.cellOptions", "value": {"type": "auto"}},
            {"id": "custom.align", "value": "left"},
            {"id": "custom.width", "value": 340},
            {"id": "custom.filterable", "value": True},
            {"id": "unit", "value": "string"},
        ],
    }
    return Panel(
        "table",
        title,
        description,
        unit,
        (query,),
        24,
        height,
        {"showHeader": True, "footer": {"show": False, "enablePagination": True}, "cellHeight": "sm"},
        MATRIX_CELL,
        defaults,
        (first,),
        ({"id": "groupingToMatrix", "options": grouped},),
    )


def over_time(
    title: str, description: str, unit: str, query: Query, *, width: int = 24, height: int = 12, **defaults: Any
) -> Panel:
    """A row for each series, a square for each moment, a page of rows at a time."""
    options = {
        "showValue": "never",
        "rowHeight": 0.9,
        "colWidth": 0.95,
        "perPage": _PER_PAGE,
        "legend": {"showLegend": True},
    }
    options |= {"tooltip": {"mode": "single"}}
    return Panel(
        "status-history",
        title,
        description,
        unit,
        (query,),
        width,
        height,
        options,
        {"fillOpacity": 80},
        defaults,
        most_points=_MOST_POINTS,
    )


def verdicts() -> Json:
    """Defaults of a panel whose values are verdicts."""
    return {"mappings": verdict_mappings(), "color": {"mode": "thresholds"}, "thresholds": steps((None, "gray"))}


def passed(yes: str = "passed", no: str = "failed") -> Json:
    """Defaults of a panel whose values are 1 or 0."""
    return {"mappings": passed_mappings(yes, no), "thresholds": steps((None, "red"), (1, "green")), "min": 0, "max": 1}


def logs(title: str, description: str, query: str) -> Panel:
    """Log lines, newest first."""
    options = {
        "showTime": True,
        "wrapLogMessage": True,
        "enableLogDetails": True,
        "sortOrder": "Descending",
        "dedupStrategy": "none",
        "prettifyLogMessage": False,
    }
    return Panel("logs", title, description, "none", (Query(query, logs=True),), 24, 12, options)
