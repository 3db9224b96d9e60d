"""One contender in a bare environment: reads a number of steps from a line, times them, prints the median."""

import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from tflite_runtime.interpreter import Interpreter

import edgernn
from interpreter import bare


def ours(path, frames):
    """`Stream.step`, guard and state included."""
    stream = edgernn.open(path).stream()
    rows = list(frames)
    return lambda i: stream.step(rows[i % len(rows)])


CONTENDERS = {"tflite-runtime set/invoke/get": partial(bare, Interpreter), "tflite-runtime (edgernn)": ours}


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
