"""Wide values: between an `rfft` of a static layer and the logarithms of what is computed from it.

The energies of a spectrum span far more than 8 or 16 bits. So from an `rfft` through split, multiply, add, affine and
scale to `log`, which ends the region, values have 32 bits (bins) or 64 (their products) and scales that are powers of
two times that of the samples, which have 16 bits. Nothing saturates there: the bounds of all values follow from those
of the samples. A value that any other operation reads is not wide, and neither is what leads to it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Any, TypeVar

import numpy as np

from edgernn.errors import CalibrationError
from edgernn.integer.fixedpoint import Integers
from edgernn.integer.spectrum import ROOM, gained
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import Tensor
from edgernn.model.trace import Trace

Q = TypeVar("Q", bound=Any)

SOURCE, SINK = "rfft", "log"
THROUGH = ("split", "multiply", "add", "affine", "scale")
MOVES = ("concat", "split", "reshape", "gather")
BINS, ENERGIES = 32, 64  # bits of values
WEIGHT = 14  # bits of the largest weight
END = 61  # bits that no sum exceeds


@dataclass(frozen=True)
class Wide:
    """The parameters of a wide value: its scale, the bits that hold it, and its largest magnitude."""

    scale: float
    bits: int
    most: int


def wide_values(steps: Trace, layers: Collection[str], sinks: Collection[Op]) -> Mapping[str, int]:
    """Return the names of the wide values of a step -> their bits.

    Args:
        steps: the operations.
        layers: the names of those in a static scheme.
        sinks: the logarithms whose results are integers.
    """
    bits: dict[str, int] = {}
    for op in steps.operations:
        known = {bits.get(ref.name) for ref in op.inputs}
        if op.layer in layers and op.name == SOURCE:
            bits[op.outputs[0].name] = BINS
        elif op.layer in layers and op.name in THROUGH and None not in known and known:
            result = known.pop() if op.name == "split" else ENERGIES
            if (op.name, *known) not in {("multiply", ENERGIES), ("add", BINS)} and len(known) < 2:
                bits |= dict.fromkeys((ref.name for ref in op.outputs), result or 0)
    before = -1
    while before != len(bits):
        before = len(bits)
        results = {ref.name for ref in steps.results}
        ended = {ref.name for op in steps.operations if not _continues(op, bits, sinks) for ref in op.inputs} | results
        bits = {name: each for name, each in bits.items() if name not in ended}
        fed = {ref.name for op in steps.operations if _fed(op, bits) for ref in op.outputs}
        bits = {name: each for name, each in bits.items() if name in fed}
    return bits


def _continues(op: Op, bits: Mapping[str, int], sinks: Collection[Op]) -> bool:
    """Return whether an operation may read wide values: it ends a region, or all of its results are wide."""
    return op in sinks or all(ref.name in bits for ref in op.outputs)


def _fed(op: Op, bits: Mapping[str, int]) -> bool:
    """Return whether an operation may have wide results: it begins a region, or all of its inputs are wide."""
    return op.name == SOURCE or (bool(op.inputs) and all(ref.name in bits for ref in op.inputs))


def samples(operations: Iterable[Op], wide: Collection[str]) -> set[str]:
    """Return the values that become the samples of a wide spectrum, and what these are moved from."""
    names: set[str] = set()
    for op in reversed(tuple(operations)):
        if op.name == SOURCE and op.outputs[0].name in wide:
            names.add(op.inputs[0].name)
        elif op.name in MOVES and names & {ref.name for ref in op.outputs}:
            names |= {ref.name for ref in (*op.inputs, *op.outputs)}
    return names


def of_samples(qparams: Q) -> Q:
    """Return the parameters of samples: with a scale that is a power of two, as converters of signals have."""
    changed: Q = replace(qparams, scale=float(2.0 ** ceil(log2(qparams.scale))))
    return changed


def parameters(op: Op, known: Mapping[str, Any]) -> Wide:
    """Return the parameters of the results of an operation, given those of its inputs: objects with a scale and reach.

    Raises:
        CalibrationError: a window or a matrix is too large.
    """
    xs = [known[ref.name] for ref in op.inputs]
    scale, most = float(xs[0].scale), int(xs[0].reach)
    if op.name == SOURCE:
        return Wide(float(np.ldexp(scale, -gained(op))), BINS, 1 << (ROOM + 1))
    if op.name == "split":
        return Wide(scale, xs[0].bits, most)
    if op.name == "multiply":
        return Wide(scale * xs[1].scale, ENERGIES, most * int(xs[1].reach))
    if op.name == "add":
        if xs[0].scale != xs[1].scale:
            raise CalibrationError(
                f"layer '{op.layer}' adds energies of two signals; keep it with keep=('{op.layer}',)"
            )
        return Wide(scale, ENERGIES, most + int(xs[1].reach))
    each = weighted(op, xs[0])
    return Wide(each.scale, ENERGIES, each.most)


@dataclass(frozen=True, eq=False)
class Weighted:
    """The constants of an affine or a scale: y = by @ (x >> drop) + plus, or elementwise; the shift rounds halves up.

    Attributes:
        by: the weights, at most 2 ** WEIGHT.
        plus: in steps of the result.
        drop: the bits of x that are left out, or 0.
        scale: of the result.
        most: the largest magnitude of the result.
    """

    by: Integers
    plus: Integers
    drop: int
    scale: float
    most: int


def weighted(op: Op, x: Any) -> Weighted:
    """Return the constants of an affine or a scale of wide values.

    Raises:
        CalibrationError: the bias is too large.
    """
    factors, offsets = (op.args[0], op.args[2]) if op.name == "affine" else op.args[1:]
    real, added = _dense(factors), _dense(0.0 if offsets is None else offsets)
    exact = op.name == "scale" and bool((real == 1).all())
    bits = 0 if exact else WEIGHT - ceil(log2(np.abs(real).max() or 1.0))
    by = np.rint(np.ldexp(real, bits)).astype(np.int64)
    total = int(np.abs(by).sum(axis=1).max() if op.name == "affine" else np.abs(by).max())
    drop = max(0, (total * int(x.reach)).bit_length() - (END - 1))
    scale = float(np.ldexp(x.scale, drop - bits))
    plus = np.rint(added / scale)
    most = total * ((int(x.reach) >> drop) + 1) + int(np.abs(plus).max())
    if most.bit_length() > END:
        raise CalibrationError(
            f"layer '{op.layer}' adds {np.abs(added).max():.3g} to an energy; in integers, expected at most "
            f"{np.ldexp(scale, END - 1):.3g}: keep the layer in float with keep=('{op.layer}',)"
        )
    return Weighted(by, plus.astype(np.int64), drop, scale, most)


def _dense(factor: Tensor | float) -> Any:
    return factor.dense(np.float64) if isinstance(factor, Tensor) else np.float64(factor)


def refs(op: Op) -> tuple[Ref, ...]:
    """Return the values that an operation reads and computes."""
    return (*op.inputs, *op.outputs)
