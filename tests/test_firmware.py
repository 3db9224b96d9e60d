"""Firmware: a model on emulated microcontrollers computes what the host computes, in the memory that was stated."""

import re
import subprocess
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import edgernn
from edge import edge
from edgernn.artifact.manifest import graph_manifest
from edgernn.cells import Dense, Gru, LogMel
from edgernn.device import board as boards
from edgernn.errors import UnsupportedError, UsageError
from edgernn.integer.plan import integer_plan
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import STATIC
from edgernn.package.manifest import Card
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export_project
from edgernn_export.projects.firmware.machines import MACHINES, machine_of
from edgernn_export.projects.firmware.project import render
from edgernn_export.projects.project import Contents
from edgernn_export.targets.c import target
from edgernn_export.targets.c.declarations import C_TYPES
from edgernn_export.targets.c.footprint import footprint
from edgernn_export.targets.destination import destination_of
from ways import needs
from zoo import frames, keyword_spotter, t

ARM = ("make", "arm-none-eabi-gcc", "qemu-system-arm")
RISCV = ("make", "riscv64-unknown-elf-gcc", "qemu-system-riscv32")
BOARDS = {"stm32f407": ARM, "stm32h743": ARM, "stm32n657": ARM, "rp2350": ARM, "rp2040": ARM, "esp32c3": RISCV}
"""A board for each machine -> the programs that its firmware needs."""

SPOKEN = Graph(
    (
        Layer("mel", LogMel(80, 8000, 200, 20, fft=256)),
        Layer("gru", Gru(t(72, 20), t(72, 24), t(72), t(72))),
        Layer("out", Dense(t(5, 24), t(5))),
    ),
    80,
)
MODELS = {"keywords": keyword_spotter(24, 20), "spoken": SPOKEN}
WAYS = {
    ("keywords", "static_wi8_ai8"): tuple(BOARDS),
    ("keywords", "static_wi8_ai16"): ("stm32f407", "stm32n657", "esp32c3"),
    ("spoken", "static_wi8_ai8"): ("stm32f407", "stm32h743", "stm32n657", "esp32c3"),
    ("keywords", "fp32"): ("stm32f407", "stm32h743", "stm32n657", "esp32c3"),
    ("keywords", "dynamic_wi8_afp32"): ("stm32f407", "esp32c3"),
    ("keywords", "weight_only_wi8_afp32"): ("stm32n657",),
}
"""(model, precision) -> the boards on which it runs."""

CASES = [
    pytest.param(model, precision, board, marks=needs(*BOARDS[board]), id=f"{model}-{precision}-{board}")
    for (model, precision), on in WAYS.items()
    for board in on
]
STEPS = 12  # that are compared with the host
ANSWERS = """#include "board.h"
#define KWS_NO_FLOAT
#include "kws.h"
#include <string.h>

static kws_state stream;
static const {x_type} frames[] = {{{frames}}};

int main(void) {{
    {y_type} y[KWS_OUTPUTS];
    kws_reset(&stream);
    for (int t = 0; t < {steps}; ++t) {{
        if (kws_step(&stream, frames + t * KWS_INPUTS, y)) return 4;
        for (int i = 0; i < KWS_OUTPUTS; ++i) {{
            uint32_t bits = 0;
            memcpy(&bits, y + i, sizeof y[i]);
            board_number(bits);
            board_text(" ");
        }}
    }}
    return 0;
}}
"""
SOFT_FLOAT = re.compile(
    r"__aeabi_(f|d|i2f|ui2f|l2f|ul2f|i2d|ui2d|cf|cd|h2f|f2h)\w*|__\w+(sf|df|hf)(2|3|si|di)?\w*|\w+f_soft|(exp|log|sqrt|tanh)f?"
)
"""Functions of libgcc and libm that compute with floats."""


