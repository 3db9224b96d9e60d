"""The step as users of a TFLite interpreter write it, for every package that has one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def bare(interpreter_class: Any, path: Path) -> Callable[[np.ndarray], object]:
    """set_tensor, invoke, get_tensor, with the state handed back."""
    interpreter = interpreter_class(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    x, *states = interpreter.get_input_details()
    y, *afters = interpreter.get_output_details()
    held = [np.zeros(state["shape"], np.float32) for state in states]

    def step(frame: np.ndarray) -> object:
        interpreter.set_tensor(x["index"], frame[None])
        for state, value in zip(states, held, strict=True):
            interpreter.set_tensor(state["index"], value)
        interpreter.invoke()
        held[:] = [interpreter.get_tensor(after["index"]) for after in afters]
        return interpreter.get_tensor(y["index"])

    return step
