"""Programs that are run and waited for, and that end with this one."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from edgernn.process import interrupt

PR_SET_PDEATHSIG = 1
GRACE_S = 2.0  # between SIGTERM, at which a compiler removes its own temporary files, and SIGKILL


@interrupt.deferred()
def run(
    call: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and read what it prints.

    It is the leader of a process group of its own, so that a Ctrl-C meets this process alone; when this one is
    interrupted, or raises anything else, the whole group is ended first.

    Args:
        call: the program and its arguments.
        folder: where it runs; here unless given.
        environment: its variables; those of this process unless given.

    Raises:
        OSError: it cannot be run.
        Interrupted: a signal has arrived (edgernn.process.interrupt).
    """
    child = subprocess.Popen(  # noqa: S603  the caller's own program
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
        printed, complaint = _waited(child)
    except BaseException:
        _end(child)
        raise
    return subprocess.CompletedProcess(call, child.returncode, printed, complaint)


def end_with_parent() -> None:
    """Let the kernel end this process when the one that started it dies, by SIGKILL too (Linux, prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _waited(child: subprocess.Popen[str]) -> tuple[str, str]:
    while True:
        with suppress(subprocess.TimeoutExpired), interrupt.waiting():
            return child.communicate(timeout=interrupt.LONGEST_WAIT_S)


def _end(child: subprocess.Popen[str]) -> None:
    """End a program and all that it has started."""
    _signal(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    _signal(child, signal.SIGKILL)
    child.communicate()


def _signal(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)