@cache
def graph_of(model, precision):
    graph = MODELS[model]
    if precision == "fp32":
        return graph
    known = calibrate(graph, [frames(graph, 60)], growing="accept") if precision in STATIC else graph
    return quantize(known, precision)


@cache
def sources(model, precision):
    return target.render(graph_of(model, precision), "kws", destination_of("kws.c"))


def firmware(folder, model, precision, board):
    """The folder with a firmware, and its files."""
    graph = graph_of(model, precision)
    contents = Contents("firmware", graph, "kws", sources(model, precision), boards.load(board), Card(), "1")
    for name, data in render(contents).items():
        (folder / name).write_bytes(data)
    return folder


def make(folder, what, code=0, **environment):
    done = subprocess.run(
        ["make", "-s", what], cwd=folder, capture_output=True, text=True, check=False, env=environment or None
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + (done.stderr if code else "")


def figures(text):
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)}


@pytest.mark.parametrize(("model", "precision", "board"), CASES)
def test_a_board_computes_what_the_host_computes_in_the_stated_memory(model, precision, board, tmp_path):
    folder, graph = firmware(tmp_path, model, precision, board), graph_of(model, precision)
    printed = figures(make(folder, "run"))
    assert (printed["self_test"], printed["refused"]) == (0, 0)
    assert abs(printed["loop_instructions"] - printed["loop_expected"]) <= 2
    assert 0 < printed["instructions_least"] <= printed["instructions_mean"] <= printed["instructions_most"]
    assert (printed["instructions_most"] < 2 * printed["instructions_least"]) or board in {"rp2040", "esp32c3"}

    stated = footprint(graph, boards.load(board))
    assert printed["stream_bytes"] == stated.states + stated.scratch
    assert printed["stream_bytes"] + printed["stack_bytes"] + stated.variables == pytest.approx(stated.ram, rel=0.05)
    sections = dict(re.findall(r"^\.(\w+)\s+(\d+)", make(folder, "size"), re.MULTILINE))
    linked = sum(int(sections.get(name, 0)) for name in ("model_code", "model_data", "library", "data"))
    assert linked == pytest.approx(stated.flash, rel=0.01)

    if precision in STATIC:
        symbols = re.findall(r"^ +0x\w+ +(\w+)$", (folder / "kws.map").read_text(), re.MULTILINE)
        assert "main" in symbols
        assert [name for name in symbols if SOFT_FLOAT.fullmatch(name)] == []
    assert_same_answers(folder, graph)


def assert_same_answers(folder, graph):
    """Frames of the host, one after the other: the same bits of integers, and floats within 1e-4 or 2 % of dynamic int8."""
    plan, x = integer_plan(graph), frames(graph, STEPS, seed=9)
    whole = plan.io_quantization
    stepper = IntegerStepper(graph) if graph.precision in STATIC else Stepper(graph, "float32")
    expected, _ = stepper.run(x)
    if whole:
        x, expected = whole[INPUT].integers(x), whole[OUTPUT].integers(expected)
    x_type, y_type = (graph_manifest(graph).dtype(name) for name in (INPUT, OUTPUT))
    numbers = ",".join(str(each) if whole else f"{each!r}f" for each in x.reshape(-1).tolist())
    facts = {"x_type": C_TYPES[x_type], "y_type": C_TYPES[y_type], "frames": numbers, "steps": STEPS}
    (folder / "main.c").write_text(ANSWERS.format(**facts))
    bits = np.array(make(folder, "run").split(), np.uint32)
    if whole:
        assert np.array_equal(bits.astype(y_type), expected.reshape(-1))
    else:
        tolerance = 2e-2 if "dynamic" in graph.precision else 1e-4
        assert np.abs(bits.view(np.float32) - expected.reshape(-1)).max() <= tolerance * np.abs(expected).max()


