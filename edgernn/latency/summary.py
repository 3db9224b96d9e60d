"""The result of a check as text on one screen, and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.budget.binomial import NO_VERDICT, PASS
from edgernn.budget.verdict import ASSUMED_BURST, Budget, BudgetEvaluation, p_value
from edgernn.latency.check import CERTIFIED_PROCESSES, CERTIFIED_S, CheckResult
from edgernn.latency.conditions import Machine, MachineState, fingerprint

PERCENTS = (50, 90, 95, 99)
METRICS: Mapping[str, str] = {
    "response": "from a frame to its output",
    "service": "duration of the step",
    "jitter": "delay of the start",
}
"""Metric of a step -> its meaning."""


def text(result: CheckResult) -> str:
    """The result on one screen."""
    options = result.options
    info = result.processes[0].info
    lines = [
        f"{Path(options.artifact).name} on {info['backend']}: {budget_text(options.budget)}",
        f"{qualified_verdict(result)}: {_run(result)}",
        *(f"  {reason}" for reason in result.reasons.values()),
        "",
        f"{'us':12}" + "".join(f"{f'p{each}':>11}" for each in PERCENTS) + f"{'worst':>11}",
        *(_row(result, metric) for metric in METRICS if metric != "jitter" or not options.back_to_back),
        "",
        *(f"{name:12}{value}" for name, value in figures(result).items()),
        *(f"  {note}" for note in result.notes),
    ]
    return "\n".join([*lines, *([""] if _warnings(result) else []), *_warnings(result)])


def figures(result: CheckResult) -> dict[str, str]:
    """The figures other than the table of percentiles: name -> text."""
    evaluation, budget = result.evaluation, result.options.budget
    implied = ", implied" if result.options.back_to_back else ""
    share = evaluation.misses / evaluation.steps
    return {
        "misses": f"{evaluation.misses:,} of {evaluation.steps:,} ({share:.3%}), {evaluation.longest_run:,} in a row",
        f"p{budget.percentile:g}": _percentile(result) + implied,
        "dependence": f"{evaluation.dependence:.2f} steps count as one independent step",
        "confidence": ("for the steps alone, " if result.verdict != evaluation.verdict else "")
        + confidence_text(evaluation, budget),
        "processor": f"{result.cpu_share:.2%} of one core",
        "cold start": _cold_start(result),
        "would pass": passing_budget_text(result),
        "machine": _machine(result),
    }


def failure(result: CheckResult) -> str:
    """The reason of a FAIL."""
    evaluation, budget = result.evaluation, result.options.budget
    late = f"{evaluation.misses:,} of {evaluation.steps:,} steps took more than {budget.deadline_us:,.6g} us"
    return f"{late}; {budget.percentile:g} % must be in time"


def as_json(result: CheckResult) -> dict[str, Any]:
    """The result without the times of single steps, as `--json` prints it."""
    options, info = result.options, result.processes[0].info
    states = [state for each in result.processes for state in each.measurement.machine_states]
    deadline, percentile = result.passing_budget
    return {
        "verdict": result.verdict,
        "conditional": result.conditional,
        "confidence": confidence_text(result.evaluation, options.budget),
        "reasons": dict(result.reasons),
        "notes": list(result.notes),
        "publishable": result.publishable,
        "mode": mode(result),
        "budget": asdict(options.budget),
        "device": options.device and options.device.name,
        "evaluation": asdict(result.evaluation),
        "would_pass": {"deadline_us": deadline, "percentile": percentile},
        "us": {metric: _percentiles(result, metric) for metric in METRICS},
        "span_s": result.span_s,
        "processor_share": result.cpu_share,
        "cold_start": [{key: each.info[key] for key in ("load_us", "first_us")} for each in result.processes],
        "warm_up": [
            {"steps": each.measurement.warm_up_steps, "settled": each.measurement.settled} for each in result.processes
        ],
        "artifact": {
            "path": options.artifact,
            **{key: info[key] for key in ("sha256", "bytes", "precision", "backend", "edgernn")},
        },
        "threads": options.threads,
        "seed": options.seed,
        "frames": options.frames or "random",
        "trace": options.trace,
        "machine": info["machine"],
        "machine_states": [asdict(state) for state in states],
        "major_faults": [each.measurement.faults for each in result.processes],
        "fingerprint": fingerprint(Machine(**info["machine"]), states[0], info["backend"], options.threads),
    }


def budget_text(budget: Budget) -> str:
    """The budget in one sentence."""
    return (
        f"a step every {_time(budget.period_us)}, {budget.percentile:g} % of the outputs within "
        f"{_time(budget.deadline_us)}, {budget.confidence:.0%} confidence"
    )


def qualified_verdict(result: CheckResult) -> str:
    """The verdict, and the conditions that it is valid for."""
    if result.verdict == NO_VERDICT or not result.conditional:
        return result.verdict
    return f"{result.verdict} in the present state of this machine"


def confidence_text(evaluation: BudgetEvaluation, budget: Budget) -> str:
    """The confidence of the verdict on the steps alone, and the probability of the misses if it were wrong."""
    if evaluation.verdict == NO_VERDICT:
        passes, fails = confidence(evaluation.p_value_pass), confidence(evaluation.p_value_fail)
        return (
            f"{passes} that p{budget.percentile:g} is in time, {fails} that it is late; a verdict needs "
            f"{budget.confidence:.0%}"
        )
    p = p_value(evaluation, budget)
    bursts = f", in bursts of {ASSUMED_BURST}" if not evaluation.misses else ""
    few = "as few misses" if evaluation.misses else "no miss"
    misses = few if evaluation.verdict == PASS else "as many misses"
    runs = "fewer than one in a million runs" if p < 1e-6 else f"one in {1 / p:,.0f} runs"
    return f"{confidence(p)}: if {100 - budget.percentile:.4g} % were late{bursts}, {runs} would have {misses}"


def confidence(p: float) -> str:
    """The confidence 1 - p in percent. It is rounded down, so that it never reads as certainty."""
    if p < 1e-6:
        return "more than 99.9999 %"
    digits = max(1, ceil(-log10(p)) - 1)
    return f"{floor((1 - p) * 100 * 10**digits) / 10**digits:.{digits}f} %"


def mode(result: CheckResult) -> str:
    """How the frames arrived."""
    if result.options.back_to_back:
        return "back to back, responses implied"
    return f"paced{' and primed' * result.options.prime}{' by recorded arrivals' * bool(result.options.trace)}"


def passing_budget_text(result: CheckResult) -> str:
    """A deadline, and a percentile, with which the run would have passed."""
    budget = result.options.budget
    deadline, percentile = result.passing_budget
    enough = result.evaluation.steps >= budget.steps
    none = "no deadline within the period" if enough else "too few steps for a deadline"
    tightest = none if deadline is None else f"a deadline of {_time(ceil(deadline))}"
    highest = "no percentile" if percentile is None else f"p{percentile:g}"
    return f"{tightest} at p{budget.percentile:g}; {highest} at a deadline of {_time(budget.deadline_us)}"


def table(result: CheckResult) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Head and rows of the percentiles, in microseconds."""
    rows = []
    for metric, meaning in METRICS.items():
        percentiles = _percentiles(result, metric)
        rows.append((f"{metric}: {meaning}", *(f"{us:,.1f}" for us in percentiles.values())))
    return ("us", *(f"p{each}" for each in PERCENTS), "worst"), tuple(rows)


