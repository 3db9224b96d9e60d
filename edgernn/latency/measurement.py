"""One measurement in one process: warm up, look at the machine, run, and look again."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgernn.latency.arrivals import Times
from edgernn.latency.conditions import Moment, moment
from edgernn.latency.paced import Run, Sleep, Step, paced, unpaced, warmed
from edgernn.latency.steps import Clock
from edgernn.process import interrupt


@dataclass(frozen=True)
class Measured:
    """A run, and what is known of it.

    Attributes:
        run: each step.
        warm_up_steps, settled: how long the warm-up was, and whether it ended by itself.
        moments: the machine before, perhaps during, and after.
    """

    run: Run
    warm_up_steps: int
    settled: bool
    moments: tuple[Moment, ...]

    @property
    def faults(self) -> int | None:
        """Major faults of this process during the run; None where they cannot be read."""
        before, after = self.moments[0].major_faults, self.moments[-1].major_faults
        return None if before is None or after is None else after - before


@interrupt.deferred()
def measure(
    step: Step,
    frames: Sequence[Any],
    due: Times,
    *,
    back_to_back: bool = False,
    look: Callable[[], Moment] = moment,
    clock: Clock = time.perf_counter_ns,
    sleep: Sleep = interrupt.sleep,
) -> Measured:
    """Measure a step in this process.

    Args:
        step: what is given a frame.
        frames: given in turn.
        due: when they come, as edgernn.latency.arrivals makes it.
        back_to_back: whether nothing waits, and the responses are implied.
        look: at the machine.
        clock, sleep: as in edgernn.latency.paced.
    """
    steps, settled = warmed(step, frames, clock)
    before = look()
    run = unpaced(step, frames, due, clock) if back_to_back else paced(step, frames, due, clock, sleep)
    return Measured(run, steps, settled, (before, look()))
