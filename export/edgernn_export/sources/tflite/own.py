"""A TFLite file that edgernn wrote: the text of its graph, and its constants."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.array import Array
from edgernn_export.origin import KEY

DTYPES = {
    schema.TensorType.FLOAT16: "float16",
    schema.TensorType.FLOAT32: "float32",
    schema.TensorType.INT16: "int16",
    schema.TensorType.INT32: "int32",
    schema.TensorType.INT64: "int64",
    schema.TensorType.INT8: "int8",
}


def contents(data: bytes) -> tuple[str, dict[str, Array]]:
    """Return the text that describes the graph, "" without one, and the constants by name."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    buffers = [b"" if buffer.data is None else bytes(buffer.data) for buffer in model.buffers]
    texts = {entry.name.decode(): buffers[entry.buffer].decode() for entry in model.metadata}
    constants = {}
    for tensor in model.subgraphs[0].tensors:
        if buffers[tensor.buffer] and tensor.type in DTYPES:
            array = np.frombuffer(buffers[tensor.buffer], DTYPES[tensor.type]).reshape(tensor.shape)
            constants[tensor.name.decode()] = array
            scale = None if tensor.quantization is None else tensor.quantization.scale
            if scale is not None:
                constants[f"{tensor.name.decode()}.scale"] = np.asarray(scale, np.float32)
    return texts.get(KEY, ""), constants
