"""The tables that the tests multiply: a graph for every cell, and every way to run an artifact here."""

from dataclasses import replace

import numpy as np

from edgernn.cells import (
    Activation,
    BandMask,
    Concat,
    Conv1d,
    Conv2d,
    CumulativeMean,
    Deadband,
    Delay,
    Dense,
    DepthwiseConv2d,
    Difference,
    Embedding,
    FastGrnn,
    Gather,
    Gru,
    GruResetBefore,
    GruResetBeforeStep,
    GruStep,
    Istft,
    LayerNorm,
    LayerNormGru,
    LayerNormLstm,
    LogBands,
    LogMagnitude,
    LogMel,
    Lstm,
    LstmPeephole,
    LstmPeepholeStep,
    LstmStep,
    Maximum,
    MemoryAttention,
    Mgu,
    Mute,
    Pool,
    Product,
    Quotient,
    Reduce,
    Rnn,
    RnnStep,
    RunningMaximum,
    RunningMean,
    Scale,
    Shift,
    Slice,
    Standardize,
    Stft,
    Sum,
)
from edgernn.model.factored import Factored
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor

_random = np.random.default_rng(7)


def begin(seed: int) -> None:
    """Draw anew from here on, as conftest.py asks of every test: its weights are its own, whatever ran before it."""
    _random.bit_generator.state = np.random.default_rng(seed).bit_generator.state


def t(*shape: int, random: np.random.Generator = _random) -> Tensor:
    """Random weights that keep a layer's output near 1."""
    return Tensor((random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32))


def one(cell, inputs=6, name="layer", **options) -> Graph:
    """A graph of one layer; options are those of either."""
    of_layer = {key: options.pop(key) for key in [*options] if key in Layer.__dataclass_fields__}
    return Graph((Layer(name, cell, **of_layer),), inputs, **options)


def _positive(*shape: int) -> Tensor:
    return Tensor(_random.uniform(0.5, 2, shape).astype(np.float32))


def _branches(join) -> Graph:
    layers = (
        Layer("a", Dense(t(4, 6), t(4), "tanh")),
        Layer("b", Gru(t(12, 6), t(12, 4), t(12), t(12)), ("x",)),
        Layer("join", join, ("a", "b")),
        Layer("out", Dense(t(3, 8 if isinstance(join, Concat) else 4))),
    )
    return Graph(layers, 6)


def _within(random: np.random.Generator) -> Graph:
    """Softmax and logarithm whose results go on; its weights are its own, so that the others are as they were."""
    layers = (
        Layer("p", Dense(t(4, 6, random=random), t(4, random=random), "softmax")),
        Layer("log", Activation("log")),
        Layer("gru", Gru(t(12, 4, random=random), t(12, 4, random=random), t(12, random=random), t(12, random=random))),
        Layer("again", Activation("softmax")),
        Layer("out", Dense(t(3, 4, random=random), t(3, random=random))),
    )
    return Graph(layers, 6)


def _delays(random: np.random.Generator) -> dict[str, Graph]:
    """Layers that are fed back; their weights are their own, as in _within."""

    def own(*shape: int) -> Tensor:
        return t(*shape, random=random)

    return {
        "Delay": one(Delay(6)),
        "Delay of delays": Graph((Layer("a", Delay(6)), Layer("b", Delay(6)), Layer("sum", Sum(), ("a", "b"))), 6),
        "Delay exchange": Graph(
            (
                Layer("a", Delay(3), ("b",)),
                Layer("b", Delay(3), ("new",)),
                Layer("both", Concat(), ("x", "a", "b")),
                Layer("new", Dense(own(3, 12), own(3), "tanh")),
                Layer("out", Dense(own(2, 3)), ("b",)),
            ),
            6,
            initial_state={"a.past": own(3)},
        ),
        "RnnStep": Graph(
            (Layer("h", Delay(5), ("new",)), Layer("new", RnnStep(own(5, 6), own(5, 5), own(5)), ("x", "h"))), 6
        ),
        "GruStep packed": Graph(
            (
                Layer("h", Delay(9), ("packed",)),
                Layer("h_0", Slice(9, 0, 5), ("h",)),
                Layer("h_1", Slice(9, 5, 9), ("h",)),
                Layer("g_0", GruStep(own(15, 6), own(15, 5), own(15), own(15)), ("x", "h_0")),
                Layer("g_1", GruStep(own(12, 5), own(12, 4)), ("g_0", "h_1")),
                Layer("packed", Concat(), ("g_0", "g_1")),
                Layer("out", Dense(own(3, 4), own(3)), ("g_1",)),
            ),
            6,
        ),
        "LstmStep": Graph(
            (
                Layer("h", Delay(5), ("new_h",)),
                Layer("c", Delay(5), ("new_c",)),
                Layer("lstm", LstmStep(own(20, 6), own(20, 5), own(20)), ("x", "h", "c")),
                Layer("new_h", Slice(10, 0, 5)),
                Layer("new_c", Slice(10, 5, 10), ("lstm",)),
                Layer("out", Dense(own(2, 5)), ("new_c",)),
            ),
            6,
        ),
    }


