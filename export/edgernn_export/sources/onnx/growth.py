"""How many elements a node's result has, before it is computed: a small file can ask for terabytes."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from edgernn_export.sources.onnx.call import Call
from edgernn_export.sources.onnx.limits import ELEMENTS
from edgernn_export.sources.onnx.operations.pointwise import POINTWISE

Shape = tuple[int, ...]

Constants = Sequence[Any]
"""The operands that are constants, arrays, in their places."""


def check_growth(call: Call, shapes: Sequence[Shape], constants: Constants) -> None:
    """Refuse a node whose result would have more elements than ELEMENTS.

    Args:
        call: the node.
        shapes: those of its operands; of one that is absent, an empty one.
        constants: the operands that are constants, in their places.

    Raises:
        UnsupportedError: it would.
    """
    bound = _BOUNDS.get(call.operator, _broadcast if call.operator in POINTWISE else None)
    if bound is None:
        return
    try:
        count = bound(call, shapes, constants)
    except (ValueError, TypeError, IndexError, AttributeError, KeyError, ZeroDivisionError, OverflowError):
        return  # operands that do not fit are refused where the node is computed
    if not abs(count) <= ELEMENTS:
        raise call.refuse(f"its result would have {count:.3g} elements; expected at most {ELEMENTS}")


def _numbers(call: Call, constants: Constants, place: int, name: str) -> list[Any]:
    """Return an operand, or the attribute that it is in older operator sets."""
    array = constants[place] if place < len(constants) else None
    return list(call.get(name, ())) if array is None else np.ravel(array).tolist()


def _broadcast(_: Call, shapes: Sequence[Shape], __: Any) -> float:
    return float(prod(_together(*shapes)))


def _together(*shapes: Shape) -> Shape:
    rank = max(map(len, shapes))
    return tuple(max(each) for each in zip(*((*[1] * (rank - len(shape)), *shape) for shape in shapes), strict=True))


def _expand(call: Call, shapes: Sequence[Shape], constants: Constants) -> float:
    return float(prod(_together(shapes[0], tuple(_numbers(call, constants, 1, "shape")))))


def _tile(call: Call, shapes: Sequence[Shape], constants: Constants) -> float:
    return float(prod(shapes[0]) * prod(_numbers(call, constants, 1, "repeats")))


def _pad(call: Call, shapes: Sequence[Shape], constants: Constants) -> float:
    pads = [max(0, each) for each in _numbers(call, constants, 1, "pads")]
    half = len(pads) // 2
    added = [before + after for before, after in zip(pads[:half], pads[half:], strict=True)]
    return float(prod(shapes[0]) * prod(1 + each for each in added))


def _resize(call: Call, shapes: Sequence[Shape], constants: Constants) -> float:
    sizes = _numbers(call, constants, 3, "")
    scales = _numbers(call, constants, 1 if call.operator == "Upsample" or call.opset < 11 else 2, "scales")
    return float(prod(sizes) * prod(shapes[0]) if sizes else prod(shapes[0]) * prod(scales))


def _matmul(_: Call, shapes: Sequence[Shape], __: Any) -> float:
    a, b = shapes
    return float(prod(_together(a[:-2], b[:-2])) * prod(a[-2:-1]) * prod(b[-1:]))


def _gemm(_: Call, shapes: Sequence[Shape], __: Any) -> float:
    return float(max(shapes[0]) * max(shapes[1]))


def _einsum(call: Call, shapes: Sequence[Shape], _: Any) -> float:
    ins, _arrow, out = call.get("equation").replace(" ", "").partition("->")
    sizes = {
        label: size
        for labels, shape in zip(ins.split(","), shapes, strict=True)
        for label, size in zip(labels, shape, strict=False)
    }
    return float(prod(sizes[label] for label in (out or sizes) if label in sizes))


def _gather(call: Call, shapes: Sequence[Shape], _: Any) -> float:
    size = shapes[0][call.get("axis", 0)]
    return float(prod(shapes[0]) / max(1, size) * prod(shapes[1]))


def _conv(call: Call, shapes: Sequence[Shape], _: Any) -> float:
    x, w = shapes[:2]
    rank, pads = len(w) - 2, [max(0, each) for each in call.get("pads", ())]
    added = [sum(pads[i::rank]) for i in range(rank)]
    return float(x[0] * w[0] * prod(size + more for size, more in zip(x[2:], added, strict=True)))


def _conv_transpose(call: Call, shapes: Sequence[Shape], _: Any) -> float:
    x, w = shapes[:2]
    steps = call.get("strides", [1] * (len(w) - 2))
    spread = [size * step + each for size, step, each in zip(x[2:], steps, w[2:], strict=True)]
    return float(x[0] * w[1] * call.get("group", 1) * prod(spread))


def _constant_of_shape(_: Call, __: Any, constants: Constants) -> float:
    return float(prod(np.ravel(constants[0]).tolist()))


def _range(_: Call, __: Any, constants: Constants) -> float:
    start, limit, delta = (float(each.item()) for each in constants)
    return float((limit - start) / delta)


def _one_hot(_: Call, shapes: Sequence[Shape], constants: Constants) -> float:
    return float(prod(shapes[0]) * float(np.ravel(constants[1])[0]))


def _eye_like(_: Call, shapes: Sequence[Shape], __: Any) -> float:
    return float(prod(shapes[0]))


_BOUNDS: Mapping[str, Callable[[Call, Sequence[Shape], Constants], float]] = {
    "Expand": _expand,
    "Tile": _tile,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "Gather": _gather,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "OneHot": _one_hot,
    "EyeLike": _eye_like,
}
"""Operator -> a bound on the elements of its result."""
