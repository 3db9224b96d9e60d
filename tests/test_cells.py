"""Each cell against an oracle that is not ours: torch's functions, scipy, or the formula by hand."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from scipy.special import expit, softmax
from torch.nn import functional as F

import spoken
from edgernn.cells import (
    Activation,
    Concat,
    Conv1d,
    Delay,
    Dense,
    Embedding,
    LayerNorm,
    Product,
    RunningMean,
    Scale,
    Slice,
    Standardize,
    Sum,
)
from edgernn.cells.logmel import LogMel
from edgernn.errors import GraphError
from edgernn.interpreters.count import count
from edgernn.interpreters.numpy import NumpyOps, Stepper
from edgernn.model.bands import triangles
from edgernn.model.cell import dimensions
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.layer_trace import trace_layer
from edgernn.model.operation import Ref
from edgernn.model.spectra import multiplications
from edgernn.model.tensor import Tensor
from edgernn.passes.quantize import quantize
from zoo import keyword_spotter, one

random = np.random.default_rng(11)
X = random.standard_normal((7, 6))
V = random.uniform(0.5, 2, 6)
W = random.standard_normal((4, 6))
B = random.standard_normal(4)


def run(graph, xs=X):
    return Stepper(graph).run(np.asarray(xs))[0]


def torched(array):
    return torch.from_numpy(np.asarray(array))


ORACLES = {
    "standardize": (one(Standardize(Tensor(X[0]), Tensor(V))), lambda: (X - X[0]) / V),
    "scale": (one(Scale(Tensor(V), Tensor(X[1]))), lambda: V * X + X[1]),
    "dense": (one(Dense(Tensor(W), Tensor(B))), lambda: F.linear(torched(X), torched(W), torched(B)).numpy()),
    "dense softmax": (one(Dense(Tensor(W), None, "softmax")), lambda: softmax(X @ W.T, axis=-1)),
    "dense sigmoid": (one(Dense(Tensor(W), Tensor(B), "sigmoid")), lambda: expit(X @ W.T + B)),
    "layer norm": (
        one(LayerNorm(Tensor(V), Tensor(X[2]), 0.3)),
        lambda: F.layer_norm(torched(X), (6,), torched(V), torched(X[2]), 0.3).numpy(),
    ),
    "delay": (one(Delay(6)), lambda: np.vstack([np.zeros((1, 6)), X[:-1]])),
    "leaky sum fed back": (
        Graph((Layer("past", Delay(6), ("y2",)), Layer("less", Scale(Tensor(V), Tensor(0 * V))), Layer("y2", Sum(), ("less", "x"))), 6),
        lambda: np.stack([lfilter([1], [1, -v], x) for v, x in zip(V.tolist(), X.T, strict=True)], 1),
    ),
    "slice": (one(Slice(6, 1, 4)), lambda: X[:, 1:4]),
    **{
        f"convolution {kernel} {dilation}": (
            one(Conv1d(kernel, Tensor(taps.transpose(0, 2, 1).reshape(4, -1)), Tensor(B), dilation)),
            lambda taps=taps, kernel=kernel, dilation=dilation: (
                F.conv1d(F.pad(torched(X.T[None]), ((kernel - 1) * dilation, 0)), torched(taps), torched(B), dilation=dilation)[0].T.numpy()
            ),
        )
        for kernel, dilation in ((2, 1), (3, 1), (3, 2), (4, 3), (2, 7))
        for taps in [random.standard_normal((4, 6, kernel))]
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ORACLES)
def test_a_cell_is_its_formula(name):
    graph, oracle = ORACLES[name]
    np.testing.assert_allclose(run(graph), oracle(), atol=1e-12)


@pytest.mark.parametrize(
    ("join", "oracle"),
    [(Sum(), lambda a: 3 * a), (Product(), lambda a: a**3), (Concat(), lambda a: np.hstack([a] * 3))],
)
def test_a_join_reads_as_many_branches_as_there_are(join, oracle):
    graph = Graph((Layer("tanh", Activation("tanh")), Layer("join", join, ("tanh",) * 3)), 6)
    np.testing.assert_allclose(run(graph), oracle(np.tanh(X)), atol=1e-12)


def test_an_embedding_is_a_row():
    table = random.standard_normal((5, 3))
    np.testing.assert_array_equal(run(one(Embedding(Tensor(table)), 1), [[3], [0], [4]]), table[[3, 0, 4]])


SPOKEN = {
    "rate_hz": spoken.RATE_HZ,
    "window": spoken.WINDOW,
    "inputs": spoken.HOP,
    "bands": spoken.BANDS,
    "fft": spoken.FFT,
}
"""The features of the spoken digits, which tests/spoken.py computes by numpy's FFT."""


