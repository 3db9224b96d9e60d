"""What a call takes: processor time, and memory at its peak beyond what was resident before (Linux, proc(5))."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgernn.process.resources import PROCESS, resident_kib

SECONDS = 2.0
EXTRA, TIMES = 64 << 20, 4
"""What the refusal of a file may take: processor time; and so many bytes, with so many times its size."""


@dataclass(frozen=True)
class Taken:
    """What a call took.

    Attributes:
        seconds: of processor time.
        memory: bytes.
    """

    seconds: float
    memory: int

    def beyond(self, size: int) -> bool:
        """Whether it is more than the refusal of a file of this size may take."""
        return self.seconds > SECONDS or self.memory > EXTRA + TIMES * size


def peak_kib() -> int:
    """The most memory that was resident since `begin`, in KiB."""
    lines = (PROCESS / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


def begin() -> Callable[[], Taken]:
    """Begin to measure; the function that is returned tells what was taken since."""
    Path(PROCESS / "clear_refs").write_text("5")
    start, before = time.process_time(), resident_kib()
    return lambda: Taken(time.process_time() - start, 1024 * max(peak_kib() - before, 0))
