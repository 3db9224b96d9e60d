"""What this process holds of the machine: resident memory, descriptors and mapped memory, as Linux counts them."""

import os
from pathlib import Path

PROCESS = Path("/proc/self")


def resident_kib() -> int:
    """Return the resident memory in KiB."""
    lines = (PROCESS / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


def descriptors() -> int:
    """Return the number of open descriptors."""
    return len(os.listdir(PROCESS / "fd")) - 1  # the folder itself is open while it is read


def maps() -> int:
    """Return the number of mapped regions of memory."""
    return len((PROCESS / "maps").read_text().splitlines())
