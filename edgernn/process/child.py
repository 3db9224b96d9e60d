"""Running child processes that end with this process."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from edgernn.process import interrupt

PR_SET_PDEATHSIG = 1
GRACE_S = 2.0  # from SIGTERM, on which a compiler removes its temporary files, to SIGKILL


@interrupt.deferred()
def run(
    call: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program and capture its output.

    It runs in a process group of its own, so that a Ctrl-C reaches this process alone. When this process is interrupted
    or another exception occurs, the whole group is ended first.

    Args:
        call: the program and its arguments.
        folder: its working directory; by default that of this process.
        environment: its environment variables; by default those of this process.

    Raises:
        OSError: the program cannot be run.
        Interrupted: a signal has arrived (edgernn.process.interrupt).
    """
    child = subprocess.Popen(  # noqa: S603  the program comes from the caller
        call,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        printed, complaint = _wait(child)
    except BaseException:
        _end(child)
        raise
    return subprocess.CompletedProcess(call, child.returncode, printed, complaint)


def end_with_parent() -> None:
    """Make the kernel end this process when its parent dies, even by SIGKILL (Linux, prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _wait(child: subprocess.Popen[str]) -> tuple[str, str]:
    while True:
        with suppress(subprocess.TimeoutExpired), interrupt.waiting():
            return child.communicate(timeout=interrupt.LONGEST_WAIT_S)


def _end(child: subprocess.Popen[str]) -> None:
    """End a program and its child processes."""
    _signal(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    _signal(child, signal.SIGKILL)
    child.communicate()


def _signal(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)
