"""Bit reproducibility: the values of a step that have the same bits in numpy and in compiled code, on every ISA.

Integers have the same bits. So have the elementwise operations of float32, which IEEE 754 defines to the last bit, and
the normalization of float32, whose sums have a defined order. The sums of a float affine have no defined order, and
numpy and compiled code compute `softmax`, `log`, `rfft` and `irfft` in float in different ways; so they do `sigmoid`
and `tanh` in a graph that is in neither static nor dynamic int8. Such a value, and every value computed from it, may
differ in its last digits, or by one integer once it is quantized.
"""

from collections.abc import Mapping
from types import MappingProxyType

from edgernn.integer.plan import IntegerPlan
from edgernn.model.operation import Op
from edgernn.model.tensor import DYNAMIC

SAME_BITS: Mapping[str, str] = MappingProxyType(
    {
        "all": "outputs and states, in numpy and compiled code",
        "states": "states, in numpy and compiled code; outputs within 1e-5 of the largest, since they end in float",
        "": "not promised",
    }
)
"""The values of `Manifest.same_bits` -> their meaning."""

PLATFORM_DEPENDENT = ("softmax", "log", "rfft", "irfft")  # in float: by numpy, or by kernels


def same_bits(plan: IntegerPlan, precision: str) -> str:
    """Return which results of a step have the same bits in numpy and in compiled code: one of SAME_BITS.

    This holds while every value is finite and none is denormal (below 1.2e-38 and not 0), because some processors
    replace denormal numbers by zero.
    """
    if not plan.integer_values and DYNAMIC not in precision:
        return ""
    names = differing(plan)
    if any(state.before.name in names for state in plan.trace.states):
        return ""
    return "states" if plan.trace.y.name in names else "all"


def differing(plan: IntegerPlan) -> frozenset[str]:
    """Return the values that may differ in a graph with at least one layer in a static scheme or in dynamic int8."""
    names: set[str] = set()
    before = -1
    while before != len(names):  # a state carries a difference into the next step
        before = len(names)
        for op in plan.trace.operations:
            if _differs(op, plan) or any(ref.name in names for ref in op.inputs):
                names |= {ref.name for ref in op.outputs}
        names |= {state.before.name for state in plan.trace.states if state.after.name in names}
    return frozenset(names)


def _differs(op: Op, plan: IntegerPlan) -> bool:
    """Return whether an operation may have different outputs for the same inputs."""
    if plan.is_integer(op):
        return False
    return op.name in PLATFORM_DEPENDENT or (op.name == "affine" and op.args[0].scheme != DYNAMIC)
