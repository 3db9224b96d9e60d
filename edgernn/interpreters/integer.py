"""Static graphs in integers: the definition that compiled code, TFLite and ONNX are tested against.

Frames, results and states are float at the interface of `step`, and integers inside. edgernn.integer.plan says which
values are integers, edgernn.integer.forms what each operation computes. The same graph gives the same integers on
every machine. `IntegerStepper.step_integers` has integers at the interface too, wherever an artifact has.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.integer.forms import integer_forms
from edgernn.integer.plan import IntegerPlan, integer_plan
from edgernn.interpreters.numpy import SameOps, Stepper
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.operation import Op, Ref
from edgernn.model.replay import replay
from edgernn.model.tensor import STATIC


class IntegerOps:
    """The operations on arrays (..., width): int64 where the plan has integers, else float32 as compiled code computes.

    An input may be in either form, wherever it has quantization parameters.
    """

    def __init__(self, plan: IntegerPlan) -> None:
        self.plan = plan
        self._forms = integer_forms(plan)
        self._float = SameOps()

    def apply(self, op: Op, args: Sequence[Any], /) -> Any:
        """Apply one operation: in its integer form where the plan has one, else in float32."""
        form = self._forms.get(op.outputs[0])
        pairs = zip(op.args, args, strict=True)
        if form is not None:
            return form(*(self.integers(arg, value) for arg, value in pairs if isinstance(arg, Ref)))
        return self._float.apply(
            op, [self.numbers(arg, value) if isinstance(arg, Ref) else value for arg, value in pairs]
        )

    def integers(self, ref: Ref, value: Array) -> NDArray[np.int64]:
        """A value as integers, quantized where it is float; an index is an integer already."""
        return value if value.dtype.kind == "i" else self.plan.quantization[ref.name].integers(value)

    def numbers(self, ref: Ref, value: Array) -> Array:
        """A value as float32, dequantized where it is integers; an index stays an integer."""
        quantized = value.dtype.kind == "i" and ref.name in self.plan.quantization
        return self.plan.quantization[ref.name].numbers(value) if quantized else value


class IntegerStepper(Stepper):
    """Steps a static graph: float32 frames in, float32 results out; the caller carries the states.

    States are float32 values that integers represent exactly. The step quantizes a state that is not.

    Args:
        graph: with layers in a static scheme.
        operations: makes the interpreter of a plan, where it is not the definition.

    Raises:
        UsageError: no layer is in a static scheme.
        CalibrationError: a value has no range, or one that its operation cannot use.
    """

    def __init__(self, graph: Graph, operations: Callable[[IntegerPlan], IntegerOps] = IntegerOps) -> None:
        if not any(layer.scheme for layer in graph.layers):
            raise UsageError(
                f"no layer computes with integers: the graph is in {graph.precision}; quantize it in one of "
                f"{', '.join(STATIC)}"
            )
        super().__init__(graph.astype("float32"), "float32")
        self.plan: IntegerPlan = integer_plan(self.graph)
        self._operations = operations(self.plan)

    def initial_state(self, *batch: int) -> dict[str, Array]:
        """The initial states by name, each of shape (*batch, width), quantized."""
        return {name: self._rounded(name, state) for name, state in super().initial_state(*batch).items()}

    def integers(self, states: dict[str, Array]) -> dict[str, NDArray[np.int64]]:
        """The integers of the states that are carried as integers, by name."""
        return {name: qparams.integers(states[name]) for name, qparams in self.plan.states.items()}

    def values(self, x: Array, states: dict[str, Array]) -> dict[str, Array]:
        """Every value of one step by its name: int64 where the plan has integers, else float32."""
        start = {INPUT: x if x.dtype.kind == "i" else np.asarray(x, np.float32)}
        start |= {state.before.name: states[state.name] for state in self.trace.states}
        return replay(self.trace.operations, self._operations, start)

    def step(self, x: Array, states: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        """One frame: (x, states before) -> (y, states after)."""
        values, steps = self.values(x, states), self.trace
        after = {state.name: self._operations.numbers(state.after, values[state.after.name]) for state in steps.states}
        y = self._operations.numbers(steps.y, values[steps.y.name])
        return y, {name: self._rounded(name, state) for name, state in after.items()}

    def step_integers(self, x: Array, states: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        """The same, with int64 for x, y and states that are in `plan.io_quantization` and float32 for others."""
        values, outputs = self.values(x, states), {OUTPUT: self.trace.y}
        outputs |= {state.name: state.after for state in self.trace.states}
        io, ops = self.plan.io_quantization, self._operations
        results = {
            name: (ops.integers if name in io else ops.numbers)(ref, values[ref.name]) for name, ref in outputs.items()
        }
        return results.pop(OUTPUT), results

    def _rounded(self, name: str, state: Array) -> Array:
        qparams = self.plan.states.get(name)
        return state if qparams is None else qparams.numbers(qparams.integers(state))


def stepper(graph: Graph) -> Stepper:
    """The stepper of a graph in its own precision: integers where it has layers in a static scheme, else float32."""
    single = graph.astype("float32")
    return IntegerStepper(single) if any(layer.scheme for layer in graph.layers) else Stepper(single, "float32")
