"""A TFLite model under construction: tensors, operators and buffers, by the schema's own object API."""

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
ABSENT = -1  # an optional input that is not given

_TYPES = {
    "float16": schema.TensorType.FLOAT16,
    "float32": schema.TensorType.FLOAT32,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int4": schema.TensorType.INT4,
    "int64": schema.TensorType.INT64,
    "int8": schema.TensorType.INT8,
}


class Flat:
    """One subgraph that grows; tensors are known by name."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[tuple[int, int], int] = {}
        self._buffers: list[Any] = [schema.BufferT()]  # buffer 0 is the empty one, by convention

    def tensor(self, name: str, shape: Sequence[int], dtype: str = "float32", data: Array | None = None) -> int:
        """A tensor by its name, made on first use; with data it is a constant."""
        if name in self.index:
            return self.index[name]
        made = schema.TensorT()
        made.name, made.shape, made.type = name.encode(), list(shape), _TYPES[dtype]
        made.buffer = 0 if data is None else self.buffer(_bytes(data, dtype))
        self._tensors.append(made)
        self.index[name] = len(self._tensors) - 1
        return self.index[name]

    def constant(self, name: str, data: Array, scale: Array | None = None, dtype: str = "") -> int:
        """A constant; with a scale, integers: one for all of them (1,), or one for each row (rows,)."""
        made = self.tensor(name, data.shape, dtype or data.dtype.name, data)
        if scale is not None:
            scale = np.where(scale == 0, 1, scale)  # a row of zeros has none, and XNNPACK refuses it
            self._quantize(made, scale.tolist(), [0] * len(scale))
        return made

    def integers(
        self, name: str, shape: Sequence[int], qparams: QuantizationParameters, data: Array | None = None
    ) -> int:
        """A tensor of integers on a grid; with data it is a constant."""
        made = self.tensor(name, shape, f"int{qparams.bits}", data)
        self._quantize(made, [qparams.scale], [qparams.zero])
        return made

    def _quantize(self, tensor: int, scales: list[float], zeros: list[int]) -> None:
        said = schema.QuantizationParametersT()
        said.scale, said.zeroPoint, said.quantizedDimension = scales, zeros, 0
        self._tensors[tensor].quantization = said

    def buffer(self, data: bytes) -> int:
        """The index of a new buffer."""
        made = schema.BufferT()
        made.data = np.frombuffer(data, np.uint8)
        self._buffers.append(made)
        return len(self._buffers) - 1

    def operator(
        self, kind: str, ins: Sequence[int], outs: Sequence[int], options: Any = None, version: int = 1
    ) -> None:
        """An operator by its name in `BuiltinOperator`; options by the schema's own class, such as SplitOptionsT."""
        made = schema.OperatorT()
        code = getattr(schema.BuiltinOperator, kind)
        made.opcodeIndex = self._codes.setdefault((code, version), len(self._codes))
        made.inputs, made.outputs = list(ins), list(outs)
        if options is not None:
            made.builtinOptions = options
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(made)

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
        made = schema.SignatureDefT()
        made.signatureKey, made.subgraphIndex = b"step", 0
        made.inputs, made.outputs = [self._named(name) for name in ins], [self._named(name) for name in outs]
        return made

    def _named(self, name: str) -> Any:
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name.encode(), self.index[name]
        return made

    def _metadata(self, name: str, data: bytes) -> Any:
        made = schema.MetadataT()
        made.name, made.buffer = name.encode(), self.buffer(data)
        return made


def _bytes(data: Array, dtype: str) -> bytes:
    """As a buffer holds them; integers of four bits stand two in a byte, one row running on into the next."""
    if dtype != "int4":
        return np.ascontiguousarray(data, dtype).tobytes()
    return int4.pack(np.append(data, np.zeros(data.size % 2, np.int8))[None]).tobytes()


def _opcode(code: int, version: int) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode, made.version = code, version
    made.deprecatedBuiltinCode = min(code, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    return made