@needs(*ARM)
def test_floats_in_software_are_found_in_a_map(tmp_path):
    """What the law of integers looks for is there in floats on a processor without a floating-point unit."""
    folder = firmware(tmp_path, "keywords", "fp32", "rp2040")
    make(folder, "all")
    symbols = re.findall(r"^ +0x\w+ +(\w+)$", (folder / "kws.map").read_text(), re.MULTILINE)
    assert {"__aeabi_fadd", "__aeabi_fmul"} <= {name for name in symbols if SOFT_FLOAT.fullmatch(name)}


@needs(*ARM)
def test_another_model_fails_its_self_test(tmp_path):
    folder = firmware(tmp_path, "keywords", "static_wi8_ai8", "stm32f407")
    text = (folder / "kws.c").read_text()
    at = text.index("test_y[] = {") + len("test_y[] = {\n    ")
    first = re.match(r"-?\d+", text[at:])[0]
    (folder / "kws.c").write_text(text[:at] + str(int(first) + 1) + text[at + len(first) :])
    assert "self_test 2" in make(folder, "run", code=2)


@needs(*ARM)
def test_a_wrong_count_is_no_result(tmp_path):
    folder = firmware(tmp_path, "keywords", "static_wi8_ai8", "stm32f407")
    text = (folder / "board.c").read_text()
    assert "CLOCK_KHZ 25000u" in text
    (folder / "board.c").write_text(text.replace("CLOCK_KHZ 25000u", "CLOCK_KHZ 20000u"))
    assert "loop_instructions 5000\nloop_expected 4000" in make(folder, "run", code=2)


@needs(*ARM)
def test_a_count_is_the_same_in_every_run(tmp_path):
    folder = firmware(tmp_path, "keywords", "dynamic_wi8_afp32", "stm32f407")
    assert make(folder, "run") == make(folder, "run")


@needs(*ARM)
def test_the_linker_has_no_more_memory_than_the_board(tmp_path):
    """64 KiB of RAM are those of the board, and not the 4 MiB of the emulated machine."""
    folder = firmware(tmp_path, "keywords", "static_wi8_ai8", written(tmp_path, ram=64))
    (folder / "main.c").write_text("char all[65536];\nint main(void) { return all[7]; }\n")
    assert "region `RAM' overflowed" in make(folder, "all", code=2)
    (folder / "main.c").write_text("char all[64000];\nint main(void) { return all[7]; }\n")
    assert "has no room for the stack" in make(folder, "all", code=2)


@needs("make")
def test_a_missing_program_is_named_with_its_package(tmp_path):
    (tmp_path / "bin").mkdir()
    for program in ("sh", "make"):
        (tmp_path / "bin" / program).symlink_to(subprocess.check_output(["which", program], text=True).strip())
    arm, riscv = tmp_path / "arm", tmp_path / "riscv"
    for folder, board in ((arm, "stm32f407"), (riscv, "esp32c3")):
        folder.mkdir()
        text = make(firmware(folder, "keywords", "fp32", board), "run", code=2, PATH=f"{tmp_path}/bin")
        package = {"stm32f407": "gcc-arm-none-eabi", "esp32c3": "gcc-riscv64-unknown-elf"}[board]
        assert "is not installed; Debian has it in" in text
        assert package in text


BOARD = """
title = "A board"

[sources]
sheet = "a sheet"

[microcontroller]
flash_kib = {{ value = {flash}, source = "sheet" }}
sram_kib = {{ value = {ram}, source = "sheet" }}
isa = {{ value = "armv7e-m+fp", source = "sheet" }}
"""


def written(folder, flash=256, ram=64):
    path = folder / f"small{flash}-{ram}.toml"
    path.write_text(BOARD.format(flash=flash, ram=ram))
    return path


LARGE = keyword_spotter(48, 20)  # 43 kB of floats
WIDE = keyword_spotter(96, 20)  # more than 1 KiB of RAM in integers too

