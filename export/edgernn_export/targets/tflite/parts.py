"""Several inputs or outputs of an artifact: tensors that are parts of one value inside."""

from collections.abc import Mapping, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.model.replay import MethodInterpreter
from edgernn_export.targets.tflite.flat import Flat

AXIS = 1  # of the elements of a value, which has the shape (positions, width)


class PartOps(MethodInterpreter):
    """Writes the operators between an artifact's own tensors and the values inside."""

    flat: Flat

    def join(self, whole: str, parts: Mapping[str, int]) -> None:
        """Write the concatenation of several inputs of the artifact."""
        if parts:
            options = schema.ConcatenationOptionsT()
            options.axis = AXIS
            ins = [self._part(whole, name, width) for name, width in parts.items()]
            version = self._part_version("CONCATENATION", whole)
            self.flat.operator("CONCATENATION", ins, [self.flat.index[whole]], options, version)

    def part(self, whole: str, parts: Mapping[str, int]) -> None:
        """Write the several outputs of the artifact that are parts of one value."""
        if parts:
            options, sizes = schema.SplitVOptionsT(), tuple(parts.values())
            options.numSplits = len(parts)
            cut = self._integers(f"sizes.{'.'.join(map(str, sizes))}", sizes)
            ins = [self.flat.index[whole], cut, self._integers("axis", AXIS)]
            outs = [self._part(whole, name, width) for name, width in parts.items()]
            self.flat.operator("SPLIT_V", ins, outs, options, self._part_version("SPLIT_V", whole))

    def _part(self, _whole: str, name: str, width: int) -> int:
        """The tensor of an input or output that is a part of `_whole`."""
        return self.flat.tensor(name, (1, width))

    def _part_version(self, _kind: str, _whole: str) -> int:
        """The version of an operator on `_whole`."""
        return 1

    def _integers(self, name: str, values: int | Sequence[int]) -> int:
        return self.flat.constant(name, np.array(values, np.int32))