def _run(result: CheckResult) -> str:
    processes = f" in {len(result.processes)} processes" if len(result.processes) > 1 else ""
    return f"{mode(result)}, {result.evaluation.steps:,} steps, {result.span_s:,.1f} s{processes}"


def _warnings(result: CheckResult) -> list[str]:
    if result.options.back_to_back:
        return ["Implied: no step waited for its frame, which is optimistic. Only a paced run may be published."]
    if result.long:
        return []
    return [f"A short run: p99 may be published after {CERTIFIED_S:g} s, paced, in {CERTIFIED_PROCESSES} processes."]


def _percentiles(result: CheckResult, metric: str) -> dict[str, float]:
    us = result.us(metric)
    ranks = np.percentile(us, PERCENTS, method="inverted_cdf").tolist()
    return {**{f"p{each}": value for each, value in zip(PERCENTS, ranks, strict=True)}, "worst": float(us.max())}


def _row(result: CheckResult, metric: str) -> str:
    label = "implied" if result.options.back_to_back and metric == "response" else metric
    return f"{label:12}" + "".join(f"{us:11,.1f}" for us in _percentiles(result, metric).values())


def _percentile(result: CheckResult) -> str:
    evaluation = result.evaluation
    low, high = (None if us is None else _time(us) for us in (evaluation.low_us, evaluation.high_us))
    confidence = f"{result.options.budget.confidence:.0%} confidence for each"
    if low and high:
        return f"{_time(evaluation.value_us)}; between {low} and {high}, {confidence}"
    bound = f"above {low}" if low else f"below {high}" if high else "too few steps for bounds"
    return f"{_time(evaluation.value_us)}; {bound}{f', {confidence}' if low or high else ''}"


def _cold_start(result: CheckResult) -> str:
    load, first = (max(each.info[key] for each in result.processes) for key in ("load_us", "first_us"))
    steps = max(each.measurement.warm_up_steps for each in result.processes)
    return f"load {_time(load)}, first step {_time(first)}, {steps:,} steps to warm up"


def _machine(result: CheckResult) -> str:
    machine = result.processes[0].info["machine"]
    first = result.processes[0].measurement.machine_states[0]
    last = result.processes[-1].measurement.machine_states[-1]
    return f"{machine['cpu'] or machine['level']}, governor {_governor(first)}, load {_load([first, last])}"


def _governor(state: MachineState) -> str:
    return "unknown" if state.governors is None else ", ".join(state.governors)


def _load(states: Sequence[MachineState]) -> str:
    return " then ".join("unknown" if state.load is None else f"{state.load:g}" for state in states)


def _time(us: float) -> str:
    """Microseconds in a readable unit."""
    if us >= 1e6:
        return f"{us / 1e6:.4g} s"
    return f"{us / 1000:.4g} ms" if us >= 1000 else f"{us:.4g} us"
