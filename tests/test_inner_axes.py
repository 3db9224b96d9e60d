"""Operations over some axes of a frame, and broadcasting between them, against torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn import functional as F

import edgernn
from edgernn.cells import Reduce
from edgernn.errors import GraphError, UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import export, from_torch
from edgernn_export.sources.torch.proof.sequences import TOLERANCE
from zoo import one

STEPS, WIDTH = 100, 24


class Written(nn.Module):
    """A function of (1, time, 2, 3, 4) with constants; its answer is (1, time, width)."""

    def __init__(self, function, batch):
        super().__init__()
        self.gain = nn.Parameter(torch.rand(4) + 0.5)
        self.w = nn.Parameter(torch.randn(3, 5) / 2)
        self.many = nn.Parameter(torch.randn(2, 4, 3) / 2)
        self.does, self.batch = function, batch

    def forward(self, x):
        x = x.view(-1, 2, 3, 4) if self.batch else x.view(1, -1, 2, 3, 4)
        y = self.does(x, self)
        return y.flatten(1)[None] if self.batch else y.flatten(2)


def norm(x, order, axes):
    return torch.linalg.vector_norm(x, order, axes, True)


FUNCTIONS = {
    "mean of the first": lambda x, m: x - x.mean(2, keepdim=True),
    "mean of the last two": lambda x, m: x - x.mean((3, 4), keepdim=True),
    "mean of the outer two": lambda x, m: x * x.mean((2, 4), keepdim=True),
    "sum": lambda x, m: x.sum(3),
    "variance": lambda x, m: x / (x.var(3, keepdim=True) + 1),
    "deviation": lambda x, m: x.std((2, 3)),
    "variance and mean": lambda x, m: torch.cat(torch.var_mean(x, 3), -1),
    "deviation and mean": lambda x, m: torch.cat(torch.std_mean(x, 4, correction=0), -1),
    "max": lambda x, m: x.max(3).values,
    "min": lambda x, m: x.min(2, keepdim=True)[0] + x,
    "amax": lambda x, m: x.amax((2, 4)),
    "any and all": lambda x, m: x * (x > 1).any(4, keepdim=True) + x * (x > -1).all(3, keepdim=True),
    "L1 norm": lambda x, m: x / norm(x, 1, 3),
    "L2 norm": lambda x, m: x / x.norm(dim=2, keepdim=True),
    "largest norm": lambda x, m: norm(x, float("inf"), (3, 4)),
    "normalize": lambda x, m: F.normalize(x, dim=3),
    "softmax": lambda x, m: x.softmax(3),
    "log softmax": lambda x, m: x.log_softmax(2),
    "softmin": lambda x, m: F.softmin(x, 3),
    "log of a sum": lambda x, m: (10 * x).logsumexp((2, 4)),
    "layer norm": lambda x, m: F.layer_norm(x, (4,), m.gain, m.gain),
    "layer norm of two axes": lambda x, m: F.layer_norm(x, (3, 4), m.gain.expand(3, 4)),
    "RMS norm": lambda x, m: F.rms_norm(x, (4,), m.gain, 1e-6),
    "RMS norm of two axes": lambda x, m: F.rms_norm(x, (3, 4), None, 1e-6),
    "mask": lambda x, m: x * torch.sigmoid(x[:, :, :1]),
    "masks of both": lambda x, m: x * x[:, :, :, :1] * x[..., :1],
    "outer product": lambda x, m: x[:, :, :1, :1] * x[..., :1],
    "complex mask": lambda x, m: torch.stack([x[:, :, 0] * x[:, :, 1], x[:, :, 0] - x[:, :, 1]], 2),
    "where": lambda x, m: torch.where(x.mean(4, keepdim=True) > 0, x, -m.gain),
    "comparison": lambda x, m: x * (x[:, :, :1] > x.mean(3, keepdim=True)),
    "filled": lambda x, m: x.masked_fill(x[:, :, :, :1] < 0, -2.0),
    "bounds": lambda x, m: torch.clamp(x, -m.gain, m.gain) + x.clamp(min=x[:, :, :1] - 1),
    "larger": lambda x, m: torch.maximum(x, x.mean(2, keepdim=True)) - torch.minimum(x[..., :1], x),
    "sum of products": lambda x, m: torch.addcmul(x, x[:, :, :1], m.gain, value=0.3) + (x * x[:, :, :1]).sum(4, True),
    "quotients": lambda x, m: torch.addcdiv(x, x[..., :1], m.gain) + x / (x.abs().sum(2, keepdim=True) + 1),
    "blend": lambda x, m: torch.lerp(x, x[:, :, :1], m.gain),
    "constant of more elements": lambda x, m: x[..., :1] * m.gain + x[:, :, :, :1] ** 2,
    "glu": lambda x, m: F.glu(x, 2) - F.glu(x, 4)[:, :, :1].repeat(1, 1, 1, 1, 2),
    "expand": lambda x, m: x.mean(3, keepdim=True).expand(-1, -1, -1, 5, -1),
    "repeat": lambda x, m: x.repeat(1, 1, 2, 1, 2) + x.tile(2, 1, 2),
    "repeat each": lambda x, m: x.repeat_interleave(2, 3),
    "flip and roll": lambda x, m: x.flip(3, 4) + x.roll((1, 2), (2, 4)),
    "indices": lambda x, m: x[:, :, :, [2, 0]] - x[:, :, [1, 0]].index_select(3, torch.tensor([0, 0])),
    "indices apart": lambda x, m: x[:, :, [1, 0], :, [2, 3]].permute(1, 2, 0, 3),
    "cat": lambda x, m: torch.cat([x, x[..., :2], x[..., 1:2]], -1),
    "stack": lambda x, m: torch.stack([x, x * x], 3),
    "running sum of features": lambda x, m: x.cumsum(3),
    "matrix on the right": lambda x, m: x.transpose(3, 4) @ m.w,
    "matrix on the left": lambda x, m: m.w.T @ x,
    "matrices": lambda x, m: x @ m.many,
    "matrices on the left": lambda x, m: m.many @ x,
    "einsum": lambda x, m: torch.einsum("btcfk,fg->btcgk", x, m.w),
    "einsum of each": lambda x, m: torch.einsum("btcfk,ckg->bftgc", x, m.many).transpose(1, 2),
    "einsum with an ellipsis": lambda x, m: torch.einsum("...fk,fg->...gk", x, m.w),
    "matrices of two values": lambda x, m: torch.tanh(x) @ x.mT,
    "matrices of two shapes": lambda x, m: x[:, :, :1].mT @ x,
    "einsum of two values": lambda x, m: torch.einsum("btcfk,btcgk->btfgc", x, torch.tanh(x)),
    "einsum of two ellipses": lambda x, m: torch.einsum("...k,...k->...", x, torch.tanh(x)),
    "attention within a frame": lambda x, m: (x @ x.mT).softmax(-1) @ torch.tanh(x),
    "attention of torch": lambda x, m: F.scaled_dot_product_attention(x, torch.tanh(x), x, scale=0.3),
    "adaptive": lambda x, m: F.adaptive_avg_pool2d(x.flatten(3).transpose(1, 2), (x.shape[1], 4)).transpose(1, 2),
    "enlarged": lambda x, m: F.interpolate(x.flatten(3).transpose(1, 2), scale_factor=(1, 2)).transpose(1, 2),
}
"""On (1, time, 2, 3, 4)."""

BATCHED = {
    "group norm": lambda x, m: F.group_norm(x.flatten(1, 2), 3, m.w.flatten()[:6], m.w.flatten()[:6]),
    "group norm of two axes": lambda x, m: F.group_norm(x, 2),
    "instance norm": lambda x, m: F.instance_norm(x, weight=m.gain[:2], bias=m.gain[:2]),
    "bmm": lambda x, m: torch.bmm(x[:, 0].transpose(0, 1), m.many[:1].expand(3, 4, 3)).transpose(0, 1),
    "baddbmm": lambda x, m: torch.baddbmm(m.gain[:1], x[:, 0], m.many[:1, :, :2].expand(x.shape[0], 4, 2), alpha=2),
    "addmm": lambda x, m: torch.addmm(m.gain[:1], x[:, 0, 0], m.many[0], beta=2),
    "adaptive maximum": lambda x, m: F.adaptive_max_pool1d(x.flatten(2), 3),
}
"""On (time, 2, 3, 4)."""


def written(name):
    torch.manual_seed(3)
    function, batch = (FUNCTIONS | BATCHED)[name], name in BATCHED
    return Written(function, batch).eval()


@pytest.mark.parametrize("name", [*FUNCTIONS, *BATCHED])
def test_an_operation_over_inner_axes_is_torchs(name):
    """from_torch proves it in float64 at 1e-9, before its weights and constants become float32; this is on other frames."""
    assert TOLERANCE == 1e-9
    module, xs = written(name), torch.randn(1, STEPS, WIDTH)
    graph = from_torch(module, torch.randn(1, 11, WIDTH), time_axis=1)
    with torch.no_grad():
        expected = module.double()(xs.double())[0].numpy()
    actual = Stepper(graph).run(xs[0].double().numpy())[0]
    np.testing.assert_allclose(actual, expected.reshape(actual.shape), atol=2e-6 * max(1, np.abs(expected).max()))


ON_RUNTIMES = (
    "mean of the outer two", "variance", "amax", "L2 norm", "softmax", "log of a sum", "layer norm of two axes",
    "RMS norm", "outer product", "where", "indices apart", "einsum of each", "group norm", "cat", "attention of torch",
)  # fmt: skip


@pytest.mark.parametrize("suffix", ["so", "onnx", "tflite"])
@pytest.mark.parametrize("name", ON_RUNTIMES)
def test_an_operation_over_inner_axes_is_torchs_on_a_runtime(name, suffix, tmp_path):
    module, xs = written(name), torch.randn(1, STEPS, WIDTH)
    export(from_torch(module, xs[:, :11], time_axis=1), tmp_path / f"m.{suffix}")
    with torch.no_grad():
        expected = module(xs)[0].numpy()
    actual = edgernn.open(tmp_path / f"m.{suffix}").stream().run(xs[0].numpy())
    np.testing.assert_allclose(actual, expected.reshape(actual.shape), atol=1e-5 * max(1, np.abs(expected).max()))


@settings(max_examples=30, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=3, max_size=3), kind=st.sampled_from(["sum", "mean", "max"]))
def test_a_reduction_is_numpys(shape, kind):
    outer, size, inner = shape
    x = np.random.default_rng(0).standard_normal((3, outer, size, inner))
    actual = Stepper(one(Reduce(outer * size * inner, size, inner, kind), outer * size * inner)).run(x.reshape(3, -1))[
        0
    ]
    np.testing.assert_allclose(actual, getattr(np, kind)(x, axis=2).reshape(3, -1), atol=1e-12)


def test_a_matrix_that_parts_of_a_frame_share_is_stored_once():
    graph = from_torch(written("einsum"), torch.randn(1, 11, WIDTH), time_axis=1)
    assert [tensor.shape for tensor in graph.tensors.values()] == [(5, 3)]


@pytest.mark.parametrize(
    ("make", "message"),
    {
        "kind": (lambda: Reduce(6, 3, 1, "min"), "Reduce.kind is 'min'; there are sum, mean, max"),
        "size": (lambda: Reduce(6, 4), "Reduce has 6 inputs; expected a multiple of its size 4"),
        "inner": (lambda: Reduce(6, 3, 0), "its size 3 times 0 inner elements"),
    }.values(),
)
def test_a_reduction_that_cannot_be_is_refused(make, message):
    with pytest.raises(GraphError, match=message):
        make()


REFUSED = {
    "order": (lambda x, m: norm(x, 3, 3), r"'linalg_vector_norm'.*its order is 3; expected 1, 2 or infinity"),
    "one element": (lambda x, m: x[..., :1].var(4), r"'var'.*variance of 1 value with a correction of 1 is undefined"),
    "position": (lambda x, m: x * x.max(3, True).indices, r"'max'.*no operation finds the position"),
    "layer norm over time": (lambda x, m: F.layer_norm(x.transpose(1, 4), (11,)), r"'layer_norm'.*axis 4 is time"),
    "glu over time": (lambda x, m: F.glu(x[:, :10], 1), r"cuts off the newest frames"),
    "reversed time": (lambda x, m: x.flip(1), r"'flip'.*it reverses time"),
    "rolled time": (lambda x, m: x.roll(1, 1), r"'roll'.*it moves the newest frames to the front"),
    "index of time": (lambda x, m: x[:, [0, 3]], r"'index'.*selects frames by their position"),
    "index of a value": (lambda x, m: x[x > 0].view(1, 1, -1), r"'index'.*its index is a value of the stream"),
    "repeated time": (lambda x, m: x.repeat(1, 2, 1, 1, 1), r"'repeat'.*makes other frames than arrive"),
    "enlarged time": (lambda x, m: F.interpolate(x.flatten(2).mT, scale_factor=2).mT, r"makes several frames of one"),
    "unequal windows": (
        lambda x, m: F.adaptive_avg_pool2d(x.flatten(3).mT, (5, 11)),
        r"5 of 12 features, whose windows",
    ),
    "masked attention": (
        lambda x, m: F.scaled_dot_product_attention(x, x, x, is_causal=True),
        r"'scaled_dot_product.*it has a mask",
    ),
    "many products": (
        lambda x, m: torch.einsum("bti,btj->btij", x.flatten(2).repeat(1, 1, 8), x.flatten(2).repeat(1, 1, 8)),
        r"'einsum'.*it multiplies 36,864 pairs of two values",
    ),
    "product over time": (lambda x, m: torch.einsum("btcfk,btcgk->bcfg", x, x), r"'einsum'.*it runs over time"),
    "time crossed": (lambda x, m: x[:, :, 0, 0, :1] * x[:, :, 0, 0, :1].mT, r"'mul'.*have time on different axes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_within_a_frame_is_refused_with_the_reason(name):
    function, reason = REFUSED[name]
    with pytest.raises(UnsupportedError, match=reason):
        from_torch(Written(function, False).eval(), torch.randn(1, 11, WIDTH), time_axis=1)


def test_a_batch_is_no_frame_of_several_parts():
    class Mean(nn.Module):
        def forward(self, x):
            return x - x.mean(-1, keepdim=True)

    with pytest.raises(UnsupportedError, match="as a batch has; pass one sequence"):
        from_torch(Mean().eval(), torch.randn(4, 11, 6), time_axis=1)
