"""The arms of a comparison: a process for each, and what a machine that was not fit makes of the verdict."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgernn.budget.binomial import NO_VERDICT
from edgernn.errors import UsageError
from edgernn.latency.conditions import Moment, moment
from edgernn.latency.fitness import Evidence, remarks, unfit
from edgernn.latency.regress import ORDER, TOLERANCES, Block, Regression, regress
from edgernn.latency.worker import Worker
from edgernn.process import interrupt


@dataclass(frozen=True)
class ABTest:
    """Who is compared, and on what frames.

    Attributes:
        base, candidate: paths of artifacts that read the same frames.
        base_python, python: that run the base, and the candidate.
        frames: a file of frames, as edgernn.files.frames reads it; else random ones.
        threads, seed: of the runtimes, and of random frames.
    """

    base: str
    candidate: str
    base_python: str = sys.executable
    python: str = sys.executable
    frames: str | None = None
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """A comparison, what each arm said of itself when it opened, and the machine before and after."""

    ab: ABTest
    regression: Regression
    opened: Mapping[str, Mapping[str, Any]]
    moments: tuple[Moment, ...]
    remarks: tuple[str, ...]


@interrupt.deferred()
def compared(
    ab: ABTest, tolerances: Mapping[str, float] = TOLERANCES, tell: Callable[[int], None] = lambda _: None
) -> Found:
    """Open every arm, warm it up, and compare.

    Raises:
        EdgernnError: an artifact or the frames cannot be read, do not fit each other, or a Python has no edgernn.
    """
    opened: dict[str, dict[str, Any]] = {}
    settled: list[bool] = []

    @contextmanager
    def fresh() -> Iterator[Mapping[str, Block]]:
        with ExitStack() as stack:
            workers = {name: stack.enter_context(Worker(python)) for name, (_, python) in _sides(ab).items()}
            for name, worker in workers.items():
                opened[name] = worker.open(_sides(ab)[name][0], ab.frames, ab.threads, ab.seed)
            _check(ab, opened)
            settled.extend(worker.ask("warm")[0]["settled"] for worker in workers.values())
            yield {name: _block(worker) for name, worker in workers.items()}

    before = moment()
    said = regress(fresh, tolerances, tell)
    moments = (before, moment())
    evidence = Evidence(moments, all(settled), faults=0, jitter_us=None, deadline_us=0.0)
    reasons = unfit(evidence)
    if reasons:
        said = replace(said, verdict=NO_VERDICT, reason="; ".join(filter(None, [*reasons.values(), said.reason])))
    return Found(ab, said, opened, moments, tuple(remarks(evidence)))


def text(found: Found) -> str:
    """What was found, for a person."""
    said, opened = found.regression, found.opened
    lines = [f"{said.verdict}: {said.pairs} pairs of blocks of {said.steps:,} steps, back to back", *_reasons(said), ""]
    for name, path in (("base", found.ab.base), ("candidate", found.ab.candidate)):
        here = opened[name]["machine"]
        lines.append(f"{name:10} {Path(path).name} on {opened[name]['backend']}, Python {here['python']}")
    lines += ["", f"{'us':8}{'base':>10}{'candidate':>11}{'slower by':>11}   {'95 %':18}{'base against itself':20}"]
    lines += [
        f"{each.metric:8}{each.base_us:10,.2f}{each.candidate_us:11,.2f}{each.slower:+11.1%}   "
        f"{f'{each.low:+.1%} to {each.high:+.1%}':18}{each.again_low:+.1%} to {each.again_high:+.1%}"
        for each in said.compared
    ]
    return "\n".join([*lines, *(["", *found.remarks] if found.remarks else [])])


def as_json(found: Found) -> dict[str, Any]:
    """The same, and all that it belongs to."""
    said = found.regression
    rows = [{**asdict(each), "fit": each.fit, "verdict": each.verdict} for each in said.compared]
    return {
        **asdict(said),
        "compared": rows,
        "ab": asdict(found.ab),
        "opened": dict(found.opened),
        "moments": [asdict(now) for now in found.moments],
        "remarks": list(found.remarks),
    }


def _reasons(said: Regression) -> list[str]:
    return [f"  {each}" for each in said.reason.split("; ") if each]


def _sides(ab: ABTest) -> dict[str, tuple[str, str]]:
    """One of ORDER -> its artifact, and the Python that runs it."""
    sides = {"base": (ab.base, ab.base_python), "candidate": (ab.candidate, ab.python)}
    return {name: sides.get(name, sides["base"]) for name in ORDER}


def _check(ab: ABTest, opened: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse two that do not read the same frames."""
    base, candidate = ((opened[name]["inputs"], opened[name]["vocabulary_size"]) for name in ("base", "candidate"))
    if base != candidate:
        raise UsageError(
            f"'{ab.base}' reads {_frame(*base)} and '{ab.candidate}' {_frame(*candidate)}; compare two that read "
            "the same frames"
        )


def _frame(inputs: int, rows: int) -> str:
    return f"one of {rows} symbols" if rows else f"{inputs} numbers"


def _block(worker: Worker) -> Block:
    return lambda steps: worker.ask("block", steps=steps)[1]["took"]
