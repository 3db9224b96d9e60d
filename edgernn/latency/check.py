"""Checking a budget: measure an artifact in fresh processes, and evaluate the responses if the machine was fit."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, isfinite
from types import MappingProxyType
from typing import Any

import numpy as np

from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.budget.verdict import Budget, BudgetEvaluation
from edgernn.device.board import Device
from edgernn.errors import UsageError
from edgernn.latency import arrivals
from edgernn.latency.conditions import MachineState, machine_state
from edgernn.latency.fitness import UNAFFECTED, Evidence, is_unaffected, notes, unfit_reasons
from edgernn.latency.measurement import Measurement
from edgernn.latency.paced import StepTimes
from edgernn.latency.responses import Array, Responses
from edgernn.latency.worker import Worker
from edgernn.process import interrupt

SHORT_S = 30.0
CERTIFIED_S, CERTIFIED_PROCESSES = 600.0, 5

EXIT_CODES: Mapping[str, int] = MappingProxyType({PASS: 0, FAIL: 1, NO_VERDICT: 3})
"""Verdict -> exit code of a command."""


@dataclass(frozen=True)
class CheckOptions:
    """What to measure, and how.

    Attributes:
        artifact: its path.
        budget: the budget to check.
        seconds: duration over all processes; not used with a trace, which every process runs as a whole.
        processes: number of fresh processes, run one after the other, that share the duration.
        back_to_back: run without waiting for frames; the responses are implied.
        prime: prime the stream before each frame, as a program with edgernn.pace does.
        trace: a file of arrival times, as edgernn.latency.arrivals.recorded reads it; default: one frame per period.
        frames: a file of frames, as edgernn.files.frames reads it; default: random frames.
        threads, seed: threads of the runtime, and seed of the random frames.
        device: the device that the budget is for; None if the budget was given directly.
        certificate: whether the figures are to be published, which requires more of the machine.
        any_governor: whether a certificate accepts a governor that cannot be read.
        python: the interpreter of the processes.

    Raises:
        UsageError: the duration or the number of processes is not positive, or steps back to back shall be primed.
    """

    artifact: str
    budget: Budget
    seconds: float = SHORT_S
    processes: int = 1
    back_to_back: bool = False
    prime: bool = False
    trace: str | None = None
    frames: str | None = None
    threads: int = 1
    seed: int = 0
    device: Device | None = None
    certificate: bool = False
    any_governor: bool = False
    python: str = sys.executable

    def __post_init__(self) -> None:
        if not (isfinite(self.seconds) and self.seconds > 0):
            raise UsageError(f"{self.seconds:g} seconds cannot be measured; expected more than 0")
        if self.processes < 1:
            raise UsageError(f"{self.processes} processes cannot measure; expected at least one")
        if self.back_to_back and self.prime:
            raise UsageError("steps back to back have no time to be primed in: omit --back-to-back or --prime")

    @property
    def steps(self) -> int:
        """The number of steps of each process."""
        if self.trace:
            return len(arrivals.recorded(self.trace))
        return ceil(self.seconds / self.processes * 1e6 / self.budget.period_us)


@dataclass(frozen=True)
class ProcessRun:
    """The run of one process."""

    info: Mapping[str, Any]  # of artifact, runtime and machine: the reply of edgernn.latency.runner to "open"
    measurement: Measurement


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    Attributes:
        verdict: PASS, FAIL or NO_VERDICT.
        reasons: why there is no verdict, by name.
        notes: conditions that could not be read, or are worth knowing.
        conditional: whether the verdict is valid only for the present state of this machine, because a condition was
            unknown, or bad without an effect on the verdict.
        evaluation: of the steps, whether or not the machine was fit.
        passing_budget: as edgernn.budget.verdict.passing_budget.
    """

    options: CheckOptions
    verdict: str
    reasons: Mapping[str, str]
    notes: tuple[str, ...]
    conditional: bool
    evaluation: BudgetEvaluation
    passing_budget: tuple[float | None, float | None]
    processes: tuple[ProcessRun, ...]

    @property
    def runs(self) -> tuple[StepTimes, ...]:
        """The step times of each process."""
        return tuple(each.measurement.times for each in self.processes)

    @property
    def span_s(self) -> float:
        """Time from the first frame to the last output, summed over the processes."""
        return sum(float(run.end[-1]) for run in self.runs) / 1e9

    @property
    def cpu_share(self) -> float:
        """The share of one processor that the steps use at this rate of frames."""
        busy = sum(float(run.service.sum()) for run in self.runs)
        return busy / sum(float(max(run.due[-1], 0)) + self.options.budget.period_us * 1000 for run in self.runs)

    @property
    def long(self) -> bool:
        """Whether it has the duration and the number of processes of a certificate."""
        return len(self.processes) >= CERTIFIED_PROCESSES and self.span_s >= CERTIFIED_S * 0.999

    @property
    def publishable(self) -> bool:
        """Whether its p99 or p99.9 may be published: long, paced, and with a verdict."""
        return self.long and not self.options.back_to_back and self.verdict != NO_VERDICT

    def us(self, metric: str) -> Array:
        """`service`, `response` or `jitter` of every step in order, in microseconds."""
        return _us([getattr(run, metric) for run in self.runs])


