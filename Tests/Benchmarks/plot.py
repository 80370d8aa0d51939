#!/usr/bin/env python3
"""Draws the figures of `compare.py --json` as an SVG: `plot.py FIGURES.json PLOT.svg`.

A bar begins at the yardstick and ends at the peer: to the right where the peer is faster. How many times the yardstick
a peer does is the median over the pairs of the ratio within each, as in the tables of `compare.py`.
"""

import json
import math
import sys
from pathlib import Path
from xml.sax.saxutils import escape

from compare import Ratio

YARDSTICK = "passthrough_ll"
BARS = {"ours": "#c2410c", "bindfs": "#64748b"}
FLOOR, FLOOR_COLOUR = "null", "#111827"
# The least that is shown to the left and to the right, in times the yardstick.
LEAST, MOST = 0.5, 4.0
# So many times more is shown, for the number at a bar's end.
ROOM = 1.3
LEFT, WIDTH, RIGHT, BAR, GAP, TOP, BOTTOM = 250, 470, 40, 10, 10, 52, 30
# How wide the number at a bar's end is.
NUMBER = 26

Ratios = dict[str, dict[str, float]]


def ratios_of(figures: dict) -> Ratios:
    """Of each row, how many times the yardstick each peer does."""
    shown: Ratios = {}
    for row in figures["rows"].values():
        of_row = row["figures"]
        shown[row["title"]] = {name: Ratio.of(of_row[name], of_row[YARDSTICK]).median
                               for name in (*BARS, FLOOR) if name in of_row}
    return shown


class Scale:
    """Doubling is the same way everywhere."""

    def __init__(self, ratios: Ratios) -> None:
        every = [ratio for of_row in ratios.values() for ratio in of_row.values()]
        self.low = math.floor(math.log2(min(LEAST, min(every) / ROOM)))
        self.high = math.ceil(math.log2(max(MOST, max(every) * ROOM)))

    def place(self, ratio: float) -> float:
        return LEFT + WIDTH * (math.log2(ratio) - self.low) / (self.high - self.low)

    @property
    def marks(self) -> list[float]:
        return [2.0 ** power for power in range(self.low, self.high + 1)]


def text(x: float, y: float, said: str, anchor: str = "start", size: int = 12) -> str:
    """With a rim, so that it can be read on a line."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" stroke="#ffffff" '
            f'stroke-width="2" paint-order="stroke">{escape(said)}</text>')


def box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def legend(figures: dict) -> list[str]:
    names = {**BARS, FLOOR: FLOOR_COLOUR}
    known = figures["commands"]
    titles = {FLOOR: "libfuse's null server"}
    parts, x = [], 16
    for name in (name for name in names if name in known):
        width = 3 if name == FLOOR else 12
        parts += [box(x, 12, width, 12, names[name]), text(x + 18, 22, titles.get(name, name))]
        x += 50 + 7 * len(titles.get(name, name))
    return [*parts, text(LEFT + WIDTH + RIGHT - 8, 22, f"times {YARDSTICK}; more is faster", "end")]


def grid(scale: Scale, bottom: float) -> list[str]:
    parts = []
    for mark in scale.marks:
        x, colour = scale.place(mark), "#111827" if mark == 1 else "#d1d5db"
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="{colour}"/>')
        parts.append(text(x, bottom + 16, f"{mark:g}", "middle", 11))
    return parts


def past(floor: float | None, end: float) -> float:
    """Where the number of a bar may begin: behind the floor's mark, too, where that would be in its way."""
    return floor if floor is not None and end - 6 < floor < end + NUMBER else end


def draw_row(title: str, of_row: dict[str, float], y: float, scale: Scale) -> list[str]:
    height = BAR * len(BARS)
    floor = scale.place(of_row[FLOOR]) if FLOOR in of_row else None
    parts, numbers = [text(LEFT - 10, y + height / 2 + 4, title, "end")], []
    for place, (name, colour) in enumerate(BARS.items()):
        if name not in of_row:
            continue
        start, end, top = scale.place(1), scale.place(of_row[name]), y + place * BAR
        parts.append(box(min(start, end), top, abs(end - start), BAR - 1, colour))
        x, anchor = (past(floor, end) + 4, "start") if end >= start else (end - 4, "end")
        numbers.append(text(x, top + 8.5, f"{of_row[name]:.2f}", anchor, 9))
    if floor is not None:
        parts.append(box(floor - 1.5, y - 2, 3, height + 3, FLOOR_COLOUR))
    return parts + numbers


def draw(figures: dict) -> str:
    ratios = ratios_of(figures)
    scale = Scale(ratios)
    step = BAR * len(BARS) + GAP
    bottom = TOP + step * len(ratios)
    size = f"{LEFT + WIDTH + RIGHT} {bottom + BOTTOM}"
    # On a page of any colour: the picture brings its own.
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" font-family="sans-serif" fill="#111827">',
             '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>', *legend(figures), *grid(scale, bottom)]
    for index, (title, of_row) in enumerate(ratios.items()):
        parts += draw_row(title, of_row, TOP + index * step, scale)
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = map(Path, sys.argv[1:])
    figures = json.loads(source.read_text(encoding="utf-8"))
    if any(YARDSTICK not in row["figures"] for row in figures["rows"].values()):
        sys.exit(f"plot.py: {source} has no figures of {YARDSTICK}")
    target.write_text(draw(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
