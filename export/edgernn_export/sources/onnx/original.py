"""The file itself on ONNX Runtime."""

import os
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from edgernn.array import Array
from edgernn.errors import FileError, UnsupportedError
from edgernn_export.sources.foreign.nodes import ADOPT
from edgernn_export.sources.onnx.constants import info_dtype
from edgernn_export.sources.torch.trace.copying import first_line

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when the package is imported

try:
    import onnxruntime
except ImportError:  # of the extra `ort`
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

    runtime = "ONNX Runtime"

    def __init__(self, path: str, data: bytes, constants: Mapping[str, Array]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        # by default it replaces products with integer weights by others, which round their input too
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:  # the runtime has a type for each kind of failure
            raise FileError(f"ONNX Runtime does not load '{path}': {first_line(error)}") from error
        self._path = path
        self._inputs = {each.name: each for each in self._session.get_inputs()}
        self._constants = constants

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
                f"ONNX Runtime fails on '{self._path}': {first_line(error)}; say the sizes with "
                f"shapes= (--shape), {ADOPT}"
            ) from error
        return [_floats(np.asarray(each)) for each in results]


class Reference:
    """The reference evaluator of ONNX, for operators that ONNX Runtime does not have."""

    runtime = "onnx's reference evaluator"

    def __init__(self, path: str, model: onnx.ModelProto, constants: Mapping[str, Array]) -> None:
        self._path, self._evaluator, self._constants = path, ReferenceEvaluator(model), constants
        self._dtypes = {each.name: info_dtype(each) for each in model.graph.input}

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """As Original.run."""
        feeds = {name: np.asarray(value).astype(self._dtypes[name]) for name, value in inputs.items()}
        try:
            with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
                results = self._evaluator.run(list(outputs), {**feeds, **self._constants})
        except Exception as error:  # the evaluator raises what numpy and its own operators raise
            raise UnsupportedError(f"{self.runtime} fails on '{self._path}': {first_line(error)}; {ADOPT}") from error
        return [_floats(np.asarray(each)) for each in results]


def original_of(
    path: str, model: onnx.ModelProto, data: bytes, constants: Mapping[str, Array]
) -> Original | Reference | None:
    """Return the file on ONNX Runtime, or on ONNX's reference evaluator where that does not have an operator.

    Returns:
        None where ONNX Runtime is not installed: the module is then proved against the graph alone.

    Raises:
        FileError: ONNX Runtime does not load the file, and it is no valid model.
    """
    if onnxruntime is None:
        return None
    try:
        return Original(path, data, constants)
    except FileError:
        try:
            onnx.checker.check_model(model, full_check=True)
        except Exception:
            invalid = True
        else:
            invalid = False
        if invalid:
            raise
    return Reference(path, model, constants)


def _floats(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _dtype(each: "onnxruntime.NodeArg") -> str:
    return _TYPES.get(each.type, "float32")
