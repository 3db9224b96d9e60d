"""updating.py FOLDER SEED KILLS: install old.edge and new.edge in turn, cut off at every call to the disk and at any time.

After each cut the store starts a model, which answers as one of the two. Prints how often it was which.
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
from disk_faults import each

NAMES = ("old.edge", "new.edge")


def main(folder: Path, seed: int, kills: int) -> None:
    """Install, and look."""
    store = edgernn.ModelStore(folder / "store")
    frame = np.linspace(-1, 1, 10).astype(np.float32)
    answers = {name: edgernn.open(folder / name).stream().step(frame) for name in NAMES}
    seen: Counter[str] = Counter()

    def look() -> None:
        answer = edgernn.open(store.start()).stream().step(frame)
        seen[next(name for name in NAMES if (answers[name] == answer).all())] += 1

    def begin() -> None:
        store.install(folder / "old.edge", allow_older=True)
        store.mark_good()

    def update() -> None:
        store.install(folder / "new.edge")
        store.mark_good()

    start = time.perf_counter()
    begin()
    taken = time.perf_counter() - start
    for kind in ("killed before", "EIO"):
        for _ in each(kind, update):
            look()
            begin()
    random.seed(seed)
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            update()
            os._exit(0)
        time.sleep(random.uniform(0, 1.2 * taken))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        look()
        begin()
    print(dict(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
