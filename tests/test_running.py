"""Statistics of the frames so far: cumulative norms, running means and maxima, and sums that are refused."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import edgernn
from edgernn.cells import CumulativeMean, RunningMaximum
from edgernn.errors import UnsupportedError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import export, from_torch
from zoo import one

WIDTH, STEPS = 6, 100


class Written(nn.Module):
    """A function of a recurrent layer and of the input, (1, time, WIDTH) each."""

    def __init__(self, function):
        super().__init__()
        self.gru = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.does = function

    def forward(self, x):
        return self.does(self.gru(x)[0], x)


def written(function):
    torch.manual_seed(3)
    return Written(function).eval()


def count(x):
    return torch.arange(1, x.shape[1] + 1).view(1, -1, 1)


def cumulative_layer_norm(_, x):
    """As in Conv-TasNet, Y. Luo and N. Mesgarani (arXiv:1809.07454)."""
    x = x.transpose(1, 2)
    channels, steps = x.shape[1:]
    total, power = x.sum(1).cumsum(1), x.pow(2).sum(1).cumsum(1)
    number = torch.arange(channels, channels * (steps + 1), channels).type(x.type()).view(1, -1).expand_as(total)
    mean = total / number
    variance = (power - 2 * mean * total) / number + mean.pow(2)
    mean, deviation = mean.unsqueeze(1), (variance + 1e-8).sqrt().unsqueeze(1)
    return ((x - mean.expand_as(x)) / deviation.expand_as(x)).transpose(1, 2)


def cumulative_laplace_norm(_, x):
    """As in FullSubNet, X. Hao et al. (arXiv:2010.15508)."""
    x = x.abs().transpose(1, 2).unsqueeze(1)
    batch, channels, bands, steps = x.shape
    x = x.reshape(batch * channels, bands, steps)
    total = x.sum(1).cumsum(-1)
    number = torch.arange(bands, bands * steps + 1, bands).reshape(1, steps).expand_as(total)
    mean = (total / number).reshape(batch * channels, 1, steps)
    return (x / (mean + 1e-5)).reshape(batch, channels, bands, steps).squeeze(1).transpose(1, 2)


def scaled(g, x):
    mean = g.cumsum(1) / count(g)
    deviation = ((g * g).cumsum(1) / count(g) - mean * mean).clamp(min=0).sqrt()
    return (x - mean) / (deviation + 1)


CUMULATIVE = {
    "mean": lambda g, x: g - x.cumsum(1) / count(x),
    "mean by a count of ones": lambda g, x: g - x.cumsum(1) / torch.ones_like(x).cumsum(1),
    "mean by reciprocals": lambda g, x: g * (1 / count(x) * x.cumsum(1)),
    "mean of a slice": lambda g, x: (2 * x[..., :3].cumsum(1) - g[..., 3:].cumsum(1)) / count(x),
    "mean of negatives": lambda g, x: -(x.cumsum(1).neg() / count(x)).sum(-1, keepdim=True),
    "deviation": scaled,
    "layer norm": cumulative_layer_norm,
    "laplace norm": cumulative_laplace_norm,
    "last mean": lambda g, x: (x.cumsum(1) / count(x))[:, -1],
    "extremes": lambda g, x: g.cummax(1).values - x.cummin(1)[0],
}
"""As people write them; sums are divided by the number of frames."""


def both(g, x):
    return torch.cat([g.mean(1), x.max(1).values, (x * x).mean(1) - x.mean(1) ** 2], -1)


RUNNING = {
    "mean": (("mean",), lambda g, x: g.mean(1)),
    "mean of all": (("mean",), lambda g, x: x.mean((1, 2))),
    "pooled": (("mean",), lambda g, x: F.adaptive_avg_pool1d(g.mT, 1).flatten(1)),
    "pooled over time and frequency": (("mean",), lambda g, x: F.adaptive_avg_pool2d(g.unsqueeze(1), 1).flatten(1)),
    "max": (("max",), lambda g, x: g.amax(1)),
    "min": (["max"], lambda g, x: g.min(1).values),
    "largest of all": (("max",), lambda g, x: x.amax((1, 2)) + F.adaptive_max_pool1d(x.mT, 1).sum((1, 2))),
    "mean, max and variance": (("mean", "max"), both),
}


def converted(name):
    if name in CUMULATIVE:
        return written(CUMULATIVE[name]), {}
    options, function = RUNNING[name]
    return written(function), {"running": options}


def expected_of(module, xs):
    """The answer at every step; of a module that returns its last step, by every prefix."""
    with torch.no_grad():
        whole = module(xs)
        if whole.dim() == 3 and whole.shape[1] == len(xs[0]):
            return whole[0].numpy()
        return np.stack([module(xs[:, : t + 1]).flatten().numpy() for t in range(len(xs[0]))])


@pytest.mark.parametrize("name", [*CUMULATIVE, *RUNNING])
def test_statistics_of_the_frames_so_far_are_torchs(name):
    """from_torch proves them in float64 at 1e-9, on every prefix where the module returns one answer."""
    module, options = converted(name)
    graph, xs = from_torch(module, torch.randn(1, 20, WIDTH), time_axis=1, **options), torch.randn(1, STEPS, WIDTH)
    expected = expected_of(module.double(), xs.double())
    actual = Stepper(graph).run(xs[0].double().numpy())[0]
    np.testing.assert_allclose(actual, expected, atol=2e-6 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("suffix", ["so", "onnx", "tflite"])
@pytest.mark.parametrize("name", ["deviation", "layer norm", "extremes", "mean, max and variance"])
def test_statistics_of_the_frames_so_far_are_torchs_on_a_runtime(name, suffix, tmp_path):
    module, options = converted(name)
    xs = torch.randn(1, STEPS, WIDTH)
    export(from_torch(module, xs[:, :20], time_axis=1, **options), tmp_path / f"m.{suffix}")
    expected = expected_of(module.double(), xs.double())
    actual = edgernn.open(tmp_path / f"m.{suffix}").stream().run(xs[0].numpy())
    np.testing.assert_allclose(actual, expected, atol=1e-5 * max(1, np.abs(expected).max()))


def test_a_cumulative_mean_of_many_frames_keeps_its_accuracy():
    """In float32, where a running sum of a million frames has lost the third decimal."""
    xs = (100 + np.random.default_rng(0).standard_normal((200_000, 1))).astype(np.float32)
    cell = CumulativeMean(1)
    states = {"layer.mean": np.float32([xs[:100].mean()]), "layer.seen": np.float32([1e6])}
    stepper = Stepper(one(cell, 1).astype("float32"), "float32")
    for x in xs[:20_000]:
        y, states = stepper.step(x, states)
    exact = (xs[:100].mean(dtype=float) * 1e6 + xs[:20_000].sum(dtype=float)) / (1e6 + 20_000)
    assert abs(float(y[0]) - exact) < 2e-3


def test_a_running_maximum_starts_with_the_first_frame():
    xs = np.float64([[-5, 3], [-7, 2], [-1, 4], [-2, -9]])
    np.testing.assert_array_equal(Stepper(one(RunningMaximum(2), 2)).run(xs)[0], np.maximum.accumulate(xs))


def test_a_cumulative_mean_is_the_mean_of_every_prefix():
    xs = np.random.default_rng(0).standard_normal((30, 3))
    expected = np.cumsum(xs, axis=0) / np.arange(1, 31)[:, None]
    np.testing.assert_allclose(Stepper(one(CumulativeMean(3), 3)).run(xs)[0], expected, atol=1e-12)


GROWS = "running sum over time .*which grows without bound.* divide the sum by the number of frames"
REFUSED = {
    "mean by default": ((), lambda g, x: g.mean(1), r"'mean'.*pass running=\(\"mean\",\) to from_torch"),
    "pool by default": ((), lambda g, x: F.adaptive_avg_pool1d(g.mT, 1), r"needs the whole sequence.*running=\(\"mean\",\)"),
    "max by default": ((), lambda g, x: g.max(1).values, r"'max'.*pass running=\(\"max\",\)"),
    "another name": (("max",), lambda g, x: g.mean(1) + g.amax(1), r"'mean'.*running=\(\"mean\",\)"),
    "std": (("mean",), lambda g, x: g.std(1), r"'std'.*write it with means"),
    "sum": ((), lambda g, x: g.sum(1), r"'sum'.*grows without bound: take the mean"),
    "earlier frames": (("mean",), lambda g, x: x - g.mean(1, keepdim=True), r"belong to different steps"),
    "plain sum": ((), lambda g, x: x.cumsum(1), rf"own forward uses 'cumsum'.*{GROWS}"),
    "sum that is used": ((), lambda g, x: torch.tanh(x.cumsum(1)), rf"'tanh'.*{GROWS}"),
    "sum of other powers": ((), lambda g, x: x.cumsum(1) + x, rf"'add'.*{GROWS}"),
    "divided by more": ((), lambda g, x: x.cumsum(1) / (count(x) + 0.1), r"'div'.*changes over time otherwise than the number"),
    "product of frames": ((), lambda g, x: x.cumprod(1), r"'cumprod'.*carries a result from frame to frame"),
    "place of the largest": ((), lambda g, x: x.cummax(1)[1] * g, r"'cummax'.*position of the largest"),
    "largest of features": ((), lambda g, x: x.cummax(2)[0], r"'cummax'.*runs over the features"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_running_form_is_refused_with_the_reason(name):
    options, function, message = REFUSED[name]
    with pytest.raises(UnsupportedError, match=message):
        from_torch(written(function), torch.randn(1, 20, WIDTH), time_axis=1, running=options)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("men",), "running='men' arrived; did you mean 'mean'"),
        ("mean", "running='mean' is a single string"),
        (("max",), r"running=\['max'\], but the module takes no max over time"),
    ],
)
def test_a_name_of_nothing_that_runs_is_refused(names, message):
    with pytest.raises(UsageError, match=message):
        from_torch(written(lambda g, x: g), torch.randn(1, 20, WIDTH), running=names)


def test_a_decoder_that_repeats_the_last_step_is_no_stream():
    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.g, self.d = nn.GRU(WIDTH, 4, batch_first=True), nn.GRU(4, 3, batch_first=True)

        def forward(self, x):
            return self.d(self.g(x)[0][:, -1:].repeat(1, x.shape[1], 1))[0]

    with pytest.raises(UnsupportedError, match=r"'repeat'.*repeats the last step .*convert encoder and decoder apart"):
        from_torch(Decoder().eval(), torch.randn(1, 20, WIDTH))
