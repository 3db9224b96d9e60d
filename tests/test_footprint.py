"""The footprint of a step in C: its arrays against those of a compiler, its code against measured objects."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

import edgernn
from edge import edge
from edgernn.cells import Activation, Conv1d, Conv2d, Dense, Gather, Gru, Lstm, Mgu, Pool, Scale
from edgernn.device import board as boards
from edgernn.device.isa import MICROCONTROLLERS
from edgernn.device.runtimes import NATIVE
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import STATIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export.targets.c.footprint import (
    ASSUMPTIONS,
    CODE,
    LINKED,
    MARGIN,
    PREDICTED,
    STACK,
    footprint,
    step_sizes,
)
from edgernn_export.targets.c.linked import deepest
from edgernn_export.targets.c.target import render
from edgernn_export.targets.destination import Destination
from ways import needs
from zoo import GRAPHS, block_sparse, frames, keyword_spotter, t

BENCH = Path(__file__).parent.parent / "bench"
MEASURED = json.loads((BENCH / "results/c_footprint.json").read_text())["data"]
CHIPS = [name for name in boards.names() if boards.load(name).microcontroller]


def whole(graph, scheme):
    return quantize(calibrate(graph, [frames(graph, 60)], growing="accept"), scheme)


EXACT = {
    "stack": GRAPHS["stack"],
    "rest": GRAPHS["Gru rest"],
    "table": GRAPHS["Embedding"],
    "names": GRAPHS["Names that meet"],
    "long": replace(keyword_spotter(), labels=tuple(letter * 1200 for letter in "abcd")),
    "sparse": block_sparse(keyword_spotter(64, 20), 1),
    **{scheme: quantize(keyword_spotter(20), scheme) for scheme in ("fp16", "weight_only_wi4_afp32", "dynamic_wi8_afp32")},
    **{scheme: whole(keyword_spotter(20), scheme) for scheme in STATIC},
    "static stack": whole(GRAPHS["stack"], "static_wi8_ai8"),
    "static sparse": whole(block_sparse(keyword_spotter(64, 20), 4), "static_wi8_ai16"),
    "static without a kernel": whole(GRAPHS["Slice"], "static_wi8_ai8"),
}  # fmt: skip


@needs("gcc", "nm")
@pytest.mark.parametrize("name", EXACT)
def test_every_array_has_the_size_that_a_compiler_gives_it(name, tmp_path):
    sizes, files = step_sizes(EXACT[name]), render(EXACT[name], "model", Destination(NATIVE))
    assertion = f'\n_Static_assert(sizeof(model_state) == {sum(field.nbytes for field in sizes.fields) + sizes.padding}, "the state");\n'
    (tmp_path / "model.h").write_bytes(files["model.h"])
    (tmp_path / "model.c").write_bytes(files["model.c"] + assertion.encode())
    call = [
        "gcc",
        "-std=c11",
        "-O0",
        "-Werror=implicit-function-declaration",
        "-DEDGERNN_NO_SELF_TEST",
        "-c",
        "model.c",
    ]
    subprocess.run(call, cwd=tmp_path, check=True)
    listed = subprocess.run(["nm", "-S", "model.o"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    parts = [line.split() for line in listed.splitlines()]
    compiled = {each[3]: int(each[1], 16) for each in parts if len(each) == 4 and each[2] in "rRdDbB"}
    assert compiled.pop("about") == sizes.manifest
    assert sum(compiled.pop(array) for array in list(compiled) if array not in sizes.constants) == sizes.initial_state
    assert compiled == sizes.constants


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setattr("edgernn_export.targets.c.footprint.compiler_of", lambda isa: "")


@pytest.mark.parametrize("isa", CODE)
@pytest.mark.parametrize(("what", "of", "tables"), [("code", "flash", CODE), ("stack", "ram", STACK)])
def test_the_tables_say_what_was_measured(isa, what, of, tables):
    rows = [row for row in MEASURED if row["isa"] == isa]
    tabled = [sum(tables[isa].get(name, 0) * count for name, count in row["traits"].items()) for row in rows]
    errors = sorted(abs(value - row[what]) / row[of] for row, value in zip(rows, tabled, strict=True))
    assert median(errors) <= 0.05
    assert errors[len(errors) * 9 // 10] <= 0.27
    larger = sum(row[what] > MARGIN * value for row, value in zip(rows, tabled, strict=True))
    assert larger <= len(rows) / 20
    assert PREDICTED[0].startswith(f"code and stack go by {len(rows)} models")


def test_every_instruction_set_with_a_compiler_was_measured():
    assert set(CODE) == set(STACK) == {isa for isa, toolchain in MICROCONTROLLERS.items() if toolchain.compiler}


CALLS = """graph: { title: "model.c"
node: { title: "model_step" label: "model_step\nmodel.c:9:5\n16 bytes (static)" }
node: { title: "model.c:model_compute" label: "model_compute\nmodel.c:5:5\n96 bytes (static)" }
node: { title: "model.c:dot" label: "dot\nmodel.c:1:5\n40 bytes (dynamic,bounded)" }
node: { title: "model.c:curve" label: "curve\nmodel.c:2:5\n72 bytes (static)" }
node: { title: "memcpy" label: "__builtin_memcpy\n<built-in>" shape : ellipse }
edge: { sourcename: "model_step" targetname: "memcpy" }
edge: { sourcename: "model_step" targetname: "model.c:model_compute" label: "model.c:10:5" }
edge: { sourcename: "model.c:model_compute" targetname: "model.c:dot" label: "model.c:6:5" }
edge: { sourcename: "model.c:model_compute" targetname: "model.c:curve" label: "model.c:7:5" }
}
"""


def test_the_deepest_path_of_calls_counts():
    assert deepest("model_step", CALLS) == 16 + 96 + 72
    assert deepest("model.c:dot", CALLS) == 40
    assert deepest("memcpy", CALLS) == 0


UNLIKE = Graph(
    (
        Layer("conv", Conv1d(2, t(12, 26), t(12), 2)),
        Layer("scale", Scale(t(12), t(12))),
        Layer("gru", Gru(t(36, 12), t(36, 12), t(36))),
        Layer("mgu", Mgu(t(14, 12), t(7, 7), t(7, 7), t(14))),
        Layer("out", Dense(t(5, 7), t(5), "sigmoid")),
    ),
    13,
)
"""Operations in an order and of widths that no measured model has."""

TWO = Graph(
    (
        Layer("in", Dense(t(40, 20), t(40), "relu")),
        Layer("lstm", Lstm(t(192, 40), t(192, 48), t(192))),
        Layer("last", Lstm(t(128, 48), t(128, 32), t(128))),
        Layer("out", Dense(t(12, 32), t(12))),
    ),
    20,
)


SPOTTER = Graph(
    (
        Layer("first", Conv2d(24, 3, 5, t(10, 15), t(10), stride=2, below=2, above=2)),
        Layer("relu", Activation("relu")),
        Layer("second", Conv2d(12, 2, 3, t(9, 60), t(9), stride=3, below=1, above=1)),
        Layer("bands", Dense(t(4, 9), t(4), "tanh"), positions=4),
        Layer("gru", Gru(t(60, 16), t(60, 20), t(60), t(60))),
        Layer("out", Dense(t(7, 20), t(7), "sigmoid")),
    ),
    24,
)


@needs("arm-none-eabi-gcc")
@pytest.mark.slow
@pytest.mark.parametrize("isa", ["armv6-m", "armv7e-m+fp"])
def test_a_model_that_was_not_measured_is_predicted_within_the_margin(isa, monkeypatch):
    layers = (Layer("lstm", Lstm(t(96, 13), t(96, 24), t(96))), Layer("out", Dense(t(7, 24), t(7), "softmax")))
    lstm, sparse = Graph(layers, 13), block_sparse(keyword_spotter(48, 13), 4)
    static = [whole(each, scheme) for each in (lstm, sparse, UNLIKE) for scheme in STATIC]
    chip = boards.load(next(name for name in CHIPS if boards.load(name).isa == isa))
    graphs = (lstm, quantize(lstm), TWO, quantize(TWO, "weight_only_wi4_afp32"), SPOTTER, *static)
    linked = [footprint(graph, chip) for graph in graphs]
    monkeypatch.setattr("edgernn_export.targets.c.footprint.compiler_of", lambda isa: "")
    for graph, actual in zip(graphs, linked, strict=True):
        predicted = footprint(graph, chip)
        assert (predicted.weights, predicted.states, predicted.scratch) == (
            actual.weights,
            actual.states,
            actual.scratch,
        )
        assert predicted.code / 2 < actual.code - actual.variables <= MARGIN * predicted.code
        assert predicted.stack / 2 < actual.stack <= MARGIN * predicted.stack


@pytest.mark.parametrize("chip", CHIPS)
def test_it_fits_or_not_by_the_sums(chip, no_compiler):
    board = boards.load(chip)
    kws = keyword_spotter()
    for graph in (kws, quantize(keyword_spotter(64, 20)), *(whole(kws, scheme) for scheme in STATIC)):
        predicted = footprint(graph, board)
        assert bool(predicted.unpredicted) == (board.isa not in CODE)
        if predicted.unpredicted:
            assert (predicted.flash_fits, predicted.ram_fits) == (None, None)
            continue
        assert predicted.flash == predicted.weights + predicted.code
        assert predicted.ram == predicted.states + predicted.scratch + predicted.stack  # variables are not known
        assert predicted.flash_fits is (None if board.flash_kib is None else True)
        assert predicted.ram_fits is True


def test_a_prediction_that_is_too_close_tells_nothing(no_compiler):
    """Between what is predicted and what the margin adds to it, only a compiler can tell."""
    stated = replace(footprint(keyword_spotter(), boards.load("stm32f407")), weights=1000, code=1000)
    verdicts = {1999: False, 2000: None, 2599: None, 2600: True}
    assert {size: replace(stated, flash_available=size).flash_fits for size in verdicts} == verdicts
    assert replace(stated, flash_available=2000, compiler="gcc").flash_fits is True


def test_a_model_with_positions_is_predicted(no_compiler):
    """A convolution, a permutation without a pattern, a pool, a shared layer, and curves."""
    layers = (
        Layer("conv", Conv2d(8, 2, 3, t(6, 6), t(6), stride=2, below=1, above=1)),
        Layer("mixed", Gather(24, (5, 3, 17, 1, 0, 2, 9, 22, 7, 6, 4, 11))),
        Layer("pool", Pool(3, 4, 2, 2)),
        Layer("curve", Activation("elu")),
        Layer("bands", Dense(t(3, 3), t(3)), positions=2),
    )
    graph = Graph(layers, 8)
    for each in (graph, quantize(graph), whole(graph, "static_wi8_ai8")):
        predicted = footprint(each, boards.load("stm32f407"))
        assert (predicted.unpredicted, predicted.flash_fits, predicted.ram_fits) == ("", True, True)


SMALL = """
title = "A small one"

