"""The layers that a recipe names before its recurrent layers: against torch's own, and through their conversion."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import edgernn
from edgernn.cells import Conv1d, LogMel, Rnn
from edgernn.device.runtimes import suffixes
from edgernn.errors import FileError, ParityError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.train import front, recipe as recipes
from edgernn.train.convert import to_graph
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.loop.batches import Batching, padded
from edgernn.train.loop.dataset import SequenceDataset
from edgernn.train.loop.distillation import Distillation, Teacher
from edgernn.train.loop.task import Task, Training
from edgernn.train.network.before import Before
from edgernn.train.network.before_options import (
    BEFORE,
    Conv1dOptions,
    Conv2dOptions,
    DenseOptions,
    DepthwiseConv2dOptions,
    Frame,
    LayerNormOptions,
    PoolOptions,
    frames_of,
)
from edgernn.train.network.models import Network, Shape
from edgernn.train.network.recurrent import Recurrent
from edgernn.train.network.windowed import Windowed
from edgernn_export import export
from edgernn_export.targets.c.footprint import step_sizes
from edgernn_export.translate import render
from zoo import t

CHANNELS, FREQUENCIES = 2, 7

CONVOLUTIONS = {
    "strided over time": Conv2dOptions(3, frames=3, taps=3, stride=2, frame_stride=2, below=1, above=1),
    "strided past its taps": Conv2dOptions(3, frames=2, taps=2, frame_stride=3),
    "of each channel, strided over time": DepthwiseConv2dOptions(frames=3, taps=2, frame_dilation=2, frame_stride=2),
    "over time, strided": Conv1dOptions(5, kernel=4, stride=2),
    "over time, strided past its taps": Conv1dOptions(5, kernel=2, stride=3),
    "causal": Conv2dOptions(3, frames=3, taps=3, below=1, above=1),
    "strided": Conv2dOptions(3, frames=2, taps=3, stride=2, above=1),
    "dilated": Conv2dOptions(3, frames=3, taps=2, frame_dilation=2, dilation=3),
    "of one frame": Conv2dOptions(3, taps=3),
    "of each channel": DepthwiseConv2dOptions(frames=3, taps=3, stride=2, below=1),
    "multiplied": DepthwiseConv2dOptions(frames=2, taps=2, multiplier=3, frame_dilation=2),
    "over time": Conv1dOptions(5, kernel=4),
    "over time, dilated": Conv1dOptions(5, kernel=3, dilation=2),
}


def module_of(options, function=""):
    torch.manual_seed(3)
    frame = Frame(CHANNELS, FREQUENCIES)
    norm = getattr(options, "norm", False)
    return Windowed(options.cell(frame), options.answers(frame), function, norm=norm).double()


def by_torch(options, module):
    """The same convolution by torch: (batch, time, inputs) -> (batch, steps, outputs); the last frame of a step is newest."""
    w, b, count = module.w, module.b, frames_of(options)
    if isinstance(options, Conv1dOptions):
        weight = w.view(options.channels, options.kernel, -1).transpose(1, 2)
        past = (options.kernel - 1) * options.dilation + 1 - count
        return lambda x: F.conv1d(F.pad(x.mT, (past, 0)), weight, b, count, dilation=options.dilation).mT
    if isinstance(options, Conv2dOptions):
        weight, groups = w.view(options.channels, CHANNELS, options.frames, options.taps), 1
    else:
        weight, groups = w.view(options.frames, options.taps, -1).permute(2, 0, 1)[:, None], CHANNELS
    past = (options.frames - 1) * options.frame_dilation + 1 - count

    def run(x):
        image = x.unflatten(-1, (CHANNELS, FREQUENCIES)).transpose(1, 2)
        image = F.pad(image, (options.below, options.above, past, 0))
        dilation = (options.frame_dilation, options.dilation)
        return F.conv2d(image, weight, b, (count, options.stride), 0, dilation, groups).transpose(1, 2).flatten(2)

    return run


def steps_of(x, options):
    """Frames (batch, time, inputs) as the steps of a layer."""
    count = frames_of(options)
    return x.reshape(len(x), x.shape[1] // count, -1)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_values_and_gradients_are_those_of_torch(name):
    options = CONVOLUTIONS[name]
    module = module_of(options)
    x = torch.randn(3, 12, CHANNELS * FREQUENCIES, dtype=torch.double, requires_grad=True)
    actual, expected = module(steps_of(x, options))[0], by_torch(options, module)(x)
    torch.testing.assert_close(actual, expected)
    mine, theirs = (torch.autograd.grad((y**3).sum(), (x, module.w, module.b)) for y in (actual, expected))
    torch.testing.assert_close(mine, theirs)


POOLS = {
    "over frequency": PoolOptions(size=3, stride=2, padding=1),
    "over the newest frames": PoolOptions(size=1, frames=3),
    "of whole steps": PoolOptions(size=2, frames=2, frame_stride=2, kind="mean"),
    "of a window longer than a step": PoolOptions(size=2, stride=1, frames=5, frame_stride=3),
}


@pytest.mark.parametrize("name", [*CONVOLUTIONS, *POOLS])
def test_all_steps_at_once_are_one_step_after_another(name):
    """From given states, and with a sequence that is shorter than what the cell remembers."""
    options = (CONVOLUTIONS | POOLS)[name]
    module = module_of(options)
    cell = module.edgernn_cell()
    slow = Recurrent(cell).double()
    x = torch.randn(2, 12, CHANNELS * FREQUENCIES, dtype=torch.double)
    state = tuple(torch.randn(2, width, dtype=torch.double) for width in cell.states.values())
    for frames in (frames_of(options), 12):
        steps = steps_of(x[:, :frames], options)
        torch.testing.assert_close(module(steps, state), slow(steps, state))


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_normalization_is_that_of_torch_over_the_steps_that_there_are(name):
    """The oracle normalizes the steps of all sequences in a row, without their padding; then it is in the weights."""
    options = replace(CONVOLUTIONS[name], norm=True)
    module, lengths = module_of(options, "relu"), torch.tensor([4, 3, 1])
    norm = nn.BatchNorm1d(module.channels).double()
    for mine, theirs in zip(module.norm.parameters(), norm.parameters(), strict=True):
        nn.init.uniform_(mine, 0.5, 2)
        theirs.data = mine.data.clone()
    x = torch.randn(3, 4 * frames_of(options), CHANNELS * FREQUENCIES, dtype=torch.double) * 5
    inside = torch.arange(4) < lengths[:, None]
    raw = by_torch(options, module)(x)[inside]
    expected = F.relu(norm(raw.unflatten(-1, (module.channels, -1)))).flatten(1)
    steps = steps_of(x, options)
    steps[~inside] = 1e6
    torch.testing.assert_close(module(steps, None, lengths)[0][inside], expected)
    torch.testing.assert_close(dict(module.norm.named_buffers()), dict(norm.named_buffers()))
    layers = (Layer("convolution", module.eval().edgernn_cell()), Layer("relu", module.activation))
    graph, whole = Graph(layers, steps.shape[-1]), module(steps)[0].detach().numpy()
    np.testing.assert_allclose(Stepper(graph).run(steps.numpy())[0], whole, atol=1e-9, rtol=1e-9)


def test_one_value_of_each_channel_is_normalized_by_what_was_seen():
    module = module_of(Conv1dOptions(5, norm=True)).train()
    y, _ = module(torch.randn(1, 1, CHANNELS * FREQUENCIES, dtype=torch.double))
    assert torch.isfinite(y).all()
    assert (module.norm.running_mean == 0).all()


CRNN = (
    Conv2dOptions(4, frames=3, taps=3, stride=2, below=1, above=1, activation="relu", norm=True),
    DepthwiseConv2dOptions(frames=2, taps=3, below=1, above=1, activation="elu"),
    Conv2dOptions(6, frames=1, taps=1, activation="tanh", norm=True),
    PoolOptions(size=2, kind="max"),
)
FRONTS = {
    "crnn": CRNN,
    "over time": (
        Conv1dOptions(7, kernel=3, activation="gelu", norm=True),
        LayerNormOptions(),
        DenseOptions(5, "tanh"),
    ),
    "mean": (Conv2dOptions(3, taps=2), PoolOptions(size=3, stride=2, padding=1, kind="mean"), LayerNormOptions(1e-3)),
    "dense": (DenseOptions(6, "softmax"),),
    "strides over time": (
        Conv2dOptions(4, frames=3, taps=3, stride=2, frame_stride=2, below=1, above=1, activation="relu", norm=True),
        LayerNormOptions(),
        PoolOptions(size=2, frames=2, frame_stride=3),
        Conv1dOptions(6, kernel=3, activation="relu"),
    ),
}


def network_of(before, inputs=10, outputs=3, vocabulary_size=0, **options):
    """A network whose normalizations have seen something."""
    torch.manual_seed(5)
    embedding = 8 if vocabulary_size else 0
    network = Network(Shape(hidden=6, before=before, embedding=embedding, **options), inputs, outputs, vocabulary_size)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
    return network.eval()


def data_of(inputs=10, symbols=()):
    random = np.random.default_rng(1)
    if symbols:
        frames = tuple(random.integers(0, len(symbols), (20, 1)).astype(np.int32) for _ in range(6))
    else:
        frames = tuple(random.standard_normal((20, inputs)).astype(np.float32) for _ in range(6))
    part = Sequences(frames, np.arange(6) % 3, tuple("abcdef"))
    return Data(part, part, "class", inputs, 3, tuple("xyz"), tuple(symbols), period_ms=10.0)


@pytest.mark.parametrize("name", FRONTS)
def test_a_front_is_streamed_by_every_runtime_as_torch_runs_it(name, tmp_path):
    network = network_of(FRONTS[name])
    graph = to_graph(network, data_of())
    assert [layer.name for layer in graph.layers][-2:] == ["layers_0", "head"]
    assert graph.frames_per_step == network.shape.frames_per_step == (6 if name == "strides over time" else 1)
    assert graph.period_ms == 10.0 * graph.frames_per_step
    x = torch.randn(1, 42, 10)
    expected = network(x)[0].detach().numpy()
    for suffix in suffixes():
        path = tmp_path / f"m{suffix}"
        edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
        np.testing.assert_allclose(edgernn.open(path).stream().run(x[0].numpy()), expected, atol=2e-5, err_msg=suffix)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".c"])
def test_the_weights_of_a_feature_are_stored_once_for_all_frames_of_a_step(suffix):
    mel = LogMel(80, 8000, 200, 10, fft=210)  # TFLite computes it by a matrix
    sizes = []
    for frames in (1, 4):
        layers = (Layer("logmel", mel, frames=frames), Layer("conv", Conv1d(2, t(3, 20), t(3), stride=frames)))
        graph = Graph(layers, 80 * frames, frames_per_step=frames)
        code = suffix == ".c"  # repeated for each frame; the arrays are counted alone
        sizes.append(
            sum(step_sizes(graph).constants.values()) if code else len(render(graph, "m" + suffix)["m" + suffix])
        )
    assert sizes[1] < 1.2 * sizes[0]


STRIDED = (Conv2dOptions(2, frames=2, frame_stride=2),)


@pytest.mark.parametrize("option", [{"bidirectional": "mean"}, {"embedding": 4}])
def test_strides_over_time_take_no_symbols_and_no_whole_windows(option):
    with pytest.raises(
        UsageError, match=f"a step takes 2 frames, and {next(iter(option))} is .*; remove the strides or"
    ):
        Shape(before=STRIDED, **option)


def test_a_step_of_too_many_frames_is_refused():
    with pytest.raises(UsageError, match="before takes 400 frames in a step; expected at most 256"):
        Shape(before=(PoolOptions(1, frame_stride=20), PoolOptions(1, frame_stride=20)))


def test_a_chunk_of_no_whole_steps_is_refused():
    with pytest.raises(UsageError, match=r"tbptt is 5, and a step takes 2 frames .*; expected a multiple of them"):
        Training(batching=Batching(tbptt=5)).check(Shape(before=STRIDED))
    Training(batching=Batching(tbptt=6)).check(Shape(before=STRIDED))


def test_a_teacher_of_another_rate_is_refused():
    data = data_of()
    teacher = Teacher(Distillation(to_graph(network_of(()), data)), data)
    part = SequenceDataset.fixed(data.train.frames, data.stepwise(data.train))
    with pytest.raises(UsageError, match="the teacher takes 1 frames in a step, and the network 2; give a teacher"):
        Task(network_of(STRIDED), "class", part, ("test", part), Training(), teacher)


def test_data_is_cut_to_whole_steps():
    data = data_of()
    assert {len(x) for x in data.in_whole_steps(6).train.frames} == {18}
    np.testing.assert_array_equal(data.in_whole_steps(6).test.frames[2], data.test.frames[2][:18])
    with pytest.raises(UsageError, match="a: got 20 frames, and a step takes 21; remove it, or lower the strides"):
        data.in_whole_steps(21)
    targets = tuple(np.zeros((20, 3), np.float32) for _ in range(6))
    part = Sequences(data.train.frames, targets, data.train.sources)
    with pytest.raises(UsageError, match="takes 2 frames and answers once, and there are targets of kind 'series' for"):
        Data(part, part, "series", 10, 3).in_whole_steps(2)


def test_the_loss_of_steps_is_that_of_their_last_frames():
    """By the answers of the network alone, clip by clip."""
    data, network = data_of(), network_of(STRIDED)
    part = SequenceDataset.fixed(data.train.frames, data.stepwise(data.train))
    batch = padded([x[: 2 * (k + 5)] for k, x in enumerate(data.train.frames)], data.stepwise(data.train), 0.4)
    loss, accuracies = Task(network, "class", part, ("test", part), Training()).eval().loss(batch)
    rows, truth = [], []
    for k, (x, target) in enumerate(zip(data.train.frames, data.train.targets, strict=True)):
        length = 2 * (k + 5)
        scores = network(torch.from_numpy(x[None, :length]))[0]
        counted = [step for step in range(length // 2) if 2 * step + 1 >= int(0.4 * length)]
        rows.append(scores[counted])
        truth += [int(target)] * len(counted)
    expected = torch.cat(rows)
    torch.testing.assert_close(loss, F.cross_entropy(expected, torch.tensor(truth)))
    assert float(accuracies[""]) == pytest.approx((expected.argmax(-1).numpy() == truth).mean())


def test_an_embedding_comes_before_them():
    network, data = network_of((Conv1dOptions(5, kernel=3),), 1, vocabulary_size=9), data_of(1, "abcdefghi")
    graph = to_graph(network, data)
    assert [layer.name for layer in graph.layers] == ["table", "before_0", "layers_0", "head"]
    x = torch.randint(0, 9, (1, 30))
    actual = Stepper(graph).run(x[0, :, None].numpy().astype(np.int32))[0]
    np.testing.assert_allclose(actual, network(x)[0].detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("name", FRONTS)
def test_a_sequence_in_two_parts_is_the_whole(name):
    network, x = network_of(FRONTS[name]), torch.randn(2, 18, 10)
    whole, after = network.run(x)
    first, states = network.run(x[:, :6])
    second, again = network.run(x[:, 6:], states)
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    torch.testing.assert_close(again, after)
    assert len(after) == network.before.states + 1


def test_weights_begin_as_those_of_torchs_layers():
    """Uniform up to one over the root of what an output reads."""
    torch.manual_seed(0)
    for options, fan_in in ((Conv2dOptions(64, frames=3, taps=3), 18), (Conv1dOptions(64, kernel=2), 28)):
        w = options.cell(Frame(CHANNELS, FREQUENCIES)).w.stored
        assert 0.98 / fan_in**0.5 < np.abs(w).max() <= 1 / fan_in**0.5
        assert abs(w.mean()) < 0.1 / fan_in**0.5


def test_a_cell_that_remembers_something_else_is_not_converted():
    network = network_of((Conv1dOptions(10, kernel=2),))
    network.before[0] = Windowed(Rnn(t(10, 10), t(10, 10), t(10)), 10)
    with pytest.raises(ParityError, match=r"differ from their cells by .* in step 1; expected at most 1e-09"):
        front.before_recurrent(network, torch.randn(1, 20, 10))


UNFIT = {
    "too many taps": (
        (Conv2dOptions(2, taps=3, stride=2), Conv2dOptions(2, taps=9)),
        r"layer 2 of model\.before reads 2 x 4 values: Conv2d has 9 taps .* over 4 frequencies",
    ),
    "a pool of a dense layer's answer": (
        (DenseOptions(3), PoolOptions(4)),
        r"layer 2 of model\.before reads 1 x 3 values: Pool takes 4 of 3 frequencies",
    ),
    "a kernel of one": (
        (Conv1dOptions(2, kernel=1),),
        r"layer 1 .*: Conv1d has kernel 1, .*two frames in all: a Dense reads one",
    ),
    "too many weights": ((DenseOptions(60_000), DenseOptions(60_000)), "60,000 x 60,000 weights; expected at most"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_layer_that_does_not_fit_is_refused(name):
    before, words = UNFIT[name]
    with pytest.raises(UsageError, match=words):
        Before(before, 10)


RECIPE = """title = "before { cell = }"

