"""How far the models of each modality came, as a picture (SVG): a bar for each, its parts in the order of the pipeline.

The further a model came, the higher its part: the colours are not all there is. They and the ink stand out on white and on black.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from driftgate.core.coverage import REACH_WORDS, Reach, Total
from driftgate.steps.report.coverage_page import LOOKS

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 135, 20, 30, 34
LEGEND = 22
INK = "#808080"
GAP = 2


def draw(title: str, found: Sequence[Total]) -> str:
    """The picture."""
    stops = [stop for stop in REACH_WORDS if any(one.reached[stop] for one in found)]
    height = TOP + ROW * len(found) + 14 + LEGEND * ((len(stops) + 2) // 3)
    said = f"How far the models of {title} came"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(said)}" font-family="system-ui, sans-serif" font-size="13" fill="{INK}">'
    )
    bars = [shape for number, one in enumerate(found) for shape in _bar(one, TOP + ROW * number)]
    legend = _legend(stops, found, TOP + ROW * len(found) + 14)
    return "\n".join([head, f"<title>{escape(said)}</title>", *_scale(len(found)), *bars, *legend, "</svg>", ""])


def _scale(bars: int) -> Iterator[str]:
    for percent in (0, 25, 50, 75, 100):
        x = LEFT + (WIDTH - LEFT - RIGHT) * percent / 100
        yield f'<path d="M{x:.1f} {TOP - 8}v{ROW * bars + 4}" stroke="{INK}" stroke-opacity="0.3"/>'
        yield f'<text x="{x:.1f}" y="{TOP - 14}" text-anchor="middle" font-size="11">{percent} %</text>'


def _bar(one: Total, top: int) -> Iterator[str]:
    yield f'<text x="{LEFT - 8}" y="{top + 17}" text-anchor="end">{escape(one.name)} ({len(one.rows)})</text>'
    left, scale = float(LEFT), (WIDTH - LEFT - RIGHT) / len(one.rows)
    for stop in REACH_WORDS:
        if one.reached[stop]:
            yield _box(stop, left, top + 22, max(one.reached[stop] * scale - GAP, GAP))
            left += one.reached[stop] * scale


def _legend(stops: Sequence[Reach], found: Sequence[Total], top: int) -> Iterator[str]:
    for number, stop in enumerate(stops):
        x, y = LEFT + (number % 3) * 210, top + LEGEND * (number // 3)
        count = sum(one.reached[stop] for one in found)
        yield _box(stop, x, y + 14, 18)
        yield f'<text x="{x + 24}" y="{y + 13}">{escape(REACH_WORDS[stop])} ({count})</text>'


def _box(stop: Reach, left: float, bottom: int, width: float) -> str:
    colour, height = LOOKS[stop]
    return f'<rect x="{left:.1f}" y="{bottom - height}" width="{width:.1f}" height="{height}" fill="{colour}"/>'
