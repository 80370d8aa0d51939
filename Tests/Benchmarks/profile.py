#!/usr/bin/env python3
"""Says where the processor time of a direct read of 4 KiB goes, program and mount together; see README.md."""

import argparse
import json
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import peers
from compare import DEFAULT_VIRTIOFS, print_table
from processes import Failure, interrupt_on_ending_signals, require_tool, run, signals_held, start, stop

FILE_BYTES = 256 << 20
SAMPLES_A_SECOND = 4000
WARM_UP_SECONDS = 1.0
PROGRAM = "fio"
# The kernel and its modules, as perf names them.
KERNEL_OBJECT = re.compile(r"\(\[(?!vdso|unknown)|\.ko")
# A mangled name of Swift's begins with the length of the module's name, and that.
MANGLED = re.compile(r"^\$s(\d+)(\w+)")
MODULES = {
    "KernelMount": "mount", "Syscalls": "mount", "VirtioFSDriver": "driver", "Virtqueue": "rings", "GuestMemory": "rings",
    "Virtio": "rings", "VirtioFSDevice": "device", "FUSEWire": "device", "HostDirectory": "host folder",
}
# The first of these that any frame of the kernel's matches is where a sample of it belongs.
KERNEL = (
    (re.compile(r"^(schedule|__schedule|try_to_wake_up|finish_task_switch)\b"), "kernel: threads change places, and are woken"),
    (re.compile(r"^fuse_dev_do_read$"), "kernel: hands the request over"),
    (re.compile(r"^fuse_dev_do_write$"), "kernel: takes the answer"),
    (re.compile(r"^shmem_"), "host's file system"),
    (re.compile(r"^fuse_"), "kernel: makes the request"),
)
OTHER_KERNEL = "kernel: enters and leaves system calls, the rest"
RUNTIME = "Swift's and C's run-time libraries"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="how long it looks (default 5)")
    parser.add_argument("--virtiofs", type=Path, default=DEFAULT_VIRTIOFS, metavar="PATH")
    return parser.parse_args()


def reads(mountpoint: Path, seconds: float) -> list[str]:
    return ["fio", "--name=row", f"--filename={mountpoint}/large", "--ioengine=psync", "--direct=1", "--time_based",
            "--rw=randread", "--bs=4k", f"--size={FILE_BYTES}", f"--runtime={seconds * 1000:.0f}ms",
            f"--ramp_time={WARM_UP_SECONDS * 1000:.0f}ms", "--allow_file_create=0", "--gtod_reduce=1", "--eta=never",
            "--output-format=json"]


def record(work: Path, virtiofs: Path, seconds: float) -> tuple[Path, float]:
    """Samples of all processors while one process reads through a mount; and the reads a second meanwhile."""
    share, mountpoint, log, samples = work / "share", work / "mount", work / "server.log", work / "samples"
    share.mkdir()
    mountpoint.mkdir()
    with open(share / "large", "wb") as file:
        for _ in range(FILE_BYTES >> 20):
            file.write(os.urandom(1 << 20))
    with open(log, "w", encoding="utf-8") as output:
        server = start([str(virtiofs), "mount", "-f", str(share), str(mountpoint)], stdout=output, stderr=output)
    try:
        peers.wait_until_mounted("ours", server, mountpoint, log)
        run(reads(mountpoint, 0.2))
        output = run(["perf", "record", "--quiet", "--all-cpus", "--event", "cpu-clock", "--freq", str(SAMPLES_A_SECOND),
                      "--call-graph", "fp", "--output", str(samples), "--", *reads(mountpoint, seconds)])
        return samples, json.loads(output[output.index("{"):])["jobs"][0]["read"]["iops"]
    finally:
        with signals_held():
            peers.unmount(mountpoint)
            stop(server)


def stacks(samples: Path) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
    """Of each sample the thread's name, and its frames from the innermost outwards, each with whether it is the kernel's."""
    thread, frames = "", []
    for line in run(["perf", "script", "--input", str(samples), "--fields", "comm,ip,sym,dso"]).splitlines():
        if not line:
            if thread:
                yield thread, frames
            thread, frames = "", []
        elif not line.startswith(("\t", " " * 8)):
            thread = line.strip()
        else:
            _, symbol, *rest = line.split(maxsplit=2)
            frames.append((symbol, bool(KERNEL_OBJECT.search("".join(rest)))))
    if thread:
        yield thread, frames


def place(frames: list[tuple[str, bool]]) -> str:
    """Where the time of a sample of this project's threads went."""
    if frames and frames[0][1]:
        kernel = [symbol for symbol, is_kernel in frames if is_kernel]
        for pattern, name in KERNEL:
            if any(pattern.match(symbol) for symbol in kernel):
                return name
        return OTHER_KERNEL
    innermost = frames[0][0] if frames else ""
    found = MANGLED.match(innermost)
    module = found[2][:int(found[1])] if found else ""
    return MODULES.get(module, RUNTIME)


def place_of_program(frames: list[tuple[str, bool]]) -> str:
    return place(frames) if frames and frames[0][1] else "the program itself"


def table(samples: Path, rate: float) -> list[list[str]]:
    counts: dict[str, Counter[str]] = {"program": Counter(), "mount": Counter()}
    for thread, frames in stacks(samples):
        if thread == PROGRAM:
            counts["program"][place_of_program(frames)] += 1
        elif re.match(r"reader-|request-|hiprio|caller-lookup|virtiofs", thread):
            counts["mount"][place(frames)] += 1
    every = sum(sum(of_side.values()) for of_side in counts.values())
    if not every:
        raise Failure("perf has no samples of the program and the mount")
    lines = [["where", "program, %", "mount, %"]]
    names = sorted(set().union(*counts.values()), key=lambda name: -sum(side[name] for side in counts.values()))
    for name in names:
        lines.append([name, *(f"{100 * side[name] / every:.1f}" for side in counts.values())])
    lines.append([f"all, {rate:,.0f} reads/s", *(f"{100 * sum(side.values()) / every:.1f}" for side in counts.values())])
    return lines


def main() -> int:
    arguments = parse_arguments()
    interrupt_on_ending_signals()
    work = Path(tempfile.mkdtemp(prefix="virtiofs-profile-", dir="/dev/shm"))
    try:
        for tool, package in (("fio", "fio"), ("fusermount3", "fuse3"), ("setpriv", "util-linux"), ("perf", "linux-perf")):
            require_tool(tool, package)
        if not os.access(arguments.virtiofs, os.X_OK):
            raise Failure(f"{arguments.virtiofs} is missing: run `swift build -c release`")
        print_table(table(*record(work, arguments.virtiofs.resolve(), arguments.seconds)))
        return 0
    except Failure as failure:
        print(f"profile.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        with signals_held():
            peers.remove_work_folder(work)


if __name__ == "__main__":
    sys.exit(main())
