"""Opening and closing again and again leaves nothing behind: no descriptor, no mapped memory, no memory."""

import json
import subprocess
import sys

import numpy as np
import pytest

import edgernn
from edgernn.device.runtimes import suffixes
from edgernn_export import PackageOptions, export
from zoo import frames, keyword_spotter

SETTLING, TIMES = 40, 200
MOST_KIB = 1024  # 5 KiB an opening: less than the smallest of the files, and their weights, in memory

REPEATED = """
import gc, sys, json
import numpy as np, edgernn
from edgernn.process.resources import descriptors, maps, resident_kib

def opened(path, times):
    for _ in range(times):
        stream = edgernn.open(path).stream()
        stream.step(frame)
        stream.prime()
        del stream
    gc.collect()
    return descriptors(), maps(), resident_kib()

frame = np.load(sys.argv[1])[0]
print(json.dumps([[opened(path, int(times)) for times in sys.argv[2:4]] for path in sys.argv[4:]]))
"""
"""In a process that does nothing else: what it holds after some openings, and after more, of each file."""

SUFFIXES = (*suffixes(), ".edge")


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Suffix -> (descriptors, mapped regions, KiB) after the first openings, and after the others."""
    folder, graph = tmp_path_factory.mktemp("leaks"), keyword_spotter(32, 20)
    paths = [folder / f"m{suffix}" for suffix in SUFFIXES]
    for path in paths:
        if path.suffix == ".rnn":
            edgernn.save(graph, path)
        elif path.suffix == ".edge":
            export(graph, path, package=PackageOptions(to=("so",)))
        else:
            export(graph, path)
        assert path.stat().st_size > MOST_KIB * 1024 / TIMES
    np.save(folder / "x.npy", frames(graph, 1))
    arguments = (folder / "x.npy", SETTLING, TIMES, *paths)
    done = subprocess.run(
        [sys.executable, "-c", REPEATED, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(SUFFIXES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_opening_again_and_again_holds_no_more(suffix, figures):
    (descriptors, maps, kib), (later_descriptors, later_maps, later_kib) = figures[suffix]
    assert later_descriptors == descriptors
    assert later_maps <= maps + 2  # an arena of the allocator may be split, once for many openings
    assert later_kib <= kib + MOST_KIB
