"""Steps of models on one runtime, in whatever environment runs this: turns.py MODEL ... prints rounds as JSON."""

import json
import sys

import edgernn
from edgernn.latency.steps import in_turn
from edgernn.readings.numpy import random_frames


def step(path):
    """`Stream.step`, guard and state included."""
    program = edgernn.open(path)
    frame, stream = random_frames(program.contract.inputs, program.contract.rows, 1)[0], program.stream()
    return lambda: stream.step(frame)


print(json.dumps(in_turn({path: step(path) for path in sys.argv[1:]}, rounds=21)))