def test_log_mel_of_a_stream_is_that_of_the_whole_clip():
    samples = random.standard_normal(spoken.HOP * 40) * np.geomspace(1e-5, 1, spoken.HOP * 40)
    energies = run(one(LogMel(**SPOKEN), spoken.HOP), samples.reshape(-1, spoken.HOP))
    silence = np.zeros(spoken.WINDOW - spoken.HOP)
    np.testing.assert_allclose(energies, spoken.log_mel(np.concatenate([silence, samples])), atol=2e-5)


def test_log_mel_has_a_tone_in_its_band_and_its_floor_for_silence():
    cell = LogMel(160, 16_000, 400, 40, low_hz=20, high_hz=7600, floor=1e-5)
    assert (cell.mel.shape, cell.taper.shape) == ((40, 257), (400,))
    edges_hz = 700 * np.expm1(np.linspace(np.log1p(20 / 700), np.log1p(7600 / 700), 42))  # the mel scale is a logarithm
    for band in (3, 17, 38):
        tone = np.sin(2 * np.pi * edges_hz[band + 1] * np.arange(1600) / 16_000)
        assert run(one(cell, 160), tone.reshape(-1, 160))[-1].argmax() == band
    np.testing.assert_allclose(run(one(cell, 160), np.zeros((4, 160))), np.log(1e-5), atol=1e-5)


def test_mel_triangles_share_what_is_between_two_centres():
    bins_hz = np.linspace(0, 4000, 4001)
    heard = triangles(bins_hz, 12, 0.0, 4000.0)
    first, last = bins_hz[heard.argmax(1)[[0, -1]]]
    within = (bins_hz >= first) & (bins_hz <= last)
    np.testing.assert_allclose(heard[:, within].sum(0), 1, atol=0.02)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inputs": 300}, "a hop of 300, a window of 200 samples, an fft of 256 points"),
        (
            {"fft": 128},
            "an fft of 128 points, 20 bands and a floor of 1e-06 arrived; expected 2 <= hop <= window <= fft",
        ),
        ({"high_hz": 5000}, "bands from 0 to 5000 Hz arrived; expected 0 <= low_hz < high_hz <= 4000, half the rate"),
        ({"bands": 100}, "mel band 0 of 100 contains no bin of an fft of 256; ask for fewer bands"),
        (
            {"floor": 0.0},
            "a floor of 0 arrived; expected 2 <= hop <= window <= fft, one band at least and a floor above 0",
        ),
    ],
)
def test_a_log_mel_that_cannot_be_is_refused(options, words):
    with pytest.raises(GraphError) as refusal:
        LogMel(**{**SPOKEN, **options})
    assert words in str(refusal.value)


@pytest.mark.parametrize(("prior", "limit"), [(3.0, 1e6), (3.0, 10.0), (8.0, 8.0)])
def test_a_running_mean_is_cumulative_and_then_exponential(prior, limit):
    xs = random.standard_normal((40, 6)) + 5
    mean, expected = np.zeros(6), []
    for k, x in enumerate(xs):
        mean = mean + (x - mean) / (1 + min(prior + k, limit))
        expected.append(x - mean)
    if limit > prior + len(xs):
        sums = np.cumsum(xs, axis=0) / (prior + np.arange(1, len(xs) + 1))[:, None]
        np.testing.assert_allclose(expected, xs - sums, atol=1e-12)
    np.testing.assert_allclose(run(one(RunningMean(6, prior, limit)), xs), expected, atol=1e-12)


