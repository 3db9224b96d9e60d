"""Casts: the trace of a step with an operation wherever a value changes between float and integers.

`quantize(x)` makes integers of a float value and `dequantize(x)` floats of integers. Each value is cast once, before
the first operation that needs it. `requantize(x)` changes the quantization parameters of a value to those of the
concatenation that it becomes a part of, or of the concatenation where those of all its parts are equal. Every other
operation has values of one type, so layout and emitter need not know about casts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edgernn.integer.plan import IntegerPlan, QuantizationParameters
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.operation import Op, Ref
from edgernn.model.trace import Trace

QUANTIZE, DEQUANTIZE, REQUANTIZE = "quantize", "dequantize", "requantize"


@dataclass(frozen=True)
class CastTrace:
    """A step with casts.

    Attributes:
        trace: its operations, with the casts among them.
        quantization: the quantization parameters of the values that are stored as integers, by name.
    """

    trace: Trace
    quantization: Mapping[str, QuantizationParameters]


def with_casts(steps: Trace, plan: IntegerPlan) -> CastTrace:
    """Insert the casts of a step; a step without integers has none."""
    float_io = plan.io_quantization
    whole = [state.before.name for state in steps.states if state.name in float_io] + [INPUT] * (INPUT in float_io)
    quantization = {name: plan.quantization[name] for name in (*whole, *plan.integer_values)}
    operations: list[Op] = []
    casts: dict[str, Ref] = {}

    def cast(ref: Ref, layer: str, integer: bool) -> Ref:
        """The value as integers, or as floats."""
        if (ref.name in quantization) == integer:
            return ref
        if ref.name not in casts:
            name = QUANTIZE if integer else DEQUANTIZE
            op = Op(layer, _free(layer, steps, operations), name, (ref,), (ref.width,), ref.positions)
            operations.append(op)
            casts[ref.name] = op.outputs[0]
            if integer:
                quantization[op.outputs[0].name] = plan.quantization[ref.name]
        return casts[ref.name]

    def requantize(ref: Ref, layer: str, qparams: QuantizationParameters) -> Ref:
        """The value with these quantization parameters."""
        if quantization[ref.name] == qparams:
            return ref
        op = Op(layer, _free(layer, steps, operations), REQUANTIZE, (ref,), (ref.width,), ref.positions)
        operations.append(op)
        quantization[op.outputs[0].name] = qparams
        return op.outputs[0]

    for step in steps.operations:
        op = _with_inputs(step, plan.is_integer(step), cast)
        if op.name == "concat" and plan.is_integer(step):
            to = plan.quantization[step.outputs[0].name]
            known = {quantization[ref.name] for ref in op.inputs}
            if known == {to} or len(known) > 1:
                op = replace(op, args=tuple(requantize(ref, op.layer, to) for ref in op.inputs))
            else:  # at once, when they are side by side
                joined = replace(op, k=_free(op.layer, steps, operations))
                operations.append(joined)
                quantization |= dict.fromkeys([joined.outputs[0].name], *known)
                op = replace(op, name=REQUANTIZE, args=joined.outputs)
        operations.append(op)
    last = steps.operations[-1].layer if steps.operations else ""
    y = cast(steps.y, last, OUTPUT in float_io)
    states = [replace(state, after=cast(state.after, last, state.name in float_io)) for state in steps.states]
    return CastTrace(replace(steps, operations=tuple(operations), y=y, states=tuple(states)), quantization)


def _with_inputs(op: Op, integer: bool, cast: Callable[[Ref, str, bool], Ref]) -> Op:
    """The operation with its inputs in its own type; the index of a lookup is an integer in both."""
    if op.name == "lookup":
        return op
    return replace(op, args=tuple(cast(arg, op.layer, integer) if isinstance(arg, Ref) else arg for arg in op.args))


def _free(layer: str, steps: Trace, written: list[Op]) -> int:
    """A number that no value of the layer has."""
    return max((op.k + len(op.widths) for op in (*steps.operations, *written) if op.layer == layer), default=0)
