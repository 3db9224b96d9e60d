"""One measurement in one process: warm up, read the state of the machine, run the steps, and read the state again."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgernn.latency.arrivals import Times
from edgernn.latency.conditions import MachineState, machine_state
from edgernn.latency.paced import Sleep, Step, StepTimes, run_back_to_back, run_paced, warm_up_on
from edgernn.latency.steps import Clock
from edgernn.process import interrupt


@dataclass(frozen=True)
class Measurement:
    """The step times of a run, and its conditions.

    Attributes:
        times: of each step.
        warm_up_steps, settled: length of the warm-up, and whether the times settled.
        machine_states: before, possibly during, and after the run.
    """

    times: StepTimes
    warm_up_steps: int
    settled: bool
    machine_states: tuple[MachineState, ...]

    @property
    def faults(self) -> int | None:
        """Major page faults of this process during the run; None if they cannot be read."""
        before, after = self.machine_states[0].major_faults, self.machine_states[-1].major_faults
        return None if before is None or after is None else after - before


@interrupt.deferred()
def measure(
    step: Step,
    frames: Sequence[Any],
    due: Times,
    *,
    back_to_back: bool = False,
    prime: Callable[[], object] | None = None,
    read_state: Callable[[], MachineState] = machine_state,
    clock: Clock = time.perf_counter_ns,
    sleep: Sleep = interrupt.sleep,
) -> Measurement:
    """Measure a step in this process.

    Args:
        step: called with a frame.
        frames: inputs of the step, repeated from the first.
        due: arrival times, as in edgernn.latency.arrivals.
        back_to_back: run without waiting; the responses are implied.
        prime: called before each frame of a paced run.
        read_state: reads the state of the machine.
        clock, sleep: as in edgernn.latency.paced.
    """
    steps, settled = warm_up_on(step, frames, clock)
    before = read_state()
    if back_to_back:
        times = run_back_to_back(step, frames, due, clock)
    else:
        times = run_paced(step, frames, due, clock, sleep, prime)
    return Measurement(times, steps, settled, (before, read_state()))
