"""Values with several positions: convolution over frequency, pooling, gathers, and layers that parts of a frame share.

The oracle is torch, in float64 while a module is converted, and on every runtime over 100 steps.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn import functional as F

import edgernn
from edgernn.cells import Concat, Conv2d, Dense, DepthwiseConv2d, Gather, Gru, Pool
from edgernn.errors import CalibrationError, GraphError, UnsupportedError
from edgernn.interpreters.count import count
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.operation import LayerTracer, Ref, TracedValue
from edgernn.passes.prune_units import prune_units
from edgernn.passes.quantize import quantize
from edgernn_export import export, from_torch
from zoo import GRAPHS, frames, one, t

STEPS = 100


class Module(nn.Module):
    """A module whose forward is a function of its parts."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.parts, self.function = nn.ModuleDict(parts), forward

    def forward(self, x):
        return self.function(self.parts, x)


def features(y):
    """(1, channels, time, frequency) -> (1, time, channels * frequency)."""
    return y.permute(0, 2, 1, 3).flatten(2)


def bands(p, x):
    y, _ = p["g"](x.view(1, -1, 4, 2).transpose(1, 2).reshape(4, -1, 2))
    return y.transpose(0, 1).reshape(1, -1, 12)


def convolved(p, x):
    y = torch.relu(p["n"](p["c"](F.pad(x.unsqueeze(1), (0, 0, 2, 0)))))
    return p["g"](features(y))[0]


def network(p, x):
    y = F.max_pool2d(torch.relu(p["n"](p["a"](F.pad(x.unsqueeze(1), (1, 1, 2, 0))))), (1, 2))
    y = p["deep"](F.pad(y, (0, 0, 1, 0)))
    return p["g"](features(F.avg_pool2d(p["up"](y), (1, 3), (1, 2), (0, 1))))[0]


MODULES = {
    "conv2d": Module(
        convolved, c=nn.Conv2d(1, 4, 3, padding=(0, 1)), n=nn.BatchNorm2d(4), g=nn.GRU(32, 6, batch_first=True)
    ),
    "bands": Module(bands, g=nn.GRU(2, 3, batch_first=True)),
    "shuffle": Module(
        lambda p, x: p["g"](x.view(1, -1, 2, 4).transpose(2, 3).flatten(2))[0], g=nn.GRU(8, 6, batch_first=True)
    ),
    "grouped einsum": Module(
        lambda p, x: p["g"](
            torch.einsum("btgi,gih->btgh", x.view(1, -1, 4, 2), p["w"].weight.view(4, 2, 2)).flatten(2)
        )[0],
        w=nn.Linear(4, 4, bias=False),
        g=nn.GRU(8, 6, batch_first=True),
    ),
    "network": Module(
        network,
        a=nn.Conv2d(1, 4, (3, 3)),
        n=nn.BatchNorm2d(4),
        deep=nn.Conv2d(4, 8, (2, 3), padding=(0, 1), groups=4),
        up=nn.ConvTranspose2d(8, 3, (1, 3), stride=(1, 2), padding=(0, 1), output_padding=(0, 1)),
        g=nn.GRU(12, 6, batch_first=True),
    ),
    "shared linear": Module(
        lambda p, x: p["g"](torch.tanh(p["l"](p["n"](x.view(1, -1, 4, 2)))).flatten(2))[0],
        l=nn.Linear(2, 3),
        n=nn.LayerNorm(2),
        g=nn.GRU(12, 5, batch_first=True),
    ),
}
"""Modules whose steps have positions, on frames of 8 numbers."""


@pytest.fixture(scope="module")
def converted():
    """Each module with its graph; batch normalizations have statistics of their own."""
    torch.manual_seed(5)
    for module in MODULES.values():
        for norm in (each for each in module.modules() if isinstance(each, nn.BatchNorm2d)):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            norm.weight.data.uniform_(0.5, 2)
            norm.bias.data.normal_()
    return {name: (module.eval(), from_torch(module, torch.randn(1, 12, 8))) for name, module in MODULES.items()}


