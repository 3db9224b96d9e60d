"""What the host hands to each board, made once for a state of the sources: artifacts, goldens, and libraries."""

import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import goldens
from edgernn.artifact.rnn import digest
from edgernn.device.runtimes import RUNTIMES
from edgernn.model.graph import Graph
from edgernn_export import export
from edgernn_export.targets.c.library import render
from edgernn_export.targets.destination import destination_of
from emulated import debian
from emulated.processors import Board
from emulated.system import CACHE, ROOT
from zoo import GRAPHS

LATER = "stack_dynamic_wi8_afp32.tflite"
"""Written for LiteRT, and refused by tflite-runtime."""
DOT_PRODUCTS = "dot_products"
"""The folder of libraries that need dot products, alone and beside a level that does not."""


def sources() -> str:
    """All that artifacts of a graph depend on."""
    files = [
        *sorted((ROOT / "edgernn").rglob("*.py")),
        *sorted(path for path in (ROOT / "export").rglob("*") if path.suffix in {".py", ".c", ".h", ".txt"}),
        *sorted((ROOT / "devices").glob("*.toml")),
    ]
    return "".join(f"{path.relative_to(ROOT)}\n{path.read_text()}" for path in files)


def for_boards(boards: Mapping[str, Board]) -> dict[str, Path]:
    """Board -> the folder of its artifacts with their goldens."""
    state, names = sources(), {name: name.replace(" ", "-") for name in boards}
    runtimes = sorted({runtime for board in boards.values() for runtime in board.runtimes})
    models, recipe = [(key, digest(_graph(key))) for key in _keys()], Path(goldens.__file__).read_text()
    host = debian.cached(CACHE, "goldens", (state, recipe, models, runtimes), lambda place: _host(place, runtimes))
    folders = {}
    for name, board in boards.items():
        libraries = debian.cached(
            CACHE,
            f"libraries-{names[name]}",
            (state, board.device),
            lambda place, board=board: _libraries(place, board),
        )
        folders[name] = CACHE / f"artifacts-{names[name]}"
        shutil.rmtree(folders[name], ignore_errors=True)
        _join(folders[name], host, libraries, board)
    return folders


def _host(place: Path, runtimes: list[str]) -> None:
    """Everything but the libraries: each board opens these same files."""
    exported = {suffix: goldens.exported() for suffix in (".onnx", ".tflite")}
    goldens.write_floats(place, exported)
    for runtime in runtimes:
        goldens.write_smaller(place, runtime, {RUNTIMES[runtime].suffix: goldens.exported(runtime)})


def _graph(key: tuple[str, str]) -> Graph:
    scheme, name = key
    return goldens.in_scheme(name, scheme) if scheme else GRAPHS[name]


def _keys() -> Iterator[tuple[str, str]]:
    yield from (("", name) for name in GRAPHS)
    yield from product(goldens.ROUNDED, goldens.SMALLER)


def _stem(key: tuple[str, str]) -> str:
    scheme, name = key
    return f"{name}_{scheme}" if scheme else goldens.stem(name)


def _libraries(place: Path, board: Board) -> None:
    """The libraries for a board, and what shows that it refuses those for other processors."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for files in pool.map(_library, ((key, board.device) for key in _keys())):
            for name, data in files.items():
                (place / name).write_bytes(data)
    if board.architecture == "arm64":
        (place / DOT_PRODUCTS).mkdir()
        for levels in ("aarch64-dotprod", "all"):
            graph = _graph(("dynamic_wi8_afp32", "stack"))
            export(graph, place / DOT_PRODUCTS / f"{levels.replace('-', '_')}.so", device="raspberrypi5", levels=levels)


def _library(asked: tuple[tuple[str, str], str]) -> dict[str, bytes]:
    """The files of one library: without a proof, since the board itself is one."""
    key, device = asked
    return dict(render(_graph(key), _stem(key), destination_of("m.so", device=device)))


def _join(place: Path, host: Path, libraries: Path, board: Board) -> None:
    """What one board gets, by links: the host's files, a library beside each, and those for a Python without numpy."""
    shutil.copytree(host, place, copy_function=os.link)
    for file in libraries.glob("*.*"):
        scheme = next((each for each in goldens.ROUNDED if file.stem.removesuffix("_stream").endswith(each)), "")
        for folder in [place / runtime for runtime in board.runtimes] if scheme else [place]:
            os.link(file, folder / file.name)
    if (libraries / DOT_PRODUCTS).exists():
        shutil.copytree(libraries / DOT_PRODUCTS, place / DOT_PRODUCTS, copy_function=os.link)
    bare = place / "bare"
    bare.mkdir()
    runtime = next(iter(board.runtimes))
    stems = [_stem(key) for key in _keys()]
    for name in stems:
        folder = place / runtime if (place / runtime / f"{name}.so").exists() else place
        for file in (f"{name}.rnn", f"{name}.so", f"{name.replace('-', '_')}_stream.py"):
            os.link(folder / file, bare / file)
    goldens.write_for_bare_python(bare, stems)
