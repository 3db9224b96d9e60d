"""A TFLite file in LiteRT or tflite-runtime."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import QUANTIZED_BITS
from edgernn.errors import UnsupportedError
from edgernn.integer.plan import QuantizationParameters
from edgernn.runtime.backends import tflite as backend
from edgernn_export.adoption.original import Endpoint, aliases


class TfliteOriginal:
    """An interpreter over a file.

    Args:
        data: the file.
        name: of the file, for messages.
        shapes: those of inputs that differ from what the file declares, by name.

    Raises:
        FileError: the runtime refuses the file or a shape.
        UnsupportedError: two inputs, or two outputs, have the same name.
    """

    def __init__(self, data: bytes, name: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._name, self.runtime = name, backend.RUNTIME
        self._interpreter = backend.open_interpreter(data, name, 1, shapes)
        self._ins, self._outs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        for kind, details in (("inputs", self._ins), ("outputs", self._outs)):
            repeated = [text for text, count in Counter(each["name"] for each in details).items() if count > 1]
            if repeated:
                raise UnsupportedError(
                    f"'{name}' has several {kind} called '{repeated[0]}': rename them and convert again"
                )
        names = _signature(self._interpreter)
        self.inputs, self.outputs = _endpoints(self._ins, names), _endpoints(self._outs, names)
        self.quantized = any(each["dtype"] is np.int8 for each in self._interpreter.get_tensor_details())

    def call(self, arguments: Mapping[str, Array]) -> dict[str, Array]:
        try:
            for each in self._ins:
                self._interpreter.set_tensor(each["index"], arguments[each["name"]])
            self._interpreter.invoke()
            return {each["name"]: np.array(self._interpreter.get_tensor(each["index"])) for each in self._outs}
        except (ValueError, RuntimeError) as error:
            raise UnsupportedError(f"{self.runtime} cannot run '{self._name}': {error}") from error

    def reset(self) -> bool:
        self._interpreter.reset_all_variables()
        return True

    def check_carried(self, arguments: Mapping[str, Array]) -> None:
        """A layer of this format keeps its state in the interpreter, which edgernn_export.adoption.proof refuses."""


def _signature(interpreter: Any) -> dict[int, str]:
    """Return the names that the only signature has for inputs and outputs, by the index of the tensor."""
    signatures = interpreter.get_signature_list()
    if len(signatures) != 1:
        return {}
    runner = interpreter.get_signature_runner(next(iter(signatures)))
    details = (*runner.get_input_details().items(), *runner.get_output_details().items())
    return {detail["index"]: name for name, detail in details}


def _endpoints(details: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> tuple[Endpoint, ...]:
    chosen = aliases([names.get(each["index"], each["name"]) for each in details])
    return tuple(_endpoint(each, alias) for each, alias in zip(details, chosen, strict=True))


def _endpoint(detail: Mapping[str, Any], alias: str) -> Endpoint:
    shape = tuple(detail["shape"].tolist())
    declared = tuple(None if size < 0 else size for size in detail["shape_signature"].tolist())
    dtype = np.dtype(detail["dtype"])
    scales, zeros = (detail["quantization_parameters"][key] for key in ("scales", "zero_points"))
    quantization = None
    if len(scales) == 1 and dtype.kind == "i" and dtype.itemsize * 8 in QUANTIZED_BITS:
        quantization = QuantizationParameters(float(scales[0]), int(zeros[0]), dtype.itemsize * 8)
    return Endpoint(detail["name"], alias, declared or shape, dtype.name, quantization, shape)


def opened(data: bytes, name: str, shapes: Mapping[str, tuple[int, ...]]) -> TfliteOriginal:
    """Return a file in its runtime."""
    return TfliteOriginal(data, name, shapes)
