#!/usr/bin/env python3
"""Compares our device (`virtiofs serve`) with QEMU's virtiofsd: one driver, no kernel mount; see README.md."""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compare import Ratio, print_table
from copies import copies, write_file
from distance import NEAR_NANOSECONDS, Distance
from processes import Failure, interrupt_on_ending_signals, require_tool, run, signals_held, start, stop
from rows import HERE

DEFAULT_VIRTIOFS = HERE.parents[1] / ".build/release/virtiofs"
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
GOAL = 1.5
SOCKET_SECONDS = 10.0

COMMANDS = {
    "ours": ("{virtiofs}", "serve", "{share}", "--socket-path", "{socket}"),
    "virtiofsd": (VIRTIOFSD, "-o", "source={share}", "-o", "sandbox=chroot",
                  "--socket-path={socket}"),
}

# The latencies that the table shows, of those that `virtiofs bench` gives.
PERCENTILES = ("p50", "p99")

COPIES = "copies"


@dataclass
class Measured:
    """What each device did of one row at one depth, in each of the pairs."""

    rates: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COMMANDS})
    microseconds: dict[str, dict[str, list[float]]] = field(default_factory=lambda: {name: {} for name in COMMANDS})

    def add(self, name: str, figure: dict) -> None:
        self.rates[name].append(figure["rate"])
        for percentile, latency in figure["microseconds"].items():
            self.microseconds[name].setdefault(percentile, []).append(latency)

    def times(self, name: str, pairs: Iterable[int] | None = None) -> float:
        """How many times virtiofsd, the median of the pairs."""
        taken = range(len(self.rates[name])) if pairs is None else list(pairs)
        subject, peer = ([self.rates[each][pair] for pair in taken] for each in (name, "virtiofsd"))
        return Ratio.of(subject, peer).median

    def cells(self, kinds: Iterable[Sequence[int]]) -> list[str]:
        """Of the table, from the rates on; `kinds` are pairs that have a ratio of their own."""
        rates = [f"{statistics.median(self.rates[name]):,.0f}" for name in COMMANDS]
        most = f"{self.times(COPIES):.2f}" if COPIES in self.rates else ""
        latencies = [f"{statistics.median(self.microseconds[name][percentile]):,.1f}"
                     for name in COMMANDS for percentile in PERCENTILES]
        ratio = self.times("ours")
        of_kinds = [f"{self.times('ours', pairs):.2f}" for pairs in kinds]
        return [*rates, f"{ratio:.2f}", *of_kinds, most, *latencies, "" if ratio >= GOAL else f"below {GOAL}"]


Figures = dict[tuple[str, int], Measured]
Distances = dict[str, list[float]]


def is_one_copy(row: str, depth: int, files: str) -> bool:
    """Whether the host makes one copy after the other: one request at a time, or writes to one file."""
    return row.endswith(" 1024k") and (depth == 1 or row.startswith("WRITE") and files == "one")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, metavar="N",
                        help="rounds, in alternating order (default 3)")
    parser.add_argument("--seconds", default="0.5", metavar="S",
                        help="for each row and depth (default 0.5)")
    parser.add_argument("--rows", metavar="NAMES", help="as with `virtiofs bench --rows`")
    parser.add_argument("--files", choices=("one", "each"), default="one", help="as with `virtiofs bench --files`")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--virtiofs", type=Path, default=DEFAULT_VIRTIOFS, metavar="PATH")
    return parser.parse_args()


def measure(name: str, work: Path, arguments: argparse.Namespace) -> list[dict]:
    """Starts the device, lets `virtiofs bench` drive it, and ends it."""
    share, socket, out = work / "share", work / "socket", work / "figures.json"
    places = {"virtiofs": arguments.virtiofs.resolve(), "share": share, "socket": socket}
    share.mkdir(exist_ok=True)
    socket.unlink(missing_ok=True)
    with open(work / "server.log", "w", encoding="utf-8") as log:
        server = start([word.format_map(places) for word in COMMANDS[name]], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + SOCKET_SECONDS
        while not socket.exists():
            if server.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"{name} did not start: {(work / 'server.log').read_text()}")
            time.sleep(0.01)
        rows = ["--rows", arguments.rows] if arguments.rows else []
        run([str(places["virtiofs"]), "bench", "--socket-path", str(socket), "--seconds",
             arguments.seconds, "--files", arguments.files, "--json", str(out), *rows])
        return json.loads(out.read_text(encoding="utf-8"))
    finally:
        with signals_held():
            server.terminate()
            stop(server)


def collect(arguments: argparse.Namespace, work: Path) -> tuple[Figures, Distances]:
    """The figures, and how far apart the processors were after each device's."""
    figures: Figures = {}
    distances: Distances = {name: [] for name in COMMANDS}
    distance = Distance(work)
    file = work / "file"
    write_file(file)
    for pair in range(arguments.pairs):
        for name in COMMANDS if pair % 2 == 0 else reversed(COMMANDS):
            for row in measure(name, work, arguments):
                figures.setdefault((row["row"], row["depth"]), Measured()).add(name, row)
            distances[name].append(distance.nanoseconds())
            print(f"pair {pair + 1} of {arguments.pairs}: {name} is done, processors "
                  f"{distances[name][-1]:.0f} ns apart", flush=True)
        for (row, depth), measured in figures.items():
            if is_one_copy(row, depth, arguments.files):
                rate = copies(file, depth, float(arguments.seconds), row.startswith("WRITE"))
                measured.rates.setdefault(COPIES, []).append(rate)
    return figures, distances


def report(figures: Figures, distances: Distances) -> None:
    latencies = [f"{name} {percentile}" for name in COMMANDS for percentile in PERCENTILES]
    near = [pair for pair, distance in enumerate(distances["ours"]) if distance <= NEAR_NANOSECONDS]
    far = [pair for pair in range(len(distances["ours"])) if pair not in near]
    kinds = {f"near ({len(near)})": near, f"far ({len(far)})": far} if near and far else {}
    table = [["row", "depth", "ours/s", "virtiofsd/s", "ratio", *kinds, COPIES, *latencies, ""]]
    table += [[row, str(depth), *measured.cells(kinds.values())] for (row, depth), measured in figures.items()]
    print()
    print_table(table)
    reached = sum(measured.times("ours") >= GOAL for measured in figures.values())
    print(f"{reached} of {len(figures)} rows reach {GOAL}. copies: the host's copies alone, one after the other,\n"
          "which is about the most where the host makes one at a time. p50 and p99: microseconds.\n"
          "How far apart the processors were after each, a cache line there and back in nanoseconds:")
    for name, found in distances.items():
        print(f"{name}: {', '.join(f'{each:.0f}' for each in found)}")
    if kinds:
        print(f"near: the pairs in which it was at most {NEAR_NANOSECONDS:.0f} after ours; far: the others.")


def main() -> int:
    arguments = parse_arguments()
    interrupt_on_ending_signals()
    work = Path(tempfile.mkdtemp(prefix="virtiofs-device-", dir="/dev/shm"))
    try:
        require_tool(VIRTIOFSD, "qemu-system-common")
        if not os.access(arguments.virtiofs, os.X_OK):
            raise Failure(f"{arguments.virtiofs} is missing: run `swift build -c release`")
        figures, distances = collect(arguments, work)
        report(figures, distances)
        if arguments.json:
            rows = [{"row": row, "depth": depth, "figures": measured.rates, "microseconds": measured.microseconds,
                     "nanoseconds apart": distances} for (row, depth), measured in figures.items()]
            arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        return 0
    except Failure as failure:
        print(f"device.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        with signals_held():
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
