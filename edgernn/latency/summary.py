"""What a check found, told: on one screen for a person, and as JSON for a program."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.budget.binomial import NO_VERDICT, PASS
from edgernn.budget.verdict import CLEAN, Budget, Evaluation, by_chance
from edgernn.latency.check import CERTIFIED_PROCESSES, CERTIFIED_S, Check
from edgernn.latency.conditions import Machine, Moment, fingerprint

PERCENTS = (50, 90, 95, 99)
KINDS: Mapping[str, str] = {
    "response": "from a frame to its answer",
    "service": "the step by itself",
    "jitter": "late to begin",
}


def text(found: Check) -> str:
    """One screen."""
    plan = found.plan
    opened = found.processes[0].opened
    lines = [
        f"{Path(plan.artifact).name} on {opened['backend']}: {asked(plan.budget)}",
        f"{sentence(found)}: {_run(found)}",
        *(f"  {why}" for why in found.reasons.values()),
        "",
        f"{'us':12}" + "".join(f"{f'p{each}':>11}" for each in PERCENTS) + f"{'worst':>11}",
        *(_row(found, kind) for kind in KINDS if kind != "jitter" or not plan.back_to_back),
        "",
        *(_line(name, told) for name, told in figures(found).items()),
        *(f"  {remark}" for remark in found.remarks),
    ]
    return "\n".join([*lines, *([""] if _warnings(found) else []), *_warnings(found)])


def figures(found: Check) -> dict[str, str]:
    """What was found beside the percentiles: a name and a sentence each."""
    said, budget = found.evaluated, found.plan.budget
    implied = ", implied" if found.plan.back_to_back else ""
    return {
        "misses": f"{said.misses:,} of {said.steps:,} ({said.misses / said.steps:.3%}), {said.longest:,} in a row",
        f"p{budget.percentile:g}": _percentile(found) + implied,
        "dependence": f"{said.dependence:.2f} steps are worth one that stands for itself",
        "sure": ("by the steps alone, " if found.verdict != said.verdict else "") + sure(said, budget),
        "processor": f"{found.share:.2%} of one core",
        "cold start": _cold(found),
        "would pass": would_pass(found),
        "machine": _machine(found),
    }


def failure(found: Check) -> str:
    """Why a FAIL is one."""
    said, budget = found.evaluated, found.plan.budget
    late = f"{said.misses:,} of {said.steps:,} steps took more than {budget.deadline_us:,.6g} us"
    return f"{late}, and {budget.percentile:g} % must not"


def as_json(found: Check) -> dict[str, Any]:
    """All that is known but the single steps."""
    plan, opened = found.plan, found.processes[0].opened
    moments = [now for each in found.processes for now in each.measured.moments]
    deadline, percentile = found.passing
    return {
        "verdict": found.verdict,
        "as_found": found.as_found,
        "sure": sure(found.evaluated, plan.budget),
        "reasons": dict(found.reasons),
        "remarks": list(found.remarks),
        "publishable": found.publishable,
        "mode": mode(found),
        "budget": asdict(plan.budget),
        "device": plan.device and plan.device.name,
        "judged": asdict(found.evaluated),
        "would_pass": {"deadline_us": deadline, "percentile": percentile},
        "us": {kind: _summary(found, kind) for kind in KINDS},
        "span_s": found.span_s,
        "processor_share": found.share,
        "cold": [{key: each.opened[key] for key in ("load_us", "first_us")} for each in found.processes],
        "warm_up": [_warm(each.measured.warm_up_steps, each.measured.settled) for each in found.processes],
        "artifact": {
            "path": plan.artifact,
            **{key: opened[key] for key in ("sha256", "bytes", "precision", "backend", "edgernn")},
        },
        "threads": plan.threads,
        "seed": plan.seed,
        "frames": plan.frames or "random",
        "trace": plan.trace,
        "machine": opened["machine"],
        "moments": [asdict(now) for now in moments],
        "major_faults": [each.measured.faults for each in found.processes],
        "fingerprint": fingerprint(Machine(**opened["machine"]), moments[0], opened["backend"], plan.threads),
    }


def asked(budget: Budget) -> str:
    """The budget in words."""
    return (
        f"a frame every {_time(budget.period_us)}, {budget.percentile:g} % answered within "
        f"{_time(budget.deadline_us)}, {budget.confidence:.0%} sure"
    )


def sentence(found: Check) -> str:
    """The verdict, and of what it is."""
    whole = found.verdict == NO_VERDICT or not found.as_found
    return found.verdict if whole else f"{found.verdict} on this machine as it was found"


def sure(said: Evaluation, budget: Budget) -> str:
    """How sure the steps alone make their verdict: what chance would have to do if it were wrong."""
    if said.verdict == NO_VERDICT:
        passes, fails = confidence(said.so_few), confidence(said.so_many)
        return (
            f"{passes} that p{budget.percentile:g} is in time, {fails} that it is late; {budget.confidence:.0%} decide"
        )
    chance = by_chance(said, budget)
    bursts = f", in bursts of {CLEAN}" if not said.misses else ""
    many = ("so few misses" if said.misses else "no miss") if said.verdict == PASS else "so many misses"
    once = "less than once in a million runs" if chance < 1e-6 else f"once in {1 / chance:,.0f} runs"
    return (
        f"{confidence(chance)}: were {100 - budget.percentile:.4g} % late{bursts}, {many} would come by chance {once}"
    )


def confidence(chance: float) -> str:
    """One less the chance, in percent, and never rounded up to certainty."""
    if chance < 1e-6:
        return "more than 99.9999 %"
    digits = max(1, ceil(-log10(chance)) - 1)
    return f"{floor((1 - chance) * 100 * 10**digits) / 10**digits:.{digits}f} %"


def mode(found: Check) -> str:
    """How the frames came."""
    if found.plan.back_to_back:
        return "back to back, responses implied"
    return "paced by recorded arrivals" if found.plan.trace else "paced"


def would_pass(found: Check) -> str:
    """A deadline, and a percentile, that the run would have passed."""
    budget = found.plan.budget
    deadline, percentile = found.passing
    none = "no deadline within the period" if found.evaluated.steps >= budget.steps else "too few steps for a deadline"
    within = f"{none if deadline is None else _time(ceil(deadline))} at p{budget.percentile:g}"
    until = "no percentile" if percentile is None else f"p{percentile:g}"
    return f"{within}; {until} at {_time(budget.deadline_us)}"


def table(found: Check) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Head and rows of the percentiles, in microseconds."""
    rows = []
    for kind, words in KINDS.items():
        said = _summary(found, kind)
        rows.append((f"{kind}: {words}", *(f"{said[key]:,.1f}" for key in said)))
    return ("us", *(f"p{each}" for each in PERCENTS), "worst"), tuple(rows)


