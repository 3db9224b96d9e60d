"""Spectra in integers: within bounds of numpy's, the same bits in C on every compiler, and no float instruction."""

import subprocess
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pytest

import edgernn
from edgernn.artifact.manifest import graph_manifest
from edgernn.cells import Dense, Gru, LogMel, RunningMean, Stft
from edgernn.device.runtimes import NATIVE
from edgernn.errors import CalibrationError
from edgernn.integer.plan import QuantizationParameters, WideParameters, integer_plan
from edgernn.integer.spectrum import gained, spectrum
from edgernn.integer.wide_forms import WideLogarithm
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper
from edgernn.model import spectra
from edgernn.model.cell import CELLS, cell
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import STATIC, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export
from edgernn_export.proof.integers import error_steps
from edgernn_export.targets.c.target import render
from edgernn_export.targets.destination import Destination
from ways import EVERY_WAY, WAYS, needs
from zoo import t

SIZES = (2, 3, 5, 7, 9, 16, 28, 105, 128, 200, 256, 480, 1024)
COMPILED = (2, 3, 5, 7, 16, 28, 64, 105, 240)


def transform(size):
    random = np.random.default_rng(size)
    width = 1 + 2 * size // 3
    op = Op("l", 0, "rfft", (Ref("x", width), size, Tensor(random.uniform(-1, 1, width))), (2 * spectra.bins(size),))
    return op, spectrum(op)


@pytest.mark.parametrize("size", SIZES)
def test_a_transform_of_integers_is_near_that_of_numpy_for_the_largest_samples_too(size):
    op, form = transform(size)
    window, width = op.args[2].stored, op.args[0].width
    draws = np.random.default_rng(0).integers(-32768, 32768, (20, width))
    same = np.full((1, width), -32768)
    signs = -32768 * np.sign(window).astype(np.int64)[None]  # all products add up
    tones = np.rint(32767 * np.cos(np.pi * np.arange(width) * np.arange(5)[:, None] / 5)).astype(np.int64)
    x = np.concatenate([draws, same, signs, tones])
    expected = spectra.rfft(x.astype(float), size, window) * 2.0 ** gained(op)
    actual = form(x)
    assert np.abs(actual - expected).max() <= 4 * np.sqrt(size)
    assert np.abs(actual).max() <= 2**29


def test_the_logarithm_is_near_that_of_numpy_from_one_to_the_largest():
    to = QuantizationParameters(2.0**-10, 0, 16)
    form = WideLogarithm(*(int(part) for part in (0, 0)), 1, to)
    assert form(np.array([-5, 0])).tolist() == [to.low, to.low]
    graph = whole("static_wi8_ai16")
    plan = integer_plan(graph)
    op = next(op for op in plan.trace.operations if op.name == "log")
    made, x = IntegerStepper(graph)._operations._forms[op.outputs[0]], plan.quantization[op.inputs[0].name]
    q = np.unique(np.concatenate([np.arange(1, 3000), np.geomspace(1, x.most, 3000).astype(np.int64)]))
    expected = np.log(q * x.scale) / made.to.scale
    inside = (expected > made.to.low) & (expected < made.to.high)
    assert inside.sum() > 1000
    assert np.abs(made(q) - expected)[inside].max() <= 0.7  # half a step, and 5e-5 of the table


def heard(scheme="", cells=()):
    layers = (
        Layer("mel", LogMel(40, 4000.0, 100, 10, fft=112)),
        *cells,
        Layer("gru", Gru(t(24, 10), t(24, 8), t(24), t(24))),
    )
    return Graph((*layers, Layer("out", Dense(t(3, 8), t(3)))), 40)


def sounds(inputs=40):
    random = np.random.default_rng(3)
    return [
        (random.standard_normal((80, inputs)) * np.geomspace(1e-3, 0.3, 80)[:, None]).astype(np.float32)
        for _ in range(3)
    ]


def whole(scheme, graph=None):
    graph = heard() if graph is None else graph
    return quantize(calibrate(graph, sounds(graph.inputs), growing="accept"), scheme)


@pytest.mark.parametrize("scheme", STATIC)
def test_a_static_log_mel_reads_int16_and_is_near_float(scheme):
    graph = whole(scheme)
    plan, manifest = integer_plan(graph), graph_manifest(graph)
    assert {layer.scheme for layer in graph.layers} == {scheme}
    assert all(map(plan.is_integer, plan.trace.operations[:-1]))
    assert plan.io_quantization["x"] == QuantizationParameters(2.0**-15, 0, 16)
    assert manifest.same_bits == "all"
    xs, stepper = sounds()[0], IntegerStepper(graph)
    mel = Graph(heard().layers[:1], 40)
    expected, states, name = Stepper(mel).run(xs.astype(float))[0], stepper.initial_state(), mel.trace.y.name
    for k, (x, energies) in enumerate(zip(xs, expected, strict=True)):
        q = stepper.values(x, states)[name]
        states = stepper.step(x, states)[1]
        assert (
            k < 30
            or np.abs(plan.quantization[name].numbers(q) - energies).max() <= 0.02 + plan.quantization[name].scale
        )


