"""The file systems that are compared: how each is started, built, mounted and unmounted."""

import contextlib
import fcntl
import gzip
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from processes import Failure, require_tool, run, signals_held, start, stop

OURS = ("{virtiofs}", "mount", "{share}", "{mountpoint}", "-f", "--cache", "auto")

# One line a peer. Every one stays in the foreground, keeps attributes and entries for 1 s,
# answers xattrs, and leaves permission checks to the kernel.
COMMANDS: dict[str, tuple[str, ...]] = {
    "ours": OURS,
    "ours-direct": (*OURS, "--without-rings"),
    "ours-worker": (*OURS, "--kick", "worker"),
    "passthrough_ll": ("{passthrough_ll}", "-f", "{mountpoint}", "-o",
                       "source={share},xattr,timeout=1,cache=auto,default_permissions"),
    "bindfs": ("bindfs", "-f", "--no-allow-other", "--xattr-rw",
               "-o", "attr_timeout=1,entry_timeout=1", "{share}", "{mountpoint}"),
    "bindfs-mt": ("bindfs", "-f", "--no-allow-other", "--xattr-rw", "--multithreaded",
                  "-o", "attr_timeout=1,entry_timeout=1", "{share}", "{mountpoint}"),
    "null": ("{null}", "-f", "{floor}"),
    "plain": (),
}
# Those that the subject has to equal on every row.
RIVALS = ("passthrough_ll", "bindfs")
# One file that is zeros to read and swallows what is written: what kernel and libfuse alone cost.
FLOOR = "null"

EXAMPLES = Path("/usr/share/doc/libfuse3-dev/examples")
MOUNT_TABLE = "/proc/self/mountinfo"
MOUNT_SECONDS = 10.0
# In the temporary folder, and locked while it is in use.
LOCK = "lock"


@dataclass(frozen=True)
class Places:
    """Where things are: `work` is the temporary folder that holds all the rest."""

    work: Path
    share: Path
    mountpoint: Path
    virtiofs: Path

    @property
    def passthrough_ll(self) -> Path:
        return self.work / "passthrough_ll"

    @property
    def null(self) -> Path:
        return self.work / "null"

    def command(self, peer: str) -> list[str]:
        names = ("share", "mountpoint", "floor", "virtiofs", "passthrough_ll", "null")
        places = {name: getattr(self, name) for name in names}
        return [word.format_map(places) for word in COMMANDS[peer]]

    @property
    def floor(self) -> Path:
        """The file that the floor is mounted on, under the name that the rows know."""
        return self.work / "floor" / "large"


def require_rights(peers: Sequence[str]) -> None:
    """Fails unless this process may mount FUSE file systems, when any peer needs it."""
    require_tool("setpriv", "util-linux")
    if not any(COMMANDS[peer] for peer in peers):
        return
    require_tool("fusermount3", "fuse3")
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        raise Failure(f"/dev/fuse can't be opened ({error.strerror}): "
                      "load the fuse module, or give this user the right to it") from None


def make_ready(peers: Sequence[str], places: Places) -> None:
    """Checks that the selected peers are installed, and builds the one that isn't packaged."""
    programs = {COMMANDS[peer][0] for peer in peers if COMMANDS[peer]}
    if "bindfs" in programs:
        require_tool("bindfs", "bindfs")
    if "{virtiofs}" in programs and not os.access(places.virtiofs, os.X_OK):
        raise Failure(f"{places.virtiofs} is missing: run `swift build -c release`, "
                      "or name the binary with --virtiofs")
    for binary in (places.passthrough_ll, places.null):
        if f"{{{binary.name}}}" in programs:
            build_example(binary)


def build_example(binary: Path) -> None:
    """Compiles one of libfuse's examples, which Debian installs as plain or compressed source."""
    require_tool("cc", "gcc")
    require_tool("pkg-config", "pkgconf")
    for name in (f"{binary.name}.c", "passthrough_helpers.h"):
        copy_example(name, binary.parent)
    flags = run(["pkg-config", "--cflags", "--libs", "fuse3"]).split()
    run(["cc", "-O2", "-w", "-o", str(binary), f"{binary}.c", *flags])


