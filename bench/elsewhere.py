"""One contender in a minimal environment: for each line with a number of steps, times them and prints the median."""

import sys
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
from tflite_runtime.interpreter import Interpreter

import edgernn
from edgernn.latency.paced import time_steps
from interpreter import bare


def ours(path):
    """`Stream.step`, guard and state included."""
    return edgernn.open(path).stream().step


CONTENDERS = {"tflite-runtime set/invoke/get": partial(bare, Interpreter), "tflite-runtime (edgernn)": ours}


def main(contender, path):
    step, frames = CONTENDERS[contender](path), list(np.load(path.with_suffix(".npy")))
    for line in sys.stdin:
        print(np.median(time_steps(step, cycle(frames), int(line))) / 1000, flush=True)


main(sys.argv[1], Path(sys.argv[2]))
