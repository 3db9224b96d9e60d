"""Fourier transforms of real vectors: against numpy, scipy and torch, for many sizes, on every target and compiler."""

import json
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest
import scipy.fft
import torch

import edgernn
from edge import edge
from edgernn.cells import Istft, LogMel, Stft
from edgernn.device.runtimes import NATIVE, suffixes
from edgernn.errors import GraphError
from edgernn.integer.overflow import LEAST, limit
from edgernn.interpreters.count import count
from edgernn.interpreters.numpy import NumpyOps, Stepper
from edgernn.model import spectra
from edgernn.model.cell import CELLS, cell
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.train.network.torch_ops import TorchOps
from edgernn_export import export
from edgernn_export.counting.count import count as counted
from edgernn_export.targets.c.footprint import step_sizes
from edgernn_export.targets.c.spectra import passes
from edgernn_export.targets.c.target import render
from edgernn_export.targets.deployed import deployed
from edgernn_export.targets.destination import Destination
from ways import EVERY_WAY, WAYS, needs
from zoo import one

SIZES = (2, 3, 4, 5, 6, 7, 9, 10, 15, 16, 21, 32, 49, 60, 64, 105, 128, 200, 256, 320, 400, 420, 480, 512, 1000, 1024)
COMPILED = (2, 3, 5, 9, 14, 16, 28, 105, 128, 160, 256, 400)
CLOSE = 1e-6  # of the largest number in a result
DENSE_INSTRUCTIONS = 12_884  # of the log-mel below as products with dense matrices, by gcc 12


