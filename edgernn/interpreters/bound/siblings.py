"""Siblings: operations on neighbouring parts of the same values, which one call can compute."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from edgernn.model.operation import Op, Ref

ELEMENTWISE = (
    *("add", "subtract", "multiply", "divide", "maximum"),
    *("sigmoid", "tanh", "relu", "log", "exp", "sqrt"),
)
"""The operations that act on each element by itself, and have no constants."""

SQUASH = ("sigmoid", "tanh")
"""Operations that may be siblings of each other: sigmoid is tanh between factors."""

Part = tuple[str, int]  # the name of a whole value, and the first element on its last axis


def scheduled(
    operations: Iterable[Op], joins: Callable[[Op], bool]
) -> Iterator[tuple[tuple[Op, ...], tuple[Part, ...]]]:
    """Yield the operations in an order in which each follows what it reads, siblings together in order of their parts.

    With each group comes, for each input, the whole value of which it reads a part, and where the part begins.

    Args:
        operations: of a trace.
        joins: whether an operation may be computed together with its siblings.
    """
    parts: dict[str, Part] = {}
    for level in _levels(operations):
        groups: dict[Any, list[Op]] = {}
        for i, op in enumerate(level):
            together = op.name in ELEMENTWISE and joins(op)
            groups.setdefault(_family(op, parts) if together else i, []).append(op)
        for group in groups.values():
            for siblings in _neighbours(group, parts):
                yield siblings, tuple(parts.get(ref.name, (ref.name, 0)) for ref in siblings[0].inputs)
                _note_parts(siblings, parts)


def _levels(operations: Iterable[Op]) -> Iterator[list[Op]]:
    """Yield the operations by the longest way from the inputs of the step to each."""
    depth: dict[str, int] = {}
    levels: dict[int, list[Op]] = {}
    for op in operations:
        own = 1 + max((depth.get(ref.name, 0) for ref in op.inputs), default=0)
        depth |= {ref.name: own for ref in op.outputs}
        levels.setdefault(own, []).append(op)
    for _, level in sorted(levels.items()):
        yield level


def _family(op: Op, parts: Mapping[str, Part]) -> tuple[Any, ...]:
    """Return what siblings have in common: the operation, and the values of which they read parts."""
    name = SQUASH if op.name in SQUASH else op.name
    return name, op.positions, tuple(parts.get(ref.name, (ref.name, 0))[0] for ref in op.inputs)


def _neighbours(group: list[Op], parts: Mapping[str, Part]) -> Iterator[tuple[Op, ...]]:
    """Yield the runs of operations in a family that read neighbouring parts."""

    def place(ref: Ref) -> int:
        return parts.get(ref.name, (ref.name, 0))[1]

    if len(group) == 1:
        yield (group[0],)
        return
    run: list[Op] = []
    for op in sorted(group, key=lambda op: [place(ref) for ref in op.inputs]):
        if run and any(place(a) + a.width != place(b) for a, b in zip(run[-1].inputs, op.inputs, strict=True)):
            yield tuple(run)
            run = []
        run.append(op)
    yield tuple(run)


def _note_parts(siblings: tuple[Op, ...], parts: dict[str, Part]) -> None:
    """Note which parts of a whole the outputs are: of a split, or of the result of siblings."""
    if siblings[0].name == "split":
        whole, start = parts.get(siblings[0].inputs[0].name, (siblings[0].inputs[0].name, 0))
    elif len(siblings) > 1:
        whole, start = together(siblings), 0
    else:
        return
    for op in siblings:
        for ref in op.outputs:
            parts[ref.name] = (whole, start)
            start += ref.width


def together(siblings: tuple[Op, ...]) -> str:
    """Return the name of the whole that siblings compute."""
    return "+".join(op.outputs[0].name for op in siblings)


def kinds(siblings: tuple[Op, ...]) -> list[tuple[str, int]]:
    """Return the operations of siblings as runs of one name with their widths."""
    return [(name, sum(op.outputs[0].width for op in run)) for name, run in groupby(siblings, key=lambda op: op.name)]
