"""The cost of one step of a graph, in counts that hold on any machine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from edgernn.model import spectra
from edgernn.model.graph import Graph
from edgernn.model.operation import Op
from edgernn.model.spectra import SPECTRA
from edgernn.model.tensor import Tensor
from edgernn.model.trace import Trace

FLOAT_BYTES = 4
MOVES = ("split", "concat", "reshape", "gather")
"""The operations that only move elements."""


@dataclass(frozen=True)
class Cost:
    """The cost of the operations in a trace, with float32 values between them.

    Feature cells (`exact`), such as a log-mel before the network, are included. Their part of `macs` and `weight_bytes`
    is also given alone, because no pass makes it smaller.
    """

    macs: (
        int  # multiplications with an element of a matrix, each with an addition, and of transforms, in every position
    )
    exact_macs: int  # the part of feature cells
    elements: int  # of the results of all other operations
    operations: int
    parameters: int  # weights in the graph, without those that a feature cell computes
    weight_bytes: int
    exact_bytes: int  # the part of feature cells
    state_bytes: int
    scratch_bytes: int  # the largest sum of the values inside the step that are alive at one moment


def count(graph: Graph) -> Cost:
    """The cost of one step."""
    steps = graph.trace
    exact = {layer.name for layer in graph.layers if layer.cell.exact}
    features = [op for op in steps.operations if op.layer in exact]
    return Cost(
        macs=_macs(steps.operations),
        exact_macs=_macs(features),
        elements=sum(op.size for op in steps.operations if op.name not in {"affine", *SPECTRA, *MOVES}),
        operations=len(steps.operations),
        parameters=sum(weight.size for weight in set(graph.tensors.values())),
        weight_bytes=sum(weight.nbytes for weight in _weights(steps.operations)),
        exact_bytes=sum(weight.nbytes for weight in _weights(features)),
        state_bytes=FLOAT_BYTES * sum(graph.states.values()),
        scratch_bytes=FLOAT_BYTES * _peak(steps),
    )


def total(graphs: Sequence[Graph]) -> Cost:
    """The cost of a frame that passes several graphs, one after another."""
    each = [count(graph) for graph in graphs]
    sums = {field.name: sum(getattr(cost, field.name) for cost in each) for field in fields(Cost)}
    return Cost(**sums | {"scratch_bytes": max(cost.scratch_bytes for cost in each)})


def _macs(operations: Iterable[Op]) -> int:
    return sum(op.positions * multiplications(op) for op in operations)


def multiplications(op: Op) -> int:
    """The multiplications with a constant in one position of an affine or a transform; 0 for any other operation."""
    if op.name in SPECTRA:
        return spectra.multiplications(op.args[1]) + (0 if op.args[2] is None else int(op.args[2].size))
    return int(op.args[0].size) if op.name == "affine" else 0


def _weights(operations: Iterable[Op]) -> set[Tensor]:
    return {arg for op in operations for arg in op.args if isinstance(arg, Tensor)}


def _peak(steps: Trace) -> int:
    """The largest number of elements alive at once, without the input, the states and the results."""
    outside = {steps.x.name, *(ref.name for ref in steps.results)} | {state.before.name for state in steps.states}
    alive, most = 0, 0
    for i, op in enumerate(steps.operations):
        alive += sum(ref.size for ref in op.outputs if ref.name not in outside)
        most = max(most, alive)
        dead = {ref for ref in (*op.inputs, *op.outputs) if steps.last_use.get(ref.name, i) == i}
        alive -= sum(ref.size for ref in dead if ref.name not in outside)
    return most
