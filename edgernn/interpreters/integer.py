"""Static graphs in integers: the definition that compiled code, TFLite and ONNX are judged by.

Frames, results and states are float at the borders, and integers inside; edgernn.integer.plan says where the borders
are, edgernn.integer.forms what each word does. The same graph gives the same integers on every machine. What an
artifact has as integers at its door, `IntegerStepper.whole` takes and gives as such.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import UsageError
from edgernn.integer.forms import integer_forms
from edgernn.integer.plan import IntegerPlan, integer_plan
from edgernn.interpreters.numpy import Array, SameOps, Stepper
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import STATIC
from edgernn.model.trace import replay


class IntegerOps:
    """The words on arrays (..., width): int64 where the plan has integers, else float32 as compiled code computes it.

    What enters a step may be either, wherever it has a grid.

    `said` must be told of each word before it is said, as edgernn.model.trace.replay does.
    """

    def __init__(self, plan: IntegerPlan) -> None:
        self.plan = plan
        self._whole = integer_forms(plan)
        self._float = SameOps()
        self._word: Op

    def said(self, op: Op) -> None:
        """The word that comes next."""
        self._word = op

    def _say(self, *args: Any) -> Any:
        op = self._word
        whole = self._whole.get(op.outputs[0])
        given = zip(op.args, args, strict=False)
        if whole is not None:
            return whole(*(self.integers(arg, value) for arg, value in given if isinstance(arg, Ref)))
        return getattr(self._float, op.name)(
            *(self.numbers(arg, value) if isinstance(arg, Ref) else value for arg, value in given)
        )

    affine = add = subtract = multiply = scale = sigmoid = tanh = relu = softmax = log = _say
    split = concat = lookup = normalize = _say

    def integers(self, ref: Ref, value: Array) -> NDArray[np.int64]:
        """A value as integers, rounded to its grid where it is float; an index is an integer already."""
        return value if value.dtype.kind == "i" else self.plan.quantization[ref.name].integers(value)

    def numbers(self, ref: Ref, value: Array) -> Array:
        """A value as float32; an index stays one."""
        whole = value.dtype.kind == "i" and ref.name in self.plan.quantization
        return self.plan.quantization[ref.name].numbers(value) if whole else value


class IntegerStepper(Stepper):
    """A static graph that computes: float32 frames in, float32 results out, states carried by whoever calls.

    States are float32 that lie on their grids, so nothing is lost when they are kept and given back; what is given
    off the grid is rounded to it by the step that reads it.

    Args:
        graph: with layers in a static scheme.
        words: what says them, where it is not the definition.

    Raises:
        UsageError: no layer is in a static scheme.
        CalibrationError: a value has no range, or one that its word cannot work with.
    """

    def __init__(self, graph: Graph, operations: Callable[[IntegerPlan], IntegerOps] = IntegerOps) -> None:
        if not any(layer.scheme for layer in graph.layers):
            raise UsageError(
                f"no layer computes with integers: the graph is in {graph.precision}; quantize it in one of "
                f"{', '.join(STATIC)}"
            )
        super().__init__(graph.astype("float32"), "float32")
        self.plan: IntegerPlan = integer_plan(self.graph)
        self._words = operations(self.plan)

    def initial_state(self, *batch: int) -> dict[str, Array]:
        """The initial states by name, each of shape (*batch, width), on their grids."""
        return {name: self._rounded(name, state) for name, state in super().initial_state(*batch).items()}

    def integers(self, states: dict[str, Array]) -> dict[str, NDArray[np.int64]]:
        """The states that are carried as integers, by name, as those integers."""
        return {name: qparams.integers(states[name]) for name, qparams in self.plan.states.items()}

    def values(self, x: Array, states: dict[str, Array]) -> dict[str, Array]:
        """Every value of one step by its name: int64 on its grid where the plan has it whole, else float32."""
        start = {INPUT: x if x.dtype.kind == "i" else np.asarray(x, np.float32)}
        start |= {state.before.name: states[state.name] for state in self.trace.states}
        return replay(self.trace.operations, self._words, start, self._words.said)

    def step(self, x: Array, states: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        """One frame: (x, states before) -> (y, states after)."""
        values, steps = self.values(x, states), self.trace
        after = {state.name: self._words.numbers(state.after, values[state.after.name]) for state in steps.states}
        y = self._words.numbers(steps.y, values[steps.y.name])
        return y, {name: self._rounded(name, state) for name, state in after.items()}

    def whole(self, x: Array, states: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        """The same where `plan.door` has integers: int64 on its grids for x, y and states, float32 for the others."""
        values, steps, operations = self.values(x, states), self.trace, self._words
        y = (operations.integers if OUTPUT in self.plan.io_quantization else operations.numbers)(
            steps.y, values[steps.y.name]
        )
        return y, {
            state.name: (operations.integers if state.name in self.plan.io_quantization else operations.numbers)(
                state.after, values[state.after.name]
            )
            for state in steps.states
        }

    def _rounded(self, name: str, state: Array) -> Array:
        qparams = self.plan.states.get(name)
        return state if qparams is None else qparams.numbers(qparams.integers(state))


def stepper(graph: Graph) -> Stepper:
    """What computes a graph in its own precision: in integers where it has layers of a static scheme, else float32."""
    single = graph.astype("float32")
    return IntegerStepper(single) if any(layer.scheme for layer in graph.layers) else Stepper(single, "float32")
