"""Counting: what one step of a graph costs on any machine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from edgernn.model.graph import Graph
from edgernn.model.operation import Op
from edgernn.model.tensor import Tensor
from edgernn.model.trace import Trace, trace

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """One step, exactly as the trace says it, with float32 values between the words.

    Feature cells (`exact`), such as a log-mel before the net, are counted in; what they take of `macs` and
    `weight_bytes` is said apart, since no pass makes it smaller.
    """

    macs: int  # multiplications with a weight, each with its addition
    exact_macs: int  # of these, in feature cells
    elements: int  # values made by all other words
    operations: int
    parameters: int  # weights that the graph holds; what a feature cell makes of its numbers is none
    weight_bytes: int
    exact_bytes: int  # of these, in feature cells
    state_bytes: int
    scratch_bytes: int  # the most that values inside the step take at one moment


def count(graph: Graph) -> Cost:
    """The cost of one step."""
    steps = trace(graph)
    exact = {layer.name for layer in graph.layers if layer.cell.exact}
    features = [op for op in steps.operations if op.layer in exact]
    return Cost(
        macs=_macs(steps.operations),
        exact_macs=_macs(features),
        elements=sum(sum(op.widths) for op in steps.operations if op.name not in {"affine", "split", "concat"}),
        operations=len(steps.operations),
        parameters=sum(weight.size for weight in set(graph.tensors.values())),
        weight_bytes=sum(weight.nbytes for weight in _weights(steps.operations)),
        exact_bytes=sum(weight.nbytes for weight in _weights(features)),
        state_bytes=FLOAT_BYTES * sum(graph.states.values()),
        scratch_bytes=FLOAT_BYTES * _peak(steps),
    )


def total(graphs: Sequence[Graph]) -> Cost:
    """The cost of a frame that passes several graphs, one after the other."""
    each = [count(graph) for graph in graphs]
    added = {field.name: sum(getattr(cost, field.name) for cost in each) for field in fields(Cost)}
    return Cost(**added | {"scratch_bytes": max(cost.scratch_bytes for cost in each)})


def _macs(operations: Iterable[Op]) -> int:
    return sum(op.args[0].size for op in operations if op.name == "affine")


def _weights(operations: Iterable[Op]) -> set[Tensor]:
    return {arg for op in operations for arg in op.args if isinstance(arg, Tensor)}


def _peak(steps: Trace) -> int:
    """The largest number of elements alive at once, beside the input, the states and the results."""
    outside = {steps.x.name, *(ref.name for ref in steps.results)} | {state.before.name for state in steps.states}
    alive, most = 0, 0
    for i, op in enumerate(steps.operations):
        alive += sum(ref.width for ref in op.outputs if ref.name not in outside)
        most = max(most, alive)
        done = {ref for ref in (*op.inputs, *op.outputs) if steps.last_use.get(ref.name, i) == i}
        alive -= sum(ref.width for ref in done if ref.name not in outside)
    return most