def _other_gates(random: np.random.Generator) -> dict[str, Graph]:
    """The second GRU and the LSTM with peepholes; their weights are their own, as in _within."""

    def own(*shape: int) -> Tensor:
        return t(*shape, random=random)

    def gru(kind, inputs: int):
        return kind(own(15, inputs), own(10, 5), own(5, 5), own(15))

    def lstm(kind, inputs: int, outputs: int = 5):
        weights = (own(20, inputs), own(20, outputs), own(5), own(5), own(5), own(20))
        return kind(*weights, own(outputs, 5) if outputs != 5 else None)

    return {
        "GruResetBefore": one(gru(GruResetBefore, 6)),
        "GruResetBefore no bias": one(GruResetBefore(own(15, 6), own(10, 5), own(5, 5))),
        "GruResetBefore relu": one(GruResetBefore(own(15, 6), own(10, 5), own(5, 5), own(15), "relu")),
        "LstmPeephole": one(lstm(LstmPeephole, 6)),
        "LstmPeephole projected": one(lstm(LstmPeephole, 6, 3)),
        "LstmPeephole bound": one(LstmPeephole(own(20, 6), own(20, 5), b=own(20), clip=0.5)),
        "GruResetBeforeStep": Graph(
            (Layer("h", Delay(5), ("new",)), Layer("new", gru(GruResetBeforeStep, 6), ("x", "h"))), 6
        ),
        "LstmPeepholeStep": Graph(
            (
                Layer("h", Delay(5), ("new_h",)),
                Layer("c", Delay(5), ("new_c",)),
                Layer("lstm", lstm(LstmPeepholeStep, 6), ("x", "h", "c")),
                Layer("new_h", Slice(10, 0, 5)),
                Layer("new_c", Slice(10, 5, 10), ("lstm",)),
                Layer("out", Dense(own(2, 5)), ("new_c",)),
            ),
            6,
        ),
    }


def _quotient(random: np.random.Generator) -> Graph:
    """A quotient whose divisor is above 1, as that of a normalization is."""
    layers = (
        Layer("a", Dense(t(4, 6, random=random), t(4, random=random), "tanh")),
        Layer("gru", Gru(t(12, 6, random=random), t(12, 4, random=random)), ("x",)),
        Layer("power", Activation("exp")),
        Layer("more", Scale(Tensor(np.ones(4, np.float32)), Tensor(np.ones(4, np.float32)))),
        Layer("join", Quotient(), ("a", "more")),
        Layer("out", Dense(t(3, 4, random=random))),
    )
    return Graph(layers, 6)


def _curves(random: np.random.Generator) -> Graph:
    """exp, sqrt and maximum whose results go on, into a matrix and into a state."""
    layers = (
        Layer("a", Dense(t(5, 6, random=random), t(5, random=random), "tanh")),
        Layer("power", Activation("exp")),
        Layer("b", Dense(t(5, 6, random=random), t(5, random=random)), ("x",)),
        Layer("larger", Maximum(), ("power", "b")),
        Layer("root", Activation("sqrt")),
        Layer("gru", Gru(t(12, 5, random=random), t(12, 4, random=random), t(12, random=random), t(12, random=random))),
        Layer("elu", Activation("elu")),
        Layer("out", Dense(t(3, 4, random=random), t(3, random=random))),
    )
    return Graph(layers, 6)


