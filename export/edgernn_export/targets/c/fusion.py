"""Fusion: elementwise operations of one width share a loop, and their values stay in registers."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from edgernn.model.operation import Op, Ref
from edgernn.model.trace import Trace, without_unused

SPLITTABLE = ("add", "subtract", "multiply", "divide", "maximum", "sigmoid", "tanh", "relu", "exp", "sqrt")
"""The elementwise operations whose arguments are all values."""

ELEMENTWISE = (*SPLITTABLE, "scale", "requantize", "hold")


@dataclass(frozen=True)
class Group:
    """One operation, or elementwise operations of one width in their order."""

    operations: tuple[Op, ...]
    stored: tuple[Ref, ...]  # the values that a later operation or the caller needs

    @property
    def is_loop(self) -> bool:
        """Whether it is written as a loop over blocks of elements."""
        return self.operations[0].name in ELEMENTWISE


def is_view(op: Op) -> bool:
    """Whether the results of an operation are stored inside its input, in order, so that nothing is computed."""
    return op.name == "reshape" or (op.name == "split" and op.positions == 1)


def fuse(steps: Trace, integers: Callable[[Op], bool] = lambda _: False) -> tuple[Group, ...]:
    """The operations of a trace in groups; a split of an earlier value does not end a loop.

    Args:
        steps: the trace.
        integers: whether an operation computes with integers; those share no loop with others.
    """
    runs: list[list[Op]] = []
    for op in steps.operations:
        loop = runs[-1] if runs and runs[-1][0].name in ELEMENTWISE else []
        if loop and op.name in ELEMENTWISE and _alike(op, loop[0]) and integers(op) == integers(loop[0]):
            loop.append(op)
        elif loop and is_view(op) and not _outputs(loop) & set(op.inputs):
            runs.insert(len(runs) - 1, [op])
        else:
            runs.append([op])
    places = {op.outputs[0]: i for i, op in enumerate(steps.operations)}
    return tuple(Group(tuple(run), _stored(run, steps, places[run[-1].outputs[0]])) for run in runs)


def hoist_splits(steps: Trace, fixed: Collection[str] = ()) -> Trace:
    """The trace with splits moved before elementwise operations: split(a + b) becomes the sums of the parts.

    So the gates of an LSTM, which are added in one piece, join the loop that uses them. Only results that nothing but
    the split reads are taken apart.

    Args:
        steps: the trace.
        fixed: the names of values to leave as they are, such as integers: their quantization parameters are those of
            the whole value.
    """
    results = {*steps.results}
    operations = {op.outputs[0]: [op] for op in steps.operations}  # what stands in the place of each
    sources = {ref: (op, op.outputs[0]) for op in steps.operations for ref in op.outputs}  # computed by what, and where
    reads = Counter(ref for op in steps.operations for ref in {*op.inputs})
    free: dict[str, int] = {}  # layer -> a number that no value has
    for op in steps.operations:
        free[op.layer] = max(free.get(op.layer, 0), op.k + len(op.widths))
    for cut in [op for op in steps.operations if op.name == "split"]:
        whole = cut.inputs[0]
        source, place = sources.get(whole, (cut, whole))
        if cut.positions > 1 or source.name not in SPLITTABLE or reads[whole] > 1 or whole in results:
            continue
        if any(ref.name in fixed for op in (source, cut) for ref in op.outputs):
            continue
        parts = _on_parts(source, cut, free[cut.layer])
        operations[place].remove(source)
        operations[cut.outputs[0]] = parts
        for part in parts:
            sources |= dict.fromkeys(part.outputs, (part, cut.outputs[0]))
            free[cut.layer] = max(free[cut.layer], part.k + len(part.widths))
            reads.update({*part.inputs})
        reads.subtract({*source.inputs})
    return without_unused(replace(steps, operations=tuple(op for each in operations.values() for op in each)))


def _on_parts(source: Op, cut: Op, free: int) -> list[Op]:
    """A split of each input of `source`, then the operation on each part; its result keeps the name of the part."""
    inputs = dict.fromkeys(source.inputs)
    splits = {
        ref: replace(cut, k=free + i * len(cut.widths), args=(ref, *cut.args[1:])) for i, ref in enumerate(inputs)
    }
    parts = [
        Op(cut.layer, cut.k + i, source.name, tuple(splits[ref].outputs[i] for ref in source.inputs), (width,))
        for i, width in enumerate(cut.widths)
    ]
    return [*splits.values(), *parts]


def _alike(a: Op, b: Op) -> bool:
    return (a.layer, a.widths, a.positions) == (b.layer, b.widths, b.positions)


def _stored(run: Sequence[Op], steps: Trace, end: int) -> tuple[Ref, ...]:
    """The results of a run, whose last operation is number `end`, that a later operation or the caller needs."""
    return tuple(ref for op in run for ref in op.outputs if steps.last_use.get(ref.name, -1) > end)


def _outputs(operations: Sequence[Op]) -> set[Ref]:
    return {ref for op in operations for ref in op.outputs}
