"""Steps of models on one runtime, in the environment that runs this: interleaved.py [--raw] MODEL ... prints JSON.

With --raw frames and results are the integers that a static model has at its door, and nothing is converted.
"""

import json
import sys

import numpy as np

import edgernn
from edgernn.interpreters.numpy import random_frames
from edgernn.latency.steps import in_turn


def step(path):
    """`Stream.step`, guard and state included."""
    program = edgernn.open(path)
    said, stream = program.manifest, program.stream(raw=RAW)
    frame = np.zeros(said.inputs, said.dtype("x")) if RAW else random_frames(said.inputs, said.rows, 1)[0]
    return lambda: stream.step(frame)


RAW = "--raw" in sys.argv
print(json.dumps(in_turn({path: step(path) for path in sys.argv[1 + RAW :]}, rounds=21)))
