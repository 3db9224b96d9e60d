"""The file itself on LiteRT, with every state as an argument.

Variable tensors are set from outside. LiteRT has no way to set a resource variable, so in a copy of the model one that
is read becomes an input, and what is assigned to it an output. In the copy, weights in integers are dequantized too: a
hybrid kernel rounds its input, which a graph in float does not.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgernn.array import Array
from edgernn.errors import FileError
from edgernn.files import temporary
from edgernn.process import child
from edgernn_export.sources.tflite.loading import IDENTIFIER, File
from edgernn_export.sources.tflite.reader import Resource

RUNTIME = "LiteRT"

PROBE = """
import sys
import numpy
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
for each in interpreter.get_input_details():
    interpreter.set_tensor(each["index"], numpy.zeros(each["shape"], each["dtype"]))
interpreter.invoke()
"""
"""A damaged file can end the process that runs it: the first run is in a process of its own."""


class Original:
    """A model on LiteRT.

    Args:
        name: of the file, for messages.
        data: its bytes.
        shapes: the tensor of each input -> the shape of the example.
        arguments: the tensor of each argument.
        results: the tensor of each result.
        fixed: the tensor of each input that has the same value in every call -> the value.

    Raises:
        FileError: LiteRT does not run it.
    """

    def __init__(
        self,
        name: str,
        data: bytes,
        shapes: dict[int, tuple[int, ...]],
        arguments: Sequence[int],
        results: Sequence[int],
        fixed: Mapping[int, Array],
    ) -> None:
        check(name, data)
        self._name, self._fixed = name, dict(fixed)
        self._arguments, self._results = list(arguments), list(results)
        self._interpreter = Interpreter(model_content=data, num_threads=1)
        with self._refusing():
            for tensor, shape in shapes.items():
                self._interpreter.resize_tensor_input(tensor, shape)
            self._interpreter.allocate_tensors()

    def __call__(self, arguments: Sequence[Array]) -> list[Array]:
        """Return the results of one call, from the states among the arguments, and others at their beginning."""
        with self._refusing():
            self._interpreter.reset_all_variables()
            for tensor, value in [*self._fixed.items(), *zip(self._arguments, arguments, strict=True)]:
                self._interpreter.set_tensor(tensor, value)
            self._interpreter.invoke()
            return [np.array(self._interpreter.get_tensor(tensor)) for tensor in self._results]

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Raise what LiteRT says as an error of ours."""
        try:
            yield
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise FileError(
                f"LiteRT does not run '{self._name}': {reason}; say its sizes with shapes= (--shape)"
            ) from error


def check(name: str, data: bytes) -> None:
    """Run a model in a process of its own.

    Raises:
        FileError: it fails, or ends the process.
    """
    with temporary.directory() as folder:
        path = folder / "m.tflite"
        path.write_bytes(data)
        done = child.run([sys.executable, "-P", "-c", PROBE, path])
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        reason = lines[-1][:200] if lines and done.returncode > 0 else f"it ends with signal {-done.returncode}"
        raise FileError(f"LiteRT does not run '{name}': {reason}; export it again")


def integers_of(file: File) -> list[int]:
    """Return the tensors of the model that are constants in integers with scales."""
    return [i for i, tensor in enumerate(file.subgraphs[0].tensors) if tensor.quantized and tensor.data is not None]


def copy_of(data: bytes, file: File, resources: Sequence[Resource]) -> bytes:
    """Return the model without integers and resource variables; as it is where it has none."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    integers = integers_of(file)
    if not integers and not resources:
        return data
    for i in integers:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(file.subgraphs[0].tensors[i].data).tobytes(), np.uint8)
        model.buffers.append(buffer)
        tensor = graph.tensors[i]
        tensor.buffer, tensor.type, tensor.quantization = len(model.buffers) - 1, schema.TensorType.FLOAT32, None
    kept = []
    for operator, info in zip(graph.operators, file.subgraphs[0].operators, strict=True):
        if info.name == "DEQUANTIZE" and info.inputs[0] in integers:
            graph.tensors[info.outputs[0]].buffer = graph.tensors[info.inputs[0]].buffer
        elif info.name not in {"CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}:
            kept.append(operator)
    _replace(graph, kept, resources)
    graph.operators = kept
    model.subgraphs, model.signatureDefs = [graph], None
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _replace(graph: Any, operators: Sequence[Any], resources: Sequence[Resource]) -> None:
    """Make resource variables inputs and outputs of a graph."""
    same = {other: each.read[0] for each in resources for other in each.read}
    for operator in operators:
        operator.inputs = [same.get(int(index), int(index)) for index in operator.inputs]
    graph.inputs = [*map(int, graph.inputs), *(each.read[0] for each in resources)]
    graph.outputs = [
        *(same.get(int(index), int(index)) for index in graph.outputs),
        *(same.get(each.assigned, each.assigned) for each in resources),
    ]
