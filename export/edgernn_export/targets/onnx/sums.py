"""Float operations rewritten for fewer nodes: the overhead of ONNX Runtime per node is most of a small step.

A sum of two affines becomes two Gemm, where the second adds the result of the first. To get such sums, two affines
whose parts are added are both cut by rows. The first takes both biases, so that the second has none.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgernn.model.operation import Op
from edgernn.model.tensor import DYNAMIC, STATIC, Tensor
from edgernn.model.trace import Trace


def summed(steps: Trace) -> Trace:
    """An equal trace in which more sums are sums of two affines, and the second of the two has no bias."""
    return _one_bias(_by_rows(steps))


def late(steps: Trace) -> frozenset[str]:
    """The results of affines without bias that only one sum reads: they are written with it, at most one per sum."""
    free = {name for name, op in _lone(steps).items() if op.args[2] is None}
    pairs = [op.inputs for op in steps.operations if op.name == "add"]
    return frozenset(b.name if b.name in free else a.name for a, b in pairs if {a.name, b.name} & free)


def _lone(steps: Trace) -> Mapping[str, Op]:
    """Affines in float by their result, where exactly one operation reads it."""
    readers = Counter(ref.name for op in steps.operations for ref in op.inputs)
    readers.update(ref.name for ref in steps.results)
    affines = [op for op in steps.operations if op.name == "affine" and op.args[0].scheme not in {DYNAMIC, *STATIC}]
    return {op.outputs[0].name: op for op in affines if readers[op.outputs[0].name] == 1}


def _by_rows(steps: Trace) -> Trace:
    lone = _lone(steps)
    cuts = [op for op in steps.operations if op.name == "split" and op.inputs[0].name in lone]
    cut_of = {part.name: cut for cut in cuts for part in cut.outputs}
    pairs = [[cut_of.get(ref.name) for ref in op.inputs] for op in steps.operations if op.name == "add"]
    replaced = {cut.outputs: cut for pair in pairs if None not in pair for cut in pair if cut is not None}
    gone = {cut.inputs[0].name for cut in replaced.values()}
    operations: list[Op] = []
    for op in steps.operations:
        if op.outputs in replaced:
            operations += _parts(lone[op.inputs[0].name], op)
        elif op.outputs[0].name not in gone:
            operations.append(op)
    return replace(steps, operations=tuple(operations))


def _parts(affine: Op, cut: Op) -> list[Op]:
    """One affine for each part of a split."""
    weight, x, bias = affine.args
    ends = np.cumsum(cut.widths)
    parts = []
    for i, (end, width) in enumerate(zip(ends, cut.widths, strict=True)):
        rows = slice(end - width, end)
        args = (_rows(weight, rows), x, None if bias is None else _rows(bias, rows))
        parts.append(Op(cut.layer, cut.k + i, "affine", args, (width,), cut.positions))
    return parts


def _rows(tensor: Tensor, rows: slice) -> Tensor:
    return Tensor(tensor.stored[rows], None if tensor.scale is None else tensor.scale[rows], tensor.scheme)


def _one_bias(steps: Trace) -> Trace:
    lone, biases = _lone(steps), dict[str, Tensor | None]()
    for op in steps.operations:
        if op.name == "add" and all(ref.name in lone for ref in op.inputs) and len(set(op.inputs)) == 2:
            a, b = (ref.name for ref in op.inputs)
            both = [bias for bias in (lone[a].args[2], lone[b].args[2]) if bias is not None]
            total = sum((bias.dense(np.float32) for bias in both), np.float32(0))
            biases[a], biases[b] = Tensor(total) if len(both) == 2 else (both or [None])[0], None
    return replace(
        steps,
        operations=tuple(
            replace(op, args=(*op.args[:2], biases[op.outputs[0].name])) if op.outputs[0].name in biases else op
            for op in steps.operations
        ),
    )
