#!/usr/bin/env python3
"""How the mount grows: with inodes known, entries listed, queues, requests under way, and mounts; see README.md."""

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import peers
from compare import DEFAULT_VIRTIOFS, print_table
from processes import Failure, interrupt_on_ending_signals, require_tool, run, signals_held, start, stop
from rows import HERE

MANY_MOUNTS = HERE / "Micro/.build/release/ManyMounts"
FIO_SECONDS = 0.8
LOOKUPS = 2000
ROUNDS = 3
BLOCK_BYTES = 64 << 20

Table = list[list[str]]


class Mounts:
    """Shares below a temporary folder, and mounts of them."""

    def __init__(self, work: Path, virtiofs: Path) -> None:
        self.work, self.virtiofs = work, virtiofs

    @contextlib.contextmanager
    def mounted(self, share: Path, *options: str) -> Iterator[tuple[Path, int]]:
        """Where the share is seen, and the process that serves it."""
        mountpoint = Path(tempfile.mkdtemp(prefix="mount-", dir=self.work))
        log = mountpoint.with_suffix(".log")
        with open(log, "w", encoding="utf-8") as output:
            server = start([str(self.virtiofs), "mount", "-f", *options, str(share), str(mountpoint)],
                           stdout=output, stderr=output)
        try:
            peers.wait_until_mounted("ours", server, mountpoint, log)
            yield mountpoint, server.pid
        finally:
            with signals_held():
                peers.unmount(mountpoint)
                stop(server)


def resident_bytes(process: int) -> int:
    pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def powers(base: int, first: int, last: int) -> list[int]:
    return [base ** power for power in range(first, last + 1)]


# Each of these measures one thing and returns its table, the first line of which names the columns.

def inodes(mounts: Mounts, largest: int) -> Table:
    """Folders of ever more files: listed, then each looked at, so that the mount knows them all, then asked for again."""
    table = [["files in one folder", "entries/s", "MiB for the list", "bytes an inode", "lookup µs"]]
    for count in powers(10, 3, largest):
        share = mounts.work / f"files-{count}"
        fill(share, count)
        with mounts.mounted(share) as (mountpoint, server):
            table.append([f"{count:,}", *figures_of_inodes(mountpoint, server, count)])
        remove(share, count)
    return table


def figures_of_inodes(mountpoint: Path, server: int, count: int) -> list[str]:
    os.listdir(mountpoint)  # what is made once, such as threads
    before = resident_bytes(server)
    seconds = min(timed(lambda: os.listdir(mountpoint)) for _ in range(ROUNDS))
    listed = resident_bytes(server)
    with os.scandir(mountpoint) as entries:
        known = sum(entry.stat(follow_symlinks=False).st_size == 0 for entry in entries)
    if known != count:
        raise Failure(f"{known} of {count} files are listed")
    grown = resident_bytes(server) - listed
    lookup = statistics.median(lookup_microseconds(mountpoint, count) for _ in range(ROUNDS))
    return [f"{count / seconds:,.0f}", f"{(listed - before) / 2**20:.1f}", f"{grown / count:,.0f}", f"{lookup:.1f}"]


def lookup_microseconds(mountpoint: Path, count: int) -> float:
    """A stat of a file whose name the kernel has kept for too long: one LOOKUP of an inode that is known."""
    time.sleep(1.1)
    names = [str(mountpoint / f"file-{number:07}") for number in random.sample(range(count), min(LOOKUPS, count))]
    return timed(lambda: [os.stat(name) for name in names]) / len(names) * 1e6


def fill(share: Path, count: int) -> None:
    share.mkdir()
    flags = os.O_CREAT | os.O_WRONLY
    for number in range(count):
        os.close(os.open(f"{share}/file-{number:07}", flags, 0o644))


def remove(share: Path, count: int) -> None:
    for number in range(count):
        os.unlink(f"{share}/file-{number:07}")
    share.rmdir()


def queues(mounts: Mounts, largest: int) -> Table:
    share = large_file(mounts)
    table = [["request queues", "1 process, ops/s", "4 processes, ops/s"]]
    for count in powers(2, 0, largest):
        with mounts.mounted(share, "--queues", str(count)) as (mountpoint, _):
            rates = [random_reads([mountpoint], jobs) for jobs in (1, 4)]
        table.append([str(count), *(f"{rate:,.0f}" for rate in rates)])
    return table


def depths(mounts: Mounts, largest: int) -> Table:
    """The device alone, without a kernel before it."""
    share, out = mounts.work / "bench", mounts.work / "bench.json"
    share.mkdir(exist_ok=True)
    wanted = ",".join(map(str, powers(2, 0, largest)))
    run([str(mounts.virtiofs), "bench", str(share), "--rows", "getattr,read 4k", "--depths", wanted, "--entries", "1",
         "--seconds", "0.3", "--json", str(out)])
    of_row: dict[str, list[dict]] = {}
    for figure in json.loads(out.read_text(encoding="utf-8")):
        of_row.setdefault(figure["row"], []).append(figure)
    table = [["requests under way", *(f"{row}{column}" for row in of_row for column in (", ops/s", ", p99 µs"))]]
    for together in zip(*of_row.values(), strict=True):
        cells = [(f"{figure['rate']:,}", f"{figure['microseconds']['p99']:,.1f}") for figure in together]
        table.append([str(together[0]["depth"]), *(cell for pair in cells for cell in pair)])
    return table


