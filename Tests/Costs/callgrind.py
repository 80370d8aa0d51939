"""Reads what callgrind has counted (valgrind.org/docs/manual/cl-format.html)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ALLOCATING = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}
# The look at a caller's processor, each 0.1 to 3.2 ms on a thread of its own: it goes by the clock, not by requests.
BY_THE_CLOCK = ("8Affinity", "12ThreadStatusO9processor", "12CallerLookupC4work")


@dataclass
class Counts:
    instructions: int = 0
    allocations: int = 0


def read_counts(path: Path) -> Counts:
    """Instructions of all functions but those that go by the clock, and calls of those that allocate."""
    counts = Counts()
    for function, callee, number in costs(path):
        if callee is None and not any(name in function for name in BY_THE_CLOCK):
            counts.instructions += number
        elif callee is not None and callee.split("'")[0] in ALLOCATING:
            counts.allocations += number
    return counts


def costs(path: Path) -> Iterator[tuple[str, str | None, int]]:
    """Function, nothing, its own instructions; or function, a function that it calls, how often."""
    names: dict[str, str] = {}
    function, callee, inclusive = "", "", False
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition("=")
        if key == "fn":
            function = name_of(value, names)
        elif key == "cfn":
            callee = name_of(value, names)
        elif key == "calls":
            yield function, callee, int(value.split()[0])
            inclusive = True
        elif re.match(r"[\d+*-]", line):
            if not inclusive:
                yield function, None, int(line.split()[1])
            inclusive = False


def name_of(value: str, names: dict[str, str]) -> str:
    """A name is written once, behind a number that stands for it from then on."""
    number, _, name = value.partition(" ")
    if name:
        names[number] = name
    return names[number]
