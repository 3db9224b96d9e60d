"""freeze.py: write the files that every later release must open, of the version at hand, into tests/frozen/VERSION/.

A graph of every cell and every form is a `.rnn` file there; the keyword spotter is one in every precision, an artifact of
every target, and a package. `answers.npz` holds frames for each of them, and the answers of that day. A file is written once: one
that is there stays as it is, because whoever writes it again breaks a promise (docs/reference/compatibility.md). So cells
that are added before a release are added to its folder.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import edgernn
import zoo
from edgernn.model.graph import Graph
from edgernn.runtime.parts import flat_answer
from edgernn.version import VERSION
from edgernn_export import PackageOptions, export

FROZEN = Path(__file__).parent / "frozen"
ANSWERS = "answers.npz"
SCHEMES = (
    "fp16",
    "weight_only_wi8_afp32",
    "weight_only_wi4_afp32",
    "dynamic_wi8_afp32",
    "static_wi8_ai8",
    "static_wi8_ai16",
)
STEPS = 12


def graphs() -> Iterator[tuple[str, Graph, tuple[str, ...]]]:
    """The graphs, with the name of their files and the suffixes of these."""
    for name, graph in zoo.GRAPHS.items():
        yield re.sub(r"\W+", "-", name).lower(), graph, (".rnn",)
    zoo.begin(1)
    spotter = zoo.keyword_spotter()
    yield "spotter-fp32", spotter, (".rnn", ".onnx", ".tflite", ".so", ".edge")
    for scheme in SCHEMES:
        ranged = edgernn.calibrate(spotter, [zoo.frames(spotter, 200)]) if scheme.startswith("static") else spotter
        yield f"spotter-{scheme}", edgernn.quantize(ranged, scheme), (".rnn", ".onnx", ".tflite", ".so")


def freeze(folder: Path) -> None:
    """Write the files of this version that its folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    if (folder / ANSWERS).exists():
        with np.load(folder / ANSWERS) as before:
            arrays = dict(before)
    for name, graph, suffixes in graphs():
        for suffix in suffixes:
            path = folder / f"{name}{suffix}"
            if path.exists():
                continue
            if suffix == ".rnn":
                edgernn.save(graph, path)
            elif suffix == ".edge":
                also = (edgernn.quantize(graph, "dynamic_wi8_afp32"),)
                export(graph, path, package=PackageOptions(to=("onnx", "tflite"), also=also))
            else:
                export(graph, path, levels=("x86-64",) if suffix == ".so" else None)
            frames = zoo.frames(graph, STEPS)
            arrays[f"{path.name}.frames"] = frames
            arrays[f"{path.name}.answers"] = flat_answer(edgernn.open(path).stream().run(frames))
    for loader in folder.glob("*.py"):  # of libraries: it is written anew by each release
        loader.unlink()
    np.savez_compressed(folder / ANSWERS, **arrays)


if __name__ == "__main__":
    freeze(FROZEN / VERSION)
