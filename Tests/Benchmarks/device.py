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
from pathlib import Path

from copies import copies, write_file
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

Figures = dict[tuple[str, int], dict[str, list[float]]]

# Rows of which the host does one copy after the other: one request at a time, or writes to one file.
ONE_COPY = {("READ 1024k", 1), ("WRITE 1024k", 1), ("WRITE 1024k", 16), ("WRITE 1024k", 64)}
COPIES = "copies"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, metavar="N",
                        help="rounds, in alternating order (default 3)")
    parser.add_argument("--seconds", default="0.5", metavar="S",
                        help="for each row and depth (default 0.5)")
    parser.add_argument("--rows", metavar="NAMES", help="as with `virtiofs bench --rows`")
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
             arguments.seconds, "--json", str(out), *rows])
        return json.loads(out.read_text(encoding="utf-8"))
    finally:
        with signals_held():
            server.terminate()
            stop(server)


def collect(arguments: argparse.Namespace, work: Path) -> Figures:
    figures: Figures = {}
    file = work / "file"
    write_file(file)
    for pair in range(arguments.pairs):
        for name in COMMANDS if pair % 2 == 0 else reversed(COMMANDS):
            for row in measure(name, work, arguments):
                of_row = figures.setdefault((row["row"], row["depth"]), {key: [] for key in COMMANDS})
                of_row[name].append(row["rate"])
            print(f"pair {pair + 1} of {arguments.pairs}: {name} is done", flush=True)
        for (row, depth), of_row in figures.items():
            if (row, depth) in ONE_COPY:
                rate = copies(file, depth, float(arguments.seconds), row.startswith("WRITE"))
                of_row.setdefault(COPIES, []).append(rate)
    return figures


def times(of_row: dict[str, list[float]], name: str) -> float:
    """How many times virtiofsd, the median of the pairs."""
    return statistics.median(a / b for a, b in zip(of_row[name], of_row["virtiofsd"], strict=True))


def report(figures: Figures) -> None:
    reached = 0
    print(f"\n{'row':<18}{'depth':>6}{'ours/s':>12}{'virtiofsd/s':>13}{'ratio':>8}{'copies':>8}")
    for (row, depth), of_row in figures.items():
        ours, peer = (statistics.median(of_row[name]) for name in COMMANDS)
        ratio = times(of_row, "ours")
        reached += ratio >= GOAL
        most = f"{times(of_row, COPIES):>8.2f}" if COPIES in of_row else f"{'':>8}"
        print(f"{row:<18}{depth:>6}{ours:>12,.0f}{peer:>13,.0f}{ratio:>8.2f}{most}"
              f"{'' if ratio >= GOAL else f'  below {GOAL}'}")
    print(f"\n{reached} of {len(figures)} rows reach {GOAL}. copies: the host's copies alone, one after the "
          "other,\nwhich is about the most where the host makes one at a time")


def main() -> int:
    arguments = parse_arguments()
    interrupt_on_ending_signals()
    work = Path(tempfile.mkdtemp(prefix="virtiofs-device-", dir="/dev/shm"))
    try:
        require_tool(VIRTIOFSD, "qemu-system-common")
        if not os.access(arguments.virtiofs, os.X_OK):
            raise Failure(f"{arguments.virtiofs} is missing: run `swift build -c release`")
        figures = collect(arguments, work)
        report(figures)
        if arguments.json:
            rows = [{"row": row, "depth": depth, "figures": of_row}
                    for (row, depth), of_row in figures.items()]
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
