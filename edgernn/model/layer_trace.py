"""How a layer is traced: the `step` of its cell runs on values that remember the operations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgernn.errors import GraphError
from edgernn.model.beginning import started
from edgernn.model.cell import Cell, Join, input_width, is_join
from edgernn.model.delta import HELD, DeltaTracer
from edgernn.model.layer import Layer
from edgernn.model.operation import WIDEST, LayerTracer, Op, Ref, TracedValue
from edgernn.model.repeats import Repeats, repeats

COUNT = "frames"
"""The state of a layer that begins later: how many frames have passed, at most `Layer.begins`."""

Values = tuple[TracedValue, ...]
Step = Callable[[TracedValue, Values], tuple[TracedValue, Values]]


@dataclass(frozen=True)
class LayerTrace:
    """The operations of one layer.

    Attributes:
        operations: in the order in which they run.
        y: the output of the layer.
        before: each state before the step, by its name in the cell.
        after: each state after the step, by its name in the cell.
        repeats: where the cell steps several times, the places of its steps; else None.
    """

    operations: tuple[Op, ...]
    y: Ref
    before: Mapping[str, Ref]
    after: Mapping[str, Ref]
    repeats: Repeats | None = None


def _states(layer: Layer) -> dict[str, int]:
    """Return the width of each state that a cell carries from step to step, by its name in the cell."""
    if is_join(layer.cell) or layer.sweep:
        return {}
    counted = {COUNT: 1} if layer.begins else {}
    return {name: width * layer.positions for name, width in {**layer.cell.states, **counted}.items()}


def trace_layer(layer: Layer, xs: Sequence[Ref]) -> LayerTrace:
    """Run the `step` or `join` of a cell on traced values, once for each frame and part that it does not share.

    Args:
        layer: with its name, for the names of values and for errors.
        xs: the inputs of the layer.

    Raises:
        GraphError: widths that do not fit (the message names the layer and the operation), or a delay that does not.
    """
    tracer = DeltaTracer(layer.name, delta_x=layer.delta_x, delta_h=layer.delta_h)
    values = tuple(TracedValue(x, tracer) for x in xs)
    if is_join(layer.cell):
        y = _joined(tracer, layer, values)
        return LayerTrace(tuple(tracer.operations), y.ref, *_held(tracer))
    before = {name: Ref(f"{layer.name}.{name}.in", width) for name, width in _states(layer).items()}
    tracer.carries(before.values())
    for ref in before.values():
        if not 1 <= ref.width <= WIDEST:
            raise GraphError(
                f"layer '{layer.name}': state '{ref.name}' has {ref.width:,} values; expected 1 to {WIDEST:,}"
            )
    states = tuple(TracedValue(ref, tracer) for ref in before.values())
    state: Values = ()
    if layer.sweep:
        y = _swept(tracer, layer, values[0])
    elif states:
        y, state = _frame_by_frame(tracer, layer, values[0], states)
    else:
        y, _ = _step(tracer, layer, layer.frames * layer.positions)(values[0], ())
    after = {name: value.ref for name, value in zip(before, state, strict=True)}
    first, last = _held(tracer)
    if before.keys() & first.keys():
        raise GraphError(
            f"layer '{layer.name}': the cell calls a state '{min(before.keys() & first.keys())}', as a threshold for "
            "changes does; give the state another name"
        )
    repeated = repeats(tracer.starts)
    traced = LayerTrace(tuple(tracer.operations), y.ref, before | first, after | last, repeated)
    _check_delay(layer.name, layer.cell, xs[0].name, traced)
    return traced


def _held(tracer: DeltaTracer) -> tuple[dict[str, Ref], dict[str, Ref]]:
    """Return the states in which a layer with thresholds holds inputs, before the step and after it, by name."""
    names = [f"{HELD}_{k}" for k in range(len(tracer.held))]
    pairs = dict(zip(names, tracer.held, strict=True))
    return {name: first for name, (first, _) in pairs.items()}, {name: last.ref for name, (_, last) in pairs.items()}


def check_widths(layer: Layer, widths: Mapping[str, int]) -> None:
    """Refuse a layer that reads another width than its cell declares; an input that is not in `widths` comes later."""
    declared = None if is_join(layer.cell) else input_width(layer.cell)
    expected = None if declared is None else declared * layer.positions * layer.frames
    for name in layer.inputs:
        if expected is not None and widths.get(name, expected) != expected:
            raise GraphError(f"layer '{layer.name}' reads {expected} values, but {widths[name]} arrive from '{name}'")


def _joined(tracer: LayerTracer, layer: Layer, values: Values) -> TracedValue:
    """Join part by part, those of all frames at once."""
    join: Join = layer.cell
    parts = layer.frames * layer.positions
    apart = [_apart(value, parts) for value in values]
    y: TracedValue = _shared(tracer, parts, lambda: join.join(tracer, *apart))
    _check_together(layer, y, parts)
    return _together(y)


def _check_together(layer: Layer, value: TracedValue, parts: int) -> None:
    """Refuse a value that leaves a cell with several positions."""
    positions = value.ref.positions // parts
    if positions != 1:
        raise GraphError(
            f"layer '{layer.name}': '{value.ref.name}' leaves the step with {positions} positions; expected one: "
            f"ops.reshape(x, {positions}, 1)"
        )


def _step(tracer: LayerTracer, layer: Layer, parts: int) -> Step:
    """Return the step of the cell on this many parts at once, each of which is a frame of its own to the cell."""

    def step(x: TracedValue, states: Values) -> tuple[TracedValue, Values]:
        tracer.begin()
        cell: Cell = layer.cell
        x, *before = (_apart(value, parts) for value in (x, *states))
        y, after = _shared(tracer, parts, lambda: cell.step(tracer, x, tuple(before)))
        for value in (y, *after):
            _check_together(layer, value, parts)
        widths = tuple(value.ref.width for value in after)
        if widths != tuple(cell.states.values()):
            raise GraphError(
                f"layer '{layer.name}': step returns states of widths {widths}; the cell declares {dict(cell.states)}"
            )
        return _together(y), tuple(map(_together, after))

    return step


def _frame_by_frame(tracer: LayerTracer, layer: Layer, x: TracedValue, states: Values) -> tuple[TracedValue, Values]:
    """Step once for each frame, and hand the states on."""
    step = _step(tracer, layer, layer.positions)
    if layer.begins:
        step = _beginning(tracer, layer, step)
    if layer.frames == 1:
        return step(x, states)
    ys = []
    for frame in tracer.split(x, layer.frames):
        y, states = step(frame, states)
        ys.append(y)
    return tracer.concat(*ys), states


def _beginning(tracer: LayerTracer, layer: Layer, step: Step) -> Step:
    """Return a step whose states keep their values until `layer.begins` frames have passed."""

    def held(x: TracedValue, states: Values) -> tuple[TracedValue, Values]:
        *before, count = states
        y, after = step(x, tuple(before))
        began, count = started(tracer, count, layer.begins)
        waits = tracer.scale(began, -1.0, 1.0)
        kept = [
            _widened(tracer, began, new.ref.width) * new + _widened(tracer, waits, old.ref.width) * old
            for old, new in zip(before, after, strict=True)
        ]
        return y, (*kept, count)

    return held


def _widened(tracer: LayerTracer, x: TracedValue, width: int) -> TracedValue:
    """Return one number for each part as one for each element of it."""
    parts = x.ref.width
    apart = _apart(x, parts)
    return _together(tracer.gather(apart, parts, [part for part in range(parts) for _ in range(width // parts)]))


def _swept(tracer: LayerTracer, layer: Layer, x: TracedValue) -> TracedValue:
    """Step from part to part of every frame, all frames at once, from states of zeros."""
    frames, parts = layer.frames, layer.positions
    if x.ref.width % (frames * parts):
        raise GraphError(
            f"layer '{layer.name}': {x.ref.width} values arrive from '{x.ref.name}' and cannot be divided into "
            f"{frames} x {parts} parts of equal width"
        )
    step = _step(tracer, layer, frames)
    read = _parts(tracer, layer, x)
    states = tuple(_zeros(tracer, x, width * frames) for width in layer.cell.states.values())
    ys: dict[int, TracedValue] = {}
    for part in range(parts) if layer.sweep == "forward" else reversed(range(parts)):
        y, states = step(read[part], states)
        ys[part] = _apart(y, frames)
    return _together(tracer.concat(*(ys[part] for part in range(parts))))


def _parts(tracer: LayerTracer, layer: Layer, x: TracedValue) -> Values:
    """Return each part of a frame; the part of every frame, one after another, where there are several."""
    if layer.frames == 1:
        return tracer.split(x, layer.positions)
    count = layer.frames * layer.positions
    apart = _apart(x, count)
    return tuple(
        _together(tracer.gather(apart, count, range(part, count, layer.positions))) for part in range(layer.positions)
    )


def _zeros(tracer: LayerTracer, x: TracedValue, width: int) -> TracedValue:
    """Return zeros, which do not depend on x."""
    return _together(tracer.gather(_apart(x, x.ref.width), x.ref.width, (-1,) * width))


def _shared(tracer: LayerTracer, parts: int, step: Callable[[], Any]) -> Any:
    """Call a step in which each of so many parts counts as a value of one position."""
    tracer.parts = parts
    result = step()
    tracer.parts = 1
    return result


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


def _together(value: TracedValue) -> TracedValue:
    """Return a value of any positions as one."""
    return value if value.ref.positions == 1 else value.tracer.reshape(value, value.ref.positions, 1)