def _run(found: Check) -> str:
    many = f" in {len(found.processes)} processes" if len(found.processes) > 1 else ""
    return f"{mode(found)}, {found.evaluated.steps:,} steps, {found.span_s:,.1f} s{many}"


def _warnings(found: Check) -> list[str]:
    if found.plan.back_to_back:
        return ["Implied: nothing waited for its frame, which flatters. Only a paced run may be published."]
    if found.long:
        return []
    return [f"A short run: {CERTIFIED_S:g} s paced in {CERTIFIED_PROCESSES} processes before p99 may be published."]


def _summary(found: Check, kind: str) -> dict[str, float]:
    us = found.us(kind)
    ranks = np.percentile(us, PERCENTS, method="inverted_cdf").tolist()
    return {**{f"p{each}": value for each, value in zip(PERCENTS, ranks, strict=True)}, "worst": float(us.max())}


def _row(found: Check, kind: str) -> str:
    label = "implied" if found.plan.back_to_back and kind == "response" else kind
    return f"{label:12}" + "".join(f"{us:11,.1f}" for us in _summary(found, kind).values())


def _percentile(found: Check) -> str:
    said = found.evaluated
    low, high = (None if us is None else _time(us) for us in (said.low_us, said.high_us))
    sure = f"{found.plan.budget.confidence:.0%} sure of each"
    if low and high:
        return f"{_time(said.value_us)}; between {low} and {high}, {sure}"
    bound = f"above {low}" if low else f"below {high}" if high else "too few steps for bounds"
    return f"{_time(said.value_us)}; {bound}{f', {sure}' if low or high else ''}"


def _cold(found: Check) -> str:
    opened = [each.opened for each in found.processes]
    load, first = (max(each[key] for each in opened) for key in ("load_us", "first_us"))
    warm = [_warm(each.measured.warm_up_steps, each.measured.settled) for each in found.processes]
    steps = max(each["steps"] for each in warm)
    return f"load {_time(load)}, first step {_time(first)}, {steps:,} steps to warm up"


def _warm(steps: int, settled: bool) -> dict[str, Any]:
    return {"steps": steps, "settled": settled}


def _machine(found: Check) -> str:
    here = found.processes[0].opened["machine"]
    first, last = found.processes[0].measured.moments[0], found.processes[-1].measured.moments[-1]
    return f"{here['cpu'] or here['level']}, governor {_governor(first)}, load {_load([first, last])}"


def _governor(now: Moment) -> str:
    return "unknown" if now.governors is None else ", ".join(now.governors)


def _load(moments: Sequence[Moment]) -> str:
    return " then ".join("unknown" if now.load is None else f"{now.load:g}" for now in moments)


def _line(name: str, said: str) -> str:
    return f"{name:12}{said}"


def _time(us: float) -> str:
    """Microseconds in a unit that a person reads."""
    if us >= 1e6:
        return f"{us / 1e6:.4g} s"
    return f"{us / 1000:.4g} ms" if us >= 1000 else f"{us:.4g} us"
