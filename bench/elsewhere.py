"""One contender in a bare environment: reads a number of steps from a line, times them, prints the median."""

import sys
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
from tflite_runtime.interpreter import Interpreter

import edgernn
from edgernn.latency.paced import timed
from interpreter import bare


def ours(path):
    """`Stream.step`, guard and state included."""
    return edgernn.open(path).stream().step


CONTENDERS = {"tflite-runtime set/invoke/get": partial(bare, Interpreter), "tflite-runtime (edgernn)": ours}


def main(contender, path):
    step, frames = CONTENDERS[contender](path), list(np.load(path.with_suffix(".npy")))
    for line in sys.stdin:
        print(np.median(timed(step, cycle(frames), int(line))) / 1000, flush=True)


main(sys.argv[1], Path(sys.argv[2]))
