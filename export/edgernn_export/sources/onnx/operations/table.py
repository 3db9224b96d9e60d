"""All operators that are supported besides those with states and those with graphs inside."""

from collections.abc import Mapping

from edgernn_export.sources.onnx.call import Operation
from edgernn_export.sources.onnx.operations.pointwise import POINTWISE
from edgernn_export.sources.onnx.operations.products import PRODUCTS
from edgernn_export.sources.onnx.operations.reductions import REDUCTIONS
from edgernn_export.sources.onnx.operations.shapes import SHAPES

OPERATIONS: Mapping[str, Operation] = {**POINTWISE, **SHAPES, **REDUCTIONS, **PRODUCTS}
"""Operator of ONNX -> what it computes."""