def many_mounts(mounts: Mounts, largest: int) -> Table:
    share = large_file(mounts)
    table = [["mounts", "all together, ops/s", "MiB for each"]]
    for count in powers(2, 0, largest):
        with contextlib.ExitStack() as stack:
            up = [stack.enter_context(mounts.mounted(share)) for _ in range(count)]
            rate = random_reads([mountpoint for mountpoint, _ in up], 1)
            size = statistics.mean(resident_bytes(server) for _, server in up) / 2**20
        table.append([str(count), f"{rate:,.0f}", f"{size:.1f}"])
    return table


def mounts_in_one_process(mounts: Mounts, largest: int) -> Table:
    share = large_file(mounts)
    table = [["mounts", "all together, ops/s", "MiB for each"]]
    for count in powers(2, 0, largest):
        with all_in_one(mounts, share, count) as (mountpoints, server):
            rate = random_reads(mountpoints, 1)
            size = resident_bytes(server) / count / 2**20
        table.append([str(count), f"{rate:,.0f}", f"{size:.1f}"])
    return table


@contextlib.contextmanager
def all_in_one(mounts: Mounts, share: Path, count: int) -> Iterator[tuple[list[Path], int]]:
    """So many mounts of the share, and the one process that serves them."""
    mountpoints = [Path(tempfile.mkdtemp(prefix="mount-", dir=mounts.work)) for _ in range(count)]
    log = mounts.work / "many.log"
    with open(log, "w", encoding="utf-8") as output:
        server = start([str(MANY_MOUNTS), str(share), *map(str, mountpoints)], stdin=subprocess.PIPE, stdout=output,
                       stderr=output)
    try:
        for mountpoint in mountpoints:
            peers.wait_until_mounted("ManyMounts", server, mountpoint, log)
        yield mountpoints, server.pid
    finally:
        with signals_held():
            server.stdin.close()
            for mountpoint in mountpoints:
                peers.unmount(mountpoint)
            stop(server)


def large_file(mounts: Mounts) -> Path:
    share = mounts.work / "large"
    if not share.exists():
        share.mkdir()
        (share / "large").write_bytes(random.Random(1).randbytes(BLOCK_BYTES))
    return share


def random_reads(mountpoints: list[Path], jobs: int) -> float:
    """Direct reads of 4 KiB a second, of so many processes on each mount."""
    options = [f"--name=row-{number} --filename={mountpoint}/large --numjobs={jobs}".split()
               for number, mountpoint in enumerate(mountpoints)]
    output = run(["fio", "--ioengine=psync", "--direct=1", "--time_based", "--rw=randread", "--bs=4k",
                  f"--size={BLOCK_BYTES}", f"--runtime={FIO_SECONDS * 1000:.0f}ms", "--allow_file_create=0",
                  "--gtod_reduce=1", "--eta=never", "--output-format=json", *(word for job in options for word in job)])
    return sum(job["read"]["iops"] for job in json.loads(output[output.index("{"):])["jobs"])


# What can be measured: with the exponent of the largest, of ten or of two, in a whole run and in a quick one.
MEASURES: dict[str, tuple[Callable[[Mounts, int], Table], int, int]] = {
    "inodes": (inodes, 6, 4),
    "queues": (queues, 3, 1),
    "depths": (depths, 8, 3),
    "mounts": (many_mounts, 4, 1),
    "mounts in one process": (mounts_in_one_process, 4, 1),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measures", default=",".join(MEASURES), metavar="NAMES",
                        help=f"with commas; of {', '.join(MEASURES)} (default all)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all tables to FILE")
    parser.add_argument("--virtiofs", type=Path, default=DEFAULT_VIRTIOFS, metavar="PATH")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, mounts: Mounts) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for name in arguments.measures.split(","):
        if name not in MEASURES:
            raise Failure(f"no measure is called {name}: choose from {', '.join(MEASURES)}")
        function, largest, quick = MEASURES[name]
        tables[name] = function(mounts, quick if arguments.quick else largest)
        print_table(tables[name])
    return tables


def main() -> int:
    arguments = parse_arguments()
    interrupt_on_ending_signals()
    work = Path(tempfile.mkdtemp(prefix="virtiofs-scale-", dir="/dev/shm"))
    try:
        require_tool("fio", "fio")
        require_tool("fusermount3", "fuse3")
        require_tool("setpriv", "util-linux")
        if not os.access(arguments.virtiofs, os.X_OK):
            raise Failure(f"{arguments.virtiofs} is missing: run `swift build -c release`")
        if "mounts in one process" in arguments.measures.split(",") and not os.access(MANY_MOUNTS, os.X_OK):
            raise Failure(f"{MANY_MOUNTS} is missing: run `swift build -c release --package-path {HERE}/Micro`")
        tables = measure(arguments, Mounts(work, arguments.virtiofs.resolve()))
        if arguments.json:
            arguments.json.write_text(json.dumps(tables, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return 0
    except Failure as failure:
        print(f"scale.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        with signals_held():
            peers.remove_work_folder(work)


if __name__ == "__main__":
    sys.exit(main())
