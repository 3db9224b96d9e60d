"""How a layer is traced: the `step` of its cell runs once on values that remember the operations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgernn.errors import GraphError
from edgernn.model.cell import Cell, Join, dimensions, is_join
from edgernn.model.operation import WIDEST, LayerTracer, Op, Ref, TracedValue


@dataclass(frozen=True)
class LayerTrace:
    """The operations of one layer.

    Attributes:
        operations: in the order in which they run.
        y: the output of the layer.
        before: each state before the step, by its name in the cell.
        after: each state after the step, by its name in the cell.
    """

    operations: tuple[Op, ...]
    y: Ref
    before: Mapping[str, Ref]
    after: Mapping[str, Ref]


def trace_layer(layer: str, cell: Any, xs: Sequence[Ref], positions: int = 1) -> LayerTrace:
    """Run the `step` or `join` of a cell once on traced values.

    Args:
        layer: the name of the layer, for the names of values and for errors.
        cell: a Cell or a Join.
        xs: the inputs of the layer.
        positions: the equal parts of the input that a cell steps with shared weights, each with its own states.

    Raises:
        GraphError: widths that do not fit (the message names the layer and the operation), or a delay that does not.
    """
    tracer = LayerTracer(layer)
    values = tuple(TracedValue(x, tracer) for x in xs)
    if is_join(cell):
        join: Join = cell
        y = join.join(tracer, *values)
        return LayerTrace(tuple(tracer.operations), _flat(layer, y), {}, {})
    recurrent: Cell = cell
    before = {name: Ref(f"{layer}.{name}.in", width * positions) for name, width in recurrent.states.items()}
    for ref in before.values():
        if not 1 <= ref.width <= WIDEST:
            raise GraphError(f"layer '{layer}': state '{ref.name}' has {ref.width:,} values; expected 1 to {WIDEST:,}")
    x, *states = (
        _apart(value, positions) for value in (values[0], *(TracedValue(ref, tracer) for ref in before.values()))
    )
    y, state = recurrent.step(tracer, x, tuple(states))
    y, state = _together(y, positions), tuple(_together(value, positions) for value in state)
    widths = tuple(value.ref.width // positions for value in state)
    if widths != tuple(recurrent.states.values()):
        raise GraphError(
            f"layer '{layer}': step returns states of widths {widths}; the cell declares {dict(recurrent.states)}"
        )
    after = {name: _flat(layer, value) for name, value in zip(before, state, strict=True)}
    traced = LayerTrace(tuple(tracer.operations), _flat(layer, y), before, after)
    _check_delay(layer, recurrent, xs[0].name, traced)
    return traced


def check_widths(layer: str, cell: Any, positions: int, inputs: Sequence[str], widths: Mapping[str, int]) -> None:
    """Refuse a layer that reads another width than its cell declares; an input that is not in `widths` comes later."""
    declared = None if is_join(cell) else dimensions(cell).get("inputs")
    expected = None if declared is None else declared * positions
    for name in inputs:
        if expected is not None and widths.get(name, expected) != expected:
            raise GraphError(f"layer '{layer}' reads {expected} values, but {widths[name]} arrive from '{name}'")


def _check_delay(layer: str, cell: Any, source: str, traced: LayerTrace) -> None:
    """Refuse a cell that declares to delay and uses its input within the step, before a later layer has computed it."""
    used = {traced.y.name, *(ref.name for op in traced.operations for ref in op.inputs)}
    if getattr(cell, "delays", False) and source in used:
        raise GraphError(
            f"layer '{layer}': the cell {type(cell).__name__} declares that it delays, and its output "
            "depends on its input in the same step; return a state, and let the state after the step be the input"
        )


def _apart(value: TracedValue, positions: int) -> TracedValue:
    """Return a value of one position as this many."""
    return value if positions == 1 else value.tracer.reshape(value, 1, positions)


def _together(value: TracedValue, positions: int) -> TracedValue:
    """Return a value of this many positions as one."""
    return value if positions == 1 else value.tracer.reshape(value, positions, 1)


def _flat(layer: str, value: TracedValue) -> Ref:
    """Return the reference to a value that leaves a layer, which has one position."""
    if value.ref.positions != 1:
        raise GraphError(
            f"layer '{layer}': '{value.ref.name}' leaves the step with {value.ref.positions} positions; expected one: "
            f"ops.reshape(x, {value.ref.positions}, 1)"
        )
    return value.ref
