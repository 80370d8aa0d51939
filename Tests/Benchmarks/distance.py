"""How far apart the machine's processors are: all that threads on two processors share goes that way and back."""

from pathlib import Path

from processes import require_tool, run
from rows import HERE

# Of a cache line there and back: below, both processors have a cache in common.
NEAR_NANOSECONDS = 160.0


class Distance:
    """Measures it, with a program that it compiles in `work`. A hypervisor may change it at any time."""

    def __init__(self, work: Path) -> None:
        require_tool("cc", "gcc")
        self.program = work / "round_trip"
        run(["cc", "-O2", "-o", str(self.program), str(HERE / "round_trip.c"), "-lpthread"])

    def nanoseconds(self) -> float:
        return float(run([str(self.program)]))
