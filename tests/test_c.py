"""The C target: clean under every warning, in C and in C++, on every instruction set that this machine can compile and run."""

import subprocess
from functools import cache
from string import Template

import numpy as np
import pytest

from edgernn.cells import Dense
from edgernn.interpreters.numpy import NumpyOps, Stepper
from edgernn.model.replay import replay
from edgernn.model.tensor import DYNAMIC
from edgernn.passes.quantize import quantize
from edgernn_export import export
from edgernn_export.targets.c.fusion import fuse, hoist_splits, is_view
from edgernn_export.targets.c.layout import lay_out, room
from edgernn_export.targets.naming import WEIGHTS
from edgernn_export.translate import render
from ways import EVERY_WAY, WAYS, included, needs
from zoo import GRAPHS, block_sparse, frames, keyword_spotter, one, t

KWS = keyword_spotter(40, 10, 4)  # more rows than four blocks have, and columns that fill no group
PRECISIONS = {
    "fp32": KWS,
    **{scheme: quantize(KWS, scheme) for scheme in WEIGHTS},
    "fp32, block-sparse": block_sparse(KWS, 1),
    "dynamic, block-sparse": quantize(block_sparse(KWS, 4)),
}
MANY = {"many labels": one(Dense(t(600, 6)), labels=tuple(f"label {i}" for i in range(600)))}
KERNELS = ("affine_f32", "affine_f16", "affine_w8", "affine_w4", "affine_i8", "affine_f32_sparse", "affine_i8_sparse")


CLEAN = (
    "stack",
    "Embedding",
    "Lstm projected",
    "Conv1d dilated",
    "Activation log",
    "Gru rest",
    "Dense then Slice",
    "Names that meet",
    "many labels",
)
MODELS = (*CLEAN, *PRECISIONS)
"""The models that every compiler compiles, in one program: most of its work is the same for every model."""


@cache
def written(name):
    """The .c and .h of a model, named by its number: written and proved once for all ways to compile them."""
    return render((GRAPHS | PRECISIONS | MANY)[name], f"m{MODELS.index(name)}.c")


PRIMED = """
static int primed${i}(const m${i}_state *state) {
    static m${i}_state before, scratch, stepped;
    before = stepped = *state;
    m${i}_prime(state, &scratch);
    if (memcmp(&before, state, sizeof before)) return 4;
    return m${i}_advance(&stepped) || memcmp(&stepped, &scratch, sizeof stepped);
}
"""
REFUSED = """
static int refused${i}(void) {
    static m${i}_state state, scratch, stepped;
    m${i}_reset(&state);
    stepped = state;
    memset(state.x, 255, sizeof state.x);
    m${i}_prime(&state, &scratch);
    return m${i}_advance(&stepped) || memcmp(&stepped, &scratch, sizeof stepped);
}
"""
STREAM = """
static int stream${i}(void) {
    static m${i}_state state;
    float x[M${i}_INPUTS], y[M${i}_OUTPUTS];
    m${i}_reset(&state);
    while (fread(x, sizeof *x, M${i}_INPUTS, stdin) == M${i}_INPUTS) {
        if (primed${i}(&state)) return 4;
        if (m${i}_step(&state, x, y)) return 3;
        fwrite(y, sizeof *y, M${i}_OUTPUTS, stdout);
    }
    return 0;
}
"""
TESTED = tuple(i for i, name in enumerate(MODELS) if name in CLEAN)
STREAMED = tuple(i for i, name in enumerate(MODELS) if name in PRECISIONS)
MAIN = "\n".join(
    [
        "int main(int count, char **words) {",
        "    switch (count > 1 ? atoi(words[1]) : -1) {",
        *(f"    case {i}: return m{i}_self_test() || refused{i}();" for i in TESTED),
        *(f"    case {i}: return refused{i}() ? 5 : stream{i}();" for i in STREAMED),
        "    default: return 9;",
        "    }",
        "}",
    ]
)


