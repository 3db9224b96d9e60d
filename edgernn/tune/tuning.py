"""Tuning: all candidates of a model judged, those that are good enough timed side by side, and the best of them."""

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
from edgernn.tune.cache import TuneCache
from edgernn.tune.candidates import FLOAT, PRECISIONS, Found, LeftOut, Texts, candidates
from edgernn.tune.choice import PREFERENCES, Candidate, allowed, front, winner
from edgernn.tune.evaluate import Evaluator
from edgernn_export.translate import render


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a tuning came to.

    Attributes:
        judge: who judged.
        bound: the largest drop that was allowed, in points.
        board: the name of the device.
        measured: whether steps were timed, on this machine; else they are estimates for the board.
        candidates: those within the bound, the fastest first.
        left_out: all others.
        front: of the candidates.
        best: the winner among them.
        model: its graph.
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
    progress: Callable[[int], object] = lambda _: None,
) -> Tuned:
    """Judge every candidate by its own artifact on its runtime, time those within the bound in turn, and choose.

    Args:
        graph: in float.
        judge: says what an artifact is worth, and trains what pruning leaves.
        folder: where finished candidates are kept, and the checkpoint of a fine-tuning; called again with it, what is
            there is not done again.
        bound: the largest drop that will do, in points as `choice.lost` counts.
        board: where it will run. This machine's steps are measured; those of another board are
            edgernn.latency.estimate's estimate of the compiled step, or unknown.
        prefer: one of PREFERENCES.
        plans: what to prune.
        schemes: some of PRECISIONS.
        clock: nanoseconds; another one in tests.
        progress: hears how many candidates are done whenever some are.

    Raises:
        UsageError: a bound below 0, a plan without a recipe, a folder where the model was tuned on other data, or no
            candidate that is within the bound.
        KeyboardInterrupt: it was interrupted; what is finished is kept, a fine-tuning up to its last epoch.
    """
    _check(graph, evaluator, bound, prefer, plans, schemes)
    here = is_here(board)
    found: list[Found] = []
    left: list[LeftOut] = []
    kept = TuneCache(folder, evaluator.key, evaluator.fingerprint)
    kept.begin()
    for each in candidates(graph, evaluator, kept, plans, schemes, here=here, progress=progress):
        if isinstance(each, LeftOut):
            left.append(each)
        elif each.candidate.drop > bound:
            left.append(_beyond(each.candidate, evaluator))
        else:
            found.append(each)
    timed = _measured(found, clock) if here else _estimated(found, board)
    left += [each for each in timed if isinstance(each, LeftOut)]
    graphs = {each.candidate: each.graph for each in timed if isinstance(each, Found)}
    if not graphs:
        raise UsageError(_nobody(bound, left))
    good = tuple(sorted(graphs, key=lambda each: (each.step_us, each.bytes, each.name)))
    best = winner(good, prefer)
    return Tuned(evaluator, bound, board.name, here, good, tuple(left), front(good), best, graphs[best])


def is_here(board: Device) -> bool:
    """Whether a board is this machine, or of its kind: the same core of the same level."""
    if board.name == boards.THIS:
        return True
    this = boards.this()
    return board.core is not None and (board.core, board.level) == (this.core, this.level)


def files(tuned: Tuned, out: str) -> dict[str, bytes]:
    """The winner's files, path -> bytes: OUT.rnn, and where steps were measured the artifact that won."""
    made = {f"{out}{rnn.SUFFIX}": rnn.dumps(tuned.model)}
    return made | (render(tuned.model, f"{out}{raced()[tuned.best.runtime].suffix}") if tuned.measured else {})


def _check(
    graph: Graph, evaluator: Evaluator, bound: float, prefer: str, plans: Sequence[Texts], schemes: Sequence[str]
) -> None:
    allowed(bound)
    if prefer not in PREFERENCES:
        raise UsageError(f"nothing is chosen by '{prefer}'; {misspelt(prefer, PREFERENCES)}")
    if graph.precision not in {FLOAT, "fp64"}:
        raise UsageError(f"a model in {graph.precision} cannot be tuned; give the one that it was made from")
    for scheme in schemes:
        if scheme not in PRECISIONS:
            raise UsageError(f"there is no scheme '{scheme}'; {misspelt(scheme, PRECISIONS)}")
    for texts in plans:
        if parse_pruning(texts) != Pruning() and evaluator.teach is None:
            raise UsageError(f"{' and '.join(texts)} needs training afterwards; give the recipe of the model")


def _beyond(each: Candidate, evaluator: Evaluator) -> LeftOut:
    progress = f"{evaluator.metric} {each.metric:g}, {each.drop:.3g} points worse, in {each.bytes:,} bytes"
    return LeftOut(each.plan, each.scheme, each.runtime, "beyond the bound", progress)


def _measured(found: Sequence[Found], clock: Clock) -> list[Found | LeftOut]:
    """With the median of the rounds, all candidates in turn in each."""
    if not found:
        return []
    took = interleaved({each.candidate.name: step(each.program, each.graph) for each in found}, clock=clock)
    return [_with(each, median(one[each.candidate.name] for one in took)) for each in found]


def _estimated(found: Sequence[Found], board: Device) -> list[Found | LeftOut]:
    """With what edgernn.latency.estimate predicts for a board, where it can."""
    timed: list[Found | LeftOut] = []
    for each in found:
        said, one = estimate.estimate(each.graph, board), each.candidate
        if said.step_us is None:
            timed.append(LeftOut(one.plan, one.scheme, one.runtime, "no estimate", said.unknown))
        else:
            timed.append(_with(each, said.step_us))
    return timed


def _with(each: Found, step_us: float) -> Found:
    return replace(each, candidate=replace(each.candidate, step_us=round(step_us, 3)))


def _nobody(bound: float, left: Sequence[LeftOut]) -> str:
    why = "; ".join(" ".join(filter(None, (each.plan, each.scheme, each.runtime))) + f": {each.note}" for each in left)
    return f"no candidate is left that loses at most {bound:g} points; allow more, or install what is missing. {why}"
