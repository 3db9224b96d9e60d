"""Constants of an ONNX graph: attributes, tensors, and nodes that depend on no data, computed by ONNX's reference."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from edgernn.array import Array
from edgernn.errors import EdgernnError, FileError
from edgernn_export.sources.foreign.nodes import ADOPT
from edgernn_export.sources.onnx.call import Call
from edgernn_export.sources.onnx.loading import array_of
from edgernn_export.sources.torch.trace.copying import first_line

_TYPES = onnx.AttributeProto


def attributes_of(name: str, node: onnx.NodeProto) -> Mapping[str, Any]:
    """Return the attributes of a node: numbers, texts, arrays, lists of them; graphs are left out.

    Raises:
        FileError: one of them refers to another, as only those in functions do.
    """
    attributes: dict[str, Any] = {}
    for each in node.attribute:
        if each.ref_attr_name:
            raise FileError(f"'{name}': attribute '{each.name}' of '{node.name}' refers to another; export it again")
        if each.type == _TYPES.TENSOR:
            attributes[each.name] = array_of(name, each.t)
        elif each.type in {_TYPES.STRING, _TYPES.STRINGS}:
            raw = [each.s] if each.type == _TYPES.STRING else each.strings
            texts = [text.decode("utf-8", "replace") for text in raw]

            attributes[each.name] = texts[0] if each.type == _TYPES.STRING else texts
        elif each.type in {_TYPES.INT, _TYPES.FLOAT}:
            attributes[each.name] = each.i if each.type == _TYPES.INT else each.f
        elif each.type in {_TYPES.INTS, _TYPES.FLOATS}:
            attributes[each.name] = list(each.ints if each.type == _TYPES.INTS else each.floats)
    return attributes


def tensor_of(call: Call, value: Any) -> Tensor:
    """Return a constant as a tensor; all floats are those of torch's default.

    Raises:
        UnsupportedError: it is a list of values, or its elements are texts or other objects.
    """
    if not isinstance(value, np.ndarray):
        raise call.refuse(f"an operand is a {type(value).__name__}; expected a tensor, {ADOPT}")
    if value.dtype.kind == "f" or str(value.dtype) == "bfloat16":
        value = value.astype(np.float32)
    elif value.dtype.kind in "iu" and value.dtype.itemsize > 1:
        value = value.astype(np.int64)
    elif value.dtype.kind not in "iub":
        raise call.refuse(f"an operand has elements of {value.dtype}; expected numbers, {ADOPT}")
    return torch.from_numpy(np.array(value, order="C"))


def computed(node: onnx.NodeProto, opset: int, call: Call, operands: Sequence[Array | None]) -> Sequence[Array]:
    """Return the results of a node without data, by ONNX's reference evaluator.

    Raises:
        UnsupportedError: it draws random numbers, its result would be too large, or the evaluator does not know it.
    """
    if call.operator == "Constant" and "value" in call.attributes:
        return [call.attributes["value"]]
    if call.operator in {"Identity", "Dropout"} and call.results == 1 and operands[0] is not None:
        return [operands[0]]
    if call.operator.startswith("Random") or call.operator in {"Bernoulli", "Multinomial"}:
        raise call.refuse(
            "it draws random numbers, so no two runs agree; store a noise that is drawn once as a constant"
        )
    names = [f"operand{i}" if each is not None else "" for i, each in enumerate(operands)]
    results = [f"result{i}" for i in range(max(1, len(node.output)))]
    plain = onnx.NodeProto()
    plain.CopyFrom(node)
    for own, fresh in ((plain.input, names), (plain.output, results)):
        del own[:]
        own.extend(fresh)
    feeds = {each: value for each, value in zip(names, operands, strict=True) if each}
    try:
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            evaluator = ReferenceEvaluator(plain, opsets={"": opset})
            return [np.asarray(each) for each in evaluator.run(None, feeds)]
    except EdgernnError:
        raise
    except Exception as error:  # the evaluator raises what numpy and its own operators raise
        raise call.refuse(f"it cannot be computed from its constant operands: {first_line(error)}; {ADOPT}") from error


def info_shape(value: onnx.ValueInfoProto) -> list[int | str]:
    """Return the declared shape of an input: a size, or the name of one that is open; "" for one without a name."""
    shape = value.type.tensor_type.shape
    return [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else dim.dim_param for dim in shape.dim]


def info_dtype(value: onnx.ValueInfoProto) -> np.dtype[Any]:
    """Return the dtype of an input.

    Raises:
        FileError: its type is not known.
    """
    if value.type.tensor_type.elem_type not in helper.get_all_tensor_dtypes():
        raise FileError(f"input '{value.name}' has elements of no known type; export it again")
    dtype: np.dtype[Any] = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    return dtype