[sources]
sheet = "a sheet"

[microcontroller]
flash_kib = {{ value = {flash}, source = "sheet" }}
sram_kib = {{ value = 1, source = "sheet" }}
isa = {{ value = "{isa}", source = "sheet" }}
"""


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "predicted"])
def test_the_command_says_what_fits_and_what_does_not(linked, tmp_path, monkeypatch):
    if linked and not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("not installed: arm-none-eabi-gcc")
    if not linked:
        monkeypatch.setattr("edgernn_export.targets.c.footprint.compiler_of", lambda isa: "")
    edgernn.save(keyword_spotter(), tmp_path / "m.rnn")
    (tmp_path / "small.toml").write_text(SMALL.format(flash=64, isa="armv6-m"))
    (tmp_path / "odd.toml").write_text(SMALL.format(flash=4, isa="xtensa-lx7"))
    stated = footprint(keyword_spotter(), boards.load(tmp_path / "small.toml"))
    text = edge("estimate", tmp_path / "m.rnn", "--board", tmp_path / "small.toml")
    how, first = ("linked", LINKED[0].format(compiler=stated.compiler)) if linked else ("predicted", PREDICTED[0])
    assert f"flash      fits: {stated.flash:,} of 65,536 bytes (weights 6,464, code {stated.code:,} {how}; " in text
    assert (
        f"RAM        does not fit: {stated.ram:,} of 1,024 bytes (states 64, scratch 592, stack {stated.stack:,} {how}"
        in text
    )
    assert all(f"- {line}" in text for line in (first, *ASSUMPTIONS))
    report = json.loads(edge("estimate", tmp_path / "m.rnn", "--board", tmp_path / "small.toml", "--json"))["footprint"]
    assert (report["flash"], report["flash_fits"], report["ram_fits"]) == (stated.flash, True, False)
    text = edge("estimate", tmp_path / "m.rnn", "--board", tmp_path / "odd.toml")
    assert "flash      does not fit: 6," in text  # weights alone are too large
    assert "RAM        unknown: 656 of 1,024 bytes" in text
    assert "Unknown: code for xtensa-lx7 was not measured." in text
    assert "flash " not in edge("estimate", tmp_path / "m.rnn", "--board", "raspberrypi4")
