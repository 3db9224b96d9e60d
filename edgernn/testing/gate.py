"""The gate of a test: measure a model or count its instructions, and check its budget and its baseline."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgernn.artifact import rnn
from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS
from edgernn.budget.verdict import Budget, microseconds, nearest_rank, p_value
from edgernn.device.board import Device, load
from edgernn.device.runtimes import opening
from edgernn.errors import CompilerError, UnsupportedError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.interpreters.numpy import random_frames
from edgernn.latency import arrivals, baseline, history
from edgernn.latency.baseline import INSTRUCTIONS, US, Baseline
from edgernn.latency.check import CheckOptions, CheckResult, ProcessRun, evaluate_runs
from edgernn.latency.conditions import fingerprint, machine
from edgernn.latency.history import Entry
from edgernn.latency.measurement import Measurement
from edgernn.latency.summary import confidence, failure
from edgernn.model.graph import Graph
from edgernn.runtime import program as programs

Measure = Callable[..., Measurement]
"""As edgernn.latency.measurement.measure; replaced in tests."""

Step = Callable[[Any], object]
Prime = Callable[[], object]


@dataclass(frozen=True)
class Requirement:
    """The requirement of a test on a model.

    Attributes:
        budget: None if only a baseline is checked.
        device: the device that the budget is for.
        steps: number of steps to measure.
        back_to_back: run without waiting for frames; the responses are implied.
        prime: prime the stream before each frame.
    """

    budget: Budget | None
    device: Device | None
    steps: int
    back_to_back: bool
    prime: bool


@dataclass(frozen=True)
class GateResult:
    """The result of a gate: PASS, FAIL or NO_VERDICT, its reason, and the figures for a table.

    Attributes:
        verdict, reason, figures: as they are printed.
        measured: the measurement, in the form of a baseline.
        misses: number of misses; None without a budget.
        us: times in microseconds by name, for a history.
    """

    verdict: str
    reason: str
    figures: Mapping[str, str]
    measured: Baseline
    misses: int | None = None
    us: Mapping[str, float] = field(default_factory=dict)


OPTIONS = ("board", "rate", "period", "deadline", "percentile", "confidence", "steps", "back_to_back", "prime")
STEPS_WITHOUT_BUDGET = 2000


def requirement(options: Mapping[str, Any]) -> Requirement:
    """The requirement of the marker of a test. Times are strings such as "10ms", or microseconds.

    Raises:
        UsageError: an option, a board or a rate is unknown, or the budget is invalid.
    """
    for name in options:
        if name not in OPTIONS:
            raise UsageError(f"latency_budget has no option '{name}'; {misspelt(name, OPTIONS)}")
    device = load(options["board"]) if "board" in options else None
    fields = {f"{name}_us": _us(options[name]) for name in ("period", "deadline") if name in options}
    fields |= {name: options[name] for name in ("percentile", "confidence") if name in options}
    if "rate" in options:
        rate = (device or load("this")).rate(options["rate"])
        fields = {"period_us": rate.period_us, "deadline_us": rate.deadline_us, "percentile": rate.percentile} | fields
    if fields and "period_us" not in fields:
        if "deadline_us" not in fields:
            raise UsageError("the latency_budget has no period; write period='10ms', deadline='8ms' or rate='audio'")
        fields["period_us"] = fields["deadline_us"]
    budget = Budget(**fields) if fields else None
    steps = options.get("steps", budget.steps if budget else STEPS_WITHOUT_BUDGET)
    if type(steps) is not int or steps < 1:
        raise UsageError(f"steps={steps!r} arrived; expected a whole number of at least 1")
    back_to_back, prime = bool(options.get("back_to_back")), bool(options.get("prime"))
    if prime and (back_to_back or budget is None):
        raise UsageError("prime=True needs frames that come at a period; give the test a budget without back_to_back")
    return Requirement(budget, device, steps, back_to_back, prime)


def _us(time: Any) -> float:
    return microseconds(time) if isinstance(time, str) else time


def measure_model(model: Any, frames: Sequence[Any] | None, required: Requirement, measure: Measure) -> GateResult:
    """Measure the steps of a model in this process, and evaluate the budget.

    Args:
        model: a Graph, a Program, the path of an artifact, or any step that is called with a frame.
        frames: inputs, repeated from the first; default: random ones for a model, None for a step.
        required: the requirement.
        measure: as edgernn.latency.measurement.measure.

    Raises:
        EdgernnError: the artifact cannot be opened.
    """
    step, prime, backend, size, inputs = _open(model, frames)
    if required.prime and prime is None:
        raise UsageError("prime=True, and a step alone cannot be primed; give the artifact, its Program or the Graph")
    budget = required.budget or Budget(1e6)
    due = arrivals.regular(required.steps, budget.period_us)
    measurement = measure(
        step,
        inputs,
        due,
        back_to_back=required.back_to_back or required.budget is None,
        prime=prime if required.prime else None,
    )
    conditions = fingerprint(machine(), measurement.machine_states[0], backend, 1)
    measured = baseline.from_times((measurement.times.service / 1000).tolist(), size, conditions)
    figures = {"steps": f"{required.steps:,}", "service p50": f"{measured.value:,.6g} us"}
    us = {"service p50": measured.value}
    if required.budget is None:
        return GateResult(PASS, "", figures, measured, us=us)
    options = CheckOptions(
        backend, budget, back_to_back=required.back_to_back, prime=required.prime, device=required.device
    )
    check = evaluate_runs(options, [ProcessRun({}, measurement)])
    tail, name = nearest_rank(sorted(check.us("response")), budget.percentile), f"response p{budget.percentile:g}"
    figures |= {name: f"{tail:,.6g} us", "deadline": f"{budget.deadline_us:,.6g} us"}
    if check.verdict != NO_VERDICT:
        figures["confidence"] = confidence(p_value(check.evaluation, budget))
        figures |= {"valid for": "the present state of this machine"} if check.conditional else {}
    us[name] = tail
    return GateResult(check.verdict, _reason(check), figures, measured, check.evaluation.misses, us)


def _reason(check: CheckResult) -> str:
    return failure(check) if check.verdict == FAIL else "; ".join(check.reasons.values())


def _open(model: Any, frames: Sequence[Any] | None) -> tuple[Step, Prime | None, str, int, Sequence[Any]]:
    """The step of a model, what primes it, the name of its runtime, the bytes of the model, and its frames."""
    if callable(model) and not isinstance(model, programs.Program | Graph):
        return model, None, "a step", 0, frames if frames is not None else (None,)
    if isinstance(model, Graph):
        program = programs.load(rnn.dumps(model), "graph.rnn", opening("graph.rnn").backend)
    else:
        program = model if isinstance(model, programs.Program) else programs.open(model)
    manifest = program.manifest
    inputs = frames if frames is not None else [*random_frames(manifest.inputs, manifest.vocabulary_size, 64)]
    stream = program.stream()
    return stream.step, stream.prime, program.backend, program.size, inputs


def count_instructions(model: Any, level: str | None = None) -> GateResult:
    """Count the instructions of a model's step in C; nothing is timed.

    Args:
        model: a Graph, or the path of an .rnn file.
        level: of processors, one of edgernn_export.counting.count.COUNTERS; by default x86-64-v3.

    Raises:
        UsageError: the model is something else, or instructions of the level are not counted.
        EdgernnError: the file cannot be read, or the C target does not support the model.
    """
    from edgernn_export.counting.count import LEVEL, count

    if not isinstance(model, Graph) and not (isinstance(model, str | os.PathLike) and str(model).endswith(".rnn")):
        raise UsageError(
            f"instructions are counted for a Graph or an .rnn file, not for {model!r}; give the .rnn it was exported "
            "from"
        )
    graph = model if isinstance(model, Graph) else rnn.load(model)
    size = len(rnn.dumps(graph))
    try:
        counted = count(graph, level=level or LEVEL)
    except (UnsupportedError, CompilerError) as error:
        return GateResult(NO_VERDICT, str(error), {}, Baseline(INSTRUCTIONS, 0, 0, 0, size, {}))
    conditions = {"compiler": counted.compiler, "level": level or LEVEL}
    n = counted.instructions
    figures = {"instructions": f"{n:,.6g}", "bytes": f"{size:,}"}
    return GateResult(PASS, "", figures, Baseline(INSTRUCTIONS, n, n, n, size, conditions))


def check_baseline(result: GateResult, path: str | os.PathLike[str], *, update: bool) -> GateResult:
    """Compare the result with its baseline, or write the baseline if `update`. An empty measurement is returned as is.

    Raises:
        FileError: the baseline cannot be read or written.
    """
    if result.measured.value <= 0:
        return result
    if update:
        baseline.save(path, result.measured)
        return replace(result, reason=result.reason or "the baseline was written")
    before = baseline.load(path)
    comparison, reason = baseline.compare(result.measured, before)
    figures = {**result.figures, **({"baseline": f"{before.value:,.6g}"} if before else {})}
    worst = max(result.verdict, comparison, key=(PASS, NO_VERDICT, FAIL).index)
    both = ((result.verdict, result.reason), (comparison, reason))
    reasons = [text for verdict, text in both if verdict == worst and text]
    return replace(result, verdict=worst, reason="; ".join(reasons), figures=figures)


def history_entry(result: GateResult, name: str, required: Requirement) -> Entry:
    """The line of a history for the test of this name."""
    measured, budget = result.measured, required.budget
    timed = measured.unit == US
    mode = "back to back, responses implied" if required.back_to_back or budget is None else "paced"
    mode += " and primed" * required.prime
    return Entry(
        time=history.timestamp(),
        commit=history.commit(),
        command="test",
        name=name,
        sha256=None,
        bytes=measured.size,
        verdict=result.verdict,
        mode=mode if timed else "",
        period_us=budget.period_us if budget and timed else None,
        deadline_us=budget.deadline_us if budget and timed else None,
        percentile=budget.percentile if budget and timed else None,
        us=result.us,
        steps=required.steps if timed else None,
        misses=result.misses,
        instructions=measured.value if measured.unit == INSTRUCTIONS and measured.value else None,
        fingerprint=measured.fingerprint,
    )