TOO_LARGE = {  # (KiB of flash, KiB of RAM, precision) -> the end of the message
    (
        24,
        64,
        "fp32",
    ): "it fits in weight_only_wi8_afp32, weight_only_wi4_afp32, dynamic_wi8_afp32, static_wi8_ai8, static_wi8_ai16: give --precision",
    (16, 64, "fp32"): "it fits in weight_only_wi4_afp32, static_wi8_ai8: give --precision",
    (12, 64, "fp32"): r"no precision makes it fit: prune at least \d+ % of its weights in blocks, or train fewer units",
    (
        12,
        64,
        "weight_only_wi8_afp32",
    ): r"no precision makes it fit: prune at least \d+ % of its weights in blocks, or train fewer units",
    (512, 1, "fp32"): "no precision makes it fit: train fewer units",
}


@needs(ARM[1])
@pytest.mark.parametrize(("flash", "ram", "precision"), TOO_LARGE)
def test_a_model_that_is_too_large_is_refused_with_what_fits(flash, ram, precision, tmp_path):
    board = written(tmp_path, flash, ram)
    graph = WIDE if ram == 1 else LARGE if precision == "fp32" else quantize(LARGE, precision)
    stated = footprint(graph, boards.load(board))
    memory, size, kib = ("RAM", stated.ram, ram) if ram == 1 else ("flash", stated.flash, flash)
    with pytest.raises(UnsupportedError) as error:
        export_project(graph, tmp_path / "kws", "firmware", device=board)
    start = (
        f"'kws' takes {size:,} bytes of {memory} in {precision}, {size - 1024 * kib:,} more than the {1024 * kib:,} of "
    )
    assert str(error.value).startswith(start)
    assert re.fullmatch(TOO_LARGE[flash, ram, precision], str(error.value).split("; ", 1)[1])
    assert not (tmp_path / "kws").exists()


@needs(ARM[1])
def test_what_is_said_to_fit_fits(tmp_path):
    board = written(tmp_path, 24)
    for scheme in ("weight_only_wi8_afp32", "dynamic_wi8_afp32"):
        export_project(quantize(LARGE, scheme), tmp_path / scheme, "firmware", device=board)
    with pytest.raises(UnsupportedError, match=r"prune at least [0-9]+ %"):
        export_project(quantize(LARGE, "fp16"), tmp_path / "kws", "firmware", device=board)


REFUSED = {  # board, name -> the error
    ("raspberrypi4", "kws"): (UnsupportedError, "'raspberrypi4' is no microcontroller; a firmware needs one"),
    ("esp32s3", "kws"): (
        UnsupportedError,
        "has the instruction set xtensa-lx7, for which there is no compiler and no emu",
    ),
    ("stm32f407", "main"): (UsageError, "'main' arrived as the name of a firmware, which has a main.c of its own"),
    (None, "kws"): (UsageError, "a folder of kind 'firmware' is for one board, and none arrived"),
}


@pytest.mark.parametrize(("board", "name"), REFUSED)
def test_a_board_or_a_name_without_a_firmware_is_refused(board, name, tmp_path):
    error, words = REFUSED[board, name]
    with pytest.raises(error, match=words):
        export_project(keyword_spotter(), tmp_path / name, "firmware", device=board)
    assert not (tmp_path / name).exists()


def test_every_instruction_set_with_an_emulator_has_a_board_here():
    assert {boards.load(name).isa for name in BOARDS} == set(MACHINES)
    assert [machine_of(boards.load(name)).core for name in BOARDS][:3] == ["Cortex-M4", "Cortex-M7", "Cortex-M55"]


@needs(*ARM)
def test_the_command_writes_a_firmware_for_a_microcontroller(tmp_path):
    graph = replace(keyword_spotter(), labels=())
    edgernn.save(graph, tmp_path / "kws.rnn")
    text = edge("export", tmp_path / "kws.rnn", tmp_path / "firmware", "--board", "stm32h743")
    assert f"{tmp_path}/firmware/firmware.c" in text
    assert "self_test 0" in make(tmp_path / "firmware", "run")
