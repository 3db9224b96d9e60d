"""The bytes of a `.tflite` file, checked: tensors, operators and subgraphs within bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.array import Array
from edgernn.errors import FileError

IDENTIFIER = b"TFL3"
MOST = 4_000  # tensors, and operators, of all subgraphs together
SUBGRAPHS = 64
AXES = 8
ELEMENTS = 1 << 24  # of a tensor

DTYPES: Mapping[int, str] = {
    schema.TensorType.FLOAT16: "float16",
    schema.TensorType.FLOAT32: "float32",
    schema.TensorType.FLOAT64: "float64",
    schema.TensorType.INT8: "int8",
    schema.TensorType.INT16: "int16",
    schema.TensorType.INT32: "int32",
    schema.TensorType.INT64: "int64",
    schema.TensorType.UINT8: "uint8",
    schema.TensorType.BOOL: "bool",
}
"""A type of tensors -> the dtype of numpy; others have none."""

OPERATORS: Mapping[int, str] = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}
"""The code of a builtin operator -> its name."""


@dataclass(frozen=True, eq=False)
class TensorInfo:
    """A tensor of a subgraph.

    Attributes:
        name: in the file.
        shape: an axis that the file leaves open has length 1.
        open_axes: the axes that it leaves open.
        dtype: of numpy, or "" for resources and others.
        data: of a constant; of a quantized one, what its integers stand for, in float32.
        quantized: whether its values are integers with a scale.
        variable: whether it keeps its value from call to call.
    """

    name: str
    shape: tuple[int, ...]
    open_axes: tuple[int, ...]
    dtype: str
    data: Array | None
    quantized: bool
    variable: bool


@dataclass(frozen=True, eq=False)
class OperatorInfo:
    """An operator: its name in `BuiltinOperator`, its options or None, and its tensors by index; -1 for none."""

    name: str
    options: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Subgraph:
    """Tensors, operators in order, and which tensors are inputs and outputs."""

    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class File:
    """A file.

    Attributes:
        name: for messages.
        subgraphs: the first is the model.
        names: of the inputs and outputs, by index of the tensor, where a signature names them.
    """

    name: str
    subgraphs: tuple[Subgraph, ...]
    names: Mapping[str, Mapping[int, str]]


def parsed(name: str, data: bytes) -> File:
    """Return what a file holds.

    Raises:
        FileError: it is no TFLite file, is damaged, or is beyond the bounds.
    """
    if data[4:8] != IDENTIFIER:
        raise FileError(f"'{name}' is no TFLite file: bytes 4 to 8 are {data[4:8]!r}; expected {IDENTIFIER!r}")
    try:
        return _Parser(name, data).file()
    except FileError:
        raise
    except Exception as error:  # offsets into nowhere fail in many ways
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FileError(f"'{name}' is damaged: {reason[:120]}; export it again") from error


class _Parser:
    """Reads tables one by one, after their counts are checked."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self.data = name, data
        self.model = schema.Model.GetRootAs(data, 0)
        self.left = 2 * len(data) + (1 << 20)  # bytes of constants; tensors may share a buffer

    def file(self) -> File:
        count = self._count(self.model.SubgraphsLength(), SUBGRAPHS, "subgraphs")
        graphs = [self.model.Subgraphs(i) for i in range(count)]
        self._count(sum(graph.TensorsLength() for graph in graphs), MOST, "tensors")
        self._count(sum(graph.OperatorsLength() for graph in graphs), MOST, "operators")
        self._count(self.model.OperatorCodesLength(), MOST, "operator codes")
        if not graphs:
            raise FileError(f"'{self.name}' has no subgraph; expected a model")
        return File(self.name, tuple(map(self._subgraph, graphs)), self._names())

    def _count(self, count: int, most: int, what: str) -> int:
        if count > most:
            raise FileError(f"'{self.name}' has {count:,} {what}; expected at most {most:,}")
        return int(count)

    def _subgraph(self, graph: Any) -> Subgraph:
        tensors = tuple(self._tensor(graph.Tensors(i)) for i in range(graph.TensorsLength()))
        operators = tuple(self._operator(graph.Operators(i), len(tensors)) for i in range(graph.OperatorsLength()))
        inputs, outputs = (
            self._indices(length(), numbers, len(tensors))
            for length, numbers in (
                (graph.InputsLength, graph.InputsAsNumpy),
                (graph.OutputsLength, graph.OutputsAsNumpy),
            )
        )
        if -1 in {*inputs, *outputs}:
            raise FileError(f"'{self.name}' lacks an input or output; export it again")
        return Subgraph(tensors, operators, inputs, outputs)

    def _indices(self, length: int, numbers: Any, tensors: int) -> tuple[int, ...]:
        """Return indices of tensors."""
        if not length:
            return ()
        self._count(length, MOST, "tensors of an operator")
        indices = tuple(int(each) for each in numbers())
        if not all(-1 <= each < tensors for each in indices):
            raise FileError(f"'{self.name}' reads tensor {max(indices)} of {tensors}; export it again")
        return indices

    def _shape(self, length: int, numbers: Any) -> tuple[int, ...]:
        self._count(length, AXES, "axes of a tensor")
        return tuple(int(each) for each in numbers()) if length else ()

    def _tensor(self, tensor: Any) -> TensorInfo:
        name = (tensor.Name() or b"").decode("utf-8", "replace")[:200]
        shape = self._shape(tensor.ShapeLength(), tensor.ShapeAsNumpy)
        signature = self._shape(tensor.ShapeSignatureLength(), tensor.ShapeSignatureAsNumpy)
        open_axes = tuple(i for i, size in enumerate(signature) if size < 0)
        shape = tuple(1 if i in open_axes or size < 0 else size for i, size in enumerate(shape))
        if prod(shape) > ELEMENTS:
            raise FileError(f"'{self.name}': tensor '{name}' has shape {shape}; expected at most {ELEMENTS:,} elements")
        dtype, data = DTYPES.get(tensor.Type(), ""), self._data(name, tensor, shape)
        quantization = tensor.Quantization()
        quantized = quantization is not None and quantization.ScaleLength() > 0 and dtype not in {"float32", ""}
        if data is not None and (quantized or dtype == "float16"):
            data = self._dequantized(name, data, quantization if quantized else None)
        return TensorInfo(name, shape, open_axes, dtype, data, quantized, bool(tensor.IsVariable()))

    def _data(self, name: str, tensor: Any, shape: tuple[int, ...]) -> Array | None:
        """Return the content of a constant; None of a tensor that is computed."""
        index, dtype = tensor.Buffer(), DTYPES.get(tensor.Type(), "")
        if not 0 <= index < self.model.BuffersLength():
            raise FileError(f"'{self.name}': tensor '{name}' is in buffer {index} of {self.model.BuffersLength()}")
        buffer = self.model.Buffers(index)
        raw: Any = buffer.DataAsNumpy() if buffer.DataLength() else b""
        if buffer.Offset() > 1:  # behind the tables, in a large file
            raw = np.frombuffer(self.data, np.uint8)[buffer.Offset() : buffer.Offset() + buffer.Size()]
        if not len(raw):
            return None
        if not dtype or tensor.Sparsity() is not None:
            raise FileError(
                f"'{self.name}': constant '{name}' is sparse, or of a type that is not known; export it dense"
            )
        self.left -= len(raw)
        expected = prod(shape) * np.dtype(dtype).itemsize
        if len(raw) != expected or self.left < 0:
            raise FileError(f"'{self.name}': constant '{name}' {shape} has {len(raw):,} bytes; expected {expected:,}")
        return np.frombuffer(bytes(raw), np.dtype(dtype).newbyteorder("<")).reshape(shape)

    def _dequantized(self, name: str, data: Array, quantization: Any) -> Array:
        """Return what integers stand for: scale * (integer - zero point), with one scale or one for each channel."""
        if quantization is None:
            return data.astype(np.float32)
        axis = quantization.QuantizedDimension()
        scale, zero = quantization.ScaleAsNumpy(), quantization.ZeroPointAsNumpy()
        if not quantization.ZeroPointLength():
            zero = np.zeros(len(scale))
        fits = len(scale) == len(zero) and (
            len(scale) == 1 or (0 <= axis < data.ndim and len(scale) == data.shape[axis])
        )
        if not fits or not np.isfinite(scale).all():
            raise FileError(
                f"'{self.name}': constant '{name}' {data.shape} has {len(scale)} scales and {len(zero)} zero points on "
                f"axis {axis}; expected one, or one for each channel"
            )
        shape = [-1 if i == axis else 1 for i in range(data.ndim)] if len(scale) > 1 else [1] * data.ndim
        numbers = (data.astype(np.float64) - zero.reshape(shape)) * scale.astype(np.float64).reshape(shape)
        return np.asarray(numbers, np.float32)

    def _operator(self, operator: Any, tensors: int) -> OperatorInfo:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = OPERATORS.get(number, f"operator {number}")
        if name == "CUSTOM":
            name = f"custom {(code.CustomCode() or b'').decode('utf-8', 'replace')[:60]}"
        inputs = self._indices(operator.InputsLength(), operator.InputsAsNumpy, tensors)
        outputs = self._indices(operator.OutputsLength(), operator.OutputsAsNumpy, tensors)
        table = operator.BuiltinOptions()
        options = None if table is None else self._options(operator.BuiltinOptionsType(), table)
        return OperatorInfo(name, options, inputs, outputs)

    def _options(self, kind: int, table: Any) -> Any:
        """Return the options of an operator, whose lists are as short as the axes of a tensor."""
        for name in ("ReshapeOptions", "SqueezeOptions"):
            if kind == getattr(schema.BuiltinOptions, name):
                options = getattr(schema, name)()
                options.Init(table.Bytes, table.Pos)
                length = options.NewShapeLength() if name == "ReshapeOptions" else options.SqueezeDimsLength()
                self._count(length, AXES, "axes of an option")
        if kind in _LISTS:
            return None
        return schema.BuiltinOptionsCreator(kind, table)

    def _names(self) -> dict[str, dict[int, str]]:
        """Return the names of inputs and outputs in the first signature of the model."""
        names: dict[str, dict[int, str]] = {"inputs": {}, "outputs": {}}
        if not self._count(self.model.SignatureDefsLength(), SUBGRAPHS, "signatures"):
            return names
        signature = self.model.SignatureDefs(0)
        if signature.SubgraphIndex() != 0:
            return names
        for key, length, entry in (
            ("inputs", signature.InputsLength(), signature.Inputs),
            ("outputs", signature.OutputsLength(), signature.Outputs),
        ):
            for i in range(self._count(length, MOST, f"{key} of a signature")):
                names[key][entry(i).TensorIndex()] = (entry(i).Name() or b"").decode("utf-8", "replace")[:200]
        return names


_LISTS: Sequence[int] = (schema.BuiltinOptions.BucketizeOptions, schema.BuiltinOptions.ConcatEmbeddingsOptions)
"""The options with long lists, of operators that are not read."""
