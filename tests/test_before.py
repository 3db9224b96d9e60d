"""The layers that a recipe names before its recurrent layers: against torch's own, and through their conversion."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import edgernn
from edgernn.cells import Rnn
from edgernn.device.runtimes import suffixes
from edgernn.errors import FileError, ParityError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.train import front, recipe as recipes
from edgernn.train.convert import to_graph
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.network.before import (
    BEFORE,
    Before,
    Conv1dOptions,
    Conv2dOptions,
    DenseOptions,
    DepthwiseConv2dOptions,
    Frame,
    LayerNormOptions,
    PoolOptions,
)
from edgernn.train.network.models import Network, Shape
from edgernn.train.network.recurrent import Recurrent
from edgernn.train.network.windowed import Convolution
from edgernn_export import export
from zoo import t

CHANNELS, FREQUENCIES = 2, 7

CONVOLUTIONS = {
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
    return Convolution(options.cell(frame), options.answers(frame), function, norm=options.norm).double()


def by_torch(options, module):
    """The same convolution by torch: (batch, time, inputs) -> (batch, time, outputs)."""
    w, b = module.w, module.b
    if isinstance(options, Conv1dOptions):
        weight = w.view(options.channels, options.kernel, -1).transpose(1, 2)
        past = (options.kernel - 1) * options.dilation
        return lambda x: F.conv1d(F.pad(x.mT, (past, 0)), weight, b, dilation=options.dilation).mT
    if isinstance(options, Conv2dOptions):
        weight, groups = w.view(options.channels, CHANNELS, options.frames, options.taps), 1
    else:
        weight, groups = w.view(options.frames, options.taps, -1).permute(2, 0, 1)[:, None], CHANNELS
    past = (options.frames - 1) * options.frame_dilation

    def run(x):
        image = x.unflatten(-1, (CHANNELS, FREQUENCIES)).transpose(1, 2)
        image = F.pad(image, (options.below, options.above, past, 0))
        dilation = (options.frame_dilation, options.dilation)
        return F.conv2d(image, weight, b, (1, options.stride), 0, dilation, groups).transpose(1, 2).flatten(2)

    return run


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_values_and_gradients_are_those_of_torch(name):
    options = CONVOLUTIONS[name]
    module = module_of(options)
    x = torch.randn(3, 11, CHANNELS * FREQUENCIES, dtype=torch.double, requires_grad=True)
    actual, expected = module(x)[0], by_torch(options, module)(x)
    torch.testing.assert_close(actual, expected)
    mine, theirs = (torch.autograd.grad((y**3).sum(), (x, module.w, module.b)) for y in (actual, expected))
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_all_steps_at_once_are_one_step_after_another(name):
    """From given states, and with a sequence that is shorter than what the cell remembers."""
    module = module_of(CONVOLUTIONS[name])
    slow = Recurrent(module.edgernn_cell()).double()
    x = torch.randn(2, 13, CHANNELS * FREQUENCIES, dtype=torch.double)
    state = tuple(torch.randn(2, width, dtype=torch.double) for width in module.edgernn_cell().states.values())
    for steps in (1, 13):
        torch.testing.assert_close(module(x[:, :steps], state), slow(x[:, :steps], state))


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_normalization_is_that_of_torch_over_the_steps_that_there_are(name):
    """The oracle normalizes the frames of all sequences in a row, without their padding; then it is in the weights."""
    options = replace(CONVOLUTIONS[name], norm=True)
    module, lengths = module_of(options, "relu"), torch.tensor([9, 4, 1])
    norm = nn.BatchNorm1d(module.channels).double()
    for mine, theirs in zip(module.norm.parameters(), norm.parameters(), strict=True):
        nn.init.uniform_(mine, 0.5, 2)
        theirs.data = mine.data.clone()
    x = torch.randn(3, 9, CHANNELS * FREQUENCIES, dtype=torch.double) * 5
    inside = torch.arange(9) < lengths[:, None]
    raw = by_torch(options, module)(x)[inside]
    expected = F.relu(norm(raw.unflatten(-1, (module.channels, -1)))).flatten(1)
    x[~inside] = 1e6
    torch.testing.assert_close(module(x, None, lengths)[0][inside], expected)
    torch.testing.assert_close(dict(module.norm.named_buffers()), dict(norm.named_buffers()))
    graph = Graph((Layer("convolution", module.eval().edgernn_cell()), Layer("relu", module.activation)), x.shape[-1])
    np.testing.assert_allclose(Stepper(graph).run(x.numpy())[0], module(x)[0].detach().numpy(), atol=1e-9, rtol=1e-9)


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
    x = torch.randn(1, 40, 10)
    expected = network(x)[0].detach().numpy()
    for suffix in suffixes():
        path = tmp_path / f"m{suffix}"
        edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
        np.testing.assert_allclose(edgernn.open(path).stream().run(x[0].numpy()), expected, atol=2e-5, err_msg=suffix)


def test_an_embedding_comes_before_them():
    network, data = network_of((Conv1dOptions(5, kernel=3),), 1, vocabulary_size=9), data_of(1, "abcdefghi")
    graph = to_graph(network, data)
    assert [layer.name for layer in graph.layers] == ["table", "before_0", "layers_0", "head"]
    x = torch.randint(0, 9, (1, 30))
    actual = Stepper(graph).run(x[0, :, None].numpy().astype(np.int32))[0]
    np.testing.assert_allclose(actual, network(x)[0].detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("name", FRONTS)
def test_a_sequence_in_two_parts_is_the_whole(name):
    network, x = network_of(FRONTS[name]), torch.randn(2, 17, 10)
    whole, after = network.run(x)
    first, states = network.run(x[:, :5])
    second, again = network.run(x[:, 5:], states)
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
    network.before[0] = Convolution(Rnn(t(10, 10), t(10, 10), t(10)), 10)
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
    "a kernel of one": ((Conv1dOptions(2, kernel=1),), r"layer 1 .*: Conv1d has kernel 1 .*at least 2"),
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
