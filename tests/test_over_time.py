"""Modules with strides, padding and windows over time, and with recurrence over frequency: torch is the oracle."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import edgernn
from edgernn.device.runtimes import suffixes
from edgernn.errors import FrameError, GraphError, UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC
from edgernn.model.timing import in_steps
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export, from_torch

WIDTH, HIDDEN = 8, 6


class Net(nn.Module):
    """Layers before a GRU; a function from (1, time, WIDTH) to the same rank, and the width of its result."""

    def __init__(self, before, width, last=False, **parts):
        super().__init__()
        self.before, self.last = before, last
        for name, part in parts.items():
            setattr(self, name, part)
        self.gru = nn.GRU(width, HIDDEN, batch_first=True)

    def forward(self, x):
        y = self.gru(self.before(self, x))[0]
        return y[:, -1] if self.last else y


def channels(layer, x):
    """Apply a layer of (1, channels, time)."""
    return layer(x.transpose(1, 2)).transpose(1, 2)


def image(layer, x):
    """Apply a layer of (1, channels, time, frequency) to frames of one channel; its result is frames again."""
    return layer(x[:, None]).transpose(1, 2).flatten(2)


def conv(**options):
    return nn.Conv1d(WIDTH, WIDTH, **options)


def stacked(net, x):
    return x.reshape(1, -1, 2 * WIDTH)


def residual(net, x):
    return x + channels(net.a, x)


def branches(net, x):
    return torch.cat([channels(net.a, x), channels(net.b, x), x], -1)


def padded(net, x):
    return channels(net.a, F.pad(x, (0, 0, 4, 0)))


def less_the_mean(x):
    return x - x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]


def recurrent_first(net, x):
    return channels(net.a, net.first(x)[0])


# name -> (before, width of its result, its parts, frames per step, delay, warm-up)
MODULES = {
    "same": (lambda n, x: channels(n.a, x), WIDTH, {"a": lambda: conv(kernel_size=3, padding=1)}, (1, 1, 1)),
    "same by name": (
        lambda n, x: channels(n.a, x),
        WIDTH,
        {"a": lambda: conv(kernel_size=4, padding="same", dilation=2)},
        (1, 3, 3),
    ),
    "same twice": (
        lambda n, x: torch.tanh(channels(n.b, torch.relu(channels(n.a, x)))),
        WIDTH,
        {"a": lambda: conv(kernel_size=3, padding=1), "b": lambda: conv(kernel_size=5, padding=2)},
        (1, 3, 3),
    ),
    "valid": (lambda n, x: channels(n.a, x), WIDTH, {"a": lambda: conv(kernel_size=5)}, (1, 0, 4)),
    "valid, then same": (
        lambda n, x: channels(n.b, channels(n.a, x)),
        WIDTH,
        {"a": lambda: conv(kernel_size=3), "b": lambda: conv(kernel_size=3, padding=1)},
        (1, 1, 3),
    ),
    "valid, then padded": (
        lambda n, x: channels(n.b, F.pad(torch.tanh(channels(n.a, x)), (0, 0, 4, 0))),
        WIDTH,
        {"a": lambda: conv(kernel_size=3), "b": lambda: conv(kernel_size=5)},
        (1, 0, 2),
    ),
    "transposed": (
        lambda n, x: channels(n.a, x),
        WIDTH,
        {"a": lambda: nn.ConvTranspose1d(WIDTH, WIDTH, 3, padding=1, groups=2)},
        (1, 1, 1),
    ),
    "residual": (residual, WIDTH, {"a": lambda: conv(kernel_size=3, padding=1)}, (1, 1, 1)),
    "branches": (
        branches,
        3 * WIDTH,
        {"a": lambda: conv(kernel_size=3, padding=1), "b": lambda: conv(kernel_size=5, padding=2)},
        (1, 2, 2),
    ),
    "strided": (
        lambda n, x: channels(n.a, x),
        WIDTH,
        {"a": lambda: conv(kernel_size=3, stride=2, padding=1)},
        (2, 0, 0),
    ),
    "strided causally": (padded, WIDTH, {"a": lambda: conv(kernel_size=5, stride=2)}, (2, 0, 0)),
    "strided by one tap": (
        lambda n, x: channels(n.a, x),
        WIDTH,
        {"a": lambda: conv(kernel_size=1, stride=3)},
        (3, 0, 0),
    ),
    "strided, valid": (lambda n, x: channels(n.a, x), WIDTH, {"a": lambda: conv(kernel_size=7, stride=2)}, (2, 0, 6)),
    "strided twice": (
        lambda n, x: channels(n.b, torch.relu(channels(n.a, x))),
        WIDTH,
        {"a": lambda: conv(kernel_size=5, stride=2, padding=2), "b": lambda: conv(kernel_size=3, stride=2, padding=1)},
        (4, 4, 4),
    ),
    "layers before a stride": (
        lambda n, x: channels(n.a, n.norm(F.elu(n.dense(x)))),
        WIDTH,
        {
            "dense": lambda: nn.Linear(WIDTH, WIDTH),
            "norm": lambda: nn.LayerNorm(WIDTH),
            "a": lambda: conv(kernel_size=3, stride=2, padding=1),
        },
        (2, 0, 0),
    ),
    "a GRU before a stride": (
        recurrent_first,
        WIDTH,
        {"first": lambda: nn.GRU(WIDTH, WIDTH, batch_first=True), "a": lambda: conv(kernel_size=2, stride=2)},
        (2, 0, 0),
    ),
    "an LSTM of late frames before a stride": (
        lambda n, x: channels(n.a, n.first(channels(n.b, x))[0]),
        WIDTH,
        {
            "b": lambda: conv(kernel_size=3, padding=1),
            "first": lambda: nn.LSTM(WIDTH, WIDTH, batch_first=True),
            "a": lambda: conv(kernel_size=4, stride=2, padding=1),
        },
        (2, 2, 2),
    ),
    "largest of frames": (
        lambda n, x: channels(n.pool, channels(n.a, x)),
        WIDTH,
        {"a": lambda: conv(kernel_size=3, padding=1), "pool": lambda: nn.MaxPool1d(2)},
        (2, 2, 2),
    ),
    "largest of overlapping frames": (
        lambda n, x: channels(n.pool, torch.relu(x)),
        WIDTH,
        {"pool": lambda: nn.MaxPool1d(3, 2, 1)},
        (2, 0, 0),
    ),
    "mean of frames": (lambda n, x: channels(n.pool, x), WIDTH, {"pool": lambda: nn.AvgPool1d(4, 2, 1)}, (2, 2, 2)),
    "every third frame": (lambda n, x: x[:, ::3], WIDTH, {}, (3, 0, 0)),
    "two frames in one": (stacked, 2 * WIDTH, {}, (2, 0, 0)),
    "two late frames in one": (
        lambda n, x: stacked(n, channels(n.a, x)),
        2 * WIDTH,
        {"a": lambda: conv(kernel_size=3, padding=1)},
        (2, 2, 2),
    ),
    "less the mean of late frames": (
        lambda n, x: less_the_mean(channels(n.a, x)),
        WIDTH,
        {"a": lambda: conv(kernel_size=3)},
        (1, 0, 2),
    ),
    "two dimensions": (
        lambda n, x: image(n.a, x),
        3 * 4,
        {"a": lambda: nn.Conv2d(1, 3, (3, 3), (2, 2), (1, 1))},
        (2, 0, 0),
    ),
    "two dimensions, depthwise, then pooled": (
        lambda n, x: image(nn.Sequential(n.a, n.b, nn.ReLU(), n.pool), x),
        4 * 4,
        {
            "a": lambda: nn.Conv2d(1, 4, (3, 3), padding=(1, 1)),
            "b": lambda: nn.Conv2d(4, 4, (3, 3), (2, 1), 1, groups=4),
            "pool": lambda: nn.MaxPool2d((3, 2), 2, (1, 0)),
        },
        (4, 4, 4),
    ),
    "over frequency": (
        lambda n, x: n.bands(x.reshape(-1, 4, 2))[0].reshape(1, -1, 4 * 5),
        4 * 5,
        {"bands": lambda: nn.GRU(2, 5, batch_first=True)},
        (1, 0, 0),
    ),
    "over frequency, both ways, in layers": (
        lambda n, x: n.bands(x.reshape(-1, 4, 2))[0].reshape(1, -1, 4 * 6),
        4 * 6,
        {"bands": lambda: nn.LSTM(2, 3, 2, batch_first=True, bidirectional=True)},
        (1, 0, 0),
    ),
    "over frequency, first axis": (
        lambda n, x: n.bands(x.reshape(-1, 4, 2).transpose(0, 1))[0].transpose(0, 1).reshape(1, -1, 4 * 3),
        4 * 3,
        {"bands": lambda: nn.RNN(2, 3)},
        (1, 0, 0),
    ),
    "the end of a sweep": (
        lambda n, x: n.bands(x.reshape(-1, 4, 2))[1].transpose(0, 1).reshape(1, -1, 6),
        6,
        {"bands": lambda: nn.GRU(2, 3, batch_first=True, bidirectional=True)},
        (1, 0, 0),
    ),
    "over frequency, before a stride": (
        lambda n, x: channels(n.a, n.bands(x.reshape(-1, 4, 2))[0].reshape(1, -1, WIDTH)),
        WIDTH,
        {
            "bands": lambda: nn.GRU(2, 2, batch_first=True),
            "a": lambda: conv(kernel_size=3, stride=2, padding=1),
        },
        (2, 0, 0),
    ),
}


def net(name, last=False):
    before, width, parts, _ = MODULES[name]
    torch.manual_seed(0)
    return Net(before, width, last, **{part: make() for part, make in parts.items()}).eval()


def converted(name, last=False):
    return from_torch(net(name, last), torch.randn(1, 36, WIDTH), time_axis=1, period_ms=10.0)


def agree(graph, ys, module, x, tolerance):
    """The stream has the module's answers, later by its warm-up; (steps, HIDDEN) and (1, time, WIDTH)."""
    with torch.no_grad():
        expected = module(torch.tensor(x)[None])[0].numpy()
    late = graph.warmup_frames // graph.frames_per_step
    assert len(ys) == len(x) // graph.frames_per_step
    np.testing.assert_allclose(ys[late:], expected[: len(ys) - late], atol=tolerance)


