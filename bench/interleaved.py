"""Times of the steps of models on one runtime, interleaved, in this environment: interleaved.py [--raw] MODEL ...

Prints JSON. With --raw the inputs and outputs of a static model are its integers, without conversion to float.
"""

import json
import sys

import numpy as np

import edgernn
from edgernn.interpreters.numpy import random_frames
from edgernn.latency.steps import interleaved


def step(path):
    """`Stream.step`, guard and state included."""
    program = edgernn.open(path)
    manifest, stream = program.manifest, program.stream(raw=RAW)
    frame = (
        np.zeros(manifest.inputs, manifest.dtype("x"))
        if RAW
        else random_frames(manifest.inputs, manifest.vocabulary_size, 1)[0]
    )
    return lambda: stream.step(frame)


RAW = "--raw" in sys.argv
print(json.dumps(interleaved({path: step(path) for path in sys.argv[1 + RAW :]}, rounds=21)))
