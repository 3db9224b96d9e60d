"""The words of float rewritten for fewer nodes: what ONNX Runtime takes for each is most of a small step.

A sum of two affines is two Gemm, of which the second adds the first. So that there are such sums, two affines whose
parts are added are each cut by rows; and so that the second has no bias, the first takes both.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgernn.model.operation import Op
from edgernn.model.tensor import DYNAMIC, STATIC, Tensor
from edgernn.model.trace import Trace


def summed(steps: Trace) -> Trace:
    """A trace of the same sums, in which more of them are of two affines and the second of these has no bias."""
    return _one_bias(_by_rows(steps))


def late(steps: Trace) -> frozenset[str]:
    """The values of affines without bias that wait for the one sum that reads them, at most one of each sum."""
    free = {name for name, op in _lone(steps).items() if op.args[2] is None}
    pairs = [op.inputs for op in steps.operations if op.name == "add"]
    return frozenset(b.name if b.name in free else a.name for a, b in pairs if {a.name, b.name} & free)


def _lone(steps: Trace) -> Mapping[str, Op]:
    """Affines in float, by the value that they make: those that one word reads and nothing else."""
    read = Counter(ref.name for op in steps.operations for ref in op.inputs)
    read.update(ref.name for ref in steps.results)
    affines = [op for op in steps.operations if op.name == "affine" and op.args[0].scheme not in {DYNAMIC, *STATIC}]
    return {op.outputs[0].name: op for op in affines if read[op.outputs[0].name] == 1}


def _by_rows(steps: Trace) -> Trace:
    lone = _lone(steps)
    cuts = [op for op in steps.operations if op.name == "split" and op.inputs[0].name in lone]
    cut_of = {part.name: cut for cut in cuts for part in cut.outputs}
    pairs = [[cut_of.get(ref.name) for ref in op.inputs] for op in steps.operations if op.name == "add"]
    wanted = {cut.outputs: cut for pair in pairs if None not in pair for cut in pair if cut is not None}
    gone = {cut.inputs[0].name for cut in wanted.values()}
    operations: list[Op] = []
    for op in steps.operations:
        if op.outputs in wanted:
            operations += _parts(lone[op.inputs[0].name], op)
        elif op.outputs[0].name not in gone:
            operations.append(op)
    return replace(steps, operations=tuple(operations))


def _parts(affine: Op, cut: Op) -> list[Op]:
    """The affines that make the parts of a split."""
    weight, x, bias = affine.args
    ends = np.cumsum(cut.widths)
    found = []
    for i, (end, width) in enumerate(zip(ends, cut.widths, strict=True)):
        rows = slice(end - width, end)
        args = (_rows(weight, rows), x, None if bias is None else _rows(bias, rows))
        found.append(Op(cut.layer, cut.k + i, "affine", args, (width,)))
    return found


def _rows(tensor: Tensor, rows: slice) -> Tensor:
    return Tensor(tensor.stored[rows], None if tensor.scale is None else tensor.scale[rows], tensor.scheme)


def _one_bias(steps: Trace) -> Trace:
    lone, given = _lone(steps), dict[str, Tensor | None]()
    for op in steps.operations:
        if op.name == "add" and all(ref.name in lone for ref in op.inputs) and len(set(op.inputs)) == 2:
            a, b = (ref.name for ref in op.inputs)
            both = [bias for bias in (lone[a].args[2], lone[b].args[2]) if bias is not None]
            total = sum((bias.dense(np.float32) for bias in both), np.float32(0))
            given[a], given[b] = Tensor(total) if len(both) == 2 else (both or [None])[0], None
    return replace(
        steps,
        operations=tuple(
            replace(op, args=(*op.args[:2], given[op.outputs[0].name])) if op.outputs[0].name in given else op
            for op in steps.operations
        ),
    )
