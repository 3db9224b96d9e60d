"""A candidate in a process of its own: a package that crashes, hangs or runs out of memory does so there.

`python -m edgernn.update.candidate PACKAGE DEADLINE_US` prints one JSON object, and exits with 0 if the package works.
"""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from edgernn.errors import EdgernnError, UpdateError
from edgernn.files import atomic
from edgernn.package import contents
from edgernn.process import child
from edgernn.runtime.program import open as opened
from edgernn.verification.verify import verify

LONGEST_S = 120  # for the whole trial
MOST_BYTES = 4 << 30  # of address space
SMOKE_STEPS = 200
ENVIRONMENT = {"ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1"}  # threads of it reserve address space


def check_candidate(path: Path, deadline_us: float | None) -> None:
    """Verify a package and time its steps in a process of its own.

    Args:
        path: of a package whose signature was verified.
        deadline_us: the median of the times of its steps must be below it; None to time none.

    Raises:
        UpdateError: it does not work on this machine; the message has the reason.
    """
    call = (sys.executable, "-m", __name__, os.fspath(path), str(deadline_us or 0))
    done = child.run(call, environment={**os.environ, **ENVIRONMENT})
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        reason = f"it took longer than {LONGEST_S} s" if name == "SIGALRM" else f"its process died by {name}"
        raise UpdateError(f"'{path}' does not work here: {reason}; the model that runs stays")
    try:
        reason = str(json.loads(done.stdout)["reason"])
    except (ValueError, KeyError, TypeError):
        reason = f"its process ended with {done.returncode}: {' '.join(done.stderr.split())[-300:]}"
    if done.returncode or reason:
        raise UpdateError(f"'{path}' does not work here: {reason}; the model that runs stays")


def fault(path: str, deadline_us: float) -> str:
    """Return what is wrong with a package on this machine, in words; "" where it works."""
    failed = [each for each in verify(path).findings if each.passed is False]
    if failed:
        return f"{failed[0].subject} fails its {failed[0].name}: {failed[0].text}"
    package = contents.read(atomic.read(path), path)
    goldens = package.goldens()
    if not all(np.isfinite(each.answers).all() for each in goldens.values()):
        return "its recorded answers are not finite"
    if not deadline_us:
        return ""
    stream, times = opened(path).stream(), []
    frames = goldens[package.manifest.contract.precision].frames
    for frame in np.resize(frames, (SMOKE_STEPS, frames.shape[1])):
        start = time.perf_counter_ns()
        stream.step(frame)
        times.append((time.perf_counter_ns() - start) / 1000)
    taken = median(times)
    late = f"half of its steps take {taken:.0f} us or more; the deadline is {deadline_us:g} us"
    return late if taken > deadline_us else ""


def main(path: str, deadline_us: str) -> int:
    """Try a package within bounds on time and memory."""
    child.end_with_parent()
    signal.alarm(LONGEST_S)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    try:
        reason = fault(path, float(deadline_us))
    except (EdgernnError, MemoryError) as error:
        reason = str(error) or type(error).__name__
    sys.stdout.write(json.dumps({"reason": reason}))
    return bool(reason)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
