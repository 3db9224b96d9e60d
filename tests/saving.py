"""saving.py FOLDER SECONDS_SEED KILLS: save two states in turn under every fault of the disk, then under kills at any time.

After each, the file holds one of the two, whole. Prints how many faults were met, and how often each state was there.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

import edgernn
from disk_faults import KINDS, each

STATES = tuple({"gru.h": np.full(16, value, np.float32)} for value in (0.25, 0.5))


def which(program: edgernn.Program, path: Path) -> int:
    """Which of the two states a file holds."""
    state = program.restore(path).state["gru.h"]
    return [bool((state == expected["gru.h"]).all()) for expected in STATES].index(True)


def main(folder: Path, seed: int, kills: int) -> None:
    """Save, and look."""
    program, path = edgernn.open(folder / "m.rnn"), folder / "kws.state"
    streams = [program.stream(), program.stream()]
    for stream, state in zip(streams, STATES, strict=True):
        stream.state = state
    met = Counter()
    for kind in KINDS:
        streams[0].save(path)
        for ended in each(kind, lambda: streams[1].save(path)):
            assert not ended or which(program, path) == 1
            met[kind] += 1
            which(program, path)
            streams[0].save(path)
            assert [each.name for each in folder.glob(".edgernn-*")] == [], "a temporary file remains"
    random.seed(seed)
    start = time.perf_counter()
    for stream in streams:
        stream.save(path)
    both = time.perf_counter() - start
    seen = Counter()
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            while True:
                streams[1].save(path)
                streams[0].save(path)
        time.sleep(random.uniform(0, 2 * both))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        seen[which(program, path)] += 1
    print(dict(met), dict(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
