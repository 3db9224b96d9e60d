"""How far an integer artifact may be from the definition: the effect on its results of small errors in its operations.

A runtime that rounds halves in another way, or that computes in float between integers, sometimes gives the next
integer. The effect on a result depends on the model: so the definition is run a few more times, with every operation
randomly perturbed.
"""

from collections.abc import Callable
from math import isqrt
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.device.runtimes import named
from edgernn.integer.fixedpoint import Integers
from edgernn.integer.plan import IntegerPlan
from edgernn.integer.reproducible import differing
from edgernn.interpreters.integer import IntegerOps, IntegerStepper
from edgernn.interpreters.numpy import random_frames
from edgernn.model.graph import INPUT, Graph
from edgernn.model.operation import Op, Ref

DRAWS = 16
LAST = 2.0**-22  # how far the last digits of two float32 numbers move their difference, in parts of them
FLOAT = 1e-5  # the tolerance of a float result, in parts of its largest value, or of 1


class IntegerBounds(IntegerStepper):
    """How far each result of a step may be from the definition.

    Args:
        graph: in float32, with layers in a static scheme.
        runtime: the name of one, with or without its version.
    """

    rows = DRAWS  # of a batch

    def __init__(self, graph: Graph, runtime: str) -> None:
        self.tolerance = named(runtime).tolerance
        super().__init__(graph, PerturbedIntegers if self.tolerance.steps else PerturbedFloats)
        differs = differing(self.plan)
        self._differing = {state.name for state in self.trace.states if state.after.name in differs}

    def of(self, x: Array, states: dict[str, Array], reference: dict[str, Array]) -> dict[str, float]:
        """The bound of each result of one step, given the results of the definition for the same input and states."""
        before = {name: np.broadcast_to(state, (self.rows, *state.shape)) for name, state in states.items()}
        y, after = self.step(np.broadcast_to(x, (self.rows, *x.shape)), before)
        return {name: self.bound(name, reference[name], draws) for name, draws in {"y": y, **after}.items()}

    def bound(self, name: str, reference: Array, draws: Array) -> float:
        """The bound of a result, given that of the definition and those of the draws."""
        with np.errstate(invalid="ignore"):
            lost = np.nan_to_num(np.abs(draws - reference), nan=0.0).max()
        if name in self.plan.io_quantization:
            qparams, steps = self.plan.io_quantization[name], max(self.tolerance.steps, name in self._differing)
            whole = steps * qparams.scale * (1 + LAST * qparams.reach)  # two numbers of float32 are subtracted
            return whole + self.tolerance.static * float(lost)
        largest = float(np.abs(reference[np.isfinite(reference)]).max(initial=1.0))
        return FLOAT * largest + self.tolerance.static * float(lost)


class PerturbedIntegers(IntegerOps):
    """The operations on integers, each result randomly moved as far as a runtime may err."""

    def __init__(self, plan: IntegerPlan) -> None:
        super().__init__(plan)
        self._random = np.random.default_rng(0)
        operations = {op.outputs[0]: op for op in plan.trace.operations}
        self._forms = {ref: self._perturbed(operations[ref], form) for ref, form in self._forms.items()}

    def _perturbed(self, op: Op, form: Callable[..., Any]) -> Callable[..., Any]:
        most, qparams = error_steps(op, self.plan), self.plan.quantization[op.outputs[0].name]

        def perturbed(*xs: Integers) -> Integers:
            q = form(*xs)
            moved: Integers = np.clip(q + self._random.integers(-most, most + 1, q.shape), qparams.low, qparams.high)
            return moved

        return perturbed if most else form


class PerturbedFloats(IntegerOps):
    """The operations, with float results randomly moved by up to half a step before they are quantized.

    Only those are moved whose last digits may differ (edgernn.integer.reproducible), and so, rarely, the integer.
    """

    def __init__(self, plan: IntegerPlan) -> None:
        super().__init__(plan)
        self._random = np.random.default_rng(0)
        self._differing = differing(plan) - plan.integer_values

    def integers(self, ref: Ref, value: Array) -> Integers:
        if ref.name not in self._differing:
            return super().integers(ref, value)
        noise = self._random.uniform(-0.5, 0.5, value.shape) * self.plan.quantization[ref.name].scale
        return super().integers(ref, value + noise)


def error_steps(op: Op, plan: IntegerPlan) -> int:
    """How many steps of its scale the result of one operation may be from its definition, given the same integers.

    The steps of a transform are far smaller than those of its samples. sigmoid and tanh of 16 bits are computed from a
    table, which is up to 1.6 steps from the curve itself.
    """
    if plan.moves(op):
        return 0
    if op.name == "rfft":
        return 4 * isqrt(op.args[1])  # what its roundings add up to; the largest seen is 3.3 times the root
    bits = {plan.quantization[ref.name].bits for ref in (*op.inputs, *op.outputs)}
    return 2 if op.name in {"sigmoid", "tanh"} and bits == {16} else 1


def frames_in_range(graph: Graph, steps: int) -> Array:
    """Random frames that fill the range of the input, where it has one."""
    frames, limits = random_frames(graph.inputs, graph.vocabulary_size, steps), graph.ranges.get(INPUT)
    if graph.vocabulary_size or limits is None:
        return frames
    return np.random.default_rng(0).uniform(limits.low, limits.high, frames.shape).astype(np.float32)