def test_a_running_mean_that_cannot_be_is_refused():
    with pytest.raises(GraphError, match=r"a prior of 0.0 and a limit of 300.0 frames; expected .* 0 < prior <= limit"):
        RunningMean(6, 0.0)


def test_feature_cells_stay_exact_and_their_cost_is_counted_apart():
    net = keyword_spotter(inputs=spoken.BANDS)
    mel = LogMel(**SPOKEN)
    features = (Layer("mel", mel), Layer("mean", RunningMean(spoken.BANDS)))
    graph = Graph((*features, *(Layer(layer.name, layer.cell) for layer in net.layers)), spoken.HOP)
    small, whole, alone = count(quantize(graph)), count(graph), count(net)
    assert quantize(graph).layers[:2] == graph.layers[:2]
    assert (
        whole.exact_macs
        == multiplications(spoken.FFT) + mel.taper.size + mel.mel.size + spoken.BANDS
        == whole.macs - alone.macs
    )
    assert whole.exact_bytes == small.exact_bytes == whole.weight_bytes - alone.weight_bytes
    assert alone.exact_macs == alone.exact_bytes == 0


def test_operations_do_not_overflow():
    ops, large = NumpyOps("float32"), np.float32([-1e4, 0, 1e4])
    np.testing.assert_array_equal(ops.softmax(large), [0, 0, 1])
    np.testing.assert_array_equal(ops.sigmoid(large), [0, 0.5, 1])
    np.testing.assert_array_equal(ops.log(np.float32([0, 1])), [-np.inf, 0])
    assert np.isnan(ops.log(np.float32([-1]))[0])


class AnyCell:
    """A cell with any step."""

    states: ClassVar = {}

    def __init__(self, does):
        self.does = does

    def step(self, ops, x, state):
        return self.does(ops, x), state


def t(*shape):
    return Tensor(np.ones(shape, np.float32))


MISFITS = {
    "affine": (lambda ops, x: ops.affine(t(3, 5), x), r"\(affine\): it reads 5 values, but 6 arrive from 'x'"),
    "bias": (lambda ops, x: ops.affine(t(3, 6), x, t(4)), r"\(affine\): a tensor of shape \(4,\) meets 3 values"),
    "by": (lambda ops, x: ops.scale(x, t(5)), r"\(scale\): a tensor of shape \(5,\) meets 6 values"),
    "plus": (lambda ops, x: ops.scale(x, 1.0, t(5)), r"\(scale\): a tensor of shape \(5,\) meets 6 values"),
    "gain": (lambda ops, x: ops.normalize(x, t(5), None, 1e-5), r"\(normalize\): a tensor of shape \(5,\)"),
    "shift": (lambda ops, x: ops.normalize(x, None, t(5), 1e-5), r"\(normalize\): a tensor of shape \(5,\)"),
    "uneven": (lambda ops, x: ops.split(x, 4)[0], r"\(split\): 6 values arrive from 'x' and cannot be split into 4"),
    "too few": (lambda ops, x: ops.split(x, (2, 2))[0], r"cannot be split into \(2, 2\)"),
    "empty part": (lambda ops, x: ops.split(x, (6, 0))[0], r"cannot be split into \(6, 0\)"),
    "index": (lambda ops, x: ops.lookup(t(3, 2), x), r"\(lookup\): it reads 1 values, but 6"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_an_operation_that_does_not_fit_is_refused_with_its_layer_and_number(name):
    does, words = MISFITS[name]
    with pytest.raises(GraphError, match=rf"layer 'l', operation 0 {words}" if words.startswith(r"\(") else words):
        trace_layer(Layer("l", AnyCell(does)), [Ref("x", 6)])


def test_a_log_mel_of_whole_numbers_is_that_of_the_same_floats():
    assert LogMel(80, 8000, 200, 20) == LogMel(80, 8000.0, 200, 20, low_hz=0)
    assert dimensions(LogMel(80, 8000, 200, 20)) == {"inputs": 80, "window": 200, "bands": 20, "fft": 0}
