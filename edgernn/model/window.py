"""A model of whole windows: graphs scanned over time in both directions, for offline use."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

from numpy.typing import DTypeLike

from edgernn.errors import GraphError
from edgernn.model.graph import PRECISIONS, Graph

MERGES = ("concat", "mean")
ONLY_ONNX = "it reads every window in both directions and cannot stream, and only .onnx takes whole windows"
"""Why a window is refused by a target that writes a step."""


@dataclass(frozen=True)
class Stage:
    """One pass over a window, with an output for every step.

    Attributes:
        forward: runs forwards in time, from its initial state at the first step.
        backward: runs backwards in time, from its initial state at the last step; None for a stage that only runs
            forwards, such as feature cells, an embedding or a head.
        merge: how the two outputs of a step are merged: "concat", the forward one first, or "mean".
    """

    forward: Graph
    backward: Graph | None = None
    merge: str = "concat"

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """The forward graph, and the backward graph if there is one."""
        return (self.forward,) if self.backward is None else (self.forward, self.backward)

    @property
    def outputs(self) -> int:
        """The width of an output."""
        if self.merge == "mean":
            return self.forward.outputs
        return sum(graph.outputs for graph in self.graphs)


@dataclass(frozen=True)
class Window:
    """A recurrent model that reads every window in both directions, and so cannot stream (M. Schuster and K. Paliwal,
    "Bidirectional recurrent neural networks", 1997).

    Attributes:
        stages: each reads the outputs of the stage before it.
        pooled: True for one output per window, the mean of the last stage's outputs over time; False for one per step.
        period_ms: the time between two frames in milliseconds; None when it is unknown. That of the stages is ignored.
        labels: a name for each output, or empty. Those of the stages are ignored.

    Raises:
        GraphError: no stage, widths that do not fit, symbols after the first stage, or no stage that reads backwards;
            the message names the stage.
    """

    stages: tuple[Stage, ...]
    pooled: bool = False
    period_ms: float | None = None
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_types()
        object.__setattr__(self, "stages", tuple(self.stages))
        object.__setattr__(self, "period_ms", None if self.period_ms is None else float(self.period_ms))
        object.__setattr__(self, "labels", tuple(self.labels))
        for i, stage in enumerate(self.stages):
            _check(i, stage, self.stages[i - 1] if i else None)
        if all(stage.backward is None for stage in self.stages):
            raise GraphError(
                f"none of {len(self.stages)} stages reads backwards; expected at least one: a model that only reads "
                "forwards is a Graph, and can stream"
            )
        if self.labels and len(self.labels) != self.outputs:
            raise GraphError(f"{len(self.labels)} labels for {self.outputs} outputs")
        if self.period_ms is not None and not self.period_ms > 0:
            raise GraphError(f"a period of {self.period_ms} ms arrived; expected a number above 0")

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """The graphs of all stages, in the order in which they run."""
        return tuple(graph for stage in self.stages for graph in stage.graphs)

    @property
    def inputs(self) -> int:
        """The width of a frame; 1 before an embedding."""
        return self.stages[0].forward.inputs

    @property
    def outputs(self) -> int:
        """The width of an output."""
        return self.stages[-1].outputs

    @property
    def vocabulary_size(self) -> int:
        """The number of symbols that a frame may be; 0 when a frame is numbers and not a symbol."""
        return min(graph.vocabulary_size for graph in self.stages[0].graphs)

    @property
    def precision(self) -> str:
        """The schemes of the weights, as in a Graph."""
        precisions = sorted({scheme for graph in self.graphs for scheme in graph.precision.split("+")})
        schemes = [scheme for scheme in precisions if scheme not in PRECISIONS.values()]
        if not schemes and len(precisions) > 1:
            raise GraphError(f"stages in {', '.join(precisions)} arrived; expected one: use window.astype('float32')")
        return "+".join(schemes or precisions)

    def each(self, change: Callable[[Graph], Graph]) -> "Window":
        """Return the window with a change applied to every graph: `window.each(lambda graph: quantize(graph))`."""
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
        """Return the window with every float weight in `dtype`."""
        return self.each(lambda graph: graph.astype(dtype))

    def _check_types(self) -> None:
        """Check the declared types at run time, for users without a type checker."""
        window: Any = self
        for i, stage in enumerate(window.stages):
            if not isinstance(stage, Stage) or not isinstance(stage.forward, Graph):
                raise GraphError(f"stage {i} is {stage!r}; expected Stage(forward, backward, merge), the first a Graph")
            if not isinstance(stage.backward, Graph | None):
                raise GraphError(f"stage {i} has {stage.backward!r} to read backwards; expected a Graph or None")
        if not isinstance(window.pooled, bool) or not all(isinstance(label, str) for label in window.labels):
            raise GraphError(
                f"pooled={window.pooled!r} and labels={window.labels!r} arrived; expected a bool and strings"
            )
        if not isinstance(window.period_ms, Real | None):
            raise GraphError(f"period_ms={window.period_ms!r} arrived; expected a number of milliseconds")


def _check(i: int, stage: Stage, before: Stage | None) -> None:
    """Check that a stage fits the stage before it, and that its two directions fit each other."""
    forward, backward = stage.forward, stage.backward
    if any(graph.named_inputs or graph.named_outputs for graph in stage.graphs):
        raise GraphError(f"stage {i} has several inputs or outputs; expected one of each in a model of windows")
    if stage.merge not in MERGES:
        raise GraphError(f"stage {i} merges by {stage.merge!r}; there are {', '.join(MERGES)}")
    if backward is not None:
        if (forward.inputs, bool(forward.vocabulary_size)) != (backward.inputs, bool(backward.vocabulary_size)):
            raise GraphError(
                f"stage {i} reads {_input(forward)} forwards and {_input(backward)} backwards; expected the same"
            )
        if stage.merge == "mean" and forward.outputs != backward.outputs:
            raise GraphError(
                f"stage {i} has {forward.outputs} outputs forwards and {backward.outputs} backwards, which have no "
                "mean; expected equal widths, or merge='concat'"
            )
    if before is None:
        return
    if forward.vocabulary_size:
        raise GraphError(f"stage {i} looks up a symbol; only the first stage can, which reads the window itself")
    if forward.inputs != before.outputs:
        raise GraphError(f"stage {i} reads {forward.inputs} values, but {before.outputs} arrive from stage {i - 1}")


def _input(graph: Graph) -> str:
    return "symbols" if graph.vocabulary_size else f"{graph.inputs} values"