def copy_example(name: str, folder: Path) -> None:
    for source, opened in ((EXAMPLES / name, open), (EXAMPLES / f"{name}.gz", gzip.open)):
        if source.exists():
            with opened(source, "rb") as contents:
                (folder / name).write_bytes(contents.read())
            return
    raise Failure(f"{EXAMPLES / name} is missing: install the Debian package libfuse3-dev")


@contextlib.contextmanager
def mounted(peer: str, places: Places) -> Iterator[Path]:
    """Mounts the share through `peer` and yields where it is seen; unmounts however that ends."""
    if not COMMANDS[peer]:
        yield places.share
        return
    mountpoint = make_mountpoint(peer, places)
    server: subprocess.Popen[str] | None = None
    log = places.work / "server.log"
    try:
        with open(log, "w", encoding="utf-8") as output:
            server = start(places.command(peer), stdout=output, stderr=output)
        wait_until_mounted(peer, server, mountpoint, log)
        yield mountpoint.parent if peer == FLOOR else mountpoint
    finally:
        with signals_held():
            unmount(mountpoint)
            if server is not None:
                stop(server)


def make_mountpoint(peer: str, places: Places) -> Path:
    if peer != FLOOR:
        places.mountpoint.mkdir(exist_ok=True)
        return places.mountpoint
    places.floor.parent.mkdir(exist_ok=True)
    places.floor.touch()
    return places.floor


def wait_until_mounted(peer: str, server: subprocess.Popen[str], mountpoint: Path,
                       log: Path) -> None:
    """Returns when the mount is in the mount table, which the kernel makes pollable."""
    deadline = time.monotonic() + MOUNT_SECONDS
    with open(MOUNT_TABLE, encoding="utf-8") as table:
        changes = select.poll()
        changes.register(table, select.POLLPRI)
        while not is_mounted(mountpoint):
            if server.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(encoding="utf-8", errors="replace").strip()
                reason = said.splitlines()[0] if said else "it said nothing"
                raise Failure(f"{peer} did not mount: {reason}")
            changes.poll(20)


def unmount(mountpoint: Path) -> None:
    for options in ("-u", "-uz"):
        if not is_mounted(mountpoint):
            return
        subprocess.run(["fusermount3", options, str(mountpoint)], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if is_mounted(mountpoint):
        raise Failure(f"{mountpoint} is still mounted: try `umount -l {mountpoint}`")


def is_mounted(path: Path) -> bool:
    return any(point == path for point, _ in mount_points())


def file_system_type(path: Path) -> str:
    """The type of the file system that `path` lies on, such as tmpfs."""
    found = [(len(point.parts), index, kind)
             for index, (point, kind) in enumerate(mount_points()) if path.is_relative_to(point)]
    return max(found, default=(0, 0, "unknown"))[2]


def mount_points() -> list[tuple[Path, str]]:
    with open(MOUNT_TABLE, encoding="utf-8", errors="surrogateescape") as table:
        lines = [line.split() for line in table]
    return [(Path(unescaped(fields[4])), fields[fields.index("-") + 1]) for fields in lines]


def unescaped(field: str) -> str:
    """Undoes the octal escapes of blanks and backslashes in the mount table."""
    head, *escapes = field.split("\\")
    return head + "".join(chr(int(part[:3], 8)) + part[3:] for part in escapes)


def remove_work_folder(work: Path) -> None:
    """Removes the temporary folder, unless something in it is still mounted."""
    if not any(point.is_relative_to(work) for point, _ in mount_points()):
        shutil.rmtree(work, ignore_errors=True)


def claim(work: Path) -> None:
    """Marks the temporary folder as in use for as long as this process lives."""
    lock = os.open(work / LOCK, os.O_CREAT | os.O_WRONLY, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)


def remove_abandoned(work: Path) -> None:
    """Removes the temporary folder of a run that was killed; not one in use."""
    with contextlib.suppress(OSError):
        lock = os.open(work / LOCK, os.O_WRONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_work_folder(work)
        finally:
            os.close(lock)
