"""An A/B comparison of two artifacts: a process for each, and the state of the machine."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgernn.budget.binomial import NO_VERDICT
from edgernn.errors import UsageError
from edgernn.latency.conditions import MachineState, machine_state
from edgernn.latency.fitness import Evidence, notes, unfit_reasons
from edgernn.latency.regress import ORDER, TOLERANCES, Block, LatencyComparison, regress
from edgernn.latency.worker import Worker
from edgernn.process import interrupt


@dataclass(frozen=True)
class ABTest:
    """The artifacts to compare, and their inputs.

    Attributes:
        base, candidate: paths of artifacts with the same inputs.
        base_python, python: the interpreters that run the base and the candidate.
        frames: a file of frames, as edgernn.files.frames reads it; default: random frames.
        threads, seed: threads of the runtimes, and seed of the random frames.
    """

    base: str
    candidate: str
    base_python: str = sys.executable
    python: str = sys.executable
    frames: str | None = None
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True)
class ABResult:
    """The result of an A/B comparison.

    Attributes:
        test: what was compared.
        comparison: the verdict and its metrics.
        runners: one of ORDER -> information on artifact, runtime and machine.
        machine_states: before and after.
        notes: conditions that could not be read, or are worth knowing.
    """

    test: ABTest
    comparison: LatencyComparison
    runners: Mapping[str, Mapping[str, Any]]
    machine_states: tuple[MachineState, ...]
    notes: tuple[str, ...]


@interrupt.deferred()
def run_ab_test(
    test: ABTest, tolerances: Mapping[str, float] = TOLERANCES, progress: Callable[[int], None] = lambda _: None
) -> ABResult:
    """Open the artifacts, warm up, and compare.

    Raises:
        EdgernnError: an artifact or the frames cannot be read, do not fit each other, or a Python has no edgernn.
    """
    infos: dict[str, dict[str, Any]] = {}
    settled: list[bool] = []

    @contextmanager
    def fresh_runners() -> Iterator[Mapping[str, Block]]:
        with ExitStack() as stack:
            workers = {name: stack.enter_context(Worker(python)) for name, (_, python) in _sides(test).items()}
            for name, worker in workers.items():
                infos[name] = worker.open(_sides(test)[name][0], test.frames, test.threads, test.seed)
            _check_inputs(test, infos)
            settled.extend(worker.ask("warm_up")[0]["settled"] for worker in workers.values())
            yield {name: _block(worker) for name, worker in workers.items()}

    before = machine_state()
    comparison = regress(fresh_runners, tolerances, progress)
    states = (before, machine_state())
    evidence = Evidence(states, all(settled), faults=0, jitter_us=None, deadline_us=0.0)
    reasons = unfit_reasons(evidence)
    if reasons:
        reason = "; ".join(filter(None, [*reasons.values(), comparison.reason]))
        comparison = replace(comparison, verdict=NO_VERDICT, reason=reason)
    return ABResult(test, comparison, infos, states, tuple(notes(evidence)))


def text(result: ABResult) -> str:
    """The result as the command prints it."""
    comparison = result.comparison
    lines = [f"{comparison.verdict}: {blocks_text(comparison)}", *_reasons(comparison), ""]
    for name, path in (("base", result.test.base), ("candidate", result.test.candidate)):
        info = result.runners[name]
        lines.append(f"{name:10} {Path(path).name} on {info['backend']}, Python {info['machine']['python']}")
    head = f"{'us':8}{'base':>10}{'candidate':>11}{'slower by':>11}   {'95 % interval':18}{'base against itself':20}"
    lines += ["", head]
    lines += [
        f"{each.metric:8}{each.base_us:10,.2f}{each.candidate_us:11,.2f}{each.slower:+11.1%}   "
        f"{f'{each.low:+.1%} to {each.high:+.1%}':18}{each.repeat_low:+.1%} to {each.repeat_high:+.1%}"
        for each in comparison.metrics
    ]
    return "\n".join([*lines, *(["", *result.notes] if result.notes else [])])


def blocks_text(comparison: LatencyComparison) -> str:
    """The amount of measurement."""
    return f"{comparison.pairs} pairs of blocks of {comparison.steps:,} steps, back to back"


def as_json(result: ABResult) -> dict[str, Any]:
    """The result as `--json` prints it."""
    comparison = result.comparison
    metrics = [{**asdict(each), "fit": each.fit, "verdict": each.verdict} for each in comparison.metrics]
    return {
        **asdict(comparison),
        "metrics": metrics,
        "test": asdict(result.test),
        "runners": dict(result.runners),
        "machine_states": [asdict(state) for state in result.machine_states],
        "notes": list(result.notes),
    }


def _reasons(comparison: LatencyComparison) -> list[str]:
    return [f"  {each}" for each in comparison.reason.split("; ") if each]


def _sides(test: ABTest) -> dict[str, tuple[str, str]]:
    """One of ORDER -> its artifact, and the Python that runs it."""
    sides = {"base": (test.base, test.base_python), "candidate": (test.candidate, test.python)}
    return {name: sides.get(name, sides["base"]) for name in ORDER}


def _check_inputs(test: ABTest, infos: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse two artifacts with different inputs."""
    base, candidate = ((infos[name]["inputs"], infos[name]["vocabulary_size"]) for name in ("base", "candidate"))
    if base != candidate:
        raise UsageError(
            f"'{test.base}' reads {_frame(*base)} and '{test.candidate}' {_frame(*candidate)}; compare artifacts with "
            "the same inputs"
        )


def _frame(inputs: int, vocabulary_size: int) -> str:
    return f"one of {vocabulary_size} symbols" if vocabulary_size else f"{inputs} numbers"


def _block(worker: Worker) -> Block:
    return lambda steps: worker.ask("block", steps=steps)[1]["took"]