@cell
@dataclass(frozen=True)
class Transforms:
    """Transforms of these sizes side by side, those of negative sizes inverse; each reads its own part of a frame."""

    inputs: int
    sizes: tuple[int, ...]
    windowed: tuple[bool, ...]
    window: Annotated[Tensor, "longest"]

    states = {}  # noqa: RUF012

    def step(self, ops, x, state):
        widths = map(width, self.sizes, self.windowed)
        return ops.concat(
            *map(self.part, [ops] * len(self.sizes), self.sizes, self.windowed, ops.split(x, [*widths]))
        ), state

    def part(self, ops, size, windowed, x):
        window = Tensor(self.window.stored[: 1 + 2 * abs(size) // 3]) if windowed else None
        return (ops.rfft if size > 0 else ops.irfft)(x, abs(size), window)


CELLS.pop("Transforms")  # it is not one that files have


def width(size, windowed):
    return 2 * spectra.bins(-size) if size < 0 else 1 + 2 * size // 3 if windowed else size


def transforms(sizes, windowed, positions=1):
    window = Tensor(np.random.default_rng(1).uniform(-1, 1, max(map(abs, sizes))).astype(np.float32))
    inputs = sum(map(width, sizes, windowed))
    return one(Transforms(inputs, tuple(sizes), tuple(windowed), window), positions * inputs, positions=positions)


def both_ways(sizes, positions=1):
    """Every size forwards and inverse, one of them with a window, in turns."""
    forwards = [k % 2 == 0 for k in range(len(sizes))]
    return transforms([*sizes, *(-size for size in sizes)], [*forwards, *(not each for each in forwards)], positions)


def frames(graph, steps=3):
    return np.random.default_rng(2).standard_normal((steps, graph.inputs)).astype(np.float32)


def close(actual, expected, size=CLOSE):
    return np.abs(actual - expected).max() <= size * np.abs(expected).max()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", SIZES)
def test_the_definition_is_the_transform_of_scipy(size, dtype):
    random, ops = np.random.default_rng(size), NumpyOps(dtype)
    width = 1 + 2 * size // 3
    x, window = random.standard_normal((2, 3, width)).astype(dtype), random.uniform(0, 1, width).astype(dtype)
    expected = scipy.fft.rfft((x * window).astype(float), size)
    y = ops.rfft(x, size, Tensor(window))
    assert y.dtype == dtype
    assert close(y, np.concatenate([expected.real, expected.imag], -1), 1e-14 if dtype == "float64" else CLOSE)
    back = ops.irfft(y, size, Tensor(window))
    assert back.dtype == dtype
    assert close(back, x * window**2, 1e-13 if dtype == "float64" else CLOSE)
    assert close(ops.irfft(ops.rfft(x, size), size)[..., :width], x, 1e-13 if dtype == "float64" else CLOSE)


def test_torch_trains_with_the_same_transform():
    graph = both_ways(SIZES[::3])
    x = torch.from_numpy(frames(graph).astype(float)).requires_grad_()
    y = graph.layers[0].cell.step(TorchOps({}), x, ())[0]
    assert close(y.detach().numpy(), Stepper(graph).run(x.detach().numpy())[0], 1e-13)
    y.square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad != 0).any(axis=0).float().mean() > 0.9


@pytest.mark.parametrize(("sizes", "positions"), [(SIZES[::2], 1), (SIZES[1::2], 1), ((8, 15, 256, 512), 2)])
@pytest.mark.parametrize("suffix", [each for each in suffixes() if each not in (".rnn", ".so")])
def test_every_size_on_every_runtime(suffix, sizes, positions, tmp_path):
    graph = both_ways(sizes, positions)
    export(graph, tmp_path / f"spectra{suffix}")
    actual = edgernn.open(tmp_path / f"spectra{suffix}").stream().run(frames(graph))
    assert close(actual, Stepper(graph).run(frames(graph).astype(float))[0])


MAIN = """
#include <stdio.h>
#include "model.h"
int main(void) {
    static model_state state;
    static float x[MODEL_INPUTS], y[MODEL_OUTPUTS];
    model_reset(&state);
    while (fread(x, sizeof x, 1, stdin) == 1) {
        if (model_step(&state, x, y)) return 1;
        fwrite(y, sizeof y, 1, stdout);
    }
    return model_self_test();
}
"""


def sources(folder, graph):
    for name, data in render(graph, "model", Destination(NATIVE)).items():
        (folder / name).write_bytes(data)
    (folder / "main.c").write_text(MAIN)


@pytest.mark.parametrize("way", EVERY_WAY)
def test_every_compiler_and_instruction_set_has_the_same_transform(way, tmp_path):
    graph = both_ways(COMPILED, 2 if way in ("sanitized", "portable") else 1)
    sources(tmp_path, graph)
    done = WAYS[way].run(WAYS[way].build(tmp_path, "model.c", "main.c"), frames(graph).tobytes())
    assert done.returncode == 0, done.stderr[:1000]
    actual = np.frombuffer(done.stdout, np.float32).reshape(3, -1)
    assert close(actual, Stepper(graph).run(frames(graph).astype(float))[0])


@pytest.mark.parametrize("size", SIZES)
def test_the_passes_of_a_size_have_its_factors(size):
    steps = passes(size)
    assert np.prod([each.radix for each in steps], initial=1, dtype=int) == size
    assert [each.each for each in steps] == [
        np.prod([p.radix for p in steps[:i]], initial=1, dtype=int) for i in range(len(steps))
    ]


MEL = Graph((Layer("mel", LogMel(80, 8000.0, 200, 20, fft=256)),), 80)


def test_a_log_mel_is_its_definition_and_small(tmp_path):
    xs = 0.3 * frames(MEL, 60) * np.geomspace(1e-4, 1, 60, dtype=np.float32)[:, None]
    expected = Stepper(MEL).run(xs.astype(float))[0]
    for suffix in suffixes():
        path = tmp_path / f"mel{suffix}"
        edgernn.save(MEL, path) if suffix == ".rnn" else export(MEL, path)
        assert close(edgernn.open(path).stream().run(xs), expected, 1e-5)
    assert sum(step_sizes(MEL).constants.values()) <= 6000


@needs("valgrind", "gcc")
def test_a_log_mel_takes_a_fifth_of_the_instructions_of_dense_matrices():
    assert counted(MEL).instructions <= DENSE_INSTRUCTIONS / 5


def test_a_transform_is_counted_as_a_fast_one():
    cost, dense = count(MEL), 2 * 129 * 200
    assert cost.exact_macs == cost.macs < dense / 5
    assert spectra.multiplications(1024) < 3 * spectra.multiplications(512)


@pytest.mark.parametrize(
    ("size", "nearest"),
    [(1, 2), (0, 2), (-5, 2), (11, 12), (13, 14), (257, 256), (5000, 4096), (509, 512), (2.5, 3), (True, 2)],
)
def test_an_unsupported_size_is_answered_with_the_nearest(size, nearest):
    words = rf"an fft of {size} points arrived; .*: the nearest size is {nearest}$"
    with pytest.raises(GraphError, match=words):
        Stft(2, size, Tensor(np.ones(2)))
    with pytest.raises(GraphError, match=words):
        Istft(10, 2, size, Tensor(np.ones(2)))
    if size:
        with pytest.raises(GraphError, match=words):
            LogMel(2, 800.0, 2, 1, fft=size)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda ops, x: ops.rfft(x, 4), "6 values arrive from 'x'; expected 4 at most"),
        (lambda ops, x: ops.rfft(x, 8, Tensor(np.ones(5))), r"a tensor of shape \(5,\) meets 6 values"),
        (lambda ops, x: ops.rfft(x, 22), "the nearest size is 21"),
        (lambda ops, x: ops.irfft(x, 8), "it reads 10 values, but 6 arrive"),
        (lambda ops, x: ops.irfft(x, 4, Tensor(np.ones(5))), "a window of 5 elements arrives; expected 4 at most"),
    ],
)
def test_an_operation_that_does_not_fit_is_refused(make, words):
    @dataclass(frozen=True)
    class Wrong:
        inputs: int = 6
        exact = False
        delays = False
        GATES = ()
        states = {}  # noqa: RUF012

        def step(self, ops, x, state):
            return make(ops, x), state

    with pytest.raises(GraphError, match=rf"layer 'layer', operation 0 \(i?rfft\): .*{words}"):
        assert one(Wrong()).trace


