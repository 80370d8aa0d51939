"""The metadata loops: each does one thing to every file of a folder and prints the seconds.

    metadata.py LOOP FOLDER FILES

Every loop is a process of its own, so that a mount that hangs can't hang the benchmark.
Nothing here lists the folder first: that alone would fill the kernel's caches.
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Sequence

BLOCK = b"\x5a" * 4096
FOLDERS = 10
WARM_UP_FILES = 200


def file_names(count: int) -> list[str]:
    return [f"file-{number:06}" for number in range(count)]


def folder_names() -> list[str]:
    return [f"folder-{number:02}" for number in range(FOLDERS)]


def create(names: Sequence[str]) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    for name in names:
        file = os.open(name, flags, 0o644)
        os.pwrite(file, BLOCK, 0)
        os.close(file)


def stat(names: Sequence[str]) -> None:
    for name in names:
        os.stat(name)


def open_read(names: Sequence[str]) -> None:
    buffers = [bytearray(len(BLOCK))]
    total = 0
    for name in names:
        file = os.open(name, os.O_RDONLY)
        total += os.preadv(file, buffers, 0)
        os.close(file)
    if total != len(names) * len(BLOCK):
        sys.exit(f"read {total} bytes of {len(names)} files")


def readdir(names: Sequence[str]) -> None:
    """Lists every folder once; each holds as many entries as there are names."""
    for folder in folder_names():
        found = len(os.listdir(folder))
        if found != len(names):
            sys.exit(f"{folder} lists {found} of {len(names)} entries")


def rename(names: Sequence[str]) -> None:
    for name in names:
        os.rename(name, name + ".renamed")


def unlink(names: Sequence[str]) -> None:
    for name in names:
        os.unlink(name)


def warm_up(names: Sequence[str]) -> None:
    """Does a little of everything in a folder of its own, and leaves nothing behind."""
    os.mkdir("warm-up")
    os.chdir("warm-up")
    for loop in (create, stat, open_read, unlink):
        loop(names)
    os.chdir("..")
    os.rmdir("warm-up")


LOOPS: dict[str, Callable[[Sequence[str]], None]] = {
    loop.__name__: loop
    for loop in (create, stat, open_read, readdir, rename, unlink, warm_up)
}


def main(loop_name: str, folder: str, files: str) -> None:
    loop, names = LOOPS[loop_name], file_names(int(files))
    os.chdir(folder)
    gc.disable()
    started = time.perf_counter()
    loop(names)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(str(error))