def check(
    options: CheckOptions,
    measure: Callable[[CheckOptions, Callable[[int], None]], Sequence[ProcessRun]] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> CheckResult:
    """Measure an artifact, and evaluate its budget.

    Args:
        options: what to measure, and how.
        measure: runs the measurement; by default `run_processes`.
        progress: called with the number of each process before it starts.

    Raises:
        EdgernnError: the artifact, the frames or the trace cannot be read or do not fit.
    """
    return evaluate_runs(options, (measure or run_processes)(options, progress))


def evaluate_runs(options: CheckOptions, processes: Sequence[ProcessRun]) -> CheckResult:
    """Evaluate the budget on the runs of all processes."""
    budget = options.budget
    responses = Responses(_us([each.measurement.times.response for each in processes]))
    evaluation = responses.evaluate(budget)
    evidence = _evidence(options, [each.measurement for each in processes])
    reasons, harmless = unfit_reasons(evidence), []
    if evaluation.verdict != NO_VERDICT and is_unaffected(evidence, evaluation.verdict, reasons):
        harmless = [f"{reason}; {UNAFFECTED[evaluation.verdict]}" for reason in reasons.values()]
        reasons = {}
    if evaluation.verdict == NO_VERDICT:
        reasons["steps"] = _too_few(evaluation, budget, options)
    return CheckResult(
        options,
        NO_VERDICT if reasons else evaluation.verdict,
        MappingProxyType(reasons),
        (*harmless, *notes(evidence)),
        bool(harmless) or evidence.governor_unknown,
        evaluation,
        responses.passing_budget(budget),
        tuple(processes),
    )


def _us(nanoseconds: Sequence[arrivals.Times]) -> Array:
    """One array of microseconds from several of nanoseconds."""
    joined: Array = np.concatenate(nanoseconds) / 1000
    return joined


def _evidence(options: CheckOptions, measurements: Sequence[Measurement]) -> Evidence:
    faults = [each.faults for each in measurements]
    known = [each for each in faults if each is not None]
    times, deadline_us = [each.times for each in measurements], options.budget.deadline_us
    jitter = float(np.percentile(_us([each.jitter for each in times]), 99, method="inverted_cdf"))
    return Evidence(
        machine_states=[state for each in measurements for state in each.machine_states],
        settled=all(each.settled for each in measurements),
        faults=sum(known) if len(known) == len(faults) else None,
        jitter_us=None if options.back_to_back else jitter,
        deadline_us=deadline_us,
        device=options.device,
        certificate=options.certificate,
        any_governor=options.any_governor,
        late_share=float((_us([each.response for each in times]) > deadline_us).mean()),
        slow_share=float((_us([each.service for each in times]) > deadline_us).mean()),
    )


def _too_few(evaluation: BudgetEvaluation, budget: Budget, options: CheckOptions) -> str:
    """The number of steps, and the duration, that would give a verdict."""
    fewest = f" At least {budget.steps:,} are needed to pass." if evaluation.steps < budget.steps else ""
    seconds = (evaluation.steps + evaluation.steps_to_pass) * budget.period_us / 1e6
    duration = "" if options.trace else f", {seconds:,.0f} s in all"
    return (
        f"{evaluation.steps:,} steps with {evaluation.misses:,} misses do not decide p{budget.percentile:g}.{fewest} "
        f"{evaluation.steps_to_pass:,} more without a miss would pass{duration}"
    )


@interrupt.deferred()
def run_processes(options: CheckOptions, progress: Callable[[int], None]) -> list[ProcessRun]:
    """Measure in fresh processes, one after the other. This process only reads the machine's state once during each."""
    runs = []
    for k in range(options.processes):
        progress(k)
        with Worker(options.python) as worker:
            info = worker.open(options.artifact, options.frames, options.threads, options.seed)
            runs.append(ProcessRun(info, _run(worker, options)))
    return runs


def _run(worker: Worker, options: CheckOptions) -> Measurement:
    during: list[MachineState] = []
    reply, arrays = worker.ask(
        "run",
        lambda: during.append(machine_state()),
        options.seconds / options.processes / 2,
        period_us=options.budget.period_us,
        steps=options.steps,
        trace=options.trace,
        back_to_back=options.back_to_back,
        prime=options.prime,
    )
    before, after = map(_machine_state, reply["machine_states"])
    middle = [replace(state, major_faults=None) for state in during]  # these faults are of this process
    times = StepTimes(arrays["due"], arrays["start"], arrays["end"], reply["implied"])
    return Measurement(times, reply["warm_up_steps"], reply["settled"], (before, *middle, after))


def _machine_state(fields: Mapping[str, Any]) -> MachineState:
    """A MachineState from its JSON form."""
    lists = {key: value and tuple(value) for key, value in fields.items() if key in {"governors", "mhz"}}
    return MachineState(**{**fields, **lists})
