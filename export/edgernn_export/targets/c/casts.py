"""Casts: the trace of a step with an operation wherever a value changes between float and integers.

`quantize(x)` makes integers of a float value and `dequantize(x)` floats of integers. Each value is cast once, before
the first operation that needs it. `requantize(x)` changes the quantization parameters of a value to those of the
concatenation that it becomes a part of, or of the concatenation where those of all its parts are equal. Every other
operation has values of one type, so layout and emitter need not know about casts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from edgernn.integer.plan import IntegerPlan, QuantizationParameters
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.operation import Op, Ref
from edgernn.model.trace import Trace

WIDE_OPERATIONS = ("multiply", "add", "scale", "affine", "log")
"""The operations that have kernels of their own for wide values."""

WIDE = "wide_"
"""How the names of operations start that compute with wide values, so that they join no loop over lanes."""

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
    writer = _Writer(steps, plan, {name: plan.quantization[name] for name in (*whole, *plan.integer_values)})
    for step in steps.operations:
        op = _with_inputs(step, plan.is_integer(step), writer.cast)
        if op.name == "concat" and plan.is_integer(step):
            op = writer.joined(op, plan.quantization[step.outputs[0].name])
        if step.name in WIDE_OPERATIONS and plan.is_wide(step):
            op = replace(op, name=f"{WIDE}{op.name}")
        writer.operations.append(op)
    last = steps.operations[-1].layer if steps.operations else ""
    y = writer.cast(steps.y, last, OUTPUT in float_io)
    states = [replace(state, after=writer.cast(state.after, last, state.name in float_io)) for state in steps.states]
    trace = replace(steps, operations=tuple(writer.operations), y=y, states=tuple(states))
    return CastTrace(trace, writer.quantization)


@dataclass
class _Writer:
    """The operations of a step with their casts, so far.

    Attributes:
        steps: the operations without casts.
        plan: which of them are integer.
        quantization: the quantization parameters of the values that are stored as integers, by name.
        operations: what is written.
        casts: value -> the same value in the other type.
    """

    steps: Trace
    plan: IntegerPlan
    quantization: dict[str, QuantizationParameters]
    operations: list[Op] = field(default_factory=list)
    casts: dict[str, Ref] = field(default_factory=dict)

    def cast(self, ref: Ref, layer: str, integer: bool) -> Ref:
        """The value as integers, or as floats."""
        if (ref.name in self.quantization) == integer:
            return ref
        if ref.name not in self.casts:
            self.casts[ref.name] = self._converted(ref, layer, QUANTIZE if integer else DEQUANTIZE)
            if integer:
                self.quantization[self.casts[ref.name].name] = self.plan.quantization[ref.name]
        return self.casts[ref.name]

    def joined(self, op: Op, to: QuantizationParameters) -> Op:
        """A concat whose values have these quantization parameters."""
        known = {self.quantization[ref.name] for ref in op.inputs}
        if known == {to} or len(known) > 1:
            return replace(op, args=tuple(self._requantized(ref, op.layer, to) for ref in op.inputs))
        whole = replace(op, k=_free(op.layer, self.steps, self.operations))  # at once, when they are side by side
        self.operations.append(whole)
        self.quantization |= dict.fromkeys([whole.outputs[0].name], *known)
        return replace(op, name=REQUANTIZE, args=whole.outputs)

    def _requantized(self, ref: Ref, layer: str, qparams: QuantizationParameters) -> Ref:
        if self.quantization[ref.name] == qparams:
            return ref
        result = self._converted(ref, layer, REQUANTIZE)
        self.quantization[result.name] = qparams
        return result

    def _converted(self, ref: Ref, layer: str, name: str) -> Ref:
        op = Op(layer, _free(layer, self.steps, self.operations), name, (ref,), (ref.width,), ref.positions)
        self.operations.append(op)
        return op.outputs[0]


def _with_inputs(op: Op, integer: bool, cast: Callable[[Ref, str, bool], Ref]) -> Op:
    """The operation with its inputs in its own type; the index of a lookup is an integer in both."""
    if op.name == "lookup":
        return op
    return replace(op, args=tuple(cast(arg, op.layer, integer) if isinstance(arg, Ref) else arg for arg in op.args))


def _free(layer: str, steps: Trace, written: list[Op]) -> int:
    """A number that no value of the layer has."""
    return max((op.k + len(op.widths) for op in (*steps.operations, *written) if op.layer == layer), default=0)
