"""Fusion: elementwise operations of one width share a loop, and their values stay in registers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from edgernn.model.operation import Op, Ref
from edgernn.model.trace import Trace, without_unused

SPLITTABLE = ("add", "subtract", "multiply", "divide", "maximum", "sigmoid", "tanh", "relu", "exp", "sqrt")
"""The elementwise operations whose arguments are all values."""

ELEMENTWISE = (*SPLITTABLE, "scale", "requantize")


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


def fuse(steps: Trace) -> tuple[Group, ...]:
    """The operations of a trace in groups; a split of an earlier value does not end a loop."""
    runs: list[list[Op]] = []
    for op in steps.operations:
        loop = runs[-1] if runs and runs[-1][0].name in ELEMENTWISE else []
        if loop and op.name in ELEMENTWISE and _alike(op, loop[0]):
            loop.append(op)
        elif loop and is_view(op) and not _outputs(loop) & set(op.inputs):
            runs.insert(len(runs) - 1, [op])
        else:
            runs.append([op])
    return tuple(Group(tuple(run), _stored(run, steps)) for run in runs)


def hoist_splits(steps: Trace, fixed: Collection[str] = ()) -> Trace:
    """The trace with splits moved before elementwise operations: split(a + b) becomes the sums of the parts.

    So the gates of an LSTM, which are added in one piece, join the loop that uses them. Only results that nothing but
    the split reads are taken apart.

    Args:
        steps: the trace.
        fixed: the names of values to leave as they are, such as integers: their quantization parameters are those of
            the whole value.
    """
    operations = list(steps.operations)
    for cut in [op for op in steps.operations if op.name == "split"]:
        source = next((op for op in operations if cut.inputs[0] in op.outputs), None)
        if (
            cut.positions > 1
            or source is None
            or source.name not in SPLITTABLE
            or not _only_reader(cut, cut.inputs[0], operations, steps)
        ):
            continue
        if any(ref.name in fixed for op in (source, cut) for ref in op.outputs):
            continue
        parts = _on_parts(source, cut, operations)
        at = operations.index(cut)
        operations[at : at + 1] = parts
        operations.remove(source)
    return without_unused(replace(steps, operations=tuple(operations)))


def _on_parts(source: Op, cut: Op, operations: Sequence[Op]) -> list[Op]:
    """A split of each input of `source`, then the operation on each part; its result keeps the name of the part."""
    free = max(op.k + len(op.widths) for op in operations if op.layer == cut.layer)
    inputs = dict.fromkeys(source.inputs)
    splits = {
        ref: replace(cut, k=free + i * len(cut.widths), args=(ref, *cut.args[1:])) for i, ref in enumerate(inputs)
    }
    parts = [
        Op(cut.layer, cut.k + i, source.name, tuple(splits[ref].outputs[i] for ref in source.inputs), (width,))
        for i, width in enumerate(cut.widths)
    ]
    return [*splits.values(), *parts]


def _only_reader(reader: Op, ref: Ref, operations: Sequence[Op], steps: Trace) -> bool:
    return ref not in steps.results and all(op is reader for op in operations if ref in op.inputs)


def _alike(a: Op, b: Op) -> bool:
    return (a.layer, a.widths, a.positions) == (b.layer, b.widths, b.positions)


def _stored(run: Sequence[Op], steps: Trace) -> tuple[Ref, ...]:
    """The results of a run that a later operation or the caller needs."""
    end = steps.operations.index(run[-1])
    return tuple(ref for op in run for ref in op.outputs if steps.last_use.get(ref.name, -1) > end)


def _outputs(operations: Sequence[Op]) -> set[Ref]:
    return {ref for op in operations for ref in op.outputs}
