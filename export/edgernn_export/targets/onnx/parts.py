"""Several inputs or outputs of an artifact: tensors that are parts of one value inside."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgernn.array import Array
from edgernn.model.replay import MethodInterpreter


class PartOps(MethodInterpreter):
    """Writes the nodes between an artifact's own tensors and the values inside."""

    nodes: list[onnx.NodeProto]
    weights: dict[str, onnx.TensorProto]

    def join(self, whole: str, parts: Mapping[str, int]) -> None:
        """Write the concatenation of several inputs of the artifact."""
        if parts:
            self.nodes.append(helper.make_node("Concat", list(parts), [whole], whole, axis=1))

    def part(self, whole: str, parts: Mapping[str, int]) -> None:
        """Write the several outputs of the artifact that are parts of one value."""
        if parts:
            sizes = self._shape(*parts.values())
            self.nodes.append(helper.make_node("Split", [whole, sizes], list(parts), f"{whole}.parts", axis=1))

    def _shape(self, *sizes: int) -> str:
        return self._store(f"sizes.{'.'.join(map(str, sizes))}", np.array(sizes, np.int64))

    def _store(self, name: str, array: Array) -> str:
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name
