"""Which values of a step have the same bits in numpy and in compiled code, on every instruction set.

Integers do, and so do the elementwise operations of float32, which IEEE 754 defines to the last bit, and the
normalization of float32, whose sums have a defined order. The sums of a float affine have none, and `softmax` and `log`
in float are those of a C library; so are `sigmoid` and `tanh` in a graph that is in neither static nor dynamic int8.
Such a value, and all that is made of it, may differ in its last digits, or by an integer once it is on a grid.
"""

from collections.abc import Mapping
from types import MappingProxyType

from edgernn.integer.plan import IntegerPlan
from edgernn.model.record import Op
from edgernn.model.tensor import DYNAMIC

SAME_BITS: Mapping[str, str] = MappingProxyType(
    {
        "all": "answers and states, in numpy and compiled code",
        "states": "states, in numpy and compiled code; answers within 1e-5 of the largest, since they end in float",
        "": "not promised",
    }
)
"""What a contract says of bits -> what that means."""

ANYWHERE = ("softmax", "log")  # in float: of whatever C library or numpy there is


def same_bits(plan: IntegerPlan, precision: str) -> str:
    """Which results of a step have the same bits in numpy and in compiled code, one of SAME_BITS.

    As long as every value inside is finite, and none that is not 0 is below 1.2e-38 in size: some processors take such
    numbers for zeros.
    """
    if not plan.whole and DYNAMIC not in precision:
        return ""
    loose = differing(plan)
    if any(state.before.name in loose for state in plan.trace.states):
        return ""
    return "states" if plan.trace.y.name in loose else "all"


def differing(plan: IntegerPlan) -> frozenset[str]:
    """The names of the values that may differ, where at least one layer is in a static scheme or in dynamic int8."""
    loose: set[str] = set()
    before = -1
    while before != len(loose):  # what a state is made of it is in the next step
        before = len(loose)
        for op in plan.trace.operations:
            if _differs(op, plan) or any(ref.name in loose for ref in op.inputs):
                loose |= {ref.name for ref in op.outputs}
        loose |= {state.before.name for state in plan.trace.states if state.after.name in loose}
    return frozenset(loose)


def _differs(op: Op, plan: IntegerPlan) -> bool:
    """Whether the word alone may make other bits of the same."""
    if plan.integer(op):
        return False
    return op.name in ANYWHERE or (op.name == "affine" and op.args[0].scheme != DYNAMIC)
