"""An ONNX file in ONNX Runtime."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import UnsupportedError
from edgernn.runtime.backends import onnxruntime as backend
from edgernn_export.adoption.original import Endpoint, aliases
from edgernn_export.sources.onnx.summary import Summary, summary, with_outputs

FATAL = 4  # of what a session prints, where a call may well fail


class OnnxOriginal:
    """A session over a file.

    Args:
        data: the file.
        name: of the file, for messages.
        content: what is known of its nodes.

    Raises:
        FileError: the runtime refuses the file.
    """

    def __init__(self, data: bytes, name: str, content: Summary) -> None:
        self._session, self._name = backend.open_session(data, name, 1, severity=backend.ERRORS), name
        self.runtime = backend.RUNTIME
        self.inputs = _endpoints(backend.tensors(self._session.get_inputs()))
        self.outputs = _endpoints(backend.tensors(self._session.get_outputs()))
        self.quantized = content.rounds
        self._content = content

    def call(self, arguments: Mapping[str, Array]) -> dict[str, Array]:
        names = [each.name for each in self.outputs]
        try:
            results = self._session.run(names, dict(arguments))
        except Exception as error:  # the exceptions of the runtime have no other base in common
            shapes = ", ".join(f"'{name}' {array.shape}" for name, array in arguments.items())
            raise UnsupportedError(f"{self.runtime} cannot run '{self._name}' on {shapes}: {_line(error)}") from error
        return {name: np.array(result) for name, result in zip(names, results, strict=True)}

    def reset(self) -> bool:
        return False

    def check_carried(self, arguments: Mapping[str, Array]) -> None:
        if not self._content.forgetting:
            return
        entering = [node.input[0] for node in self._content.forgetting]
        data = with_outputs(self._content.model, entering)
        exposed = backend.open_session(data, self._name, 1, severity=FATAL)
        lengths = _lengths(exposed, arguments)
        others = [_lengths(exposed, longer) for longer in _longer(self.inputs, arguments)]
        if lengths is None:
            return  # and the call says why
        for node, length, *varied in zip(self._content.forgetting, lengths, *filter(None, others), strict=True):
            if length == 1 or any(other != length for other in varied):
                raise UnsupportedError(
                    f"'{self._name}': {node.op_type} '{node.name or node.output[0]}' runs over time and begins anew in "
                    "every call, since its state is no input: `edgernn import` reads it as a graph whose state is "
                    "carried; or export the model with its states as inputs and outputs"
                )


def _lengths(session: Any, arguments: Mapping[str, Array]) -> list[int] | None:
    """Return the first size of each output; None where the model does not run."""
    try:
        return [result.shape[0] for result in session.run(None, dict(arguments))]
    except Exception:  # the sizes belong together, or another reason of the runtime
        return None


def _longer(inputs: Sequence[Endpoint], arguments: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """Yield the arguments with one open size larger, where it is that of one input alone."""
    sizes = [size for each in inputs for size in each.shape]
    for each in inputs:
        for axis, size in enumerate(each.shape):
            if size is None or (isinstance(size, str) and sizes.count(size) == 1):
                array = arguments[each.name]
                yield {**arguments, each.name: np.repeat(array, 2, axis)}


def _endpoints(tensors: Mapping[str, tuple[tuple[Any, ...], str]]) -> tuple[Endpoint, ...]:
    named = zip(tensors.items(), aliases(list(tensors)), strict=True)
    return tuple(
        Endpoint(name, alias, shape, dtype, default=shape if all(type(n) is int and n > 0 for n in shape) else None)
        for (name, (shape, dtype)), alias in named
    )


def _line(error: Exception) -> str:
    """Return the first line of the runtime's own reason."""
    return str(error).strip().partition("\n")[0]


def opened(data: bytes, name: str, _shapes: Mapping[str, tuple[int, ...]]) -> OnnxOriginal:
    """Return a file in its runtime.

    Raises:
        FileError: it is damaged or too large, its weights are in other files, or the runtime refuses it.
    """
    return OnnxOriginal(data, name, summary(data, name))