def _with_positions(random: np.random.Generator) -> dict[str, Graph]:
    """Cells whose steps have values of several positions, and cells that are shared by several parts of a frame."""

    def r(*shape: int) -> Tensor:
        return t(*shape, random=random)

    gru, lstm = Gru(r(9, 2), r(9, 3), r(9), r(9)), Lstm(r(12, 2), r(12, 3), r(12))
    stack = (
        Layer("conv", Conv2d(6, 2, 3, r(4, 6), r(4), stride=2, below=1, above=1)),
        Layer("relu", Activation("relu")),
        Layer("depthwise", DepthwiseConv2d(3, 2, 3, r(24), r(4), below=1, above=1)),
        Layer("pool", Pool(4, 3, 2, 1)),
        Layer("bands", Gru(r(12, 4), r(12, 4), r(12), r(12)), positions=2),
        Layer("norm", LayerNorm(r(4), r(4)), positions=2),
        Layer("out", Dense(r(3, 8), r(3), "softmax")),
    )
    return {
        "Conv2d": one(Conv2d(3, 2, 2, r(4, 8), r(4))),
        "Conv2d one frame": one(Conv2d(6, 1, 3, r(5, 3), None, stride=2, below=1, above=1)),
        "Conv2d dilated": one(Conv2d(3, 3, 2, r(4, 12), r(4), below=2, above=1, frame_dilation=2, dilation=2)),
        "Conv2d spread": one(Conv2d(3, 1, 3, r(4, 6), r(4), below=2, above=2, spread=2)),
        "DepthwiseConv2d": one(DepthwiseConv2d(3, 2, 2, r(8), r(2), below=1)),
        "DepthwiseConv2d twice": one(DepthwiseConv2d(3, 1, 3, r(12), None, 2, below=1, above=1)),
        "Pool": one(Pool(2, 3, 3, 2, 1)),
        "Pool mean": one(Pool(2, 3, 2, 1, 1, "mean")),
        "Gather": one(Gather(6, (4, 5, -1, -1, 0, 1, 2, 3, 4, 5))),
        "Gather transposed": one(Gather(6, (0, 2, 4, 1, 3, 5))),
        "Gru shared": one(gru, positions=3, initial_state={"layer.h": r(9)}),
        "Lstm shared": one(lstm, positions=3),
        "Mgu shared": one(Mgu(r(6, 2), r(3, 3), r(3, 3), r(6)), positions=3),
        "LayerNormGru shared": one(
            LayerNormGru(
                r(9, 2), r(9, 3), r(9), r(9), Tensor(1 + 0.1 * r(9).stored), Tensor(1 + 0.1 * r(9).stored), 1.0
            ),
            positions=3,
        ),
        "Dense shared": one(Dense(r(4, 2), r(4), "softmax"), positions=3),
        "Positions": Graph(stack, 6, period_ms=10.0),
        "Join of parts": Graph(
            (
                Layer("d", Dense(r(6, 6))),
                Layer("both", Concat(), ("x", "d"), positions=3),
                Layer("last", Dense(r(4, 12))),
            ),
            6,
        ),
    }


def _over_time(random: np.random.Generator) -> dict[str, Graph]:
    """Layers that sweep over a frame, that take several frames in a step, and that begin later."""

    def r(*shape: int) -> Tensor:
        return t(*shape, random=random)

    gru, lstm = Gru(r(9, 2), r(9, 3), r(9), r(9)), Lstm(r(12, 2), r(12, 3), r(12))
    stack = (
        Layer("conv", Conv1d(3, r(4, 9), r(4)), frames=2),
        Layer("mute", Mute(4, 1), frames=2),
        Layer("relu", Activation("relu")),
        Layer("pool", Pool(4, 1, 1, 1, frames=2, frame_stride=2, age=1)),
        Layer("gru", Gru(r(12, 4), r(12, 4), r(12), r(12)), begins=1),
        Layer("both", Concat(), ("gru", "pool")),
        Layer("sweep", gru, positions=4, sweep="backward"),
        Layer("out", Dense(r(3, 12), r(3), "softmax")),
    )
    return {
        "Conv1d strided": one(Conv1d(5, r(4, 15), r(4), stride=2)),
        "Conv1d strided late": one(Conv1d(2, r(4, 4), None, dilation=2, stride=3, age=1)),
        "Conv2d strided": one(Conv2d(3, 3, 2, r(4, 6), r(4), frame_stride=2, age=1)),
        "DepthwiseConv2d strided": one(DepthwiseConv2d(3, 2, 2, r(4), r(1), frame_stride=2)),
        "Pool of frames": one(Pool(3, 1, 1, 1, frames=3, frame_stride=2)),
        "Pool of frames mean": one(Pool(1, 3, 2, 1, 0, "mean", frames=2, frame_stride=2, age=1)),
        "Mute": one(Mute(6, 3)),
        "Shift": one(Shift(6, 3)),
        "Gru forwards": one(gru, positions=3, sweep="forward"),
        "Lstm backwards": one(lstm, positions=3, sweep="backward"),
        "Gru of frames": one(gru, frames=3, initial_state={"layer.h": r(3)}),
        "Lstm later": one(Lstm(r(12, 6), r(12, 3), r(12)), begins=2),
        "Gru shared later": one(gru, positions=3, begins=2),
        "Over time": Graph(stack, 6, period_ms=20.0),
    }


