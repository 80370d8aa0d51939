#!/usr/bin/env python3
"""Compares this project's mount with other file systems on one tmpfs folder; see README.md."""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import peers
from peers import Places, mounted
from processes import (Failure, allow_descriptors, interrupt_on_ending_signals, run,
                       signals_held)
from rows import HERE, Row, Settings, require_tools, select_rows, warm_up

DEFAULT_PEERS = "ours,ours-direct,passthrough_ll,bindfs,null,plain"
DEFAULT_VIRTIOFS = HERE.parents[1] / ".build/release/virtiofs"
WORK_PREFIX = "virtiofs-compare-"
# A row holds against a rival when its ratio reaches both.
HOLDS_MEDIAN, HOLDS_LOWER_QUARTILE = 1.0, 0.95
# Times passthrough_ll, as geometric mean over the rows.
GOAL_OVER_ALL = 1.5

Figures = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Ratio:
    """Subject over peer, over all pairs of one row."""

    median: float
    lower_quartile: float

    @classmethod
    def of(cls, subject: Sequence[float], peer: Sequence[float]) -> "Ratio":
        ratios = [ours / theirs for ours, theirs in zip(subject, peer, strict=True)]
        return cls(statistics.median(ratios), lower_quartile(ratios))

    @property
    def holds(self) -> bool:
        return self.median >= HOLDS_MEDIAN and self.lower_quartile >= HOLDS_LOWER_QUARTILE


def lower_quartile(values: Sequence[float]) -> float:
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=4, method="inclusive")[0]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=DEFAULT_PEERS, metavar="NAMES",
                        help="file systems, with commas; the first is compared with each other "
                             f"one (of {', '.join(peers.COMMANDS)}; default {DEFAULT_PEERS})")
    parser.add_argument("--rows", default="core", metavar="NAMES",
                        help="core, all, or names of rows, with commas (default core)")
    parser.add_argument("--pairs", type=int, default=7, metavar="N",
                        help="rounds, in alternating order of the peers (default 7)")
    parser.add_argument("--seconds", type=float, default=0.8, metavar="S",
                        help="how long fio measures (default 0.8)")
    parser.add_argument("--quick", action="store_true", help="one small round, to try things out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--virtiofs", type=Path, default=DEFAULT_VIRTIOFS, metavar="PATH",
                        help="the binary (default .build/release/virtiofs)")
    parser.add_argument("--tmpfs", type=Path, default=Path("/dev/shm"), metavar="DIR",
                        help="a tmpfs folder to work in (default /dev/shm)")
    arguments = parser.parse_args()
    if arguments.pairs < 1:
        parser.error("--pairs must be at least 1")
    if arguments.json and not os.access(arguments.json.resolve().parent, os.W_OK):
        parser.error(f"{arguments.json} can't be written")
    return arguments


def select_peers(selection: str) -> list[str]:
    names = list(dict.fromkeys(selection.split(",")))
    for name in names:
        if name not in peers.COMMANDS:
            raise Failure(f"no peer is called {name}: choose from {', '.join(peers.COMMANDS)}")
    return names


def make_work_folder(tmpfs: Path) -> Path:
    place = tmpfs.resolve()
    if not os.access(place, os.W_OK) or peers.file_system_type(place) != "tmpfs":
        raise Failure(f"{tmpfs} is not a tmpfs folder that can be written: name one with --tmpfs")
    for left in place.glob(f"{WORK_PREFIX}*"):
        peers.remove_abandoned(left)
    work = Path(tempfile.mkdtemp(prefix=WORK_PREFIX, dir=place))
    peers.claim(work)
    return work


def note(text: str) -> None:
    """Shows progress on a terminal, and only there."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def observe_terms(names: Sequence[str], places: Places) -> dict[str, dict[str, float]]:
    """What each mount really grants, and a warning where that isn't what the others get."""
    terms: dict[str, dict[str, float]] = {}
    for name in names:
        if not peers.COMMANDS[name] or name == peers.FLOOR:
            continue
        note(f"terms of {name}")
        try:
            with mounted(name, places) as root:
                seen = json.loads(run([sys.executable, str(HERE / "terms.py"),
                                       str(places.share), str(root)]))
        except Failure as failure:
            raise Failure(f"terms of {name}: {failure}") from None
        terms[name] = seen
        kept = (seen["attribute_seconds"], seen["name_seconds"])
        if not all(0.9 < seconds < 1.2 for seconds in kept) or not seen["xattrs"]:
            note("")
            print(f"warning: {name} is not on equal terms: attributes kept {kept[0]} s, names "
                  f"{kept[1]} s, xattrs {'on' if seen['xattrs'] else 'off'}", file=sys.stderr)
    return terms


def measure(names: Sequence[str], rows: Sequence[Row], pairs: int, places: Places,
            settings: Settings) -> Figures:
    """Every row on every peer, each on a fresh mount; each pair turns the peers' order round."""
    figures: Figures = {row.name: {name: [] for name in names if can_run(name, row)} for row in rows}
    for pair in range(pairs):
        for row in rows:
            on = list(figures[row.name])
            for name in on if pair % 2 == 0 else reversed(on):
                note(f"pair {pair + 1} of {pairs}: {row.title}: {name}")
                figures[row.name][name].append(measure_once(name, row, places, settings))
            print_progress(f"pair {pair + 1} of {pairs}", row, figures[row.name])
    print()
    return figures


def can_run(name: str, row: Row) -> bool:
    """The floor has one file, and nothing but that to measure."""
    return name != peers.FLOOR or row.on_one_file


def print_progress(pair: str, row: Row, of_row: dict[str, list[float]]) -> None:
    """Shows each row as soon as it is measured: a whole run takes many minutes."""
    note("")
    cells = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in of_row.items())
    print(f"{pair}: {row.title}, {row.unit}: {cells}", flush=True)


