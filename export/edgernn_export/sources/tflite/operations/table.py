"""All operators that are supported, besides those with states."""

from collections.abc import Mapping

from edgernn_export.sources.foreign.nodes import Operation
from edgernn_export.sources.tflite.operations.pointwise import POINTWISE
from edgernn_export.sources.tflite.operations.products import PRODUCTS
from edgernn_export.sources.tflite.operations.shapes import SHAPES

OPERATIONS: Mapping[str, Operation] = {**POINTWISE, **SHAPES, **PRODUCTS}
"""Operator -> what it computes."""