def _spectra(random: np.random.Generator) -> dict[str, Graph]:
    """Transforms of even and odd sizes and their inverses, alone and around a mask."""

    def w(n: int) -> Tensor:
        return Tensor(random.uniform(0.2, 1, n).astype(np.float32))

    mask = (
        Layer("stft", Stft(6, 12, w(12))),
        Layer("gru", Gru(t(12, 14, random=random), t(12, 4, random=random))),
        Layer("gain", Dense(t(14, 4, random=random), t(14, random=random), "sigmoid")),
        Layer("masked", Product(), ("stft", "gain")),
        Layer("istft", Istft(14, 6, 12, w(12))),
    )
    denoised = (
        Layer("stft", Stft(6, 12, w(12))),
        Layer("bands", LogBands(14, 800, 4, 0.5)),
        Layer("gru", Gru(t(12, 4, random=random), t(12, 4, random=random))),
        Layer("gain", Dense(t(4, 4, random=random), t(4, random=random), "sigmoid")),
        Layer("masked", BandMask(14, 800, 4), ("gain", "stft")),
        Layer("istft", Istft(14, 6, 12, w(12))),
    )
    heard = (
        Layer("mel", LogMel(6, 800, 15, 4, floor=0.5)),
        Layer("gru", Gru(t(15, 4, random=random), t(15, 5, random=random), t(15, random=random), t(15, random=random))),
    )
    return {
        "Stft": one(Stft(6, 16, w(15))),
        "Stft odd": one(Stft(6, 21, w(16))),
        "Stft of parts": one(Stft(2, 10, w(7)), positions=3),
        "Stft of frames": one(Stft(2, 8, w(5)), frames=3),
        "Istft": one(Istft(6, 2, 4, w(4))),
        "Istft odd": one(Istft(6, 3, 5, w(5))),
        "Mask of a spectrum": Graph(mask, 6),
        "LogMel in integers": Graph(heard, 6),
        "LogBands": one(LogBands(14, 800, 4, 0.5), 14),
        "BandMask": Graph(denoised, 6, delay_frames=1, warmup_frames=1),
    }


def _heads(random: np.random.Generator) -> Graph:
    """Two outputs, the second of other magnitudes; its weights are its own, so that the others are as they were."""
    layers = (
        Layer("gru", Gru(t(15, 6, random=random), t(15, 5, random=random), t(15, random=random), t(15, random=random))),
        Layer("a", Dense(t(2, 5, random=random), t(2, random=random)), ("gru",)),
        Layer("b", Dense(t(1, 5, random=random), t(1, random=random), "sigmoid"), ("gru",)),
        Layer("outputs", Concat(), ("a", "b")),
    )
    return Graph(layers, 6, named_outputs={"gain": 2, "voice": 1})


def _attention(random: np.random.Generator) -> Graph:
    """Attention over three positions, of which the last holds nothing."""
    states = {"a.memory": t(12, random=random), "a.mask": Tensor(np.array([0, 0, -30], np.float32))}
    layers = (
        Layer("gru", Gru(t(15, 6, random=random), t(15, 5, random=random), t(15, random=random), t(15, random=random))),
        Layer("a", MemoryAttention(t(4, 5, random=random), 3)),
        Layer("out", Dense(t(3, 9, random=random), t(3, random=random), "tanh")),
    )
    return Graph(layers, 6, initial_state=states)


def _two_inputs(random: np.random.Generator) -> Graph:
    """Two inputs, of which each has layers of its own."""
    layers = (
        Layer("near", Slice(6, 0, 2)),
        Layer("wide", Dense(t(4, 2, random=random), t(4, random=random), "tanh")),
        Layer("far", Slice(6, 2, 6), ("x",)),
        Layer("both", Concat(), ("wide", "far")),
        Layer("gru", Gru(t(15, 8, random=random), t(15, 5, random=random), t(15, random=random), t(15, random=random))),
    )
    return Graph(layers, 6, named_inputs={"mic": 2, "far": 4})