def test_bounds_hold_for_frames_at_the_limit():
    for graph in (both_ways((256, 15)), MEL):
        most = limit(graph)
        assert most >= LEAST
        with np.errstate(all="raise"):
            values = Stepper(graph, "float32").values(
                np.full(graph.inputs, most, np.float32), Stepper(graph).initial_state()
            )
        assert all(np.isfinite(value).all() for value in values.values())


HOPS = ((4, 16, 16), (6, 15, 16), (5, 10, 21), (8, 8, 8), (160, 400, 512))


@pytest.mark.parametrize(("hop", "samples", "size"), HOPS)
def test_a_stream_has_the_frames_of_torch_and_gives_the_samples_back(hop, samples, size):
    random = np.random.default_rng(hop)
    window, xs = random.uniform(0.2, 1, samples), random.standard_normal((12, hop))
    before = np.zeros(samples - hop)
    silent = torch.from_numpy(np.concatenate([before, xs.ravel()]))
    full = torch.from_numpy(np.pad(window, (0, size - samples)))
    padded = torch.cat([silent, silent.new_zeros(size - samples)])
    stft = torch.stft(padded, size, hop, window=full, center=False, return_complex=True).T.numpy()
    graph = one(Stft(hop, size, Tensor(window)), hop)
    ys = Stepper(graph).run(xs)[0]
    np.testing.assert_allclose(ys, np.concatenate([stft.real, stft.imag], -1), atol=1e-12)
    back = Stepper(one(Istft(ys.shape[1], hop, size, Tensor(window)), ys.shape[1])).run(ys)[0]
    steady = -(-samples // hop)
    late = np.concatenate([before, xs.ravel()])[: back.size]
    np.testing.assert_allclose(back.ravel()[steady * hop :], late[steady * hop :], atol=1e-6)  # its window is float32


@pytest.mark.parametrize(("hop", "size"), [(4, 16), (8, 16), (5, 20)])
def test_overlap_and_add_is_that_of_torch(hop, size):
    """Of any spectra, not only those of a signal; torch divides the first samples by the fewer windows over them."""
    random = np.random.default_rng(size)
    window, xs = random.uniform(0.2, 1, size), random.standard_normal((9, 2 * spectra.bins(size)))
    complex_ = torch.from_numpy(xs[:, : spectra.bins(size)] + 1j * xs[:, spectra.bins(size) :]).T
    expected = torch.istft(complex_, size, hop, window=torch.from_numpy(window), center=False).numpy()
    actual = Stepper(one(Istft(xs.shape[1], hop, size, Tensor(window)), xs.shape[1])).run(xs)[0].ravel()
    np.testing.assert_allclose(actual[size:], expected[size : actual.size], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Stft(6, 8, Tensor(np.ones(5))), "Stft: a hop of 6, a window of 5 samples and an fft of 8 points"),
        (lambda: Stft(2, 8, Tensor(np.ones(9))), "a window of 9 samples and an fft of 8 points arrived; expected 1 <= hop"),
        (lambda: Stft(0, 8, Tensor(np.ones(8))), "a hop of 0"),
        (lambda: Stft(2, 8, None), "a window of 0 samples"),
        (lambda: Istft(9, 2, 8, Tensor(np.ones(8))), "9 inputs and an fft of 8 points arrived; expected 10 inputs"),
        (lambda: Istft(10, 4, 8, Tensor(np.hanning(9)[:8] * (np.arange(8) < 4))), "the windows over every 4-th sample from sample 0"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_is_refused(make, words):
    with pytest.raises(GraphError, match=words):
        make()


def test_the_bytes_of_what_is_deployed_are_those_of_the_files(tmp_path):
    sizes = deployed(MEL)
    for suffix in (".so", ".tflite", ".onnx"):
        export(MEL, tmp_path / f"model{suffix}")
        assert abs(sizes[suffix] - (tmp_path / f"model{suffix}").stat().st_size) <= 64  # the time in a manifest
    assert sizes[".c"] < 5000  # 213 kB as a dense matrix
    edgernn.save(MEL, tmp_path / "mel.rnn")
    report = json.loads(edge("estimate", tmp_path / "mel.rnn", "--board", "raspberrypi4", "--json"))
    assert report["deployed"] == {suffix: sizes[suffix] for suffix in (".c", ".tflite", ".onnx")}
    text = edge("estimate", tmp_path / "mel.rnn", "--board", "stm32f407")
    assert f".c         {sizes['.c']:,} bytes, constants and manifest in C, without code" in text
    assert ".tflite" not in text
