"""The C target: clean under every warning, in C and in C++, on every instruction set that this machine can compile and run."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn import cpu, seal
from edgernn.errors import CompilerError, FileError, UnsupportedError
from edgernn.trace import trace
from edgernn_export import export
from edgernn_export.targets.c.layout import lay_out
from edgernn_export.translate import render
from zoo import GRAPHS, frames, keyword_spotter

STRICT = ["-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion"]
HERE = [name for name in cpu.LEVELS if not cpu.missing(name)]
OTHERS = {
    "c++": ["g++", "-x", "c++"],
    "clang": ["clang", "-std=c99"],
    "clang++": ["clang++", "-x", "c++", "-Wno-deprecated"],
}
WAYS = {
    **{name: ["gcc", "-std=c99", *cpu.LEVELS[name].options] for name in HERE},
    "portable": ["gcc", "-std=c99", "-DEDGERNN_PORTABLE"],
    **{
        f"{kind} {name}": [*command, *cpu.LEVELS[name].options]
        for kind, command in OTHERS.items()
        if shutil.which(command[0])
        for name in HERE
    },
    "sanitized": [
        "gcc",
        "-std=c99",
        *cpu.LEVELS[HERE[0]].options,
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover",
    ],
}
KWS = keyword_spotter()


def built(graph, folder, way, main):
    """Write a graph as C with a `main`, compile it strictly, and return the program."""
    export(graph, folder / "model.c")
    (folder / "main.c").write_text(f'#include "model.h"\n#include <stdio.h>\n{main}\n')
    command = [*WAYS[way], *STRICT, "main.c", "model.c", "-o", "program", "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    return folder / "program"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "name", ["stack", "Embedding", "Lstm projected", "Conv1d dilated", "Activation log", "Gru rest"]
)
def test_the_generated_code_is_clean_and_passes_its_own_test(name, way, tmp_path):
    program = built(GRAPHS[name], tmp_path, way, "int main(void) { return model_self_test(); }")
    assert subprocess.run([program], check=False).returncode == 0


STREAM = """
int main(void) {
    static model_state state;
    float x[MODEL_INPUTS], y[MODEL_OUTPUTS];
    model_reset(&state);
    while (fread(x, sizeof *x, MODEL_INPUTS, stdin) == MODEL_INPUTS) {
        if (model_step(&state, x, y)) return 3;
        fwrite(y, sizeof *y, MODEL_OUTPUTS, stdout);
    }
    return 0;
}
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_program_in_c_streams_as_numpy_does(way, tmp_path):
    xs = frames(KWS, 200)
    program = built(KWS, tmp_path, way, STREAM)
    done = subprocess.run([program], input=xs.tobytes(), capture_output=True, check=True)
    edgernn.save(KWS, tmp_path / "m.rnn")
    wanted = edgernn.open(tmp_path / "m.rnn").stream().run(xs)
    np.testing.assert_allclose(np.frombuffer(done.stdout, np.float32).reshape(-1, 4), wanted, atol=2e-6)


def test_a_bad_frame_is_refused_in_c(tmp_path):
    xs = frames(KWS, 2)
    xs[1, 3] = np.inf
    program = built(KWS, tmp_path, "portable", STREAM)
    assert subprocess.run([program], input=xs.tobytes(), stdout=subprocess.DEVNULL, check=False).returncode == 3


def test_a_step_asks_the_system_for_nothing(tmp_path):
    """The symbols that the code needs from outside: memory moves and libm, no malloc and no system call."""
    export(KWS, tmp_path / "model.c")
    subprocess.run(["gcc", "-O2", "-c", "model.c"], cwd=tmp_path, check=True)
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


TANH = """
#include "squash_f32.h"
#include <math.h>
#include <stdio.h>
int main(void) {
    double worst_tanh = 0, worst_sigmoid = 0;
    float x[16], y[16], z[16];
    for (double v = -100; v < 100; v += 16e-4) {
        for (int i = 0; i < 16; ++i) x[i] = (float)(v + i * 1e-4);
        tanh_f32(y, x, 1);
        sigmoid_f32(z, x, 1);
        for (int i = 0; i < 16; ++i) {
            worst_tanh = fmax(worst_tanh, fabs(y[i] - tanh(x[i])));
            worst_sigmoid = fmax(worst_sigmoid, fabs(z[i] - 1 / (1 + exp(-(double)x[i]))));
        }
    }
    printf("%g %g", worst_tanh, worst_sigmoid);
    return 0;
}
"""


@pytest.mark.parametrize("way", WAYS)
def test_tanh_and_sigmoid_are_within_a_millionth(way, tmp_path):
    (tmp_path / "main.c").write_text(TANH)
    runtime = os.path.join(os.path.dirname(export.__code__.co_filename), "c_runtime")
    subprocess.run([*WAYS[way], "-O2", f"-I{runtime}", "main.c", "-o", "program", "-lm"], cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True).stdout
    assert max(map(float, said.split())) < 1e-6


