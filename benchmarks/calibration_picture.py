"""The power of the gate as a small picture (SVG): found nights over the spread between launches, a line a slowdown.

Colours are Okabe and Ito's, which tell apart for everybody and stand out on white and on black; shape and dash say the same once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 330
LEFT, RIGHT, TOP, BOTTOM = 56, 120, 34, 50
INK = "#808080"
COLOURS = ("#56b4e9", "#d55e00", "#009e73", "#cc79a7")
MARKS = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True)
class Curve:
    """The share of nights in which a slowdown (a factor) is found, at each spread, for noise of a shape."""

    slower: float
    shape: str
    spreads: Sequence[float]
    found: Sequence[float]


def draw_power(curves: Sequence[Curve]) -> str:
    """The picture."""
    sizes, shapes = (list(dict.fromkeys(getattr(one, name) for one in curves)) for name in ("slower", "shape"))
    lines = [line for one in curves for line in _curve(one, sizes.index(one.slower), shapes.index(one.shape))]
    title = "Nights in which the gate finds a slowdown, by the spread between launches"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12" fill="{INK}">'
    )
    body = [*_axes(curves[0].spreads), *lines, *_legend(sizes, shapes)]
    return "\n".join([head, f"<title>{escape(title)}</title>", *body, "</svg>", ""])


def _x(spread: float, spreads: Sequence[float]) -> float:
    low, high = math.log(spreads[0]), math.log(spreads[-1])
    return LEFT + (WIDTH - LEFT - RIGHT) * (math.log(spread) - low) / (high - low)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _axes(spreads: Sequence[float]) -> Iterator[str]:
    for percent in range(0, 101, 20):
        y = _y(percent / 100)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{INK}" stroke-opacity="0.3"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>'
    for spread in spreads:
        yield f'<text x="{_x(spread, spreads):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{spread:.0%}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle:.0f}" y="{HEIGHT - 10}" text-anchor="middle">spread between launches (standard deviation)</text>'
    yield f'<text x="{LEFT - 8}" y="{TOP - 14}">nights in which it is found</text>'


def _curve(curve: Curve, size: int, shape: int) -> Iterator[str]:
    places = [(_x(spread, curve.spreads), _y(share)) for spread, share in zip(curve.spreads, curve.found, strict=True)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{COLOURS[size]}" stroke-width="2"{_dash(shape)}/>'
    for x, y in places:
        yield _mark(x, y, size)


def _dash(shape: int) -> str:
    return ' stroke-dasharray="6 4"' if shape else ""


def _mark(x: float, y: float, size: int) -> str:
    colour = f'fill="{COLOURS[size]}"'
    if MARKS[size] == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" {colour}/>'
    corners = {
        "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        "diamond": ((0, -5), (5, 0), (0, 5), (-5, 0)),
        "triangle": ((0, -5), (5, 4), (-5, 4)),
    }[MARKS[size]]
    return f'<polygon points="{" ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)}" {colour}/>'


def _legend(sizes: Sequence[float], shapes: Sequence[str]) -> Iterator[str]:
    x, y = WIDTH - RIGHT + 16, TOP + 10
    for number, slower in enumerate(sizes):
        yield _mark(x + 6, y - 4, number)
        yield f'<text x="{x + 20}" y="{y}">{slower - 1:.0%} slower</text>'
        y += 20
    y += 12
    for number, shape in enumerate(shapes):
        yield f'<path d="M{x} {y - 4}h24" stroke="{INK}" stroke-width="2"{_dash(number)}/>'
        yield f'<text x="{x + 30}" y="{y}">{escape(shape)}</text>'
        y += 20
