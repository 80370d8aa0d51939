#!/usr/bin/env python3
"""What of caching and locking holds when two hosts offer the same distributed folder.

usage: check.py HERE THERE STORE

HERE and THERE are mounts of two devices, on two hosts or two clients of the distributed file system; STORE is the folder
as a third client or the server sees it. Prints a line for each property; fails where one is not as documented.
"""

import errno
import fcntl
import multiprocessing
import os
import sys
import time
from pathlib import Path

results = []


def case(function):
    results.append(function)
    return function


def eventually(condition, seconds):
    """How long it takes until the condition holds, in seconds; nothing after that time."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if condition():
            return time.monotonic() - start
    return None


@case
def written_here_read_there(here, there, store):
    (here / "text").write_bytes(b"one")
    assert (there / "text").read_bytes() == b"one"
    assert (store / "text").read_bytes() == b"one"


@case
def overwritten_there_seen_here_after_timeout(here, there, store):
    (here / "over").write_bytes(b"first")
    assert (here / "over").read_bytes() == b"first"
    (there / "over").write_bytes(b"second!")
    seconds = eventually(lambda: (here / "over").read_bytes() == b"second!", 10)
    assert seconds is not None
    return f"after {seconds:.1f} s"


@case
def name_made_there_seen_here(here, there, store):
    assert not (here / "new").exists()
    (there / "new").mkdir()
    seconds = eventually(lambda: (here / "new").is_dir(), 10)
    assert seconds is not None
    return f"after {seconds:.1f} s"


@case
def renamed_there_seen_here(here, there, store):
    (here / "old").write_bytes(b"x")
    (there / "old").rename(there / "moved")
    assert eventually(lambda: (here / "moved").exists() and not (here / "old").exists(), 10) is not None


@case
def exclusive_creation_has_one_winner(here, there, store):
    for index in range(50):
        winners = 0
        for side in (here, there):
            try:
                os.close(os.open(side / f"once{index}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                winners += 1
            except FileExistsError:
                pass
        assert winners == 1


def append(path, mark):
    with open(path, "ab", buffering=0) as file:
        for _ in range(200):
            fcntl.lockf(file, fcntl.LOCK_EX)
            file.write(mark * 10 + b"\n")
            fcntl.lockf(file, fcntl.LOCK_UN)


@case
def appends_under_a_lock_lose_nothing(here, there, store):
    (here / "log").touch()
    writers = [multiprocessing.Process(target=append, args=(side / "log", mark))
               for side, mark in ((here, b"h"), (there, b"t"))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = (store / "log").read_bytes().split(b"\n")[:-1]
    good = sum(line in (b"h" * 10, b"t" * 10) for line in lines)
    if (len(lines), good) != (400, 400):
        return f"NOT KEPT: {good} of 400 lines"


def hold(path, lock, held, done):
    with open(path, "r+b") as file:
        lock(file, fcntl.LOCK_EX)
        held.set()
        done.wait()


def lock_is_seen(lock, here, there):
    """Whether a lock taken through one mount keeps out who asks through the other."""
    (here / "locked").write_bytes(b"0123456789")
    held, done = multiprocessing.Event(), multiprocessing.Event()
    holder = multiprocessing.Process(target=hold, args=(here / "locked", lock, held, done))
    holder.start()
    held.wait()
    try:
        with open(there / "locked", "r+b") as file:
            try:
                lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except OSError as error:
                assert error.errno in (errno.EAGAIN, errno.EACCES)
                return True
    finally:
        done.set()
        holder.join()


@case
def record_locks_between_hosts(here, there, store):
    return None if lock_is_seen(fcntl.lockf, here, there) else "NOT KEPT"


@case
def whole_locks_between_hosts(here, there, store):
    return None if lock_is_seen(fcntl.flock, here, there) else "NOT KEPT"


@case
def locks_against_a_host_process(here, there, store):
    return None if lock_is_seen(fcntl.lockf, here, store) else "NOT KEPT"


@case
def synced_data_is_at_the_server(here, there, store):
    with open(here / "synced", "wb") as file:
        file.write(b"s" * 100_000)
        file.flush()
        os.fsync(file.fileno())
        assert (store / "synced").stat().st_size == 100_000


@case
def extended_attributes_cross(here, there, store):
    (here / "attributed").touch()
    os.setxattr(here / "attributed", "user.colour", b"blue")
    assert os.getxattr(there / "attributed", "user.colour") == b"blue"


@case
def an_unlinked_open_file_lives_on(here, there, store):
    with open(here / "unlinked", "w+b", buffering=0) as file:
        file.write(b"still here")
        (there / "unlinked").unlink()
        try:
            assert os.pread(file.fileno(), 10, 0) == b"still here"
        except OSError as error:
            return f"NOT KEPT: {errno.errorcode[error.errno]}"


@case
def inode_numbers_agree(here, there, store):
    (here / "numbered").touch()
    numbers = {side: (side / "numbered").stat().st_ino for side in (here, there)}
    return None if len(set(numbers.values())) == 1 else "NOT KEPT"


def main():
    here, there, store = (Path(argument) for argument in sys.argv[1:])
    failed = 0
    for function in results:
        name = function.__name__.replace("_", " ")
        try:
            print(f"{name}: {function(here, there, store) or 'kept'}", flush=True)
        except AssertionError:
            failed += 1
            print(f"{name}: FAILED", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
