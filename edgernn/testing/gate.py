"""A gate for tests: a model measured or counted, and held against a budget and a baseline."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgernn.artifact import rnn
from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.budget.verdict import Budget, at, by_chance, microseconds
from edgernn.device.board import Device, load
from edgernn.device.runtimes import opening
from edgernn.errors import CompilerError, UnsupportedError, UsageError
from edgernn.files.toml import misspelt
from edgernn.interpreters.numpy import random_frames
from edgernn.latency import arrivals, baseline, history
from edgernn.latency.baseline import INSTRUCTIONS, US, Baseline
from edgernn.latency.check import Check, CheckPlan, Process, evaluated
from edgernn.latency.conditions import fingerprint, machine
from edgernn.latency.history import Entry
from edgernn.latency.measurement import Measured
from edgernn.latency.summary import confidence, failure
from edgernn.model.graph import Graph
from edgernn.runtime import program as programs

Measure = Callable[..., Measured]
"""As edgernn.latency.measurement.measure; another one in tests."""


@dataclass(frozen=True)
class Asked:
    """What a test asks of a model.

    Attributes:
        budget: None where only a baseline counts.
        device: whose budget it is.
        steps: how many are measured.
        back_to_back: whether nothing waits, and the responses are implied.
    """

    budget: Budget | None
    device: Device | None
    steps: int
    back_to_back: bool


@dataclass(frozen=True)
class Outcome:
    """What came of it: PASS, FAIL or NO_VERDICT, why, and the figures for a table.

    Attributes:
        verdict, why, figures: as they are printed.
        now: what would be kept as the baseline.
        misses: of the steps; None where nothing was held against a budget.
        us: times by name, for a history.
    """

    verdict: str
    why: str
    figures: Mapping[str, str]
    now: Baseline
    misses: int | None = None
    us: Mapping[str, float] = field(default_factory=dict)


OPTIONS = ("device", "use", "period", "deadline", "percentile", "confidence", "steps", "back_to_back")
UNASKED_STEPS = 2000


def asked(said: Mapping[str, Any]) -> Asked:
    """What the marker of a test asks: times are such as "10ms", or microseconds.

    Raises:
        UsageError: an unknown option, an unknown device or use, or a budget that cannot be.
    """
    for name in said:
        if name not in OPTIONS:
            raise UsageError(f"latency_budget has no option '{name}'; {misspelt(name, OPTIONS)}")
    device = load(said["device"]) if "device" in said else None
    given = {f"{name}_us": _us(said[name]) for name in ("period", "deadline") if name in said}
    given |= {name: said[name] for name in ("percentile", "confidence") if name in said}
    if "use" in said:
        rate = (device or load("this")).rate(said["use"])
        given = {"period_us": rate.period_us, "deadline_us": rate.deadline_us, "percentile": rate.percentile} | given
    if given and "period_us" not in given:
        if "deadline_us" not in given:
            raise UsageError("the latency_budget has no period; write period='10ms', deadline='8ms' or use='audio'")
        given["period_us"] = given["deadline_us"]
    budget = Budget(**given) if given else None
    steps = said.get("steps", budget.steps if budget else UNASKED_STEPS)
    if type(steps) is not int or steps < 1:
        raise UsageError(f"steps={steps!r} arrived; expected a whole number of at least 1")
    return Asked(budget, device, steps, bool(said.get("back_to_back")))


def _us(said: Any) -> float:
    return microseconds(said) if isinstance(said, str) else said


def measured(model: Any, frames: Sequence[Any] | None, wanted: Asked, measure: Measure) -> Outcome:
    """Measure a model's steps in this process, and hold them against the budget.

    Args:
        model: a Graph, a Program, the path of an artifact; or any step, called with a frame.
        frames: given in turn; random ones for a model, None for a step, unless given.
        wanted: what is asked.
        measure: as edgernn.latency.measurement.measure.

    Raises:
        EdgernnError: the artifact cannot be opened.
    """
    step, backend, size, given = _opened(model, frames)
    plan = wanted.budget or Budget(1e6)
    due = arrivals.regular(wanted.steps, plan.period_us)
    found = measure(step, given, due, back_to_back=wanted.back_to_back or wanted.budget is None)
    now = baseline.of_times(
        (found.run.service / 1000).tolist(), size, fingerprint(machine(), found.moments[0], backend, 1)
    )
    figures = {"steps": f"{wanted.steps:,}", "service p50": f"{now.value:,.6g} us"}
    us = {"service p50": now.value}
    if wanted.budget is None:
        return Outcome(PASS, "", figures, now, us=us)
    asked_of = CheckPlan(backend, plan, back_to_back=wanted.back_to_back, device=wanted.device)
    check = evaluated(asked_of, [Process({}, found)])
    slow = at(sorted(check.us("response")), plan.percentile)
    figures |= {f"response p{plan.percentile:g}": f"{slow:,.6g} us", "deadline": f"{plan.deadline_us:,.6g} us"}
    if check.verdict != NO_VERDICT:
        figures["sure"] = confidence(by_chance(check.evaluated, plan))
        figures |= {"machine": "as it was found"} if check.as_found else {}
    us[f"response p{plan.percentile:g}"] = slow
    return Outcome(check.verdict, _why(check), figures, now, check.evaluated.misses, us)


def _why(check: Check) -> str:
    return failure(check) if check.verdict == FAIL else "; ".join(check.reasons.values())


def _opened(model: Any, frames: Sequence[Any] | None) -> tuple[Callable[[Any], object], str, int, Sequence[Any]]:
    """(the step, what runs it, bytes of the model, its frames)."""
    if callable(model) and not isinstance(model, programs.Program | Graph):
        return model, "a step", 0, frames if frames is not None else (None,)
    if isinstance(model, Graph):
        program = programs.load(rnn.dumps(model), "graph.rnn", opening("graph.rnn").backend)
    else:
        program = model if isinstance(model, programs.Program) else programs.open(model)
    said = program.manifest
    given = frames if frames is not None else [*random_frames(said.inputs, said.vocabulary_size, 64)]
    return program.stream().step, program.backend, program.size, given


def counted(model: Any) -> Outcome:
    """Count the instructions of a model's step in C; no clock is asked.

    Args:
        model: a Graph, or the path of an .rnn file.

    Raises:
        UsageError: something else.
        EdgernnError: the file cannot be read, or C cannot express it.
    """
    from edgernn_export.targets.c.instructions import LEVEL, count

    if not isinstance(model, Graph) and not (isinstance(model, str | os.PathLike) and str(model).endswith(".rnn")):
        raise UsageError(
            f"instructions are counted of a Graph or an .rnn file, not of {model!r}; give the .rnn it was exported from"
        )
    graph = model if isinstance(model, Graph) else rnn.load(model)
    size = len(rnn.dumps(graph))
    try:
        found = count(graph)
    except (UnsupportedError, CompilerError) as error:
        return Outcome(NO_VERDICT, str(error), {}, Baseline(INSTRUCTIONS, 0, 0, 0, size, {}))
    made_on = {"compiler": found.made_by, "level": LEVEL}
    each = found.instructions
    figures = {"instructions": f"{each:,.6g}", "bytes": f"{size:,}"}
    return Outcome(PASS, "", figures, Baseline(INSTRUCTIONS, each, each, each, size, made_on))


def compared(outcome: Outcome, path: str | os.PathLike[str], *, update: bool) -> Outcome:
    """The outcome with what its baseline says; or the baseline written anew, unless there is nothing to write.

    Raises:
        FileError: the baseline cannot be read or written.
    """
    if outcome.now.value <= 0:
        return outcome
    if update:
        baseline.write(path, outcome.now)
        return replace(outcome, why=outcome.why or "the baseline was written")
    before = baseline.read(path)
    said, why = baseline.against(outcome.now, before)
    figures = {**outcome.figures, **({"baseline": f"{before.value:,.6g}"} if before else {})}
    worst = max(outcome.verdict, said, key=(PASS, NO_VERDICT, FAIL).index)
    reasons = [text for verdict, text in ((outcome.verdict, outcome.why), (said, why)) if verdict == worst and text]
    return replace(outcome, verdict=worst, why="; ".join(reasons), figures=figures)


def entry(outcome: Outcome, name: str, wanted: Asked) -> Entry:
    """The line of a history for the test of this name."""
    now, budget = outcome.now, wanted.budget
    timed = now.unit == US
    paced = "back to back, responses implied" if wanted.back_to_back or budget is None else "paced"
    return Entry(
        time=history.now(),
        commit=history.commit(),
        command="test",
        name=name,
        sha256=None,
        bytes=now.size,
        verdict=outcome.verdict,
        mode=paced if timed else "",
        period_us=budget.period_us if budget and timed else None,
        deadline_us=budget.deadline_us if budget and timed else None,
        percentile=budget.percentile if budget and timed else None,
        us=outcome.us,
        steps=wanted.steps if timed else None,
        misses=outcome.misses,
        instructions=now.value if now.unit == INSTRUCTIONS and now.value else None,
        fingerprint=now.fingerprint,
    )
