"""The answers of a module whose last step is late: a stream computes it with frames where the module has padding."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.fx import Node
from torch.utils import _pytree as pytree

from edgernn.array import Array
from edgernn_export.sources.torch.layers.builder import op_of
from edgernn_export.sources.torch.layers.value import Value
from edgernn_export.sources.torch.operations.sums import SUMS
from edgernn_export.sources.torch.trace.tracing import Traced, evaluate
from edgernn_export.sources.torch.walk import Walked

RUNS = {*SUMS}
"""The operations that take a statistic of all steps, where the caller lets it run."""


def late_answers(traced: Traced, walked: Walked, xs: Sequence[Tensor]) -> dict[int, Array]:
    """Return step -> outputs side by side, at every step whose frames have all arrived.

    The operations up to the last step run once on the whole sequence. Those that follow run anew for each position of
    the sequence in place of the last.
    """
    values, steps = values_of(traced, walked, xs), walked.x.length // walked.output.every
    taken = {node: value for node, value in walked.taken.items() if values.get(node) is not None}
    behind = _behind(traced, taken)
    positions = min(value.length for value in taken.values())
    answers = {}
    for back in range(positions):
        chosen = dict(values)
        for node in traced.nodes:
            if node in taken:
                chosen[node] = _at(node, taken[node], values, back, traced.leaves)
            elif node in behind:
                chosen[node] = evaluate(node, chosen, traced.leaves)
        step = _step(walked, next(iter(taken.values())), back)
        if -walked.output.lead <= step < steps:
            answers[step] = np.concatenate(
                [_part(chosen[traced.outputs[o.place]], o.value, step) for o in walked.outputs]
            )
    return answers


def values_of(traced: Traced, walked: Walked, xs: Sequence[Tensor]) -> dict[Node, Any]:
    """Evaluate every operation of the module on a real input."""
    values: dict[Node, Any] = {
        node: traced.constants[node.name] for node in traced.nodes if node.name in traced.constants
    }
    arguments = walked.inputs.arguments([x.clone() for x in xs], walked.inputs.before)
    leaves = [leaf for leaf in pytree.tree_leaves(arguments) if leaf is not None]
    values.update(zip(traced.inputs, leaves, strict=True))
    for node in traced.nodes:
        if node.op == "call_function":
            values[node] = evaluate(node, values, traced.leaves)
    return values


def _behind(traced: Traced, taken: Mapping[Node, Value]) -> set[Node]:
    """Return the operations that depend on the last step of a sequence."""
    behind: set[Node] = set()
    for node in traced.nodes:
        if node.op == "call_function" and any(source in behind or source in taken for source in node.all_input_nodes):
            behind.add(node)
    return behind


def _at(node: Node, x: Value, values: Mapping[Node, Any], back: int, leaves: Mapping[str, nn.Module]) -> Any:
    """Return the result of an operation that takes the last step, for a position so far before the last."""
    assert x.time is not None
    result = values[node]
    if op_of(node) in RUNS:
        source: Any = node.args[0]
        return evaluate(node, {**values, source: values[source].narrow(x.time, 0, x.length - back)}, leaves)
    if isinstance(result, tuple | list):  # a recurrent operation: its output, and the state after the last step
        out, last, *others = result
        return out, out.select(x.time, x.length - 1 - back).reshape(last.shape), *others
    source = node.args[0]
    return values[source].select(x.time, x.length - 1 - back).reshape(result.shape)


def _step(walked: Walked, x: Value, back: int) -> int:
    """Return the step in which the stream has the outputs of this position."""
    return x.length - 1 - back - x.lead + walked.output.delay - x.delay


def _part(y: Tensor, value: Value, step: int) -> Array:
    if value.time is None:
        return y.reshape(-1).numpy()
    return y.movedim(value.time, 0)[step + value.lead].reshape(-1).numpy()
