"""Tuning: evaluate all candidates of a model, time those within a bound, and select the best one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from edgernn.artifact import rnn
from edgernn.device import board as boards
from edgernn.device.board import Device
from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.latency import estimate
from edgernn.latency.steps import Clock, interleaved
from edgernn.model.graph import Graph
from edgernn.passes.pruning import Pruning, parse_pruning
from edgernn.process import interrupt
from edgernn.train.compare.race import raced, step
from edgernn.train.evaluate.drop import check_bound
from edgernn.tune.cache import TuneCache
from edgernn.tune.candidates import FLOAT, PRECISIONS, LeftOut, RunnableCandidate, Texts, candidates
from edgernn.tune.choice import PREFERENCES, Candidate, choose_winner, pareto_front
from edgernn.tune.evaluate import Evaluator
from edgernn_export.translate import render


@dataclass(frozen=True, eq=False)
class Tuned:
    """The result of a tuning.

    Attributes:
        evaluator: the evaluator.
        bound: the largest allowed drop in points.
        board: the name of the board.
        measured: whether steps were timed on this machine; otherwise they are estimates for the board.
        candidates: the candidates within the bound, the fastest first.
        left_out: all other combinations.
        front: the Pareto front of the candidates.
        best: the winner.
        model: the graph of the winner.
    """

    evaluator: Evaluator
    bound: float
    board: str
    measured: bool
    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    front: tuple[Candidate, ...]
    best: Candidate
    model: Graph


@interrupt.deferred()
def tune(
    graph: Graph,
    evaluator: Evaluator,
    folder: Path,
    *,
    bound: float,
    board: Device,
    prefer: str = PREFERENCES[0],
    plans: Sequence[Texts] = ((),),
    schemes: Sequence[str] = PRECISIONS,
    clock: Clock = time.perf_counter_ns,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Tuned:
    """Evaluate the artifact of every candidate on its runtime, time those within the bound, and select the best.

    Args:
        graph: the float model.
        evaluator: evaluates artifacts, and fine-tunes pruned models.
        folder: the cache of finished candidates and checkpoints; a later call with the same folder reuses them.
        bound: the largest allowed drop in points (see `drop.metric_drop`).
        board: the target. On this machine steps are measured, interleaved; for another board the compiled step is
            estimated by edgernn.latency.estimate if its profile allows it.
        prefer: one of PREFERENCES.
        plans: the prunings to try.
        schemes: some of PRECISIONS.
        clock: a clock in nanoseconds, for tests.
        on_progress: called with the number of combinations that were finished since the last call.

    Raises:
        UsageError: The bound is below 0, a pruning has no recipe, the folder has a tuning on other data, or no
            candidate is within the bound.
        KeyboardInterrupt: The tuning was interrupted; finished candidates and epochs are kept in the cache.
    """
    _check(graph, evaluator, bound, prefer, plans, schemes)
    here = is_here(board)
    runnable: list[RunnableCandidate] = []
    left_out: list[LeftOut] = []
    cache = TuneCache(folder, evaluator.key, evaluator.fingerprint)
    cache.begin()
    for each in candidates(graph, evaluator, cache, plans, schemes, here=here, on_progress=on_progress):
        if isinstance(each, LeftOut):
            left_out.append(each)
        elif each.candidate.drop > bound:
            left_out.append(_beyond(each.candidate, evaluator))
        else:
            runnable.append(each)
    timed = _measured(runnable, clock) if here else _estimated(runnable, board)
    left_out += [each for each in timed if isinstance(each, LeftOut)]
    graphs = {each.candidate: each.graph for each in timed if isinstance(each, RunnableCandidate)}
    if not graphs:
        raise UsageError(_nobody(bound, left_out))
    good = tuple(sorted(graphs, key=lambda each: (each.step_us, each.bytes, each.name)))
    best = choose_winner(good, prefer)
    return Tuned(evaluator, bound, board.name, here, good, tuple(left_out), pareto_front(good), best, graphs[best])


def is_here(board: Device) -> bool:
    """Whether a board is this machine, or has the same core and level."""
    if board.name == boards.THIS:
        return True
    this = boards.this()
    return board.core is not None and (board.core, board.level) == (this.core, this.level)


def files(tuned: Tuned, out: str) -> dict[str, bytes]:
    """The files of the winner, path -> bytes: OUT.rnn, and the artifact if steps were measured."""
    result = {f"{out}{rnn.SUFFIX}": rnn.dumps(tuned.model)}
    return result | (render(tuned.model, f"{out}{raced()[tuned.best.runtime].suffix}") if tuned.measured else {})


def _check(
    graph: Graph, evaluator: Evaluator, bound: float, prefer: str, plans: Sequence[Texts], schemes: Sequence[str]
) -> None:
    check_bound(bound)
    if prefer not in PREFERENCES:
        raise UsageError(f"there is no preference '{prefer}'; {misspelt(prefer, PREFERENCES)}")
    if graph.precision not in {FLOAT, "fp64"}:
        raise UsageError(
            f"a model in {graph.precision} cannot be tuned; give the float model that it was quantized from"
        )
    for scheme in schemes:
        if scheme not in PRECISIONS:
            raise UsageError(f"there is no scheme '{scheme}'; {misspelt(scheme, PRECISIONS)}")
    for texts in plans:
        if parse_pruning(texts) != Pruning() and evaluator.finetune is None:
            raise UsageError(f"{' and '.join(texts)} needs fine-tuning; give the recipe of the model")


def _beyond(each: Candidate, evaluator: Evaluator) -> LeftOut:
    note = f"{evaluator.metric} {each.metric:g}, {each.drop:.3g} points worse, in {each.bytes:,} bytes"
    return LeftOut(each.plan, each.scheme, each.runtime, "beyond the bound", note)


def _measured(runnable: Sequence[RunnableCandidate], clock: Clock) -> list[RunnableCandidate | LeftOut]:
    """Time all candidates, interleaved in rounds; add the median of the rounds."""
    if not runnable:
        return []
    took = interleaved({each.candidate.name: step(each.program, each.graph) for each in runnable}, clock=clock)
    return [_with(each, median(one[each.candidate.name] for one in took)) for each in runnable]


def _estimated(runnable: Sequence[RunnableCandidate], board: Device) -> list[RunnableCandidate | LeftOut]:
    """Add the estimates of edgernn.latency.estimate for a board, if its profile allows them."""
    timed: list[RunnableCandidate | LeftOut] = []
    for each in runnable:
        estimated, one = estimate.estimate(each.graph, board), each.candidate
        if estimated.step_us is None:
            timed.append(LeftOut(one.plan, one.scheme, one.runtime, "no estimate", estimated.unknown))
        else:
            timed.append(_with(each, estimated.step_us))
    return timed


def _with(each: RunnableCandidate, step_us: float) -> RunnableCandidate:
    return replace(each, candidate=replace(each.candidate, step_us=round(step_us, 3)))


def _nobody(bound: float, left: Sequence[LeftOut]) -> str:
    why = "; ".join(" ".join(filter(None, (each.plan, each.scheme, each.runtime))) + f": {each.note}" for each in left)
    return f"no candidate has a drop of at most {bound:g} points; allow a larger drop, or install a runtime. {why}"
