"""Observes on what terms a mount serves the share, and prints them as JSON.

    terms.py SHARE ROOT

It changes a file behind the mount's back and watches when the mount shows it: how long
attributes of an open file stay old, and how long a removed name stays visible. Then it asks
for an xattr that isn't there: "no such attribute" means that xattrs are on.
"""

import errno
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

LONGEST = 3.0
STEP = 0.005


def seconds_until(condition: Callable[[], bool], started: float) -> float:
    while not condition():
        if time.monotonic() - started > LONGEST:
            return LONGEST
        time.sleep(STEP)
    return time.monotonic() - started


def attribute_seconds(share: Path, root: Path) -> float:
    name = "terms-attributes"
    (share / name).touch(mode=0o600)
    file = os.open(root / name, os.O_RDONLY)
    try:
        os.fstat(file)
        started = time.monotonic()
        (share / name).chmod(0o640)
        return seconds_until(lambda: os.fstat(file).st_mode & 0o777 == 0o640, started)
    finally:
        os.close(file)
        (share / name).unlink()


def name_seconds(share: Path, root: Path) -> float:
    name = "terms-name"
    (share / name).touch()
    os.stat(root / name)
    started = time.monotonic()
    (share / name).unlink()
    return seconds_until(lambda: not os.path.exists(root / name), started)


def has_xattrs(root: Path) -> bool:
    try:
        os.getxattr(root, "user.virtiofs-terms")
    except OSError as error:
        return error.errno == errno.ENODATA
    return True


def main(share: Path, root: Path) -> None:
    print(json.dumps({
        "attribute_seconds": round(attribute_seconds(share, root), 2),
        "name_seconds": round(name_seconds(share, root), 2),
        "xattrs": has_xattrs(root),
    }))


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except OSError as error:
        sys.exit(str(error))