@pytest.mark.parametrize("suffix", [".rnn", ".onnx", ".tflite", ".so"])
@pytest.mark.parametrize("name", MODULES)
def test_every_runtime_equals_torch(name, suffix, converted, tmp_path):
    module, graph = converted[name]
    xs = torch.randn(1, STEPS, 8)
    with torch.no_grad():
        expected = module(xs)[0].numpy()
    path = tmp_path / f"m{suffix}"
    edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
    actual = edgernn.open(path).stream().run(xs[0].numpy())
    assert np.abs(actual - expected).max() <= 1e-5


SIDE = st.integers(1, 3)


@settings(max_examples=40, deadline=None)
@given(
    channels=SIDE, outputs=SIDE, groups=SIDE, kernel=st.tuples(SIDE, SIDE), stride=SIDE, padding=st.integers(0, 2),
    dilation=st.tuples(SIDE, st.integers(1, 2)), bias=st.booleans(), time_last=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_convolution_is_that_of_torch(
    channels, outputs, groups, kernel, stride, padding, dilation, bias, time_last, seed
):
    torch.manual_seed(seed)
    w = torch.randn(outputs * groups, channels, *kernel, dtype=torch.float64)
    b = torch.randn(outputs * groups, dtype=torch.float64) if bias else None
    frequencies = 6
    reach = (kernel[0] - 1) * dilation[0]
    flip = (lambda y: y.transpose(2, 3)) if time_last else (lambda y: y)

    class Convolution(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.b = nn.Parameter(flip(w)), None if b is None else nn.Parameter(b)

        def forward(self, x):
            past = (reach, 0, 0, 0) if time_last else (0, 0, reach, 0)
            options = ((1, stride), (0, padding), dilation)
            options = tuple(each[::-1] for each in options) if time_last else options
            return F.conv2d(F.pad(x, past), self.w, self.b, *options, groups)

    x = torch.randn(1, channels * groups, 9, frequencies, dtype=torch.float64)
    graph = from_torch(Convolution().eval(), flip(x), time_axis=3 if time_last else 2).astype("float64")
    expected = F.conv2d(F.pad(x, (0, 0, reach, 0)), w, b, (1, stride), (0, padding), dilation, groups)
    actual, _ = Stepper(graph).run(x[0].transpose(0, 1).flatten(1).numpy())
    assert np.allclose(actual, expected[0].transpose(0, 1).flatten(1).numpy(), rtol=0, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(kernel=st.tuples(SIDE, SIDE), stride=SIDE, more=st.integers(0, 2), groups=st.integers(1, 2), dilation=SIDE)
def test_a_transposed_convolution_is_that_of_torch(kernel, stride, more, groups, dilation):
    torch.manual_seed(0)
    more = min(more, max(stride, dilation) - 1)
    inner = nn.ConvTranspose2d(4, 2, kernel, (1, stride), (0, 0), (0, more), groups, dilation=(1, dilation))
    module = Module(lambda p, x: p["c"](x)[:, :, : x.shape[2]], c=inner)
    from_torch(module.eval(), torch.randn(1, 4, 9, 5), time_axis=2)  # proves itself in float64


@pytest.mark.parametrize("kind", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (6, 6, 0)])
def test_pooling_is_that_of_torch(kind, size, stride, padding):
    pool = getattr(F, kind)
    module = Module(lambda _, x: pool(x, (1, size), (1, stride), (0, padding)))
    from_torch(module.eval(), torch.randn(1, 2, 9, 6), time_axis=2)


def test_permutes_slices_and_padding_within_a_frame():
    def forward(p, x):
        y = F.pad(x.view(1, -1, 2, 3, 2).permute(0, 1, 4, 2, 3)[..., 1:], (1, 2, 0, 1))
        return p["g"](y.flatten(2))[0]

    from_torch(Module(forward, g=nn.GRU(2 * 3 * 5, 3, batch_first=True)).eval(), torch.randn(1, 9, 12))


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    {
        "batch": (Module(lambda _, x: F.conv2d(x, torch.ones(1, 1, 1, 1))), (2, 1, 9, 6), "not a batch"),
        "ceil": (Module(lambda _, x: F.max_pool2d(x, (1, 4), ceil_mode=True)), (1, 1, 9, 6), "ceil_mode"),
    }.values(),
)  # fmt: skip
def test_what_does_not_stream_is_refused(module, shape, message):
    with pytest.raises(UnsupportedError, match=message):
        from_torch(module.eval(), torch.randn(shape), time_axis=2)


@pytest.mark.parametrize(
    ("compute", "message"),
    {
        "reshape": (lambda ops, x: ops.reshape(x, 1, 4), "6 elements cannot be arranged as 4 positions"),
        "before": (lambda ops, x: ops.reshape(x, 2, 1), "reads 2 positions, but 'x' has 1"),
        "index": (lambda ops, x: ops.gather(ops.reshape(x, 1, 3), 3, (0, 3)), "expected at least one, from -1 to 2"),
        "no index": (lambda ops, x: ops.gather(x, 1, ()), "of 0 entries arrives"),
        "groups": (lambda ops, x: ops.sum(ops.reshape(x, 1, 3), 3, 2), "3 positions cannot be divided into groups of 2"),
        "largest": (lambda ops, x: ops.largest(x, 1, 2), "1 positions cannot be divided"),
        "sum of two": (lambda ops, x: ops.reshape(x, 1, 6) + ops.gather(ops.reshape(x, 1, 6), 6, (1,)), "positions"),
        "concat": (
            lambda ops, x: ops.concat(ops.reshape(x, 1, 6), ops.reshape(x, 1, 3)), r"values of \[3, 6\] positions"
        ),
        "lookup": (lambda ops, x: ops.lookup(t(3, 2), ops.reshape(x, 1, 6)), "reads 1 positions"),
    }.values(),
)  # fmt: skip
def test_positions_that_do_not_fit(compute, message):
    tracer = LayerTracer("layer")
    with pytest.raises(GraphError, match=message):
        compute(tracer, TracedValue(Ref("x", 6), tracer))


@pytest.mark.parametrize(
    ("make", "message"),
    {
        "taps": (lambda: Conv2d(2, 1, 3, t(4, 3)), "at least as many frequencies as the taps span"),
        "stride": (lambda: Conv2d(6, 1, 3, t(4, 3), stride=0), "Conv2d.stride is 0"),
        "weights": (lambda: Conv2d(6, 2, 3, t(4, 5)), "Conv2d.w has shape"),
        "multiplier": (lambda: DepthwiseConv2d(6, 1, 3, t(9), multiplier=2), "as many outputs for each "),
        "kind": (lambda: Pool(2, 3, 2, 1, 0, "min"), "Pool.kind is 'min'"),
        "channels": (lambda: Pool(0, 4, 2, 1), "Pool.channels is 0"),
        "padding": (lambda: Pool(2, 3, 2, 1, 2), "a padding of half the size"),
        "index": (lambda: Gather(6, (0, 6)), "whole numbers from -1 to 5"),
        "positions": (lambda: one(Dense(t(4, 2)), positions=0), "positions=0"),
        "parts": (lambda: one(Dense(t(4, 4)), positions=2), "reads 8 values, but 6 arrive"),
        "join": (
            lambda: Graph((Layer("d", Dense(t(6, 6))), Layer("j", Concat(), ("x", "d"), positions=2, begins=1)), 6), "begins=0 for a join"
        ),
    }.values(),
)  # fmt: skip
def test_cells_and_layers_that_do_not_fit(make, message):
    with pytest.raises(GraphError, match=message):
        make()


def test_a_cell_must_end_with_one_position():
    @dataclass(frozen=True)
    class Open:
        exact, delays, GATES, states = False, False, (), MappingProxyType({})

        def step(self, ops, x, state):
            return ops.reshape(x, 1, 3), state

    with pytest.raises(GraphError, match=r"leaves the step with 3 positions; expected one: ops.reshape\(x, 3, 1\)"):
        one(Open()).trace  # noqa: B018


def test_a_shared_cell_is_the_cell_on_each_part():
    cell = Gru(t(9, 2), t(9, 3), t(9), t(9))
    xs = frames(GRAPHS["Gru"], 20)
    actual, _ = Stepper(one(cell, positions=3)).run(xs)
    parts = [Stepper(one(cell, inputs=2)).run(xs[:, k : k + 2])[0] for k in (0, 2, 4)]
    assert np.allclose(actual, np.concatenate(parts, axis=-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("suffix", [".rnn", ".onnx", ".tflite", ".so"])
def test_each_position_is_rounded_with_a_scale_of_its_own(suffix, tmp_path):
    """A loud position leaves the bits of a quiet one as they are; silence stays silence."""
    graph = one(Dense(t(5, 12)), inputs=48, positions=4)
    x = frames(graph, 20) * np.repeat(np.float32([1e-3, 1, 1e3, 0]), 12)
    path = tmp_path / f"m{suffix}"
    edgernn.save(quantize(graph), path) if suffix == ".rnn" else export(quantize(graph), path)
    actual = edgernn.open(path).stream().run(x).reshape(20, 4, 5)
    expected = Stepper(graph).run(x)[0].reshape(20, 4, 5)
    apart = np.abs(actual - expected).max(axis=(0, 2))
    assert (apart <= 0.02 * np.abs(expected).max(axis=(0, 2))).all()


def test_shared_weights_are_counted_once_and_their_products_at_each_position():
    shared, alone = (count(one(Dense(t(4, 2)), inputs=2 * n, positions=n)) for n in (3, 1))
    assert (shared.macs, shared.weight_bytes) == (3 * alone.macs, alone.weight_bytes)


def test_units_of_a_shared_cell_are_removed_from_every_part():
    layers = (Layer("g", Gru(t(12, 2), t(12, 4)), positions=3), Layer("out", Dense(t(3, 12))))
    small = prune_units(Graph(layers, 6), 0.5)
    assert small.states == {"g.h": 6}
    assert small.layers[1].cell.w.shape == (3, 6)


def test_units_that_a_convolution_reads_stay():
    layers = (Layer("g", Gru(t(18, 6), t(18, 6))), Layer("conv", Conv2d(6, 1, 3, t(2, 3))))
    with pytest.raises(GraphError, match="no units can be removed"):
        prune_units(Graph(layers, 6), 0.5)


def test_a_saved_graph_keeps_positions(tmp_path):
    graph = GRAPHS["Positions"]
    edgernn.save(graph, tmp_path / "m.rnn")
    assert [layer.positions for layer in edgernn.load(tmp_path / "m.rnn").layers] == [1, 1, 1, 1, 2, 2, 1]


def test_a_reshape_of_a_reshape_is_one():
    layers = (Layer("a", Dense(t(2, 2)), positions=3), Layer("b", Dense(t(2, 2)), positions=3))
    names = [op.name for op in Graph(layers, 6).trace.operations]
    assert names == ["reshape", "affine", "affine", "reshape"]


def test_a_sum_that_32_bits_may_not_hold_is_refused():
    from edgernn.integer.plan import IntegerPlan, QuantizationParameters
    from edgernn.integer.positions import total

    tracer = LayerTracer("layer")
    tracer.sum(TracedValue(Ref("x", 1, 1 << 17), tracer), 1 << 17, 1 << 17)
    op = tracer.operations[-1]
    wide = QuantizationParameters(1.0, 0, 16)
    plan = IntegerPlan(None, frozenset(), {"x": wide, op.outputs[0].name: replace(wide)}, {})
    with pytest.raises(CalibrationError, match="a sum of 131072 positions"):
        total(op, plan)
