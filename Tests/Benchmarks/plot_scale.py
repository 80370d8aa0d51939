#!/usr/bin/env python3
"""Draws the tables of `scale.py --json` as an SVG: `plot_scale.py TABLES.json PLOT.svg`.

A panel for each table, its steps from left to right, and a line for each column that is a rate.
"""

import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

COLOURS = ("#c2410c", "#64748b")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 250, 56, 24, 58, 34


def text(x: float, y: float, said: str, anchor: str = "start", size: int = 11, colour: str = "#111827") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(said)}</text>'


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"


def panel(table: list[list[str]]) -> list[str]:
    """The first column is where, the columns of something a second are how much; zero is at the foot."""
    head, *rows = table
    columns = [index for index, title in enumerate(head) if title.endswith("/s")]
    most = max(number(row[index]) for row in rows for index in columns)
    foot = HEIGHT - BOTTOM

    def place(step: int, value: float) -> tuple[float, float]:
        across = (WIDTH - LEFT - RIGHT) * step / max(1, len(rows) - 1)
        return LEFT + across, foot - (foot - TOP) * value / most

    parts = [text(LEFT, 20, head[0], size=13)]
    for share in (0, 0.5, 1):
        y = place(0, share * most)[1]
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e5e7eb"/>')
        parts.append(text(LEFT - 6, y + 4, short(float(f"{share * most:.3g}")), "end"))
    for step, row in enumerate(rows):
        parts.append(text(place(step, 0)[0], foot + 18, short(number(row[0])), "middle"))
    for line, index in enumerate(columns):
        colour = COLOURS[line % len(COLOURS)]
        points = [place(step, number(row[index])) for step, row in enumerate(rows)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(text(LEFT + 140 * line, 38, head[index], colour=colour))
    return parts


def draw(tables: dict[str, list[list[str]]]) -> str:
    """Two panels beside each other."""
    lines = (len(tables) + 1) // 2
    size = f'width="{2 * WIDTH}" height="{lines * HEIGHT}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
             f'<rect {size} fill="#ffffff"/>']
    for position, table in enumerate(tables.values()):
        parts.append(f'<g transform="translate({position % 2 * WIDTH} {position // 2 * HEIGHT})">')
        parts += [*panel(table), "</g>"]
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
