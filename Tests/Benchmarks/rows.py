"""The rows of the comparison: what each prepares in the share, does on the mount, and counts."""

import json
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import metadata
from processes import Failure, require_tool, run

HERE = Path(__file__).resolve().parent
TREE_FOLDERS = 400
TREE_FILES_EACH = 20
PASSES = 5
GIT_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_AUTHOR_NAME": "benchmark",
    "GIT_AUTHOR_EMAIL": "benchmark@localhost",
    "GIT_COMMITTER_NAME": "benchmark",
    "GIT_COMMITTER_EMAIL": "benchmark@localhost",
}


@dataclass(frozen=True)
class Settings:
    """How much each row does; `work` is a folder outside the share."""

    files: int
    large_bytes: int
    fio_seconds: float
    work: Path


@dataclass(frozen=True)
class Row:
    """One line of the table.

    `prepare` changes the share before it is mounted; `run` works below the given root and
    returns the figure, for which more is better.
    """

    name: str
    title: str
    unit: str
    prepare: Callable[[Path, Settings], None]
    run: Callable[[Path, Settings], float]
    tool: str | None = None

    @property
    def on_one_file(self) -> bool:
        return self.prepare is prepare_large


# What a row finds in the share. All of it is written into the share itself, not through a mount.

def fill(folder: Path, count: int, contents: bytes) -> None:
    folder.mkdir(parents=True)
    for name in metadata.file_names(count):
        (folder / name).write_bytes(contents)


def prepare_files(share: Path, settings: Settings) -> None:
    if not (share / "files").exists():
        fill(share / "files", settings.files, metadata.BLOCK)


def prepare_folders(share: Path, settings: Settings) -> None:
    if not (share / "folders").exists():
        for name in metadata.folder_names():
            fill(share / "folders" / name, settings.files, b"")


def prepare_scratch(share: Path, settings: Settings) -> None:
    shutil.rmtree(share / "scratch", ignore_errors=True)
    (share / "scratch").mkdir()


def prepare_scratch_files(share: Path, settings: Settings) -> None:
    shutil.rmtree(share / "scratch", ignore_errors=True)
    fill(share / "scratch", settings.files, metadata.BLOCK)


def prepare_large(share: Path, settings: Settings) -> None:
    piece = random.Random(1).randbytes(1 << 20)
    if not (share / "large").exists():
        with open(share / "large", "wb") as file:
            for _ in range(settings.large_bytes // len(piece)):
                file.write(piece)


def prepare_tree(share: Path, settings: Settings) -> None:
    """Makes a tree of 8,000 text files of 1 to 24 KiB, always the same, with a git commit."""
    tree = share / "tree"
    if tree.exists():
        return
    dice = random.Random(2)
    words = ["queue", "chain", "descriptor", "return", "struct", "{", "}", "=", "driver;\n"]
    text = " ".join(dice.choices(words, k=40_000)).encode()
    for folder in range(TREE_FOLDERS):
        place = tree / f"part-{folder // 10}" / f"module-{folder % 10}"
        place.mkdir(parents=True)
        for number in range(TREE_FILES_EACH):
            start = dice.randrange(len(text) // 2)
            length = dice.randrange(1 << 10, 24 << 10)
            (place / f"source-{number:02}.c").write_bytes(text[start:start + length])
    run(["find", str(tree), "-exec", "touch", "-d", "2001-01-01", "{}", "+"])
    run(["tar", "-cf", str(settings.work / "tree.tar"), "-C", str(tree), "."])
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "tree"]):
        run(["git", *arguments], cwd=tree, environment=GIT_ENVIRONMENT)


# What a row does on the mount.

def warm_up(root: Path) -> None:
    """Lets a fresh server start its threads before anything is measured."""
    metadata_seconds("warm_up", root, metadata.WARM_UP_FILES)


def metadata_seconds(loop: str, folder: Path, files: int) -> float:
    return float(run([sys.executable, str(HERE / "metadata.py"), loop, str(folder), str(files)]))


def run_loop(loop: str, folder: str, root: Path, settings: Settings) -> float:
    entries = settings.files * (metadata.FOLDERS if loop == "readdir" else 1)
    return entries / metadata_seconds(loop, root / folder, settings.files)


def run_fio(options: tuple[str, ...], root: Path, settings: Settings) -> float:
    """Operations a second for 4 KiB blocks, MiB a second for 1 MiB blocks."""
    output = run(["fio", "--name=row", f"--filename={root / 'large'}", "--ioengine=psync",
                  f"--size={settings.large_bytes}",
                  f"--runtime={settings.fio_seconds * 1000:.0f}ms",
                  "--allow_file_create=0", "--fallocate=none", "--gtod_reduce=1",
                  "--group_reporting", "--eta=never", "--output-format=json", *options],
                 cwd=settings.work)
    job = json.loads(output[output.index("{"):])["jobs"][0]
    done = max(job["read"], job["write"], key=lambda direction: direction["total_ios"])
    return done["bw_bytes"] / (1 << 20) if "--bs=1M" in options else done["iops"]


