"""Words that run as one: elementwise words of one width share a loop, and their values stay in registers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from edgernn.model.operation import Op, Ref
from edgernn.model.trace import Trace, without_unused

ELEMENTWISE = ("add", "subtract", "multiply", "scale", "sigmoid", "tanh", "relu", "moved")
SPREAD = ("add", "subtract", "multiply", "sigmoid", "tanh", "relu")  # all whose arguments are values


@dataclass(frozen=True)
class Group:
    """One word, or elementwise words of one width in the order in which they run."""

    operations: tuple[Op, ...]
    stored: tuple[Ref, ...]  # the values that something after it needs

    @property
    def looped(self) -> bool:
        """Whether it is a loop over blocks of lanes."""
        return self.operations[0].name in ELEMENTWISE

    @property
    def width(self) -> int:
        """Of each value in a loop."""
        return self.operations[0].widths[0]


def grouped(steps: Trace) -> tuple[Group, ...]:
    """The words of a trace in groups; a split of something older does not end a loop."""
    runs: list[list[Op]] = []
    for op in steps.operations:
        open_loop = runs[-1] if runs and runs[-1][0].name in ELEMENTWISE else []
        if open_loop and op.name in ELEMENTWISE and _alike(op, open_loop[0]):
            open_loop.append(op)
        elif open_loop and op.name == "split" and not _made_by(open_loop) & set(op.inputs):
            runs.insert(len(runs) - 1, [op])
        else:
            runs.append([op])
    return tuple(Group(tuple(run), _stored(run, steps)) for run in runs)


def spread(steps: Trace, whole: Collection[str] = ()) -> Trace:
    """The trace with elementwise words that only a split reads said of the parts: not split(a + b) but parts added.

    So the gates of an LSTM, which are added in one piece, join the loop that uses them. Values that are `whole`, by
    name, stay as they are: their grid has been laid for the whole.
    """
    operations = list(steps.operations)
    for cut in [op for op in steps.operations if op.name == "split"]:
        maker = next((op for op in operations if cut.inputs[0] in op.outputs), None)
        if maker is None or maker.name not in SPREAD or not _only_read_by(cut, cut.inputs[0], operations, steps):
            continue
        if any(ref.name in whole for op in (maker, cut) for ref in op.outputs):
            continue
        said = _said_of_parts(maker, cut, operations)
        at = operations.index(cut)
        operations[at : at + 1] = said
        operations.remove(maker)
    return without_unused(replace(steps, operations=tuple(operations)))


def _said_of_parts(maker: Op, cut: Op, operations: Sequence[Op]) -> list[Op]:
    """A split of each value that the maker reads, then the maker's word for each part, under the part's old name."""
    free = max(op.k + len(op.widths) for op in operations if op.layer == cut.layer)
    sources = dict.fromkeys(maker.inputs)
    splits = {
        ref: replace(cut, k=free + i * len(cut.widths), args=(ref, *cut.args[1:])) for i, ref in enumerate(sources)
    }
    parts = [
        Op(cut.layer, cut.k + i, maker.name, tuple(splits[ref].outputs[i] for ref in maker.inputs), (width,))
        for i, width in enumerate(cut.widths)
    ]
    return [*splits.values(), *parts]


def _only_read_by(reader: Op, ref: Ref, operations: Sequence[Op], steps: Trace) -> bool:
    return ref not in steps.results and all(op is reader for op in operations if ref in op.inputs)


def _alike(a: Op, b: Op) -> bool:
    return (a.layer, a.widths) == (b.layer, b.widths)


def _stored(run: Sequence[Op], steps: Trace) -> tuple[Ref, ...]:
    """What the run makes and a later word or the caller needs."""
    end = steps.operations.index(run[-1])
    return tuple(ref for op in run for ref in op.outputs if steps.last_use.get(ref.name, -1) > end)


def _made_by(operations: Sequence[Op]) -> set[Ref]:
    return {ref for op in operations for ref in op.outputs}
