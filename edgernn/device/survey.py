"""The profile of this machine for a file: what probing finds, and the memory bandwidth, measured."""

import time
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from edgernn.device.isa import LEVELS
from edgernn.device.probe import probe
from edgernn.device.profile import Figure, Profile

NUMBERS = 8_000_000  # in each of three arrays of float64: 192 MB, more than caches hold
PASSES = 10
BYTES = 3 * 8  # of a number: two are read, one is written

MEASURED = "measured"
CHOSEN = "chosen"


def survey(clock: Callable[[], int] = time.perf_counter_ns, numbers: int = NUMBERS) -> Profile:
    """The profile of this machine, ready for a file; it takes a second and 200 MB.

    Args:
        clock: nanoseconds; another one in tests.
        numbers: how many are added in a pass.
    """
    probed = probe()
    figures, sources = dict(probed.figures), dict(probed.sources)
    figures["mb_per_s"] = Figure(_mb_per_s(clock, numbers), MEASURED)
    sources[MEASURED] = f"measured: a + b of {numbers:,} float64 by numpy, as STREAM counts, the best of {PASSES}"
    if "level" in figures and "cpu" in figures:  # "native" would be another processor where the file is read
        figures["cpu"] = Figure(LEVELS[figures["level"].value].cpus[0], CHOSEN)
        sources[CHOSEN] = "chosen: zig's name of a processor that has no more than the level"
    used = {figure.source for figure in figures.values()}
    core = figures["core"].value if "core" in figures else "an unknown core"
    cited = MappingProxyType({name: citation for name, citation in sources.items() if name in used})
    return replace(probed, title=f"A machine with {core}", figures=MappingProxyType(figures), sources=cited)


def _mb_per_s(clock: Callable[[], int], numbers: int) -> int:
    """The memory bandwidth of one core, by the Add kernel of STREAM (McCalpin, 1995)."""
    a, b, c = (np.full(numbers, value) for value in (1.0, 2.0, 0.0))  # touches each page before the timing
    best = 0.0
    for _ in range(PASSES):
        start = clock()
        np.add(a, b, out=c)
        best = max(best, BYTES * numbers / max(clock() - start, 1))
    return round(best * 1000)
