"""How far an artifact of integers may be from the definition: what its words do to a result when each may err a little.

A runtime that rounds halves in another way, or that computes in float between integers, falls on the next integer now
and then. What that does to a result depends on the model: so the definition is run again, a few times, with every word
moved by chance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from edgernn.integer.fixedpoint import Integers
from edgernn.integer.plan import IntegerPlan
from edgernn.integer.reproducible import differing
from edgernn.interpreters.integer import IntegerOps, IntegerStepper
from edgernn.interpreters.numpy import Array, random_frames
from edgernn.model.graph import INPUT, Graph
from edgernn.model.operation import Op, Ref

DRAWS = 16
LAST = 2.0**-22  # how far the last digits of two numbers of float32 move their difference, in parts of them
FLOAT = 1e-5  # of a result that is float, in parts of its largest value, or of 1


@dataclass(frozen=True)
class Slack:
    """How far one step of a runtime may be from the definition.

    Attributes:
        steps: of the grid of a result.
        own: a part of the most that DRAWS tries lose in this very step.
    """

    steps: float
    own: float


SLACK: Mapping[str, Slack] = MappingProxyType(
    {
        "numpy": Slack(0, 0),
        "native": Slack(0, 1.0),
        "onnxruntime": Slack(1, 0.6),
        "ai-edge-litert": Slack(1, 1.0),
        "tflite-runtime": Slack(1, 1.2),
    }
)
"""The runtime -> its slack. Where there are no steps, it computes the very integers, and only float may differ.

Beyond one step, ONNX Runtime came to 0.46 of the most, LiteRT to 0.62 and tflite-runtime to 0.86, over 200 steps of
every cell. These two make tanh and sigmoid of 16 bits from a table of their own.
"""


class IntegerBounds(IntegerStepper):
    """How far each result of a step may be from the definition.

    Args:
        graph: in float32, with layers in a static scheme.
        runtime: one of SLACK, with or without its version.
    """

    def __init__(self, graph: Graph, runtime: str) -> None:
        self.slack = SLACK[runtime.split(maxsplit=1)[0]]
        super().__init__(graph, Shaken if self.slack.steps else Crossed)
        loose = differing(self.plan)
        self._turned = {state.name for state in self.trace.states if state.after.name in loose}

    def of(self, x: Array, states: dict[str, Array], reference: dict[str, Array]) -> dict[str, float]:
        """For each result of one step, given what the definition makes of the same input and states."""
        before = {name: np.broadcast_to(state, (DRAWS, *state.shape)) for name, state in states.items()}
        y, after = self.step(np.broadcast_to(x, (DRAWS, *x.shape)), before)
        return {name: self._bound(name, reference[name], tries) for name, tries in {"y": y, **after}.items()}

    def _bound(self, name: str, reference: Array, tries: Array) -> float:
        with np.errstate(invalid="ignore"):
            lost = np.nan_to_num(np.abs(tries - reference), nan=0.0).max()
        if name in self.plan.io_quantization:
            qparams, steps = self.plan.io_quantization[name], max(self.slack.steps, name in self._turned)
            whole = steps * qparams.scale * (1 + LAST * qparams.reach)  # two numbers of float32 are subtracted
            return whole + self.slack.own * float(lost)
        return FLOAT * float(np.abs(reference[np.isfinite(reference)]).max(initial=1.0)) + self.slack.own * float(lost)


class Shaken(IntegerOps):
    """The words in integers, each moved by chance as far as it may err."""

    def __init__(self, plan: IntegerPlan) -> None:
        super().__init__(plan)
        self._random = np.random.default_rng(0)
        operations = {op.outputs[0]: op for op in plan.trace.operations}
        self._whole = {ref: self._shaken(operations[ref], form) for ref, form in self._whole.items()}

    def _shaken(self, op: Op, form: Callable[..., Any]) -> Callable[..., Any]:
        by, qparams = errs(op, self.plan), self.plan.quantization[op.outputs[0].name]

        def shaken(*xs: Integers) -> Integers:
            q = form(*xs)
            moved: Integers = np.clip(q + self._random.integers(-by, by + 1, q.shape), qparams.low, qparams.high)
            return moved

        return shaken if by else form


class Crossed(IntegerOps):
    """The words, and what float words make moved by up to half a step of the grid that it is rounded to, by chance:
    where its last digits may differ (edgernn.integer.reproducible), and so, rarely, the integer that it becomes.
    """

    def __init__(self, plan: IntegerPlan) -> None:
        super().__init__(plan)
        self._random = np.random.default_rng(0)
        self._loose = differing(plan) - plan.integer_values

    def integers(self, ref: Ref, value: Array) -> Integers:
        if ref.name not in self._loose:
            return super().integers(ref, value)
        noise = self._random.uniform(-0.5, 0.5, value.shape) * self.plan.quantization[ref.name].scale
        return super().integers(ref, value + noise)


def errs(op: Op, plan: IntegerPlan) -> int:
    """By how many steps of its grid a word alone may differ from its definition, given the same integers.

    sigmoid and tanh of 16 bits are made from a table, which is up to 1.6 steps from the curve itself.
    """
    if plan.moves(op):
        return 0
    bits = {plan.quantization[ref.name].bits for ref in (*op.inputs, *op.outputs)}
    return 2 if op.name in {"sigmoid", "tanh"} and bits == {16} else 1


def within(graph: Graph, steps: int) -> Array:
    """Random frames that fill the range of the input, where it has one."""
    frames, seen = random_frames(graph.inputs, graph.vocabulary_size, steps), graph.ranges.get(INPUT)
    if graph.vocabulary_size or seen is None:
        return frames
    return np.random.default_rng(0).uniform(seen.low, seen.high, frames.shape).astype(np.float32)
