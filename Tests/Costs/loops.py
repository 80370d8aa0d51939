"""What is done to a mount, so many times: each is called after the request that it makes the kernel send.

They work in the current folder, the root of a mount that keeps names and attributes for longer than all of it takes.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Callable

PAGE = 4096
LARGE = "large"
AT_EMPTY_PATH, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS = 0x1000, 0x2000, 0x7FF
libc = ctypes.CDLL(None, use_errno=True)


def names(kind: str, count: int) -> list[str]:
    """Of files, each of which is used by one kind and one run."""
    return [f"{kind}/{count}-{number:05}" for number in range(count)]


def getattr_(count: int) -> None:
    file = os.open(LARGE, os.O_RDONLY)
    room = ctypes.create_string_buffer(256)
    for _ in range(count):
        if libc.statx(file, b"", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, room) != 0:
            sys.exit("statx failed")
    os.close(file)


def lookup(count: int) -> None:
    for name in names("lookup", count):
        os.stat(name)


def read(count: int) -> None:
    file = os.open(LARGE, os.O_RDONLY | os.O_DIRECT)
    page = mmap.mmap(-1, PAGE)
    for index in range(count):
        os.preadv(file, [page], index % 256 * PAGE)
    os.close(file)


def write(count: int) -> None:
    file = os.open(LARGE, os.O_WRONLY | os.O_DIRECT)
    page = mmap.mmap(-1, PAGE)
    for index in range(count):
        os.pwritev(file, [page], index % 256 * PAGE)
    os.close(file)


def readdirplus(count: int) -> None:
    """An entry each, of a folder that holds so many; who looks at the entries is sent them with their attributes."""
    with os.scandir(f"readdirplus-{count}") as entries:
        found = sum(entry.stat(follow_symlinks=False).st_size == 0 for entry in entries)
    if found != count:
        sys.exit(f"{found} of {count} entries are listed")


def create(count: int) -> None:
    """All that goes with a new file: LOOKUP, CREATE, FLUSH, RELEASE, and GETATTR of the folder, which has changed."""
    for name in names("create", count):
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))


LOOPS: dict[str, Callable[[int], None]] = {
    "getattr": getattr_, "lookup": lookup, "read": read, "write": write, "readdirplus": readdirplus, "create": create,
}


def prepare(share: str, count: int) -> None:
    """Makes in the share what the loops find in it."""
    os.chdir(share)
    with open(LARGE, "wb") as file:
        file.truncate(256 * PAGE)
    for folder in ("lookup", "create", f"readdirplus-{count}"):
        os.mkdir(folder)
    for name in names("lookup", count) + [f"readdirplus-{count}/entry-{number:05}" for number in range(count)]:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644))