@pytest.mark.parametrize("last", [False, True], ids=["sequence", "last step"])
@pytest.mark.parametrize("name", MODULES)
def test_stream_answers_as_the_module_does(name, last, tmp_path):
    graph = converted(name, last)
    frames, delay, warmup = MODULES[name][-1]
    assert (graph.frames_per_step, graph.delay_frames, graph.warmup_frames) == (frames, delay, warmup)
    assert graph.inputs == frames * WIDTH
    assert graph.period_ms == 10 * frames
    edgernn.save(graph, tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")
    x = np.random.default_rng(1).standard_normal((96, WIDTH)).astype(np.float32)
    agree(graph, program.stream().run(x), net(name), x, 1e-5)


@pytest.mark.parametrize("suffix", [suffix for suffix in suffixes() if suffix != ".rnn"])
@pytest.mark.parametrize(
    "name", ["strided twice", "an LSTM of late frames before a stride", "over frequency, before a stride"]
)
def test_artifact_takes_the_frames_of_a_step(name, suffix, tmp_path):
    graph = converted(name)
    export(graph, tmp_path / f"m{suffix}")
    program = edgernn.open(tmp_path / f"m{suffix}")
    manifest, each = program.manifest, graph.frames_per_step
    assert (manifest.frames_per_step, manifest.delay_frames, manifest.warmup_frames) == (
        graph.frames_per_step,
        graph.delay_frames,
        graph.warmup_frames,
    )
    x = np.random.default_rng(1).standard_normal((96, WIDTH)).astype(np.float32)
    ys = program.stream().run(x)
    agree(graph, ys, net(name), x, 1e-5)
    stream = program.stream()
    for step in range(3):
        frames = x[step * each : (step + 1) * each]
        np.testing.assert_array_equal(stream.step(frames), ys[step])
    np.testing.assert_array_equal(stream.step(x[3 * each : 4 * each].ravel()), ys[3])


@pytest.mark.parametrize("name", ["same twice", "two dimensions", "over frequency"])
def test_quantized_model_keeps_its_timing(name, tmp_path):
    graph = quantize(converted(name), DYNAMIC)
    edgernn.save(graph, tmp_path / "m.rnn")
    assert edgernn.load(tmp_path / "m.rnn").warmup_frames == graph.warmup_frames == MODULES[name][-1][2]
    x = np.random.default_rng(1).standard_normal((48, WIDTH)).astype(np.float32)
    agree(graph, edgernn.open(tmp_path / "m.rnn").stream().run(x), net(name), x, 0.05)


@pytest.mark.parametrize("name", ["a GRU before a stride", "over frequency, both ways, in layers"])
def test_every_part_has_the_ranges_of_all(name):
    graph = converted(name)
    xs = np.random.default_rng(1).standard_normal((64, WIDTH)).astype(np.float32)
    ranges = calibrate(graph, [xs]).ranges
    alike = [names for traced in graph.layer_traces.values() for names in traced.alike]
    assert {len(names) for names in alike} == ({2} if graph.frames_per_step > 1 else {4})
    for names in alike:
        assert len({(ranges[each].low, ranges[each].high) for each in names}) == 1
        ops = {
            op.name for traced in graph.layer_traces.values() for op in traced.operations if op.outputs[0].name in names
        }
        assert len(ops) <= 1


def test_run_takes_whole_steps_alone(tmp_path):
    graph = converted("strided twice")
    edgernn.save(graph, tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")
    with pytest.raises(FrameError, match=r"7 frames arrived, and a step takes 4; .* cut off the last 3"):
        program.run(np.zeros((7, WIDTH), np.float32))
    with pytest.raises(FrameError, match=r"shape \(3, 8\)"):
        program.stream().step(np.zeros((3, WIDTH), np.float32))


class Bands(nn.Module):
    """A GRU along frequency before one over time: two axes that recurrence runs over."""

    def __init__(self):
        super().__init__()
        self.bands = nn.GRU(2, 3, batch_first=True, bidirectional=True)
        self.frames = nn.GRU(6, HIDDEN, batch_first=True)

    def forward(self, x):  # (1, 2, time, bands)
        _, _, time, bands = x.shape
        y = self.bands(x.permute(0, 2, 3, 1).reshape(time, bands, 2))[0].reshape(1, time, bands, 6)
        return self.frames(y.transpose(1, 2).reshape(bands, time, 6))[0].reshape(1, bands, time, HIDDEN)


def test_time_is_the_axis_on_which_the_module_can_stream():
    torch.manual_seed(0)
    module = Bands().eval()
    graph = from_torch(module, torch.randn(1, 2, 36, 4))
    assert (graph.inputs, graph.outputs) == (2 * 4, 4 * HIDDEN)
    x = torch.randn(1, 2, 50, 4)
    with torch.no_grad():
        expected = module(x)[0].transpose(0, 1).reshape(50, -1).numpy()
    ys = Stepper(graph).run(x[0].transpose(0, 1).reshape(50, -1).numpy())[0]
    np.testing.assert_allclose(ys, expected, atol=1e-5)


class Pooled(nn.Module):
    """A usual classifier of clips: convolutions with padding on both sides, and the mean of all steps."""

    def __init__(self, mean):
        super().__init__()
        self.conv, self.gru, self.mean = conv(kernel_size=3, padding=1), nn.GRU(WIDTH, HIDDEN, batch_first=True), mean

    def forward(self, x):
        y = self.gru(F.max_pool1d(self.conv(x.transpose(1, 2)), 2).transpose(1, 2))[0]
        return y.mean(1) if self.mean else y


def test_running_mean_of_late_frames():
    torch.manual_seed(0)
    module = Pooled(True).eval()
    graph = from_torch(module, torch.randn(1, 36, WIDTH), running=("mean",))
    assert (graph.frames_per_step, graph.delay_frames) == (2, 2)
    x = torch.randn(1, 50, WIDTH)
    module.mean = False
    with torch.no_grad():
        sums = module(x)[0].cumsum(0).numpy()
    means = sums / np.arange(1, len(sums) + 1)[:, None]
    ys = Stepper(graph).run(in_steps(x[0].numpy(), 2))[0]
    np.testing.assert_allclose(ys[1:], means[:-1], atol=1e-5)


class Heads(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.conv = conv(kernel_size=3, stride=2, padding=1)
        self.gru = nn.GRU(WIDTH, HIDDEN, batch_first=True)
        self.stride = stride

    def forward(self, x):
        y = self.gru(channels(self.conv, x))[0]
        return {"word": y, "loud": x[:, :: self.stride, :1]}


def test_heads_of_one_stride_stay_together(tmp_path):
    graph = from_torch(Heads(2).eval(), torch.randn(1, 36, WIDTH), time_axis=1)
    assert dict(graph.named_outputs) == {"word": HIDDEN, "loud": 1}
    with pytest.raises(UnsupportedError, match="'word' every 2 frames, 'loud' every 4 frames"):
        from_torch(Heads(4).eval(), torch.randn(1, 36, WIDTH), time_axis=1)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(WIDTH + 2, WIDTH, 3, 2, 1)
        self.gru = nn.GRU(WIDTH, HIDDEN, batch_first=True)

    def forward(self, mic, far):
        return self.gru(channels(self.conv, torch.cat([mic, far], -1)))[0]


def test_inputs_arrive_frame_by_frame(tmp_path):
    torch.manual_seed(0)
    module = TwoInputs().eval()
    graph = from_torch(module, (torch.randn(1, 36, WIDTH), torch.randn(1, 36, 2)), time_axis=1)
    edgernn.save(graph, tmp_path / "m.rnn")
    random = np.random.default_rng(1)
    mic, far = (random.standard_normal((40, width)).astype(np.float32) for width in (WIDTH, 2))
    stream = edgernn.open(tmp_path / "m.rnn").stream()
    ys = stream.run({"mic": mic, "far": far})
    with torch.no_grad():
        expected = module(torch.tensor(mic)[None], torch.tensor(far)[None])[0].numpy()
    np.testing.assert_allclose(ys, expected, atol=1e-5)
    np.testing.assert_array_equal(stream.reset().step((mic[:2], far[:2])), ys[0])
    both = np.concatenate([mic, far], axis=1)
    np.testing.assert_array_equal(stream.reset().run(both), ys)
    np.testing.assert_array_equal(stream.reset().step(both[:2]), ys[0])


REFUSED = {
    "more frames": (
        lambda n, x: channels(n.a, x),
        {"a": lambda: nn.ConvTranspose1d(WIDTH, WIDTH, 4, 2, 1)},
        "makes several frames of one",
    ),
    "longer": (lambda n, x: channels(n.a, x), {"a": lambda: conv(kernel_size=3, padding=2)}, "2 frames longer"),
    "maximum of padding": (
        lambda n, x: channels(n.pool, x),
        {"pool": lambda: nn.MaxPool1d(3, 1, 1)},
        "pool after a ReLU",
    ),
    "state over frequency": (
        lambda n, x: n.bands(x.reshape(-1, 4, 2), torch.ones(1, x.shape[1], 2))[0].reshape(1, -1, WIDTH),
        {"bands": lambda: nn.GRU(2, 2, batch_first=True)},
        "a state other than zeros",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_stream_is_refused(name):
    before, parts, message = REFUSED[name]
    module = Net(before, WIDTH, **{part: make() for part, make in parts.items()}).eval()
    with pytest.raises(UnsupportedError, match=message):
        from_torch(module, torch.randn(1, 36, WIDTH), time_axis=1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frames_per_step": 3}, "divides the inputs"),
        ({"frames_per_step": 0}, "at least 1"),
        ({"frames_per_step": 2, "warmup_frames": 3}, "whole steps of 2 frames"),
        ({"delay_frames": 2, "warmup_frames": 1}, "a delay of at most the warm-up"),
    ],
)
def test_timing_that_does_not_fit(fields, message):
    layers = converted("same").layers
    with pytest.raises(GraphError, match=message):
        Graph(layers, WIDTH, **fields)
