"""Pictures of a table's rows: one SVG file whose rows the page shows one by one (`FILE.svg#r0`), beside the numbers.

Drawn with presentation attributes alone, because a strict content policy blocks styles; without words, because words in a
picture can be neither resized nor read aloud. The colours keep 3:1 on white and on the dark page, and differ for the colour-blind.
"""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 1000, 24
GAP = 3
GREY, BLUE, ORANGE = "#828a96", "#3f7fd6", "#d9730d"


def picture(rows: Sequence[str]) -> str:
    """The file. Each row is drawn in a box of `WIDTH` × `HEIGHT` that begins at 0, 0."""
    height = HEIGHT * len(rows)
    body = "\n".join(_row(index, shapes) for index, shapes in enumerate(rows))
    head = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg {head} preserveAspectRatio="none">\n{body}\n</svg>\n'


def _row(index: int, shapes: str) -> str:
    top = index * HEIGHT
    view = f'<view id="r{index}" viewBox="0 {top} {WIDTH} {HEIGHT}" preserveAspectRatio="none"/>'
    return f'{view}<g transform="translate(0 {top})">{grid()}{shapes}</g>'


def grid() -> str:
    """Lines at each quarter of the scale."""
    return "".join(box(x, 2, 0, HEIGHT, GREY, 0.25) for x in range(0, WIDTH + 1, WIDTH // 4))


def box(x: float, width: float, y: float, height: float, fill: str, opacity: float = 1) -> str:
    """A filled rectangle, pushed inside the picture where it would stick out."""
    left = min(max(x, 0), WIDTH - width)
    return (
        f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{height}" fill="{fill}" fill-opacity="{opacity}"/>'
    )


def shares(part: int, whole: int, end: int) -> str:
    """A count and a part of it on a scale from 0 to `end`: the whole as a thin orange bar, the part as a thick blue one over it."""
    scale = WIDTH / max(end, 1)
    whole_bar = box(0, whole * scale, 9, 6, ORANGE)
    return whole_bar + (box(0, part * scale, 4, 16, BLUE) if part else "")


def stacked(parts: Sequence[tuple[float, str, int]]) -> str:
    """Shares of a whole side by side, each with its colour and its height; they stand on one line, with a gap between them."""
    shapes, left = [], 0.0
    for share, colour, height in parts:
        width = max(share * WIDTH - GAP, GAP)
        shapes.append(box(left, width, HEIGHT - 2 - height, height, colour))
        left += share * WIDTH
    return "".join(shapes)
