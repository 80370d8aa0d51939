#!/usr/bin/env python3
"""Draws the figures of `compare.py --json` as an SVG: `plot.py FIGURES.json PLOT.svg`."""

import json
import statistics
import sys
from pathlib import Path
from xml.sax.saxutils import escape

COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#475569")
# The yardstick: every bar is a multiple of this peer's median.
YARDSTICK = "passthrough_ll"
LEFT, WIDTH, BAR, GAP, TOP = 250, 480, 11, 12, 46


def medians(row: dict) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in row["figures"].items()}


def draw(figures: dict) -> str:
    rows = list(figures["rows"].values())
    names = [name for name in rows[0]["figures"] if name not in ("plain", "ours-direct")]
    ratios = [{name: medians(row)[name] / medians(row)[YARDSTICK] for name in names} for row in rows]
    scale = WIDTH / max(max(of_row.values()) for of_row in ratios)
    step = BAR * len(names) + GAP
    height = TOP + step * len(rows) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{height}" '
             'font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>']
    for index, name in enumerate(names):
        x = 12 + 150 * index
        parts.append(f'<rect x="{x}" y="12" width="12" height="12" fill="{COLOURS[index]}"/>')
        parts.append(f'<text x="{x + 18}" y="22">{escape(name)}</text>')
    for index, (row, of_row) in enumerate(zip(rows, ratios, strict=True)):
        y = TOP + index * step
        parts.append(f'<text x="{LEFT - 8}" y="{y + BAR * len(names) / 2 + 4}" '
                     f'text-anchor="end">{escape(row["title"])}</text>')
        for place, name in enumerate(names):
            width, top = of_row[name] * scale, y + place * BAR
            parts.append(f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR - 1}" '
                         f'fill="{COLOURS[place]}"/>')
            parts.append(f'<text x="{LEFT + width + 4:.1f}" y="{top + 9}" font-size="9">'
                         f'{of_row[name]:.2f}</text>')
    x = LEFT + scale
    parts.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 10}" stroke="#94a3b8" '
                 'stroke-dasharray="3 3"/>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = map(Path, sys.argv[1:])
    target.write_text(draw(json.loads(source.read_text(encoding="utf-8"))), encoding="utf-8")