def part(i):
    """Model i as a part of the program, and what streams it."""
    stream = Template(REFUSED + (PRIMED + STREAM) * (i in STREAMED)).substitute(i=i)
    return "\n".join([included(i, written(MODELS[i])[f"m{i}.c"].decode()), stream])


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A way to compile -> what runs every model of MODELS by its number, compiled strictly and once."""

    @cache
    def made(way):
        folder = tmp_path_factory.mktemp("program")
        for name in MODELS:
            for file, data in written(name).items():
                (folder / file).write_bytes(data)
        (folder / "main.c").write_text(
            "\n".join(
                [
                    *(f"#include <{name}.h>" for name in ("stdio", "stdlib", "string")),
                    *map(part, range(len(MODELS))),
                    MAIN,
                    "",
                ]
            )
        )
        return WAYS[way].build(folder, "main.c")

    return made


def ran(program, way, name, data=b""):
    return WAYS[way].run(program(way), data, str(MODELS.index(name)))


@pytest.mark.parametrize("way", EVERY_WAY)
@pytest.mark.parametrize("name", CLEAN)
def test_the_generated_code_is_clean_and_passes_its_own_test(name, way, program):
    assert ran(program, way, name).returncode == 0


@pytest.mark.parametrize("way", EVERY_WAY)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_program_in_c_streams_as_numpy_does(precision, way, program):
    """Free running. Dynamic int8 gives the very bits of numpy on every compiler, instruction set and processor."""
    graph = PRECISIONS[precision]
    xs = frames(graph, 200)
    done = ran(program, way, precision, xs.tobytes())
    assert done.returncode == 0
    actual = np.frombuffer(done.stdout, np.float32).reshape(-1, graph.outputs)
    expected, _ = Stepper(graph, "float32").run(xs)
    np.testing.assert_allclose(actual, expected, atol=0 if graph.precision == DYNAMIC else 3e-6, rtol=0)


@pytest.mark.parametrize(("precision", "kernel"), list(zip(PRECISIONS, KERNELS, strict=True)))
def test_each_precision_has_its_kernel(precision, kernel):
    code = written(precision)[f"m{MODELS.index(precision)}.c"].decode()
    assert f"    {kernel}(gru_4, " in code


@needs("gcc")
def test_a_bad_frame_is_refused_in_c(program):
    xs = frames(KWS, 2)
    xs[1, 3] = np.inf
    assert ran(program, "portable", "fp32", xs.tobytes()).returncode == 3


@needs("gcc", "nm")
@pytest.mark.parametrize("name", ["stack", *PRECISIONS])
def test_a_step_asks_the_system_for_nothing(name, tmp_path):
    """The symbols that the code needs from outside: memory moves and libm, no malloc and no system call."""
    for file, data in written(name).items():
        (tmp_path / file).write_bytes(data)
    subprocess.run(["gcc", "-O2", "-c", f"m{MODELS.index(name)}.c", "-o", "model.o"], cwd=tmp_path, check=True)
    symbols = subprocess.run(["nm", "-u", "model.o"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert set(symbols.split()) - {"U"} <= {
        "memcpy",
        "memset",
        "expf",
        "logf",
        "sqrtf",
        "__stack_chk_fail",
        "_GLOBAL_OFFSET_TABLE_",
    }


def test_the_c_file_shows_its_layers_and_names(tmp_path):
    export(GRAPHS["stack"], tmp_path / "my-model.c")
    text, header = (tmp_path / "my-model.c").read_text(), (tmp_path / "my-model.h").read_text()
    for layer in GRAPHS["stack"].layers:
        assert f"/* {layer.name}: {type(layer.cell).__name__}, reads " in text
    assert "int my_model_step(my_model_state *state, const float *x, float *y);" in header
    assert "float gru_h[16]; /* gru.h: 8 */" in header


@pytest.mark.parametrize("name", GRAPHS)
def test_values_that_live_at_once_never_share_a_place(name):
    steps = hoist_splits(GRAPHS[name].trace)
    groups = fuse(steps)
    layout = lay_out(steps, groups)
    needed: dict[str, int] = {}
    for i, group in enumerate(groups):
        for op in group.operations:
            for ref in op.inputs:
                needed[layout.root(ref.name)[0]] = i
    needed |= {layout.root(ref.name)[0]: len(groups) for ref in steps.results}
    alive: dict[str, tuple[int, int]] = {}
    for i, group in enumerate(groups):
        alive = {key: place for key, place in alive.items() if needed[key] >= i}
        for ref in group.stored if not is_view(group.operations[0]) else ():
            start = layout.offsets[ref.name]
            stop = start + room(ref)
            assert all(stop <= a or start >= b for a, b in alive.values())
            assert stop + 16 <= layout.sizes["float"]
            alive[ref.name] = (start, stop)


@pytest.mark.parametrize("name", GRAPHS)
def test_grouping_and_spreading_change_no_value(name):
    """numpy computes the same from the operations in groups."""
    graph = GRAPHS[name]
    steps = hoist_splits(graph.trace)
    operations = [op for group in fuse(steps) for op in group.operations]
    assert len(operations) == len(steps.operations)
    for x in frames(graph, 3):
        stepper = Stepper(graph)
        states = stepper.initial_state()
        expected = stepper.values(x, states)
        start = {"x": x if graph.vocabulary_size else x.astype(float)}
        start |= {state.before.name: states[state.name] for state in stepper.trace.states}
        actual = replay(operations, NumpyOps(), start)
        for ref in steps.results:
            np.testing.assert_array_equal(actual[ref.name], expected[ref.name])


def test_the_gates_of_a_cell_are_one_loop():
    for name, loops in (("Gru", 1), ("Lstm", 1), ("Rnn", 1)):
        assert sum(group.is_loop for group in fuse(hoist_splits(GRAPHS[name].trace))) == loops, name
