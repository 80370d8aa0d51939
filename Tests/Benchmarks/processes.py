"""Starting and ending processes so that none outlives the benchmark."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LIMIT_SECONDS = 180.0


class Failure(Exception):
    """Something the user has to know; its text is the one line that is printed."""


def require_tool(name: str, package: str) -> None:
    """Fails unless `name` is on the PATH; `package` is the Debian package to install."""
    if shutil.which(name) is None:
        raise Failure(f"{name} is missing: install the Debian package {package}")


def allow_descriptors(wanted: int, least: int) -> None:
    """Raises the limit of open files, for servers that keep a descriptor for each file they know.

    Without the right to `wanted`, the hard limit has to do if it is at least `least`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, PermissionError):
        if hard < least:
            raise Failure(f"only {hard} open files are allowed (ulimit -Hn): "
                          f"{least} are needed") from None
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def interrupt_on_ending_signals() -> None:
    """Lets SIGTERM and SIGHUP unwind the stack as SIGINT does."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Holds signals back while something is cleaned up."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start(command: Sequence[str], stdin: int = subprocess.DEVNULL, **options: object) -> subprocess.Popen[str]:
    """Starts a process in a session of its own, out of reach of the terminal's Ctrl-C.

    The kernel sends it SIGTERM when this script dies, even by SIGKILL.
    """
    guarded = ["setpriv", "--pdeathsig", "TERM", *command]
    return subprocess.Popen(guarded, text=True, start_new_session=True,
                            stdin=stdin, **options)


def stop(process: subprocess.Popen[str], patience: float = 5.0) -> None:
    """Waits for a process that should end by itself, then terminates, then kills it."""
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None and process.poll() is None:
            os.killpg(process.pid, number)
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue


def kill(process: subprocess.Popen[str], patience: float = 2.0) -> None:
    """Kills a process and its children.

    One that waits for a FUSE server only dies after the server: it is not waited for any longer
    than `patience`.
    """
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def run(command: Sequence[str], accepted: Sequence[int] = (0,), cwd: Path | None = None,
        environment: Mapping[str, str] | None = None) -> str:
    """Runs a tool to its end and returns its standard output; `accepted` are good exit codes."""
    process = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
                    env={**os.environ, "LC_ALL": "C", **(environment or {})})
    try:
        output, errors = process.communicate(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failure(f"{command[0]} did not end within {LIMIT_SECONDS:.0f} s") from None
    finally:
        with signals_held():
            kill(process)
    if process.returncode not in accepted:
        said = (errors.strip() or output.strip() or "no message").splitlines()[0]
        raise Failure(f"{Path(command[0]).name} ended with {process.returncode}: {said}")
    return output
