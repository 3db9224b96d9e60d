"""Lists of tensors, which ONNX calls sequences: they have as many elements in every frame, so none is left."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from edgernn_export.sources.foreign.nodes import ADOPT, FLOWS, NodeModule, Operation
from edgernn_export.sources.onnx.call import Call
from edgernn_export.sources.onnx.constants import tensor_of
from edgernn_export.sources.onnx.reading import Control, Flow, Reader, Scope, Value, apply


def _items(call: Call, value: Value) -> list[Value]:
    if not isinstance(value, tuple):
        raise call.refuse("its operand is no list of tensors; export the model again")
    return list(value)


def _place(call: Call, value: Value, default: int) -> int:
    if isinstance(value, Flow | tuple):
        raise call.refuse(f"its place in the list depends on data; expected a constant, {ADOPT}")
    return default if value is None else int(np.ravel(value)[0])


def _empty(_: Reader, __: onnx.NodeProto, ___: Call, ____: list[Value], _____: Scope) -> list[Value]:
    return [()]


def _construct(_: Reader, __: onnx.NodeProto, ___: Call, operands: list[Value], ____: Scope) -> list[Value]:
    return [tuple(operands)]


def _insert(_: Reader, __: onnx.NodeProto, call: Call, operands: list[Value], ___: Scope) -> list[Value]:
    items, value, *place = operands
    longer = _items(call, items)
    longer.insert(_place(call, place[0], len(longer)) if place else len(longer), value)
    return [tuple(longer)]


def _erase(_: Reader, __: onnx.NodeProto, call: Call, operands: list[Value], ___: Scope) -> list[Value]:
    items, *place = operands
    shorter = _items(call, items)
    del shorter[_place(call, place[0], -1) if place else -1]
    return [tuple(shorter)]


def _at(_: Reader, __: onnx.NodeProto, call: Call, operands: list[Value], ___: Scope) -> list[Value]:
    items, place = operands
    return [_items(call, items)[_place(call, place, 0)]]


def _length(_: Reader, __: onnx.NodeProto, call: Call, operands: list[Value], ___: Scope) -> list[Value]:
    return [np.asarray(len(_items(call, operands[0])), np.int64)]


def _joined(reader: Reader, _: onnx.NodeProto, call: Call, operands: list[Value], __: Scope) -> list[Value]:
    items, axis, new = _items(call, operands[0]), call.get("axis"), call.get("new_axis", 0)
    flowing = [each for each in items if isinstance(each, Flow)]
    if not flowing:
        arrays = [np.asarray(each) for each in items]
        return [np.stack(arrays, axis) if new else np.concatenate(arrays, axis)]
    bound: list[Any] = [FLOWS if isinstance(each, Flow) else tensor_of(call, np.asarray(each)) for each in items]
    module = NodeModule(call, Operation(_stack if new else _concat), [axis, *bound])
    return list(apply(reader, call, module, flowing))


def _concat(_: Call, axis: int, *values: Tensor) -> Tensor:
    return torch.cat(values, axis)


def _stack(_: Call, axis: int, *values: Tensor) -> Tensor:
    return torch.stack(values, axis)


def _split(reader: Reader, _: onnx.NodeProto, call: Call, operands: list[Value], __: Scope) -> list[Value]:
    x, *sizes = operands
    if not isinstance(x, Flow):
        raise call.refuse(f"it splits a constant; expected data, {ADOPT}")
    axis, keep = call.get("axis", 0), bool(call.get("keepdims", 1)) or bool(sizes)
    size = sizes[0] if sizes and sizes[0] is not None else np.asarray(1)
    if isinstance(size, Flow | tuple):
        raise call.refuse(f"its sizes depend on data; expected a constant, {ADOPT}")
    lengths = size.tolist() if size.ndim else int(size)
    count = len(torch.split(x.example, lengths, axis))
    many = replace(call, results=count)
    module = NodeModule(many, Operation(_parts), [FLOWS, axis, lengths, keep])
    return [tuple(apply(reader, many, module, [x]))]


def _parts(_: Call, x: Tensor, axis: int, lengths: int | list[int], keep: bool) -> tuple[Tensor, ...]:
    parts = torch.split(x, lengths, axis)
    return parts if keep else tuple(part.squeeze(axis) for part in parts)


LISTS: Mapping[str, Control] = {
    "SequenceEmpty": _empty,
    "SequenceConstruct": _construct,
    "SequenceInsert": _insert,
    "SequenceErase": _erase,
    "SequenceAt": _at,
    "SequenceLength": _length,
    "ConcatFromSequence": _joined,
    "SplitToSequence": _split,
}
"""Operator on lists -> how it is read."""
