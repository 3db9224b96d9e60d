"""The model of whole windows: graphs scanned over time in both directions, for offline use."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

from numpy.typing import DTypeLike

from edgernn.errors import GraphError
from edgernn.model.graph import PRECISIONS, Graph

MERGES = ("concat", "mean")
ONLY_ONNX = "it reads every window in both directions and cannot stream, and only .onnx takes whole windows"
"""Why a window is refused where a step is written."""


@dataclass(frozen=True)
class Stage:
    """One pass over a window, every step of it answered.

    Attributes:
        forward: runs over time, from rest at the first step.
        backward: runs over time reversed, from rest at the last step; None where a stage reads forwards alone, as
            feature cells, an embedding and a head do.
        merge: how the two answers to a step become one: "concat", the forward one first, or "mean".
    """

    forward: Graph
    backward: Graph | None = None
    merge: str = "concat"

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """The forward graph, and the backward one where there is one."""
        return (self.forward,) if self.backward is None else (self.forward, self.backward)

    @property
    def outputs(self) -> int:
        """The width of an answer."""
        if self.merge == "mean":
            return self.forward.outputs
        return sum(graph.outputs for graph in self.graphs)


@dataclass(frozen=True)
class Window:
    """A recurrent model that reads every window in both directions, and so cannot stream (M. Schuster and K. Paliwal,
    Bidirectional recurrent neural networks, 1997).

    Attributes:
        stages: each reads the answers of the one before it.
        pooled: whether the answer is the mean over time of the last stage's, one for the window, and not one per step.
        period_ms: the time from one frame to the next, when it is known; that of the stages does not count.
        labels: a name for each output, or nothing; those of the stages do not count.

    Raises:
        GraphError: no stage, widths that do not fit, symbols behind the first stage, or no stage that reads backwards;
            naming the stage.
    """

    stages: tuple[Stage, ...]
    pooled: bool = False
    period_ms: float | None = None
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_kinds()
        object.__setattr__(self, "stages", tuple(self.stages))
        object.__setattr__(self, "period_ms", None if self.period_ms is None else float(self.period_ms))
        object.__setattr__(self, "labels", tuple(self.labels))
        for i, stage in enumerate(self.stages):
            _check(i, stage, self.stages[i - 1] if i else None)
        if all(stage.backward is None for stage in self.stages):
            raise GraphError(
                f"none of {len(self.stages)} stages reads backwards; expected one that does: what only reads forwards "
                "is a Graph, and can stream"
            )
        if self.labels and len(self.labels) != self.outputs:
            raise GraphError(f"{len(self.labels)} labels for {self.outputs} outputs")
        if self.period_ms is not None and not self.period_ms > 0:
            raise GraphError(f"a period of {self.period_ms} ms arrived; expected a number above 0")

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """Those of all stages, in the order in which they run."""
        return tuple(graph for stage in self.stages for graph in stage.graphs)

    @property
    def inputs(self) -> int:
        """The width of a frame; 1 before an embedding."""
        return self.stages[0].forward.inputs

    @property
    def outputs(self) -> int:
        """The width of an answer."""
        return self.stages[-1].outputs

    @property
    def vocabulary_size(self) -> int:
        """How many symbols a frame may be; 0 when it is numbers and not a symbol."""
        return min(graph.vocabulary_size for graph in self.stages[0].graphs)

    @property
    def precision(self) -> str:
        """The scheme of the weights, as that of a Graph."""
        found = sorted({scheme for graph in self.graphs for scheme in graph.precision.split("+")})
        schemes = [scheme for scheme in found if scheme not in PRECISIONS.values()]
        if not schemes and len(found) > 1:
            raise GraphError(f"stages in {', '.join(found)} arrived; expected one: use window.astype('float32')")
        return "+".join(schemes or found)

    def each(self, change: Callable[[Graph], Graph]) -> "Window":
        """The same window with every graph changed: `window.each(lambda graph: quantize(graph, "fp16"))`."""
        stages = tuple(
            replace(
                stage,
                forward=change(stage.forward),
                backward=None if stage.backward is None else change(stage.backward),
            )
            for stage in self.stages
        )
        return replace(self, stages=stages)

    def astype(self, dtype: DTypeLike) -> "Window":
        """The same window with every weight in `dtype`."""
        return self.each(lambda graph: graph.astype(dtype))

    def _check_kinds(self) -> None:
        """What the type hints say, said again at run time: not everybody runs a type checker."""
        given: Any = self
        for i, stage in enumerate(given.stages):
            if not isinstance(stage, Stage) or not isinstance(stage.forward, Graph):
                raise GraphError(f"stage {i} is {stage!r}; expected Stage(forward, backward, merge), the first a Graph")
            if not isinstance(stage.backward, Graph | None):
                raise GraphError(f"stage {i} has {stage.backward!r} to read backwards; expected a Graph or None")
        if not isinstance(given.pooled, bool) or not all(isinstance(label, str) for label in given.labels):
            raise GraphError(
                f"pooled={given.pooled!r} and labels={given.labels!r} arrived; expected a bool and strings"
            )
        if not isinstance(given.period_ms, Real | None):
            raise GraphError(f"period_ms={given.period_ms!r} arrived; expected a number of milliseconds")


def _check(i: int, stage: Stage, before: Stage | None) -> None:
    """Hold one stage against the one before it, and its two directions against each other."""
    forward, backward = stage.forward, stage.backward
    if stage.merge not in MERGES:
        raise GraphError(f"stage {i} merges by {stage.merge!r}; there are {', '.join(MERGES)}")
    if backward is not None:
        if (forward.inputs, bool(forward.vocabulary_size)) != (backward.inputs, bool(backward.vocabulary_size)):
            raise GraphError(
                f"stage {i} reads {_kind(forward)} forwards and {_kind(backward)} backwards; expected the same"
            )
        if stage.merge == "mean" and forward.outputs != backward.outputs:
            raise GraphError(
                f"stage {i} answers {forward.outputs} values forwards and {backward.outputs} backwards, which have no "
                "mean; expected as many, or merge='concat'"
            )
    if before is None:
        return
    if forward.vocabulary_size:
        raise GraphError(f"stage {i} looks a symbol up; only the first stage can, which reads the window itself")
    if forward.inputs != before.outputs:
        raise GraphError(f"stage {i} reads {forward.inputs} values, but {before.outputs} arrive from stage {i - 1}")


def _kind(graph: Graph) -> str:
    return "symbols" if graph.vocabulary_size else f"{graph.inputs} values"
