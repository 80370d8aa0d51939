#!/usr/bin/env python3
"""Draws the tables of `scale.py --json` as an SVG: `plot_scale.py TABLES.json PLOT.svg`.

A panel for each table and unit, its steps from left to right, and a line for each column. Rates, latencies and bytes an
inode are drawn; memory in MiB is left to the tables.
"""

import json
import math
import sys
from pathlib import Path
from xml.sax.saxutils import escape

# What tells the unit in the title of a column that is drawn.
UNITS = ("/s", "bytes", "µs")
COLOURS = ("#c2410c", "#64748b")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 250, 56, 24, 58, 34
FOOT = HEIGHT - BOTTOM
# From the least to the most of a panel: beyond that, small values could not be told apart.
SPREAD = 50

Table = list[list[str]]


def text(x: float, y: float, said: str, anchor: str = "start", size: int = 11, colour: str = "#111827") -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{colour}">{escape(said)}</text>')


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"


def columns_by_unit(head: list[str]) -> list[list[int]]:
    """Which columns share a panel: those of one unit."""
    of_units = [[index for index, title in enumerate(head) if index > 0 and unit in title] for unit in UNITS]
    return [columns for columns in of_units if columns]


def heading(name: str, head: list[str]) -> str:
    """What the steps are: the first column's title, or the table's name where that begins so and says more."""
    return name if name.startswith(head[0]) else head[0]


class Axis:
    """How much is how high: from zero on, or by powers of ten where the values differ by more than SPREAD times."""

    def __init__(self, values: list[float]) -> None:
        least, most = min(values), max(0, *values) or 1
        self.by_powers = least > 0 and most / least > SPREAD
        if self.by_powers:
            powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
            self.marks = [10.0 ** power for power in powers]
        else:
            self.marks = [share * most for share in (0, 0.5, 1)]

    def place(self, value: float) -> float:
        each = (self.marks[0], self.marks[-1], value)
        low, high, at = map(math.log10, each) if self.by_powers else each
        return FOOT - (FOOT - TOP) * (at - low) / (high - low)

    def draw(self) -> list[str]:
        parts = []
        for mark in self.marks:
            y = self.place(mark)
            parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e5e7eb"/>')
            parts.append(text(LEFT - 6, y + 4, short(float(f"{mark:.3g}")), "end"))
        return parts


def panel(said: str, table: Table, columns: list[int]) -> list[str]:
    """The first column is where, the others named are how much."""
    head, *rows = table
    across = [LEFT + (WIDTH - LEFT - RIGHT) * step / max(1, len(rows) - 1) for step in range(len(rows))]
    axis = Axis([number(row[index]) for row in rows for index in columns])
    parts = [text(LEFT, 20, said, size=13), *axis.draw()]
    parts += [text(x, FOOT + 18, short(number(row[0])), "middle") for x, row in zip(across, rows, strict=True)]
    for position, index in enumerate(columns):
        colour = COLOURS[position % len(COLOURS)]
        heights = [axis.place(number(row[index])) for row in rows]
        parts += line(list(zip(across, heights, strict=True)), colour)
        parts.append(text(LEFT + 140 * position, 38, head[index], colour=colour))
    return parts


def line(points: list[tuple[float, float]], colour: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)]


def draw(tables: dict[str, Table]) -> str:
    """Two panels beside each other."""
    panels = [panel(heading(name, table[0]), table, columns)
              for name, table in tables.items() for columns in columns_by_unit(table[0])]
    lines = (len(panels) + 1) // 2
    size = f'width="{2 * WIDTH}" height="{lines * HEIGHT}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
             f'<rect {size} fill="#ffffff"/>']
    for position, drawn in enumerate(panels):
        parts.append(f'<g transform="translate({position % 2 * WIDTH} {position // 2 * HEIGHT})">')
        parts += [*drawn, "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: plot_scale.py TABLES.json PLOT.svg", file=sys.stderr)
        return 64
    try:
        tables = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        Path(sys.argv[2]).write_text(draw(tables), encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"plot_scale.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