def run_fio_anew(options: tuple[str, ...], root: Path, settings: Settings) -> float:
    """MiB a second over several passes: one of 256 MiB takes 0.1 s, in which little is seen.

    Before each, fio drops what the kernel has of the file (fadvise), as FUSE does when it opens one.
    """
    return statistics.harmonic_mean([run_fio(options, root, settings) for _ in range(PASSES)])


def run_tree_tool(command: tuple[str, ...], folder: str, root: Path,
                  settings: Settings) -> float:
    """Files a second; a tool that has something to say (grep, git) saw a wrong tree."""
    words = [word.format(work=settings.work) for word in command]
    started = time.perf_counter()
    output = run(words, accepted=(0, 1) if words[0] == "grep" else (0,), cwd=root / folder,
                 environment=GIT_ENVIRONMENT)
    seconds = time.perf_counter() - started
    if output:
        raise Failure(f"{words[0]} found what isn't in the tree: {output.splitlines()[0]}")
    return TREE_FOLDERS * TREE_FILES_EACH / seconds


def loop_row(name: str, title: str, loop: str, folder: str,
             prepare: Callable[[Path, Settings], None]) -> Row:
    unit = "entries/s" if loop == "readdir" else "files/s"
    return Row(name, title, unit, prepare, partial(run_loop, loop, folder))


def fio_row(name: str, title: str, *options: str,
            measure: Callable[[tuple[str, ...], Path, Settings], float] = run_fio) -> Row:
    unit = "MiB/s" if "--bs=1M" in options else "ops/s"
    return Row(name, title, unit, prepare_large, partial(measure, options), "fio")


def tree_row(name: str, title: str, folder: str, prepare: Callable[[Path, Settings], None],
             *command: str) -> Row:
    return Row(name, title, "files/s", prepare, partial(run_tree_tool, command, folder), "git")


def prepare_tree_and_scratch(share: Path, settings: Settings) -> None:
    prepare_tree(share, settings)
    prepare_scratch(share, settings)


DIRECT = ("--direct=1", "--time_based")

CORE_ROWS = (
    loop_row("create", "create + write 4k", "create", "scratch", prepare_scratch),
    loop_row("stat", "stat", "stat", "files", prepare_files),
    loop_row("open-read", "open + read 4k", "open_read", "files", prepare_files),
    loop_row("readdir", "readdir", "readdir", "folders", prepare_folders),
    loop_row("rename", "rename", "rename", "scratch", prepare_scratch_files),
    loop_row("unlink", "unlink", "unlink", "scratch", prepare_scratch_files),
    fio_row("direct-read-1m", "direct read 1m", *DIRECT, "--rw=read", "--bs=1M"),
    fio_row("direct-write-1m", "direct write 1m", *DIRECT, "--rw=write", "--bs=1M"),
    fio_row("direct-randread-4k", "direct random read 4k", *DIRECT, "--rw=randread", "--bs=4k"),
    fio_row("direct-randread-4k-x4", "direct random read 4k, 4 processes", *DIRECT,
            "--rw=randread", "--bs=4k", "--numjobs=4"),
    fio_row("direct-randwrite-4k", "direct random write 4k", *DIRECT, "--rw=randwrite", "--bs=4k"),
)

# Buffered reads touch each block once, so that none comes from the cache.
LATER_ROWS = (
    fio_row("buffered-read-1m", "buffered read 1m", "--rw=read", "--bs=1M", measure=run_fio_anew),
    fio_row("buffered-write-1m", "buffered write 1m", "--rw=write", "--bs=1M", "--time_based"),
    fio_row("buffered-randread-4k", "buffered random read 4k", "--rw=randread", "--bs=4k"),
    tree_row("tar-x", "tar x of a source tree", "scratch", prepare_tree_and_scratch,
             "tar", "-xf", "{work}/tree.tar"),
    tree_row("git-status", "git status", "tree", prepare_tree, "git", "status", "--porcelain"),
    tree_row("grep-r", "grep -r", "tree", prepare_tree,
             "grep", "-r", "--exclude-dir=.git", "absent from every file", "."),
)


def select_rows(selection: str) -> list[Row]:
    """The rows of `core`, of `all`, or of a list of names with commas."""
    every = {row.name: row for row in CORE_ROWS + LATER_ROWS}
    if selection == "core":
        return list(CORE_ROWS)
    if selection == "all":
        return list(every.values())
    unknown = [name for name in selection.split(",") if name not in every]
    if unknown:
        raise Failure(f"no row is called {unknown[0]}: choose from core, all, {', '.join(every)}")
    return [every[name] for name in selection.split(",")]


def require_tools(rows: list[Row]) -> None:
    for tool in sorted({row.tool for row in rows if row.tool}):
        require_tool(tool, tool)
