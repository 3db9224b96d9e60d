"""How a layer with thresholds is traced: its affines read what they hold of their inputs, and not every change."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from edgernn.model.operation import LayerTracer, Op, Ref, TracedValue

HELD = "held"
"""How the states are called that a layer with thresholds carries: held_0, held_1, ... in the order of its affines."""


@dataclass
class DeltaTracer(LayerTracer):
    """The tracer of a layer that holds each input of its affines as it was last used.

    Attributes:
        delta_x: the threshold of inputs that depend on no state; None where every change is used.
        delta_h: the threshold of inputs that depend on a state.
        held: each input before the step, and after it, in the order of the affines.
    """

    delta_x: float | None = None
    delta_h: float | None = None
    held: list[tuple[Ref, TracedValue]] = field(default_factory=list)
    _dependent: set[str] = field(default_factory=set)  # the values that depend on a state, by name
    _inputs: dict[Ref, TracedValue] = field(default_factory=dict)  # of the affines of this step -> as it is used

    def begin(self) -> None:
        super().begin()
        self._inputs.clear()

    def carries(self, states: Collection[Ref]) -> None:
        """Note the states of the cell before the step."""
        self._dependent |= {ref.name for ref in states}

    def _used(self, x: TracedValue) -> TracedValue:
        threshold = self.delta_h if x.ref.name in self._dependent else self.delta_x
        if threshold is None:
            return x
        if x.ref not in self._inputs:
            self._hold(x, threshold)
        return self._inputs[x.ref]

    def _hold(self, x: TracedValue, threshold: float) -> None:
        """Append the operation that holds an input; a state has one position."""
        k, positions = len(self._inputs), x.ref.positions
        if k == len(self.held):
            ref = Ref(f"{self.layer}.{HELD}_{k}.in", x.ref.size)
            self.held.append((ref, TracedValue(ref, self)))
        before, last = self.held[k]
        if positions > 1:
            last = self._append("reshape", (last.ref, 1, positions), x.ref.width, positions)
        y = self._inputs[x.ref] = self.hold(x, last, threshold)
        if positions > 1:
            y = self._append("reshape", (y.ref, positions, 1), x.ref.size)
        self.held[k] = (before, y)

    def _add(self, name: str, args: tuple[Any, ...], widths: tuple[int, ...], positions: int) -> Op:
        op = super()._add(name, args, widths, positions)
        if any(ref.name in self._dependent for ref in op.inputs):
            self._dependent |= {ref.name for ref in op.outputs}
        return op
