#!/usr/bin/env python3
"""Draws the figures of `compare.py --json` as an SVG: `plot.py FIGURES.json PLOT.svg`.

A bar begins at the yardstick's median and ends at the peer's: to the right where the peer is faster.
"""

import json
import math
import statistics
import sys
from pathlib import Path
from xml.sax.saxutils import escape

YARDSTICK = "passthrough_ll"
BARS = {"ours": "#c2410c", "bindfs": "#64748b"}
FLOOR, FLOOR_COLOUR = "null", "#111827"
# The least that is shown to the left and to the right, in times the yardstick.
LEAST, MOST = 0.5, 4.0
LEFT, WIDTH, RIGHT, BAR, GAP, TOP, BOTTOM = 250, 470, 40, 10, 10, 52, 30

Ratios = dict[str, dict[str, float]]


def ratios_of(figures: dict) -> Ratios:
    """Of each row, how many times the yardstick each peer does."""
    shown: Ratios = {}
    for row in figures["rows"].values():
        medians = {name: statistics.median(values) for name, values in row["figures"].items()}
        shown[row["title"]] = {name: medians[name] / medians[YARDSTICK]
                               for name in (*BARS, FLOOR) if name in medians}
    return shown


class Scale:
    """Doubling is the same way everywhere."""

    def __init__(self, ratios: Ratios) -> None:
        every = [ratio for of_row in ratios.values() for ratio in of_row.values()]
        self.low = math.floor(math.log2(min(LEAST, *every)))
        self.high = math.ceil(math.log2(max(MOST, *every)))

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


def draw_row(title: str, of_row: dict[str, float], y: float, scale: Scale) -> list[str]:
    height = BAR * len(BARS)
    parts, numbers = [text(LEFT - 10, y + height / 2 + 4, title, "end")], []
    for place, (name, colour) in enumerate(BARS.items()):
        if name not in of_row:
            continue
        start, end, top = scale.place(1), scale.place(of_row[name]), y + place * BAR
        parts.append(box(min(start, end), top, abs(end - start), BAR - 1, colour))
        x, anchor = (end + 4, "start") if end >= start else (end - 4, "end")
        numbers.append(text(x, top + 8.5, f"{of_row[name]:.2f}", anchor, 9))
    if FLOOR in of_row:
        parts.append(box(scale.place(of_row[FLOOR]) - 1.5, y - 2, 3, height + 3, FLOOR_COLOUR))
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
