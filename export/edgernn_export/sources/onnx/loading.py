"""The bytes of an ONNX file as a model whose functions are inlined and whose weights are inside it."""

from collections.abc import Iterable, Iterator
from math import prod

import numpy as np
import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from edgernn.array import Array
from edgernn.errors import FileError, UnsupportedError
from edgernn.files import atomic
from edgernn_export.sources.onnx.limits import check_size

NEWEST = 26
"""The newest operator set whose operators are known here; files of newer ones are refused."""

OLDEST = 7  # before it, broadcasting followed other rules


def loaded(path: str) -> tuple[onnx.ModelProto, bytes]:
    """Return the model in a file, with its functions inlined, and the file's bytes.

    Raises:
        FileError: the file cannot be read, is damaged or too large, or its weights are in other files.
        UnsupportedError: its operator set is too old or too new.
    """
    data = atomic.read(path)
    model = parsed(path, data)
    opset = opset_of(model)
    if not OLDEST <= opset <= NEWEST:
        raise UnsupportedError(
            f"'{path}' has operator set {opset}; expected {OLDEST} to {NEWEST}: convert it with "
            "onnx.version_converter.convert_version"
        )
    if model.functions:
        model = _inlined(path, model)
    return model, data


def parsed(path: str, data: bytes) -> onnx.ModelProto:
    """Return the model in the bytes of a file.

    Raises:
        FileError: they are damaged or too large, or the model's weights are in other files.
    """
    check_size(path, data)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise FileError(f"'{path}' is no ONNX file, or is damaged: {error}; export it again") from error
    if not model.HasField("graph") or not model.graph.output or not model.opset_import:
        raise FileError(f"'{path}' is no ONNX file, or lacks outputs or an operator set; export it again")
    _check_weights_inside(path, model)
    check_texts(path, (each.name for each in (*model.graph.input, *model.graph.output, *model.graph.initializer)))
    return model


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operator set that a model uses."""
    return max((each.version for each in model.opset_import if each.domain in {"", "ai.onnx"}), default=1)


def array_of(name: str, tensor: onnx.TensorProto) -> Array:
    """Return a constant of a file.

    Raises:
        FileError: its declared shape disagrees with its bytes.
    """
    try:
        if tensor.data_location != onnx.TensorProto.EXTERNAL and _declared(tensor):
            array: Array = np.asarray(numpy_helper.to_array(tensor))
            if array.shape == tuple(tensor.dims):
                return array
    except (ValueError, TypeError, OverflowError, KeyError, MemoryError) as error:
        raise FileError(f"constant '{tensor.name}' of '{name}' cannot be read: {error}; export it again") from error
    raise _unfilled(name, tensor)


def _unfilled(name: str, tensor: onnx.TensorProto) -> FileError:
    return FileError(
        f"constant '{tensor.name}' of '{name}' declares the shape {tuple(tensor.dims)}, which its bytes do not fill; "
        "export it again"
    )


def _declared(tensor: onnx.TensorProto) -> bool:
    """Whether the declared shape can be that of the bytes: at most 8 elements in each of them."""
    held = len(tensor.raw_data) or 8 * max(
        len(tensor.float_data), len(tensor.int32_data), len(tensor.int64_data), len(tensor.double_data),
        len(tensor.uint64_data), len(tensor.string_data),
    )  # fmt: skip
    return all(dim >= 0 for dim in tensor.dims) and prod(tensor.dims) <= 8 * held


def _check_weights_inside(path: str, model: onnx.ModelProto) -> None:
    """Refuse weights in other files, which could be any file of the machine, and shapes that bytes cannot fill."""
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            places = {entry.key: entry.value for entry in tensor.external_data}
            raise FileError(
                f"constant '{tensor.name}' of '{path}' is in another file, {places.get('location', '')!r}, and no "
                "other file is read; store the weights inside: onnx.save(onnx.load(PATH), PATH)"
            )
        if not _declared(tensor):
            raise _unfilled(path, tensor)


def check_texts(path: str, texts: Iterable[str | bytes]) -> None:
    """Refuse names that are no UTF-8, which protobuf returns as bytes.

    Raises:
        FileError: one of them is.
    """
    if any(isinstance(text, bytes) for text in texts):
        raise FileError(f"'{path}' has a name that is no text; it is damaged: export it again")


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every constant of a model: initializers, and values of attributes."""
    pending: list[onnx.GraphProto] = [model.graph]
    nodes: list[Iterable[onnx.NodeProto]] = [function.node for function in model.functions]
    while pending or nodes:
        if pending:
            graph = pending.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.append(graph.node)
        for node in nodes.pop():
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                pending += [attribute.g] if attribute.HasField("g") else []
                pending += attribute.graphs


def _inlined(path: str, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with each call of a function replaced by the function's nodes."""
    called = {(function.domain, function.name) for function in model.functions}
    for function in model.functions:
        if any((node.domain, node.op_type) == (function.domain, function.name) for node in function.node):
            raise FileError(f"function '{function.name}' of '{path}' calls itself; export it again")
    try:
        model = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # the inliner, in C++, raises RuntimeError and its own types
        raise FileError(f"the functions of '{path}' cannot be inlined: {error}; export it again") from error
    left = next((node for node in model.graph.node if (node.domain, node.op_type) in called), None)
    if left is not None:
        raise FileError(f"function '{left.op_type}' of '{path}' calls itself; export it again")
    return model