@cell
@dataclass(frozen=True)
class Logarithms:
    """The logarithms of the weighted energies of a frame by transforms of these sizes, side by side."""

    exact: ClassVar[bool] = True
    inputs: int
    sizes: tuple[int, ...]
    window: Annotated[Tensor, "longest"]

    states = {}  # noqa: RUF012

    def step(self, ops, x, state):
        return ops.concat(*(self.part(ops, x, size) for size in self.sizes)), state

    def part(self, ops, x, size):
        width = min(self.inputs, 1 + 2 * size // 3)
        first = ops.split(x, (width, self.inputs - width))[0] if width < self.inputs else x
        re, im = ops.split(ops.rfft(first, size, Tensor(self.window.stored[:width])), 2)
        bins = spectra.bins(size)
        random = np.random.default_rng(size)
        weights = random.uniform(0, 1, (3, bins)) * (
            np.abs(np.arange(bins) - bins * np.arange(3)[:, None] / 3) <= bins / 4
        )
        sums = ops.affine(
            Tensor(weights + 1e-3 * (weights.sum(1, keepdims=True) == 0)), re * re + im * im, Tensor(np.full(3, 1e-5))
        )
        return ops.log(ops.scale(sums, Tensor(random.uniform(0.5, 2, 3)), 1e-6))


CELLS.pop("Logarithms")  # it is not one that files have


def logarithms(scheme, positions=1):
    width = 1 + 2 * max(COMPILED) // 3
    window = Tensor(np.random.default_rng(1).uniform(-1, 1, width))
    mel = Layer("log", Logarithms(width, COMPILED, window), positions=positions)
    outputs = 3 * len(COMPILED) * positions
    return whole(scheme, Graph((mel, Layer("out", Dense(t(4, outputs), t(4)))), width * positions))


MAIN = """
#include <stdio.h>
#include "model.h"
int main(void) {{
    static model_state state;
    static int16_t x[MODEL_INPUTS];
    {y} y[MODEL_OUTPUTS];
    model_reset(&state);
    while (fread(x, sizeof x, 1, stdin) == 1) {{
        if (model_step(&state, x, y)) return 1;
        fwrite(y, sizeof y, 1, stdout);
    }}
    return model_self_test();
}}
"""


@pytest.mark.parametrize("way", EVERY_WAY)
def test_every_compiler_and_instruction_set_has_the_same_bits(way, tmp_path):
    scheme, positions = ("static_wi8_ai16", 2) if "portable" in way or "g++" in way else ("static_wi8_ai8", 1)
    graph = logarithms(scheme, positions)
    assert all(map(integer_plan(graph).is_integer, graph.trace.operations))
    for name, data in render(graph, "model", Destination(NATIVE)).items():
        (tmp_path / name).write_bytes(data)
    bits = STATIC[scheme]
    (tmp_path / "main.c").write_text(MAIN.format(y=f"int{bits}_t"))
    x = np.random.default_rng(2).integers(-32768, 32768, (6, graph.inputs))
    x[1], x[2] = -32768, x[3] // 4096
    done = WAYS[way].run(WAYS[way].build(tmp_path, "model.c", "main.c"), x.astype(np.int16).tobytes())
    assert done.returncode == 0, done.stderr[:1000]
    stepper = IntegerStepper(graph)
    expected = np.array([stepper.step_integers(each, stepper.initial_state())[0] for each in x])
    np.testing.assert_array_equal(np.frombuffer(done.stdout, f"int{bits}").reshape(expected.shape), expected)


@needs("gcc")
@pytest.mark.parametrize("scheme", STATIC)
def test_a_static_log_mel_needs_no_float_instruction(scheme, tmp_path):
    for name, data in render(whole(scheme), "model", Destination(NATIVE)).items():
        (tmp_path / name).write_bytes(data)
    call = ["gcc", "-std=c99", "-O2", "-mgeneral-regs-only", "-c", "model.c"]  # any float is an error
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:1000]


def test_a_spectrum_that_something_else_reads_stays_in_float():
    stft = Layer("stft", Stft(4, 8, Tensor(np.ones(8))))
    small = whole("static_wi8_ai8", Graph((stft, Layer("gru", Gru(t(24, 10), t(24, 8)))), 4))
    alone = whole("static_wi8_ai8", Graph((Layer("first", Dense(t(40, 40), t(40), "tanh")), *heard().layers[:1]), 40))
    kept = quantize(calibrate(heard(), sounds()), "static_wi8_ai8", keep=("mel",))
    for graph, name in ((small, "stft"), (alone, "mel"), (kept, "mel")):
        assert next(layer.scheme for layer in graph.layers if layer.name == name) == ""
        assert not any(isinstance(each, WideParameters) for each in integer_plan(graph).quantization.values())
    mean = whole("static_wi8_ai8", heard(cells=(Layer("mean", RunningMean(10)),)))  # its input leaves the integers
    assert [layer.scheme for layer in mean.layers[:2]] == ["static_wi8_ai8", ""]


@pytest.mark.parametrize("scheme", STATIC)
def test_float_features_stand_before_integers_in_one_source(scheme, tmp_path):
    """Kernels of floats and of integers, with every macro of both."""
    graph = quantize(calibrate(heard(), sounds()), scheme, keep=("mel",))
    export(graph, tmp_path / "m.so")
    actual = edgernn.open(tmp_path / "m.so").stream().run(sounds()[0])
    assert np.abs(actual - IntegerStepper(graph).run(sounds()[0])[0]).max() <= 0.05 * np.abs(actual).max()


def test_a_window_that_is_too_large_is_refused():
    cell_ = Logarithms(8, (12,), Tensor(np.full(8, 1e4)))
    with pytest.raises(
        CalibrationError, match=r"layer 'log': a window with a sum of 8e\+04 arrived; .* keep=\('log',\)"
    ):
        whole("static_wi8_ai8", Graph((Layer("log", cell_), Layer("out", Dense(t(2, 3), t(2)))), 8))


def test_a_runtime_in_float_may_be_off_by_the_roundings_of_the_transform():
    op, _ = transform(256)
    plan = integer_plan(whole("static_wi8_ai8"))
    real = next(each for each in plan.trace.operations if each.name == "rfft")
    assert error_steps(real, plan) == 4 * 10
    assert op.name == real.name
