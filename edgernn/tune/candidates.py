"""The candidates of a tuning: each combination of precision, pruning and runtime, evaluated or left out."""

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
from edgernn.runtime.parts import flat_answer
from edgernn.runtime.program import Program
from edgernn.train.compare.race import raced
from edgernn.train.evaluate.drop import metric_drop
from edgernn.tune.cache import TuneCache
from edgernn.tune.choice import Candidate
from edgernn.tune.evaluate import Evaluator

FLOAT = "fp32"
PRECISIONS = (FLOAT, *SCHEMES)

Texts = tuple[str, ...]
"""What is pruned, in the syntax of `edgernn.passes.pruning`; () for nothing."""

REASONS: Mapping[type[EdgernnError], str] = MappingProxyType(
    {
        **dict.fromkeys((UnsupportedError, GraphError, CalibrationError, UsageError), "cannot be expressed"),
        MissingExtraError: "runtime missing",
        CompilerError: "runtime missing",
        ParityError: "outputs differ from its graph",
        TrainingError: "training failed",
    }
)
"""An error -> why a candidate is left out. Any other error ends the tuning."""

REFUSED = tuple(REASONS)


@dataclass(frozen=True)
class LeftOut:
    """A combination that is left out; without a runtime, it stands for all runtimes.

    Attributes:
        plan, scheme, runtime: see `Candidate`.
        why: the reason in a few words.
        note: the full reason.
    """

    plan: str
    scheme: str
    runtime: str
    why: str
    note: str


@dataclass(frozen=True, eq=False)
class RunnableCandidate:
    """A candidate with its graph and its program."""

    candidate: Candidate
    graph: Graph
    program: Program


def count_candidates(plans: Sequence[Texts], schemes: Sequence[str] = PRECISIONS) -> int:
    """The number of combinations, including those that are left out."""
    return len(plans) * len(schemes) * len(raced())


def candidates(
    graph: Graph,
    evaluator: Evaluator,
    cache: TuneCache,
    plans: Sequence[Texts],
    schemes: Sequence[str],
    *,
    here: bool,
    on_progress: Callable[[int], object],
) -> Iterator[RunnableCandidate | LeftOut]:
    """Yield every candidate with its metric, or why it is left out.

    Args:
        graph: the float model.
        evaluator: evaluates artifacts, and fine-tunes pruned models.
        cache: the finished candidates.
        plans, schemes: the prunings and precisions to try.
        here: whether the target is this machine; for another board only compiled steps are predicted.
        on_progress: called with the number of combinations that were finished since the last call.
    """
    single, calibration = replace(graph.astype("float32"), ranges={}), Calibration(evaluator.sequences)
    for texts, pruning, shared_schemes in _trainings(plans, schemes):
        name = " ".join(texts)
        interrupt.check()
        try:
            small = (
                single
                if pruning == Pruning() or evaluator.finetune is None
                else cache.model(pruning, evaluator.finetune)
            )
        except REFUSED as error:
            yield from (_left(name, scheme, "", error) for scheme in shared_schemes)
            on_progress(count_candidates([texts], shared_schemes))
            continue
        for scheme in shared_schemes:
            try:
                model = calibrate_and_quantize(small, None if scheme == FLOAT else scheme, calibration)
            except REFUSED as error:
                yield _left(name, scheme, "", error)
                on_progress(len(raced()))
                continue
            for runtime in raced().values():
                interrupt.check()
                yield _evaluated(name, scheme, runtime, model, evaluator, cache, here=here)
                on_progress(1)


def _trainings(plans: Sequence[Texts], schemes: Sequence[str]) -> Iterator[tuple[Texts, Pruning, list[str]]]:
    """Each pruning with the precisions that share its training. Blocks of zeros have two shapes."""
    for texts in plans:
        shared: list[tuple[Pruning, list[str]]] = []
        for scheme in schemes:
            pruning = parse_pruning(texts, scheme)
            same = next((shared_schemes for other, shared_schemes in shared if other == pruning), None)
            if same is None:
                shared.append((pruning, [scheme]))
            else:
                same.append(scheme)
        yield from ((texts, pruning, shared_schemes) for pruning, shared_schemes in shared)


def _evaluated(
    name: str, scheme: str, runtime: Runtime, graph: Graph, evaluator: Evaluator, cache: TuneCache, *, here: bool
) -> RunnableCandidate | LeftOut:
    title = runtime.title
    if not here and runtime is not NATIVE:
        return LeftOut(name, scheme, title, "no estimate", "for another board only the compiled step is predicted")
    try:
        program, metric = cache.evaluated(
            graph, runtime.suffix, lambda program: evaluator.score(lambda xs: flat_answer(program.stream().run(xs)))
        )
    except REFUSED as error:
        return _left(name, scheme, title, error)
    drop = metric_drop(evaluator.baseline, metric, evaluator.better)
    return RunnableCandidate(Candidate(name, scheme, title, metric, drop, program.size, 0.0), graph, program)


def _left(name: str, scheme: str, runtime: str, error: EdgernnError) -> LeftOut:
    return LeftOut(name, scheme, runtime, REASONS[type(error)], str(error))
