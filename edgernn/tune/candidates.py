"""The candidates of a model: each precision, pruning and runtime, made, judged and kept; or why one is none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from edgernn.device.runtimes import NATIVE, Runtime
from edgernn.errors import (
    CalibrationError,
    CompilerError,
    EdgernnError,
    GraphError,
    MissingExtraError,
    ParityError,
    TrainingError,
    UnsupportedError,
    UsageError,
)
from edgernn.model.graph import Graph
from edgernn.model.tensor import SCHEMES
from edgernn.passes.prepare import Calibration, calibrate_and_quantize
from edgernn.passes.pruning import Pruning, parse_pruning
from edgernn.process import interrupt
from edgernn.runtime.program import Program
from edgernn.train.compare.race import raced
from edgernn.tune.cache import TuneCache
from edgernn.tune.choice import Candidate, lost
from edgernn.tune.evaluate import Evaluator

FLOAT = "fp32"
PRECISIONS = (FLOAT, *SCHEMES)

Texts = tuple[str, ...]
"""What is pruned, as `edgernn.passes.pruning` reads it; () for nothing."""

WHY: Mapping[type[EdgernnError], str] = MappingProxyType(
    {
        **dict.fromkeys((UnsupportedError, GraphError, CalibrationError, UsageError), "cannot be expressed"),
        MissingExtraError: "runtime missing",
        CompilerError: "runtime missing",
        ParityError: "answers otherwise than its graph",
        TrainingError: "training failed",
    }
)
"""What was raised -> why a candidate is left out; whatever else is raised ends the tuning."""

REFUSED = tuple(WHY)


@dataclass(frozen=True)
class LeftOut:
    """A candidate that is none, or several: of all runtimes when it names none.

    Attributes:
        plan, scheme, runtime: as in Candidate.
        why: in a few words.
        note: the same, with all there is to know.
    """

    plan: str
    scheme: str
    runtime: str
    why: str
    note: str


@dataclass(frozen=True, eq=False)
class Found:
    """A candidate whose step was not timed yet, and what runs it."""

    candidate: Candidate
    graph: Graph
    program: Program


def many(plans: Sequence[Texts], schemes: Sequence[str] = PRECISIONS) -> int:
    """How many candidates there are, those that are none too."""
    return len(plans) * len(schemes) * len(raced())


def candidates(
    graph: Graph,
    evaluator: Evaluator,
    kept: TuneCache,
    plans: Sequence[Texts],
    schemes: Sequence[str],
    *,
    here: bool,
    progress: Callable[[int], object],
) -> Iterator[Found | LeftOut]:
    """Every candidate, judged; or why it is none.

    Args:
        graph: in float.
        judge: says what an artifact is worth, and trains what pruning leaves.
        kept: what was finished before, and what will be.
        plans, schemes: what to try.
        here: whether it is for this machine; for another only compiled steps are of use.
        progress: hears how many are done whenever some are.
    """
    single, learnt = replace(graph.astype("float32"), ranges={}), Calibration(evaluator.sequences)
    for texts, asked, among in _trainings(plans, schemes):
        name = " ".join(texts)
        interrupt.check()
        try:
            small = single if asked == Pruning() or evaluator.teach is None else kept.model(asked, evaluator.teach)
        except REFUSED as error:
            yield from (_left(name, scheme, "", error) for scheme in among)
            progress(many([texts], among))
            continue
        for scheme in among:
            try:
                model = calibrate_and_quantize(small, None if scheme == FLOAT else scheme, learnt)
            except REFUSED as error:
                yield _left(name, scheme, "", error)
                progress(len(raced()))
                continue
            for runtime in raced().values():
                interrupt.check()
                yield _evaluated(name, scheme, runtime, model, evaluator, kept, here=here)
                progress(1)


def _trainings(plans: Sequence[Texts], schemes: Sequence[str]) -> Iterator[tuple[Texts, Pruning, list[str]]]:
    """What is pruned and trained once, and the precisions that share it: blocks of zeros have two shapes."""
    for texts in plans:
        shared: list[tuple[Pruning, list[str]]] = []
        for scheme in schemes:
            asked = parse_pruning(texts, scheme)
            same = next((among for other, among in shared if other == asked), None)
            if same is None:
                shared.append((asked, [scheme]))
            else:
                same.append(scheme)
        yield from ((texts, asked, among) for asked, among in shared)


def _evaluated(
    name: str, scheme: str, runtime: Runtime, graph: Graph, evaluator: Evaluator, kept: TuneCache, *, here: bool
) -> Found | LeftOut:
    title = runtime.title
    if not here and runtime is not NATIVE:
        return LeftOut(name, scheme, title, "no estimate", "for another board only the compiled step is predicted")
    try:
        program, metric = kept.evaluated(
            graph, runtime.suffix, lambda made: evaluator.worth(lambda xs: made.stream().run(xs))
        )
    except REFUSED as error:
        return _left(name, scheme, title, error)
    drop = lost(evaluator.before, metric, evaluator.better)
    return Found(Candidate(name, scheme, title, metric, drop, program.size, 0.0), graph, program)


def _left(name: str, scheme: str, runtime: str, error: EdgernnError) -> LeftOut:
    return LeftOut(name, scheme, runtime, WHY[type(error)], str(error))