def measure_once(name: str, row: Row, places: Places, settings: Settings) -> float:
    try:
        row.prepare(places.share, settings)
        with mounted(name, places) as root:
            warm_up(root)
            return row.run(root, settings)
    except Failure as failure:
        raise Failure(f"{row.name} on {name}: {failure}") from None


def all_ratios(figures: Figures, names: Sequence[str]) -> dict[str, dict[str, Ratio]]:
    subject, *others = names
    return {row: {other: Ratio.of(of_row[subject], of_row[other])
                  for other in others if other in of_row}
            for row, of_row in figures.items()}


def geometric_means(ratios: dict[str, dict[str, Ratio]], others: Sequence[str]) -> dict[str, float]:
    """Over the rows that each of the others has."""
    medians = {other: [of_row[other].median for of_row in ratios.values() if other in of_row]
               for other in others}
    return {other: statistics.geometric_mean(values) for other, values in medians.items() if values}


def verdict(of_row: dict[str, Ratio]) -> str:
    """Whether the row holds against every rival; empty when not all of them were measured."""
    if not all(rival in of_row for rival in peers.RIVALS):
        return ""
    return "holds" if all(of_row[rival].holds for rival in peers.RIVALS) else "misses"


def print_table(lines: Sequence[Sequence[str]]) -> None:
    """Prints cells in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *rest in lines:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    print()


def print_figures(figures: Figures, rows: Sequence[Row], names: Sequence[str]) -> None:
    lines = [["median", "unit", *names]]
    for row in rows:
        of_row = figures[row.name]
        cells = [f"{statistics.median(of_row[name]):,.0f}" if name in of_row else ""
                 for name in names]
        lines.append([row.title, row.unit, *cells])
    print_table(lines)


def print_ratios(ratios: dict[str, dict[str, Ratio]], rows: Sequence[Row],
                 names: Sequence[str]) -> None:
    subject, *others = names
    lines = [[f"{subject} / peer: median (lower quartile)", *others, ""]]
    for row in rows:
        of_row = ratios[row.name]
        cells = [f"{of_row[other].median:.2f} ({of_row[other].lower_quartile:.2f})"
                 if other in of_row else "" for other in others]
        lines.append([row.title, *cells, verdict(of_row)])
    means = geometric_means(ratios, others)
    cells = [f"{means[other]:.2f}" if other in means else "" for other in others]
    lines.append(["geometric mean of the medians", *cells, ""])
    print_table(lines)
    print_verdict(ratios, means)


def print_verdict(ratios: dict[str, dict[str, Ratio]], means: dict[str, float]) -> None:
    verdicts = [verdict(of_row) for of_row in ratios.values()]
    if all(verdicts):
        print(f"{verdicts.count('holds')} of {len(verdicts)} rows hold; "
              f"{means['passthrough_ll']:.2f} times passthrough_ll over all (goal {GOAL_OVER_ALL})")


def tool_versions() -> dict[str, str]:
    commands = {"fio": ["fio", "--version"], "bindfs": ["bindfs", "--version"],
                "libfuse": ["pkg-config", "--modversion", "fuse3"]}
    return {name: run(command).strip() for name, command in commands.items()
            if shutil.which(command[0])}


def as_json(figures: Figures, ratios: dict[str, dict[str, Ratio]], rows: Sequence[Row],
            names: Sequence[str], terms: dict[str, dict[str, float]], settings: Settings) -> str:
    return json.dumps({
        "machine": {"kernel": platform.release(), "cpus": os.cpu_count(),
                    "python": platform.python_version(), **tool_versions()},
        "settings": {"files": settings.files, "large_bytes": settings.large_bytes,
                     "fio_seconds": settings.fio_seconds},
        "commands": {name: peers.COMMANDS[name] for name in names},
        "terms": terms,
        "rows": {row.name: {
            "title": row.title,
            "unit": row.unit,
            "figures": figures[row.name],
            "ratios": {other: vars(ratio) for other, ratio in ratios[row.name].items()},
            "verdict": verdict(ratios[row.name]),
        } for row in rows},
        "geometric_means": geometric_means(ratios, names[1:]),
    }, indent=2) + "\n"


def compare(arguments: argparse.Namespace, work: Path) -> None:
    names, rows = select_peers(arguments.peers), select_rows(arguments.rows)
    places = Places(work, work / "share", work / "mount", arguments.virtiofs.resolve())
    settings = (Settings(500, 64 << 20, 0.3, work) if arguments.quick
                else Settings(5000, 256 << 20, arguments.seconds, work))
    pairs = 1 if arguments.quick else arguments.pairs
    places.share.mkdir()
    allow_descriptors(wanted=1 << 16, least=2 * settings.files + 4000)
    peers.require_rights(names)
    require_tools(rows)
    peers.make_ready(names, places)
    try:
        terms = observe_terms(names, places)
        figures = measure(names, rows, pairs, places, settings)
    finally:
        note("")
    ratios = all_ratios(figures, names)
    print_figures(figures, rows, names)
    if len(names) > 1:
        print_ratios(ratios, rows, names)
    if arguments.json:
        arguments.json.write_text(as_json(figures, ratios, rows, names, terms, settings),
                                  encoding="utf-8")


def main() -> int:
    arguments = parse_arguments()
    interrupt_on_ending_signals()
    work: Path | None = None
    try:
        work = make_work_folder(arguments.tmpfs)
        compare(arguments, work)
        return 0
    except Failure as failure:
        print(f"compare.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("compare.py: interrupted, nothing is left mounted", file=sys.stderr)
        return 130
    finally:
        if work is not None:
            with signals_held():
                peers.remove_work_folder(work)


if __name__ == "__main__":
    sys.exit(main())
