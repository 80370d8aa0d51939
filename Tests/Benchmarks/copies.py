"""The host's part of a READ or WRITE of 1 MiB: the copy between a file and shared memory, with nothing around it."""

import mmap
import os
import time
from pathlib import Path

BLOCK = 1 << 20
FILE_BLOCKS = 64


def write_file(path: Path) -> None:
    """A file as long as the one that `virtiofs bench` reads and writes."""
    with open(path, "wb") as file:
        for _ in range(FILE_BLOCKS):
            file.write(os.urandom(BLOCK))


def copies(path: Path, depth: int, seconds: float, writes: bool) -> float:
    """Copies a second by one thread, as a device with one thread makes them.

    There is a buffer for each request under way, and each of them goes through the file by itself.
    """
    descriptor = os.open(path, os.O_RDWR)
    memory = mmap.mmap(-1, depth * BLOCK)
    try:
        buffers = [memoryview(memory)[slot * BLOCK:(slot + 1) * BLOCK] for slot in range(depth)]
        for buffer in buffers:
            buffer[::mmap.PAGESIZE] = bytes(BLOCK // mmap.PAGESIZE)
        call = os.pwritev if writes else os.preadv
        count, start = 0, time.monotonic()
        while time.monotonic() < start + seconds:
            for buffer in buffers:
                call(descriptor, [buffer], count // depth % FILE_BLOCKS * BLOCK)
                count += 1
        rate = count / (time.monotonic() - start)
        for buffer in buffers:
            buffer.release()
        return rate
    finally:
        memory.close()
        os.close(descriptor)
