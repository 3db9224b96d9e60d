"""One contender in a bare environment: reads a number of steps from a line, times them, prints the median."""

import sys
import time
from pathlib import Path

import numpy as np
from tflite_runtime.interpreter import Interpreter

import edgernn


def bare(path, frames):
    """set_tensor, invoke, get_tensor, as the runtime's documentation shows."""
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    x, *states = interpreter.get_input_details()
    y, *afters = interpreter.get_output_details()
    held = [np.zeros(state["shape"], np.float32) for state in states]

    def step(i):
        interpreter.set_tensor(x["index"], frames[i % len(frames), None])
        for state, value in zip(states, held, strict=True):
            interpreter.set_tensor(state["index"], value)
        interpreter.invoke()
        held[:] = [interpreter.get_tensor(after["index"]) for after in afters]
        return interpreter.get_tensor(y["index"])

    return step


def ours(path, frames):
    """`Stream.step`, guard and state included."""
    stream = edgernn.open(path).stream()
    rows = list(frames)
    return lambda i: stream.step(rows[i % len(rows)])


CONTENDERS = {"tflite-runtime set/invoke/get": bare, "tflite-runtime (edgernn)": ours}


def main(contender, path):
    step = CONTENDERS[contender](path, np.load(path.with_suffix(".npy")))
    clock = time.perf_counter_ns
    for line in sys.stdin:
        took = np.empty(int(line), np.int64)
        for i in range(len(took)):
            start = clock()
            step(i)
            took[i] = clock() - start
        print(np.median(took) / 1000, flush=True)


main(sys.argv[1], Path(sys.argv[2]))
