"""All operators that are supported besides those with states and those with graphs inside."""

from collections.abc import Mapping

from edgernn_export.sources.foreign.nodes import Operation
from edgernn_export.sources.onnx.operations.pointwise import POINTWISE
from edgernn_export.sources.onnx.operations.products import PRODUCTS
from edgernn_export.sources.onnx.operations.reductions import REDUCTIONS
from edgernn_export.sources.onnx.operations.shapes import SHAPES

OPERATIONS: Mapping[str, Operation] = {**POINTWISE, **SHAPES, **REDUCTIONS, **PRODUCTS}
"""Operator of ONNX -> what it computes."""

_ROUNDS = (
    "it rounds values of the stream to integers, with other scales than ours; quantize the graph of the float model"
)
_INTEGERS = "it computes with integers, with other scales than ours; quantize the graph of the float model"

HINTS: Mapping[str, str] = {
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"), _ROUNDS),
    **dict.fromkeys(("MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv"), _INTEGERS),
    **dict.fromkeys(("STFT", "DFT"), "a step has no complex numbers; write it as a convolution with sines and cosines"),
    **dict.fromkeys(("NonZero", "Compress", "Unique", "TopK"), "its result has another size for other data"),
}
"""Operator that is not supported -> why, and what to do instead."""
