"""The file itself on ONNX Runtime."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError, UnsupportedError
from edgernn_export.sources.onnx.call import ADOPT

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when the package is imported

try:
    import onnxruntime
except ImportError:  # the module is then proved against the graph alone
    onnxruntime = None

_TYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}
"""A type of ONNX Runtime -> the dtype of numpy."""

QUIET = 4  # of the runtime's log: what it refuses is raised too


class Original:
    """A session of the file's bytes on one thread.

    Args:
        path: of the file, for messages.
        data: its bytes.
        constants: the inputs that have the same value in every call.

    Raises:
        FileError: the runtime does not load the file.
    """

    def __init__(self, path: str, data: bytes, constants: Mapping[str, float]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime has a type for each kind of failure
            raise FileError(f"ONNX Runtime does not load '{path}': {_line(error)}") from error
        self._path = path
        self._inputs = {each.name: each for each in self._session.get_inputs()}
        self._constants = {
            name: np.full([dim if isinstance(dim, int) else 1 for dim in each.shape], constants[name], _dtype(each))
            for name, each in self._inputs.items()
            if name in constants
        }

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Return some outputs for some inputs; floats in float32.

        Raises:
            UnsupportedError: the runtime fails on them.
        """
        feeds = {name: np.asarray(value).astype(_dtype(self._inputs[name])) for name, value in inputs.items()}
        try:
            results = self._session.run(list(outputs), {**feeds, **self._constants})
        except Exception as error:  # the runtime has a type for each kind of failure
            raise UnsupportedError(
                f"ONNX Runtime fails on '{self._path}': {_line(error)}; say the sizes with shapes=, {ADOPT}"
            ) from error
        return [each.astype(np.float32) if each.dtype.kind == "f" else each for each in map(np.asarray, results)]


def original_of(path: str, data: bytes, constants: Mapping[str, float]) -> Original | None:
    """Return the file on ONNX Runtime; None where that is not installed."""
    return None if onnxruntime is None else Original(path, data, constants)


def _dtype(each: "onnxruntime.NodeArg") -> str:
    return _TYPES.get(each.type, "float32")


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
