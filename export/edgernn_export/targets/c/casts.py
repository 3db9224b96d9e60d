"""Where integers end and float begins: the trace of a step with a word at every such border.

`integers(x)` rounds a float value to its grid, `numbers(x)` makes integers float; each is said once, before the first
word that needs it. `moved(x)` takes a value to the grid of the whole that it becomes a part of. So every other word
reads values of its own kind, and layout and statements know nothing of borders.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edgernn.integer.plan import IntegerPlan, QuantizationParameters
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.operation import Op, Ref
from edgernn.model.trace import Trace

INTEGERS, NUMBERS, MOVED = "integers", "numbers", "moved"


@dataclass(frozen=True)
class Bordered:
    """A step whose borders are said.

    Attributes:
        trace: its words.
        grids: of the values that are integers where they live.
    """

    trace: Trace
    quantization: Mapping[str, QuantizationParameters]


def bordered(steps: Trace, plan: IntegerPlan) -> Bordered:
    """Say the borders of a step; one without integers has none."""
    float_io = plan.io_quantization
    whole = [state.before.name for state in steps.states if state.name in float_io] + [INPUT] * (INPUT in float_io)
    quantization = {name: plan.quantization[name] for name in (*whole, *plan.integer_values)}
    operations: list[Op] = []
    crossed: dict[str, Ref] = {}

    def across(ref: Ref, layer: str, integer: bool) -> Ref:
        """The value as the reader wants it."""
        if (ref.name in quantization) == integer:
            return ref
        if ref.name not in crossed:
            op = Op(layer, _free(layer, steps, operations), INTEGERS if integer else NUMBERS, (ref,), (ref.width,))
            operations.append(op)
            crossed[ref.name] = op.outputs[0]
            if integer:
                quantization[op.outputs[0].name] = plan.quantization[ref.name]
        return crossed[ref.name]

    def onto(ref: Ref, layer: str, qparams: QuantizationParameters) -> Ref:
        """The value on this grid."""
        if quantization[ref.name] == qparams:
            return ref
        op = Op(layer, _free(layer, steps, operations), MOVED, (ref,), (ref.width,))
        operations.append(op)
        quantization[op.outputs[0].name] = qparams
        return op.outputs[0]

    for op in steps.operations:
        said = _reading(op, plan.is_integer(op), across)
        if op.name == "concat" and plan.is_integer(op):
            to = plan.quantization[op.outputs[0].name]
            said = replace(said, args=tuple(onto(ref, op.layer, to) for ref in said.inputs))
        operations.append(said)
    last = steps.operations[-1].layer if steps.operations else ""
    y = across(steps.y, last, OUTPUT in float_io)
    states = [replace(state, after=across(state.after, last, state.name in float_io)) for state in steps.states]
    return Bordered(replace(steps, operations=tuple(operations), y=y, states=tuple(states)), quantization)


def _reading(op: Op, integer: bool, across: Callable[[Ref, str, bool], Ref]) -> Op:
    """The word with its values from its own side; the index of a lookup is an integer on either."""
    if op.name == "lookup":
        return op
    args = tuple(across(arg, op.layer, integer) if isinstance(arg, Ref) else arg for arg in op.args)
    return replace(op, args=args)


def _free(layer: str, steps: Trace, said: list[Op]) -> int:
    """A number that no value of the layer has."""
    return max((op.k + len(op.widths) for op in (*steps.operations, *said) if op.layer == layer), default=0)
