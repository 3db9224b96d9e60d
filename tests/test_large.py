"""Large models: a library takes their weights as bytes, which gcc, clang and zig place alike, and with the same numbers."""

import re
import shutil
from importlib.util import find_spec

import numpy as np
import pytest

import edgernn
from edgernn.cells import Gru
from edgernn.device import isa
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC, SCHEMES, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export
from edgernn_export.targets.c import compiler
from edgernn_export.targets.c.compiler import Compiler
from edgernn_export.targets.c.declarations import C_TYPES, LARGE
from edgernn_export.targets.c.target import write
from edgernn_export.targets.destination import destination_of
from edgernn_export.targets.naming import named_trace
from edgernn_export.translate import render
from zoo import frames

INPUTS, HIDDEN = 40, 160  # so that both matrices in float32, and the larger in int8, are large
INITIALIZER = re.compile(r"static const \w+ (\w+)\[\d+\] = \{(.*?)\};", re.DOTALL)
INCLUDED = re.compile(r'extern const (\w+) (\w+)\[\d+\].*?\.incbin \\"(\w+\.bin)\\"', re.DOTALL)
DTYPES = {c_type: np.dtype(name) for name, c_type in C_TYPES.items()}


def wide(seed, hidden=HIDDEN):
    random = np.random.default_rng(seed)

    def tensor(*shape):
        return Tensor((random.standard_normal(shape) / 8).astype(np.float32))

    rows = 3 * hidden
    return Graph((Layer("gru", Gru(tensor(rows, INPUTS), tensor(rows, hidden), tensor(rows), tensor(rows))),), INPUTS)


def in_scheme(graph, scheme):
    if scheme is None:
        return graph
    return quantize(graph if scheme == DYNAMIC else calibrate(graph, [frames(graph, 50)]), scheme)


@pytest.mark.parametrize("scheme", [None, *SCHEMES])
def test_a_library_has_the_numbers_of_the_c_file_and_large_ones_as_bytes(scheme):
    named = named_trace(in_scheme(wide(0), scheme), SCHEMES)
    text = write(named, "m", named.manifest_json, '#include "m.h"')
    library = write(named, "m", named.manifest_json, "")
    numbers, small = dict(INITIALIZER.findall(text.source)), dict(INITIALIZER.findall(library.source))
    included = {name: (DTYPES[c_type], file) for c_type, name, file in INCLUDED.findall(library.source)}
    assert not text.binaries
    assert text.sizes == library.sizes
    sizes = library.sizes.constants
    assert {name for name, size in sizes.items() if size >= LARGE} == set(included)
    assert {file for _, file in included.values()} == set(library.binaries)
    assert included or scheme  # of four bits are 38 kB
    for name, (dtype, file) in included.items():
        values = np.array([each.strip().rstrip("f") for each in numbers[name].split(",") if each.strip()])
        np.testing.assert_array_equal(np.frombuffer(library.binaries[file], dtype), values.astype(dtype))
    assert all(small[name] == numbers[name] for name in sizes.keys() & small.keys())


def test_the_text_of_a_library_does_not_grow_with_its_matrices():
    def length(hidden):
        named = named_trace(wide(0, hidden), SCHEMES)
        return len(write(named, "m", named.manifest_json, "").source)

    biases = 2 * 3 * HIDDEN  # of which the larger model has as many more
    assert length(2 * HIDDEN) - length(HIDDEN) < 30 * biases  # three matrices of the smaller one as text: 1.5 MB


def compilers():
    level = isa.level(isa.best())
    found = [(name, Compiler((name,), level.options)) for name in ("gcc", "clang") if shutil.which(name)]
    zig = [("zig", Compiler(compiler._zig(), (f"-mcpu={level.zig}",)))] if find_spec("ziglang") else []
    return dict(found + zig)


@pytest.mark.usefixtures("real_compiler")
@pytest.mark.parametrize("name", ["gcc", "clang", "zig"])
def test_every_compiler_computes_with_them(name, tmp_path, monkeypatch):
    if name not in compilers():
        pytest.skip(f"{name} is not installed")
    monkeypatch.setattr("edgernn_export.targets.c.library.for_this_machine", lambda _: compilers()[name])
    for seed in range(2):  # of the same shapes, so the sources differ in nothing but the bytes
        graph = wide(seed)
        export(graph, tmp_path / f"m{seed}.so")
        xs = frames(graph, 20)
        actual = edgernn.open(tmp_path / f"m{seed}.so").stream().run(xs)
        np.testing.assert_allclose(actual, Stepper(graph).run(xs)[0], atol=2e-6)


@pytest.mark.usefixtures("real_compiler")
@pytest.mark.parametrize("board", ["raspberrypi4", "raspberrypi4-32bit"])
def test_a_board_gets_the_bytes_of_its_own_model(board):
    for seed in range(2):
        graph = wide(seed)
        data = render(graph, "m.so", destination_of("m.so", device=board))["m.so"]
        named = named_trace(graph, SCHEMES)
        for binary in write(named, "m", named.manifest_json, "").binaries.values():
            assert data.count(binary) == 1
            assert data.find(binary) % 64 == 0  # kernels read whole cache lines