GRAPHS: dict[str, Graph] = {
    "Rnn": one(Rnn(t(5, 6), t(5, 5), t(5))),
    "Rnn relu": one(Rnn(t(5, 6), t(5, 5), None, "relu")),
    "Gru": one(Gru(t(15, 6), t(15, 5), t(15), t(15))),
    "Gru no bias": one(Gru(t(15, 6), t(15, 5))),
    "Gru rest": one(Gru(t(15, 6), t(15, 5)), initial_state={"layer.h": t(5)}),
    "Lstm": one(Lstm(t(20, 6), t(20, 5), t(20))),
    "Lstm no bias": one(Lstm(t(20, 6), t(20, 5))),
    "Lstm projected": one(Lstm(t(20, 6), t(20, 3), t(20), t(3, 5))),
    "Dense": one(Dense(t(4, 6), t(4))),
    **{f"Dense {kind}": one(Dense(t(4, 6), None, kind)) for kind in ("relu", "tanh", "sigmoid", "softmax")},
    "Conv1d": one(Conv1d(3, t(4, 18), t(4))),
    "Conv1d two taps": one(Conv1d(2, t(4, 12))),
    "Conv1d dilated": one(Conv1d(3, t(4, 18), t(4), 2)),
    "Embedding": Graph((Layer("table", Embedding(t(9, 5))), Layer("gru", Gru(t(12, 5), t(12, 4)))), 1),
    "LayerNorm": one(LayerNorm(t(6), t(6))),
    "LayerNorm plain": one(LayerNorm(eps=1e-3)),
    "LayerNorm gain": one(LayerNorm(t(6))),
    "Standardize": one(Standardize(t(6), _positive(6))),
    "Scale": one(Scale(t(6), t(6))),
    "Slice": one(Slice(6, 2, 5)),
    "Slice first": one(Slice(6, 0, 2)),
    **{f"Activation {kind}": one(Activation(kind)) for kind in ("relu", "tanh", "sigmoid", "softmax")},
    "Activation log": Graph((Layer("p", Dense(t(4, 6), None, "softmax")), Layer("log", Activation("log"))), 6),
    "Dense then Slice": Graph((Layer("d", Dense(t(40, 6), t(40), "tanh")), Layer("s", Slice(40, 3, 20))), 6),
    "Names that meet": Graph(
        (
            Layer("a_0", Dense(t(6, 6), t(6))),
            Layer("a", Standardize(t(6), _positive(6))),
            Layer("double", Conv1d(2, t(6, 12))),
            Layer("kept", Gru(t(18, 6), t(18, 6))),
            Layer("q", Rnn(t(6, 6), t(6, 6))),
            Layer("state", Dense(t(3, 6))),
        ),
        6,
        labels=("what??/", 'a "b"', "c\\d"),
    ),
    "Sum": _branches(Sum()),
    "Product": _branches(Product()),
    "Concat": _branches(Concat()),
    "Square": Graph((Layer("gru", Gru(t(15, 6), t(15, 5))), Layer("square", Product(), ("gru", "gru"))), 6),
    "stack": Graph(
        (
            Layer("features", Standardize(t(6), _positive(6))),
            Layer("conv", Conv1d(3, t(8, 18), t(8))),
            Layer("norm", LayerNorm(t(8), t(8))),
            Layer("lstm", Lstm(t(32, 8), t(32, 8), t(32))),
            Layer("residual", Sum(), ("norm", "lstm")),
            Layer("gru", Gru(t(24, 8), t(24, 8), t(24), t(24))),
            Layer("out", Dense(t(3, 8), t(3), "softmax")),
        ),
        6,
        period_ms=10.0,
        labels=("one", "two", "drei ü"),
    ),
    "FastGrnn": one(FastGrnn(t(5, 6), t(5, 5), t(5), t(5), _positive(5), t(5))),
    "Mgu": one(Mgu(t(10, 6), t(5, 5), t(5, 5), t(10))),
    "Mgu no bias": one(Mgu(t(10, 6), t(5, 5), t(5, 5))),
    "LayerNormGru": one(LayerNormGru(t(15, 6), t(15, 5), t(15), t(15), _positive(15), _positive(15), 1e-3)),
    "LayerNormLstm": one(
        LayerNormLstm(t(20, 6), t(20, 5), t(20), _positive(20), _positive(20), _positive(5), t(5), 1e-3)
    ),
    "LogMel": one(LogMel(6, 800, 15, 4, floor=0.5)),
    "LogMel no overlap": one(LogMel(6, 800, 6, 3, floor=0.5)),
    "LogMel before a net": Graph(
        (
            Layer("mel", LogMel(6, 800, 15, 4, floor=0.5)),
            Layer("mean", RunningMean(4)),
            Layer("gru", Gru(t(15, 4), t(15, 5), t(15), t(15))),
        ),
        6,
    ),
    "Difference": one(Difference(6, _positive(2))),
    "Difference of all": Graph(
        (Layer("d", Difference(6, _positive(6))), Layer("gru", Gru(t(15, 12), t(15, 5), t(15), t(15)))), 6
    ),
    "LogMagnitude": one(LogMagnitude(6, 0.1)),
    "RunningMean": one(RunningMean(6, 3.0, 20.0)),
    "CumulativeMean": one(CumulativeMean(6)),
    "CumulativeMean of one": one(CumulativeMean(1), 1),
    "RunningMaximum": one(RunningMaximum(6)),
    "Reduce": one(Reduce(6, 3)),
    "Reduce inner": one(Reduce(6, 3, 2, "mean")),
    "Reduce max": one(Reduce(6, 2, 1, "max")),
    "Reduce to one": one(Reduce(6, 6, 1, "mean")),
    "RunningMean exponential": one(RunningMean(6, 8.0, 8.0)),
    "Gru factored": one(Gru(Factored(t(15, 2), t(2, 6)), Factored(t(15, 3), t(3, 5)), t(15), t(15))),
    "Activation within": _within(np.random.default_rng(8)),
    **_delays(np.random.default_rng(9)),
    **_other_gates(np.random.default_rng(12)),
    **{f"Activation {kind}": one(Activation(kind)) for kind in ("abs", "elu", "gelu", "gelu_tanh", "mish", "softplus")},
    "Activation exp": Graph((Layer("d", Dense(t(4, 6), None, "tanh")), Layer("exp", Activation("exp"))), 6),
    "Activation sqrt": Graph((Layer("size", Activation("abs")), Layer("root", Activation("sqrt"))), 6),
    "Maximum": _branches(Maximum()),
    "Quotient": _quotient(np.random.default_rng(9)),
    "Curves within": _curves(np.random.default_rng(10)),
    **_with_positions(np.random.default_rng(9)),
    **_over_time(np.random.default_rng(11)),
    **_spectra(np.random.default_rng(16)),
    "Concat of outputs": _heads(np.random.default_rng(9)),
    "Deadband": one(Deadband(6, 0.5)),
    "MemoryAttention": _attention(np.random.default_rng(18)),
    "Slice of inputs": _two_inputs(np.random.default_rng(10)),
}
"""A name that begins with the cell's -> a graph that has it."""