@pytest.mark.parametrize("name", GRAPHS)
def test_values_that_live_at_once_never_share_a_place(name):
    steps = trace(GRAPHS[name])
    layout = lay_out(steps)
    alive: dict[str, tuple[int, int, int]] = {}
    last: dict[str, int] = {}
    for value, index in steps.last_use.items():
        root, _ = layout.root(value)
        last[root] = max(index, last.get(root, 0))
    for i, word in enumerate(steps.words):
        alive = {key: place for key, place in alive.items() if place[2] >= i}
        if word.name != "split":
            (made,) = word.made
            start = layout.offsets[made.name]
            stop = start + made.width
            assert all(stop <= a or start >= b for a, b, _ in alive.values())
            assert stop + 16 <= layout.size
            alive[made.name] = (start, stop, last.get(made.name, i))


def test_libraries_written_one_after_another_are_each_their_own(tmp_path):
    """The system knows a library by its name; a descriptor's number that is used again must not bring the old one back."""
    for name in ("Rnn", "Dense", "Rnn relu"):
        export(GRAPHS[name], tmp_path / "m.so")
        edgernn.save(GRAPHS[name], tmp_path / "m.rnn")
        xs = frames(GRAPHS[name], 5)
        found, wanted = (edgernn.open(tmp_path / f"m.{suffix}").stream().run(xs) for suffix in ("so", "rnn"))
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_block_stops_at_the_frame_that_is_refused(tmp_path):
    export(KWS, tmp_path / "m.so")
    xs = frames(KWS, 6)
    xs[4, 0] = np.nan
    stream = edgernn.open(tmp_path / "m.so").stream()
    with pytest.raises(edgernn.EdgernnError, match="element 0 of the frame is nan"):
        stream.run(xs)
    clean = edgernn.open(tmp_path / "m.so").stream()
    clean.run(xs[:4])
    np.testing.assert_array_equal(stream.state["gru.h"], clean.state["gru.h"])
    zeroed = edgernn.open(tmp_path / "m.so").stream(on_bad_input="zero")
    np.testing.assert_array_equal(zeroed.run(xs)[:4], edgernn.open(tmp_path / "m.so").stream().run(xs[:4]))


def test_a_library_for_another_processor_is_refused_by_name(tmp_path, monkeypatch):
    export(KWS, tmp_path / "m.so")
    machine, flags = cpu.here()
    monkeypatch.setattr(cpu, "here", lambda: (machine, flags - {"fma"}))
    with pytest.raises(
        UnsupportedError, match=r"m.so' was compiled for x86-64-v\d.*needs a processor with fma; export it"
    ):
        edgernn.open(tmp_path / "m.so")
    monkeypatch.setattr(cpu, "here", lambda: ("riscv64", frozenset()))
    with pytest.raises(UnsupportedError, match=r"needs a machine of kind x86_64; this is riscv64"):
        edgernn.open(tmp_path / "m.so")
    with pytest.raises(UnsupportedError, match=r"no level for a machine of kind riscv64; export the .c file"):
        export(KWS, tmp_path / "other.so")
    assert not (tmp_path / "other.so").exists()


def test_a_sealed_file_that_is_no_library_is_refused(tmp_path):
    data = render(KWS, "m.so")["m.so"]
    blank = data.replace(seal.verify(data, "m").encode(), seal.BLANK.encode())
    (tmp_path / "m.so").write_bytes(seal.seal(b"\x7fELX" + blank[4:]))
    with pytest.raises(FileError, match="cannot be loaded here"):
        edgernn.open(tmp_path / "m.so")


def test_no_compiler_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompilerError, match=r"no C compiler here .*pip install 'edgernn\[native\]'"):
        export(KWS, tmp_path / "m.so")
    monkeypatch.setenv("CC", "nobody")
    with pytest.raises(CompilerError, match=r"the compiler 'nobody' cannot be run: No such file"):
        export(KWS, tmp_path / "m.c")
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_fails_is_quoted(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "gcc -fno-such-option")
    with pytest.raises(CompilerError, match=r"(?s)failed with code 1:.*no-such-option"):
        export(KWS, tmp_path / "m.so")
    assert list(tmp_path.iterdir()) == []


LIBRARY = render(KWS, "m.so")["m.so"]


@settings(max_examples=50, deadline=None)
@given(at=st.integers(0, len(LIBRARY) - 1))
def test_any_altered_byte_of_a_library_is_found_before_it_is_loaded(at):
    altered = bytearray(LIBRARY)
    altered[at] ^= 0x10
    with pytest.raises(FileError):
        seal.verify(bytes(altered), "m.so")
