"""A TFLite model under construction: tensors, operators and buffers, by the object API of the schema."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import MissingExtraError
from edgernn.integer.plan import QuantizationParameters
from edgernn.model import int4

try:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
except ImportError as error:
    raise MissingExtraError("ai-edge-litert", "export", "writing a .tflite file") from error

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
ABSENT = -1  # the index of an optional input that is left out

_TYPES = {
    "bool": schema.TensorType.BOOL,
    "complex64": schema.TensorType.COMPLEX64,
    "float16": schema.TensorType.FLOAT16,
    "float32": schema.TensorType.FLOAT32,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int4": schema.TensorType.INT4,
    "int64": schema.TensorType.INT64,
    "int8": schema.TensorType.INT8,
}


class Flat:
    """A model with one subgraph.

    Attributes:
        index: of the tensors, by name.
        constants: the content of those that have one, but for int4, and their scales, by name.
    """

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.constants: dict[str, Array] = {}
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[tuple[int, int], int] = {}
        self._buffers: list[Any] = [schema.BufferT()]  # buffer 0 is empty by convention

    def tensor(self, name: str, shape: Sequence[int], dtype: str = "float32", data: Array | None = None) -> int:
        """The index of a tensor by its name, added on first use; with data it is a constant."""
        if name in self.index:
            return self.index[name]
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), _TYPES[dtype]
        tensor.buffer = 0 if data is None else self.buffer(_bytes(data, dtype))
        if data is not None and dtype != "int4":
            self.constants[name] = data
        self._tensors.append(tensor)
        self.index[name] = len(self._tensors) - 1
        return self.index[name]

    def constant(self, name: str, data: Array, scale: Array | None = None, dtype: str = "") -> int:
        """The index of a constant; with a scale it is integers, with one scale (1,) or one per row (rows,)."""
        tensor = self.tensor(name, data.shape, dtype or data.dtype.name, data)
        if scale is not None:
            scale = np.where(scale == 0, 1, scale)  # XNNPACK refuses the scale 0 of a row of zeros
            self._quantize(tensor, scale.tolist(), [0] * len(scale))
            self.constants |= {f"{name}.scale": scale} if name in self.constants else {}
        return tensor

    def integers(
        self, name: str, shape: Sequence[int], qparams: QuantizationParameters, data: Array | None = None
    ) -> int:
        """The index of a tensor of integers; with data it is a constant."""
        tensor = self.tensor(name, shape, f"int{qparams.bits}", data)
        self._quantize(tensor, [qparams.scale], [qparams.zero])
        return tensor

    def _quantize(self, tensor: int, scales: list[float], zeros: list[int]) -> None:
        qparams = schema.QuantizationParametersT()
        qparams.scale, qparams.zeroPoint, qparams.quantizedDimension = scales, zeros, 0
        self._tensors[tensor].quantization = qparams

    def buffer(self, data: bytes) -> int:
        """The index of a new buffer."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self._buffers.append(buffer)
        return len(self._buffers) - 1

    def operator(
        self, kind: str, ins: Sequence[int], outs: Sequence[int], options: Any = None, version: int = 1
    ) -> None:
        """Add an operator by its name in `BuiltinOperator`, with options of a class such as SplitOptionsT."""
        operator = schema.OperatorT()
        code = getattr(schema.BuiltinOperator, kind)
        operator.opcodeIndex = self._codes.setdefault((code, version), len(self._codes))
        operator.inputs, operator.outputs = list(ins), list(outs)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(operator)

    def finish(self, ins: Sequence[str], outs: Sequence[str], metadata: Mapping[str, bytes]) -> bytes:
        """The bytes of the model with these inputs and outputs, by name."""
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = b"step", self._tensors, self._operators
        graph.inputs, graph.outputs = [self.index[name] for name in ins], [self.index[name] for name in outs]
        model = schema.ModelT()
        model.version, model.description, model.subgraphs = SCHEMA_VERSION, b"edgernn", [graph]
        model.operatorCodes = [_opcode(code, version) for code, version in self._codes]
        model.signatureDefs = [self._signature(ins, outs)]
        model.metadata = [self._metadata(name, data) for name, data in metadata.items()]
        model.buffers = self._buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())

    def _signature(self, ins: Sequence[str], outs: Sequence[str]) -> Any:
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = b"step", 0
        signature.inputs = [self._named(name) for name in ins]
        signature.outputs = [self._named(name) for name in outs]
        return signature

    def _named(self, name: str) -> Any:
        tensor = schema.TensorMapT()
        tensor.name, tensor.tensorIndex = name.encode(), self.index[name]
        return tensor

    def _metadata(self, name: str, data: bytes) -> Any:
        metadata = schema.MetadataT()
        metadata.name, metadata.buffer = name.encode(), self.buffer(data)
        return metadata


def _bytes(data: Array, dtype: str) -> bytes:
    """The content of a buffer; two integers of four bits share a byte, without a gap between rows."""
    if dtype != "int4":
        return np.ascontiguousarray(data, dtype).tobytes()
    return int4.pack(np.append(data, np.zeros(data.size % 2, np.int8))[None]).tobytes()


def _opcode(code: int, version: int) -> Any:
    opcode = schema.OperatorCodeT()
    opcode.builtinCode, opcode.version = code, version
    opcode.deprecatedBuiltinCode = min(code, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    return opcode
