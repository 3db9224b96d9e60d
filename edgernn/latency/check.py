"""Checking a budget: an artifact measured in processes of its own, and judged where the machine was fit."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, isfinite
from types import MappingProxyType
from typing import Any

import numpy as np

from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.budget.verdict import Budget, Evaluation
from edgernn.device.board import Device
from edgernn.errors import UsageError
from edgernn.latency import arrivals
from edgernn.latency.conditions import Moment, moment
from edgernn.latency.fitness import STANDS, Evidence, remarks, stands, unfit
from edgernn.latency.measurement import Measured
from edgernn.latency.paced import Run
from edgernn.latency.responses import Array, Responses
from edgernn.latency.worker import Worker
from edgernn.process import interrupt

SHORT_S = 30.0
CERTIFIED_S, CERTIFIED_PROCESSES = 600.0, 5

CODES: Mapping[str, int] = MappingProxyType({PASS: 0, FAIL: 1, NO_VERDICT: 3})
"""A verdict -> the exit code of a command."""


@dataclass(frozen=True)
class CheckPlan:
    """What is measured, and how.

    Attributes:
        artifact: its path.
        budget: what is asked of it.
        seconds: how long, in all; a trace takes what it takes, in every process.
        processes: fresh ones, one after the other, that share the time.
        back_to_back: whether nothing waits, and the responses are implied.
        trace: a file of arrivals, as edgernn.latency.arrivals.recorded reads it; else a frame each period.
        frames: a file of frames, as edgernn.files.frames reads it; else random ones.
        threads, seed: of the runtime, and of random frames.
        device: whose budget it is; None where it was stated.
        certificate: whether its figures are to be published, which asks more of the machine.
        any_governor: whether a certificate accepts a governor that cannot be read.
        python: that runs the processes.

    Raises:
        UsageError: no time or no process.
    """

    artifact: str
    budget: Budget
    seconds: float = SHORT_S
    processes: int = 1
    back_to_back: bool = False
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
            raise UsageError(f"{self.seconds:g} seconds are nothing to measure; expected more than 0")
        if self.processes < 1:
            raise UsageError(f"{self.processes} processes measure nothing; expected one at least")

    @property
    def steps(self) -> int:
        """Of each process."""
        if self.trace:
            return len(arrivals.recorded(self.trace))
        return ceil(self.seconds / self.processes * 1e6 / self.budget.period_us)


@dataclass(frozen=True)
class Process:
    """What one process found."""

    opened: Mapping[str, Any]  # as edgernn.latency.runner answers "open"
    measured: Measured


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes:
        verdict: PASS, FAIL or NO_VERDICT.
        reasons: why there is none, by name.
        remarks: what could not be looked at, or is worth knowing.
        as_found: whether something of the machine was not known, or not as it should be, so that the verdict is of this
            machine as it was found.
        judged: what the steps say, whether or not the machine was fit.
        passing: as edgernn.budget.verdict.passing.
    """

    plan: CheckPlan
    verdict: str
    reasons: Mapping[str, str]
    remarks: tuple[str, ...]
    as_found: bool
    evaluated: Evaluation
    passing: tuple[float | None, float | None]
    processes: tuple[Process, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """Of each process."""
        return tuple(each.measured.run for each in self.processes)

    @property
    def span_s(self) -> float:
        """From the first frame to the last answer, over all processes."""
        return sum(float(run.end[-1]) for run in self.runs) / 1e9

    @property
    def share(self) -> float:
        """The part of one processor that the steps take, at the rate at which the frames come."""
        busy = sum(float(run.service.sum()) for run in self.runs)
        return busy / sum(float(max(run.due[-1], 0)) + self.plan.budget.period_us * 1000 for run in self.runs)

    @property
    def long(self) -> bool:
        """Whether it took as long, and as many processes, as a certificate."""
        return len(self.processes) >= CERTIFIED_PROCESSES and self.span_s >= CERTIFIED_S * 0.999

    @property
    def publishable(self) -> bool:
        """Whether its p99 or p99.9 may be published: long, paced, and judged."""
        return self.long and not self.plan.back_to_back and self.verdict != NO_VERDICT

    def us(self, what: str) -> Array:
        """`service`, `response` or `jitter` of every step in order, in microseconds."""
        return _us([getattr(run, what) for run in self.runs])


def check(
    plan: CheckPlan,
    measured: Callable[[CheckPlan, Callable[[int], None]], Sequence[Process]] | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> Check:
    """Measure, and judge.

    Args:
        plan: what and how.
        measured: who measures; fresh processes unless given.
        tell: called with the number of each process before it begins.

    Raises:
        EdgernnError: the artifact, the frames or the trace cannot be read or do not fit.
    """
    return evaluated(plan, (measured or fresh)(plan, tell))


def evaluated(plan: CheckPlan, processes: Sequence[Process]) -> Check:
    """What processes found, held against the budget."""
    budget = plan.budget
    responses = Responses(_us([each.measured.run.response for each in processes]))
    said = responses.evaluate(budget)
    evidence = _evidence(plan, [each.measured for each in processes])
    reasons, borne = unfit(evidence), []
    if said.verdict != NO_VERDICT and stands(evidence, said.verdict, reasons):
        borne = [f"{why}; {STANDS[said.verdict]}" for why in reasons.values()]
        reasons = {}
    if said.verdict == NO_VERDICT:
        reasons["steps"] = _too_few(said, budget, plan)
    return Check(
        plan,
        NO_VERDICT if reasons else said.verdict,
        MappingProxyType(reasons),
        (*borne, *remarks(evidence)),
        bool(borne) or evidence.governor_unknown,
        said,
        responses.passing(budget),
        tuple(processes),
    )


def _us(each: Sequence[arrivals.Times]) -> Array:
    """One array of microseconds from several of nanoseconds."""
    joined: Array = np.concatenate(each) / 1000
    return joined


def _evidence(plan: CheckPlan, found: Sequence[Measured]) -> Evidence:
    faults = [each.faults for each in found]
    known = [each for each in faults if each is not None]
    jitter = float(np.percentile(_us([each.run.jitter for each in found]), 99, method="inverted_cdf"))
    return Evidence(
        moments=[now for each in found for now in each.moments],
        settled=all(each.settled for each in found),
        faults=sum(known) if len(known) == len(faults) else None,
        jitter_us=None if plan.back_to_back else jitter,
        deadline_us=plan.budget.deadline_us,
        device=plan.device,
        certificate=plan.certificate,
        any_governor=plan.any_governor,
        late=float((_us([each.run.response for each in found]) > plan.budget.deadline_us).mean()),
        long=float((_us([each.run.service for each in found]) > plan.budget.deadline_us).mean()),
    )


def _too_few(said: Evaluation, budget: Budget, plan: CheckPlan) -> str:
    """What would decide, in steps and in time."""
    fewest = f" {budget.steps:,} are the fewest that can pass." if said.steps < budget.steps else ""
    seconds = (said.steps + said.more) * budget.period_us / 1e6
    longer = "" if plan.trace else f", in all {seconds:,.0f} s"
    return (
        f"{said.steps:,} steps with {said.misses:,} misses do not decide p{budget.percentile:g}.{fewest} "
        f"{said.more:,} more without a miss would{longer}"
    )


@interrupt.deferred()
def fresh(plan: CheckPlan, tell: Callable[[int], None]) -> list[Process]:
    """Measure in fresh processes, one after the other; this one only looks at the machine, once in each."""
    found = []
    for k in range(plan.processes):
        tell(k)
        with Worker(plan.python) as worker:
            opened = worker.open(plan.artifact, plan.frames, plan.threads, plan.seed)
            found.append(Process(opened, _run(worker, plan)))
    return found


def _run(worker: Worker, plan: CheckPlan) -> Measured:
    during: list[Moment] = []
    said, arrays = worker.ask(
        "run",
        lambda: during.append(moment()),
        plan.seconds / plan.processes / 2,
        period_us=plan.budget.period_us,
        steps=plan.steps,
        trace=plan.trace,
        back_to_back=plan.back_to_back,
    )
    before, after = map(_moment, said["moments"])
    middle = [replace(now, major_faults=None) for now in during]  # of this process, and not of that
    run = Run(arrays["due"], arrays["start"], arrays["end"], said["implied"])
    return Measured(run, said["warm_up_steps"], said["settled"], (before, *middle, after))


def _moment(said: Mapping[str, Any]) -> Moment:
    """A moment as it comes through JSON."""
    lists = {key: value and tuple(value) for key, value in said.items() if key in {"governors", "mhz"}}
    return Moment(**{**said, **lists})