[data]
reader = "ts"

[model]
hidden = 16
before = [
    # { taps = 3 }
    { cell = "Conv2d", channels = 8, frames = 3, taps = 3, stride = 2, below = 1, above = 1, activation = "relu" },
    { cell = "Pool", size = 2 },
    { cell = "DepthwiseConv2d", frames = 2, taps = 3, norm = true },
    { cell = "Conv1d", channels = 8, kernel = 3 }, { cell = "LayerNorm" },
    { cell = "Dense", units = 8, activation = "tanh" },
]

[training]
epochs = 4
"""
TABLES = RECIPE[: RECIPE.index("before = [")] + (
    '[[model.before]]\ncell = "Conv2d"\nchannels = 8\ntaps = 3\n\n[[model.before]]\ncell = "Pool"\nsize = 2\n\n'
    "[training]\nepochs = 4\n"
)

WRONG = {
    "cell": (RECIPE, '"Pool"', '"Poll"', 11, "there is no cell 'Poll' to put before a recurrent layer; did you mean"),
    "no cell": (RECIPE, 'cell = "Pool", ', "", 11, "layer 2 of before has no cell; add one of Conv1d, Conv2d,"),
    "key": (RECIPE, "kernel = 3", "kernal = 3", 13, "a Conv1d has no 'kernal'; did you mean 'kernel'?"),
    "kind": (RECIPE, "size = 2", "size = 2.5", 11, "'size' is 2.5; expected a whole number below"),
    "flag": (RECIPE, "norm = true", "norm = 1", 12, "'norm' is 1; expected true or false"),
    "least": (RECIPE, "units = 8", "units = 0", 14, "layer 6 of before, a Dense: units is 0; expected 1 to 65,536"),
    "missing": (RECIPE, "channels = 8, f", "f", 10, "layer 1 of before, a Conv2d: channels is 0; expected 1 to"),
    "padding": (RECIPE, "below = 1", "below = -1", 10, "a Conv2d: below is -1; expected 0 to 65,536"),
    "function": (RECIPE, '"relu"', '"rely"', 10, "a Conv2d: activation is 'rely'; did you mean 'relu'?"),
    "a dense one": (RECIPE, '"tanh"', '"gelu"', 14, "a Dense: activation is 'gelu'; "),
    "pool": (RECIPE, "size = 2", 'size = 2, kind = "men"', 11, "a Pool: kind is 'men'; did you mean 'mean'?"),
    "norm": (RECIPE, '"LayerNorm"', '"LayerNorm", eps = 0.0', 13, "a LayerNorm: eps is 0.0; expected a number above 0"),
    "list": (
        RECIPE[: RECIPE.index("before = [")] + "before = 3\n[training]\n",
        "3",
        "8",
        8,
        "'before' is 8; expected a",
    ),
    "words": (RECIPE[: RECIPE.index("before = [")] + "before = []\n[training]\n", "[]", '["a"]', 8, "'before' is ['a'"),
    "a table": (TABLES, "taps = 3", "tups = 3", 11, "a Conv2d has no 'tups'; did you mean 'taps'?"),
    "a later table": (TABLES, "size = 2", "size = 0", 15, "layer 2 of before, a Pool: size is 0; expected 1 to"),
    "a table without": (TABLES, 'cell = "Pool"\n', "", 13, "layer 2 of before has no cell; add one of"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_layer_is_refused_with_its_line(name, tmp_path):
    text, old, new, line, words = WRONG[name]
    assert text.count(old) == 1
    path = tmp_path / "r.toml"
    path.write_text(text)
    if name not in {"list", "words"}:
        recipes.load(path)
    path.write_text(text.replace(old, new))
    with pytest.raises(FileError) as error:
        recipes.load(path)
    assert words in str(error.value)
    assert f"line {line}:" in str(error.value)


def test_a_layer_that_was_set_is_named_without_a_line(tmp_path):
    (tmp_path / "r.toml").write_text(RECIPE)
    setting = "model.before=[{cell='Pool', siez=2}]"
    with pytest.raises(FileError, match=r"^'model\.before' as it was set: a Pool has no 'siez'; did you mean 'size'\?"):
        recipes.load(tmp_path / "r.toml", [setting])


def test_layers_are_read_and_written_back(tmp_path):
    (tmp_path / "r.toml").write_text(RECIPE)
    loaded = recipes.load(tmp_path / "r.toml")
    assert loaded.shape.before == (
        Conv2dOptions(8, 3, 3, 2, 1, 1, activation="relu"),
        PoolOptions(2),
        DepthwiseConv2dOptions(2, 3, norm=True),
        Conv1dOptions(8, 3),
        LayerNormOptions(),
        DenseOptions(8, "tanh"),
    )
    assert {type(each) for each in loaded.shape.before} == set(BEFORE.values())
    (tmp_path / "again").mkdir()
    (tmp_path / "again/r.toml").write_text(recipes.to_toml(loaded))
    assert recipes.load(tmp_path / "again/r.toml") == loaded


def test_a_search_does_not_vary_them(tmp_path):
    (tmp_path / "r.toml").write_text(RECIPE)
    with pytest.raises(UsageError, match=r"'model\.before' is invalid: a search varies single numbers and words"):
        recipes.load(tmp_path / "r.toml", (), ["model.before=1,2"])
