"""Counting: what one step of a graph costs on any machine."""

from dataclasses import dataclass

from edgernn.graph import Graph
from edgernn.tensor import Tensor
from edgernn.trace import Trace, trace

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """One step, exactly as the trace says it, with float32 values between the words."""

    macs: int  # multiplications with a weight, each with its addition
    elements: int  # values made by all other words
    words: int
    parameters: int
    weight_bytes: int
    state_bytes: int
    scratch_bytes: int  # the most that values inside the step take at one moment


def count(graph: Graph) -> Cost:
    """The cost of one step."""
    steps = trace(graph)
    weights = {tensor for word in steps.words for tensor in word.args if isinstance(tensor, Tensor)}
    affine = [word.args[0] for word in steps.words if word.name == "affine"]
    return Cost(
        macs=sum(weight.stored.size for weight in affine),
        elements=sum(sum(word.widths) for word in steps.words if word.name not in {"affine", "split", "concat"}),
        words=len(steps.words),
        parameters=sum(weight.stored.size for weight in weights),
        weight_bytes=sum(weight.nbytes for weight in weights),
        state_bytes=FLOAT_BYTES * sum(graph.states.values()),
        scratch_bytes=FLOAT_BYTES * _peak(steps),
    )


def _peak(steps: Trace) -> int:
    """The largest number of elements alive at once, beside the input, the states and the results."""
    outside = {steps.x.name, *(ref.name for ref in steps.results)} | {state.before.name for state in steps.states}
    alive, most = 0, 0
    for i, word in enumerate(steps.words):
        alive += sum(ref.width for ref in word.made if ref.name not in outside)
        most = max(most, alive)
        done = {ref for ref in (*word.reads, *word.made) if steps.last_use.get(ref.name, i) == i}
        alive -= sum(ref.width for ref in done if ref.name not in outside)
    return most
