"""Writes that fail at a chosen call, or are cut off by a kill there: in a process that tests/disk_faults.c was loaded into."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

KINDS = ("EIO", "ENOSPC", "short", "killed before", "killed after")
"""In the order of the enumeration in disk_faults.c."""

MOST_CALLS = 100


def run(script: Path, *arguments: object) -> str:
    """Run a script with the library in front of the C library; return what it prints."""
    library = Path(arguments[0]) / "disk_faults.so"  # type: ignore[arg-type]
    source = Path(__file__).parent / "disk_faults.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True)
    environment = {**os.environ, "LD_PRELOAD": os.fspath(library), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)], env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def each(kind: str, work: Callable[[], Any]) -> Iterator[bool]:
    """Run `work` with a fault at its first call to the disk, then at its second, and so on until none is reached.

    Yields after each run whether `work` went on to its end. A run that is killed is one of a child.
    """
    library = ctypes.CDLL(None)
    for at in range(1, MOST_CALLS):
        if kind.startswith("killed"):
            ended, reached = _killed(library, KINDS.index(kind), at, work)
        else:
            library.fault(KINDS.index(kind), at)
            try:
                work()
                ended = True
            except OSError:
                ended = False
            reached = library.faults_left() == 0
            library.fault(0, 0)
        if not reached:
            assert at > 3, "the fault met no call"
            return
        yield ended
    raise AssertionError("the work does not end")


def _killed(library: Any, kind: int, at: int, work: Callable[[], Any]) -> tuple[bool, bool]:
    child = os.fork()
    if child == 0:
        library.fault(kind, at)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return False, os.WIFSIGNALED(status)