def keyword_spotter(hidden: int = 16, inputs: int = 10, outputs: int = 4) -> Graph:
    """A GRU with a dense head, as small models usually are."""
    layers = (
        Layer("gru", Gru(t(3 * hidden, inputs), t(3 * hidden, hidden), t(3 * hidden), t(3 * hidden))),
        Layer("out", Dense(t(outputs, hidden), t(outputs))),
    )
    return Graph(layers, inputs, period_ms=10.0, labels=tuple(f"word{i}" for i in range(outputs)))


def unnamed(graph: Graph) -> Graph:
    """The same graph with one input and one output, as in a window."""
    return replace(graph, named_inputs={}, named_outputs={})


def block_sparse(graph: Graph, columns: int, density: float = 0.2) -> Graph:
    """The same graph with zeros in all but a part of the blocks of 16 rows by some columns of its matrices."""

    def thinned(tensor: Tensor) -> Tensor:
        if len(tensor.shape) == 1:
            return tensor
        rows, inputs = tensor.shape
        blocks = _random.random((-(-rows // 16), -(-inputs // columns))) < density
        return Tensor(tensor.stored * np.kron(blocks, np.ones((16, columns), np.float32))[:rows, :inputs])

    return graph.with_tensors({name: thinned(tensor) for name, tensor in graph.tensors.items()})


def frames(graph: Graph, steps: int, seed: int = 3) -> np.ndarray:
    """Random frames for a graph."""
    random = np.random.default_rng(seed)
    if graph.vocabulary_size:
        return random.integers(0, graph.vocabulary_size, (steps, 1)).astype(np.int32)
    return random.standard_normal((steps, graph.inputs)).astype(np.float32)


def apart(name: str, actual, expected) -> float:
    """The root mean square of the difference; of the one unstable graph, whose runs drift apart for a moment, the median."""
    error = np.abs(actual - expected)
    return float(np.median(error) if name == "LayerNormLstm" else np.sqrt(np.mean(error**2)))
