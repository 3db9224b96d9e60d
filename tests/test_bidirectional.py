"""Bidirectional training: torch's own layers as oracle, padding without effect, and trainings of window models."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from test_train import VOWELS, vowels
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import edgernn
from edge import edge
from edgernn.cells import LogMel, Standardize
from edgernn.errors import MissingExtraError, UnsupportedError, UsageError
from edgernn.interpreters.window import WindowStepper
from edgernn.model.tensor import Tensor
from edgernn.model.window import MERGES
from edgernn.train import recipe as recipes, run, window_model
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.loop.batches import Batching, padded
from edgernn.train.loop.task import Task, Training
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.network.before_options import DenseOptions
from edgernn.train.network.bidirectional import Bidirectional, Direction, pooled, reversed_in_time
from edgernn.train.network.models import TRAINABLE_CELLS, Network, Shape
from edgernn_export import export, from_torch

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=5)


def made(kind: str, inputs: int = 5, outputs: int = 3, rows: int = 0, exact: tuple = ()) -> Data:
    """Random data of a kind, in the form of a reader."""
    random = np.random.default_rng(0)
    steps = (9, 4, 1)
    frames = tuple(
        random.integers(0, rows, (n, 1)).astype(np.int32)
        if rows
        else random.standard_normal((n, inputs)).astype(np.float32)
        for n in steps
    )
    targets = {
        "class": np.arange(outputs),
        "text": tuple(random.integers(0, outputs, n) for n in steps),
        "series": tuple(random.standard_normal((n, outputs)).astype(np.float32) for n in steps),
    }[kind]
    part = Sequences(frames, targets, ("a", "b", "c"))
    return Data(part, part, kind, inputs, outputs, (), tuple(map(str, range(rows))), 10.0, exact)


@settings(max_examples=60, deadline=None)
@given(lengths=LENGTHS, after=st.integers(0, 4))
def test_a_sequence_turns_within_its_own_length(lengths, after):
    x = torch.randn(len(lengths), max(lengths) + after, 3)
    result = reversed_in_time(x, torch.tensor(lengths))
    for row, (before, behind, n) in enumerate(zip(x, result, lengths, strict=True)):
        np.testing.assert_array_equal(behind[:n].numpy(), before[:n].numpy()[::-1], err_msg=f"row {row}")
        np.testing.assert_array_equal(behind[n:].numpy(), before[n:].numpy())
    torch.testing.assert_close(reversed_in_time(result, torch.tensor(lengths)), x)
    torch.testing.assert_close(reversed_in_time(x), torch.from_numpy(x.numpy()[:, ::-1].copy()))


FUSED = {
    "gru": nn.GRU,
    "lstm": nn.LSTM,
    "rnn": nn.RNN,
    "rnn_relu": lambda n, h, **options: nn.RNN(n, h, nonlinearity="relu", **options),
}


def same_weights(kind: str, inputs: int, hidden: int) -> tuple[nn.Module, Bidirectional]:
    """torch's bidirectional layer, and two layers of ours with the same weights."""
    whole = FUSED[kind](inputs, hidden, batch_first=True, bidirectional=True)
    ahead, back = (TRAINABLE_CELLS[kind].fused(inputs, hidden) for _ in range(2))
    for layer, suffix in ((ahead, ""), (back, "_reverse")):
        layer.load_state_dict({name: getattr(whole, f"{name}{suffix}") for name in layer.state_dict()})
    return whole, Bidirectional(Direction(ahead, nn.Identity()), Direction(back, nn.Identity()), "concat")


@pytest.mark.parametrize("kind", FUSED)
@settings(max_examples=25, deadline=None)
@given(lengths=LENGTHS)
def test_values_and_gradients_are_those_of_torchs_packed_sequences(kind, lengths):
    torch.manual_seed(0)
    whole, ours = same_weights(kind, 5, 7)
    whole, ours = whole.double(), ours.double()
    x = torch.randn(len(lengths), max(lengths), 5, dtype=torch.double)
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(whole(packed)[0], batch_first=True)
    actual = ours(x, torch.tensor(lengths))
    inside = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    torch.testing.assert_close(actual[inside], expected[inside])
    for y in (expected, actual):
        (y[inside] ** 2).sum().backward()
    for name, weight in ours.back.layer.named_parameters():
        torch.testing.assert_close(weight.grad, getattr(whole, f"{name}_reverse").grad)


SHAPES = {
    **{f"{kind} {merge}": Shape(kind, hidden=6, bidirectional=merge) for kind in TRAINABLE_CELLS for merge in MERGES},
    **{
        f"stack {merge}": Shape(
            "gru",
            hidden=6,
            layers=3,
            before=(DenseOptions(8, "relu"),),
            residual=True,
            norm=True,
            dropout=0.3,
            bidirectional=merge,
        )
        for merge in MERGES
    },
    "residual": Shape("lstm", hidden=6, layers=2, residual=True, bidirectional="concat"),
    "variational": Shape("lstm", hidden=6, layers=2, variational=0.4, bidirectional="concat"),
    "learned": Shape("gru", hidden=6, layers=2, learned_state=True, bidirectional="mean"),
}


def network(shape: Shape, data: Data) -> Network:
    torch.manual_seed(1)
    result = Network(shape, data.width, data.outputs, data.vocabulary_size).eval()
    for rest in (p for n, p in result.named_parameters() if ".initial_state." in n):
        nn.init.normal_(rest)
    return result


@pytest.mark.parametrize("name", SHAPES)
def test_every_network_exports_to_what_it_computes(name, tmp_path):
    """torch, the numpy interpreter and ONNX Runtime, with outputs at every step and pooled."""
    data = made("series")
    trained = network(SHAPES[name], data)
    model = window_model.to_window(trained, data)
    assert not model.pooled
    for each in (model, replace(model, pooled=True)):
        export(each, tmp_path / "m.onnx")
        program = edgernn.open(tmp_path / "m.onnx")
        for steps in (1, 20):
            x = torch.randn(1, steps, 5)
            scores = trained(x)
            expected = (pooled(scores, torch.tensor([steps])) if each.pooled else scores[0]).detach().numpy()
            np.testing.assert_allclose(WindowStepper(each).run(x[0].numpy()), expected, atol=1e-5)
            np.testing.assert_allclose(program.run(x[0].numpy()), expected, atol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=8, deadline=None)
@given(lengths=LENGTHS, filling=st.sampled_from([0.0, 1e6, float("nan")]))
def test_padding_changes_no_answer(name, lengths, filling):
    """A row of a padded batch has the same outputs as alone, whatever its padding."""
    data = made("series")
    trained = network(SHAPES[name], data)
    sequences = [torch.randn(n, 5) for n in lengths]
    x = torch.full((len(lengths), max(lengths) + 2, 5), filling)
    for row, sequence in zip(x, sequences, strict=True):
        row[: len(sequence)] = sequence
    with torch.no_grad():
        result, states = trained.run(x, None, torch.tensor(lengths))
        assert states == []
        answers = pooled(result, torch.tensor(lengths))
        for y, answer, sequence in zip(result, answers, sequences, strict=True):
            alone = trained(sequence[None])[0]
            torch.testing.assert_close(y[: len(sequence)], alone, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(answer, alone.mean(0), atol=1e-5, rtol=1e-5)


def test_the_last_answer_knows_the_first_frame_and_the_first_the_last():
    trained = network(Shape(hidden=6, layers=1, bidirectional="concat"), made("series"))
    x = torch.randn(1, 9, 5, requires_grad=True)
    for step, other in ((0, 8), (8, 0)):
        (grad,) = torch.autograd.grad(trained(x)[0, step].sum(), x)
        assert (grad[0, other] != 0).any()


def test_a_residual_adds_what_the_layer_reads():
    """With a recurrence whose output is 0, a residual layer is the identity."""
    for merge in MERGES:
        trained = network(Shape(hidden=6, layers=2, residual=True, bidirectional=merge), made("series"))
        last = trained.layers[1]
        for weight in last.parameters():
            nn.init.zeros_(weight)
        x = torch.randn(2, 7, trained.shape.output_width)
        torch.testing.assert_close(last(x), x)


def test_symbols_go_through_a_table(tmp_path):
    data = made("text", 1, 7, rows=7)
    trained = network(Shape(embedding=4, before=(DenseOptions(5, "relu"),), hidden=6, bidirectional="concat"), data)
    export(window_model.to_window(trained, data), tmp_path / "m.onnx")
    symbols = torch.randint(0, 7, (1, 12))
    result = edgernn.open(tmp_path / "m.onnx").run(symbols[0, :, None].numpy().astype(np.int32))
    np.testing.assert_allclose(result, trained(symbols)[0].detach().numpy(), atol=1e-5)


def test_feature_cells_go_before_the_network(tmp_path):
    exact = (
        ("mel", LogMel(5, 800, 15, 4, floor=0.5)),
        ("standardize", Standardize(Tensor(np.full(4, 0.3)), Tensor(np.full(4, 2.0)))),
    )
    data = made("class", exact=exact)
    trained = network(Shape(hidden=6, bidirectional="mean"), data)
    model = window_model.to_window(trained, data)
    assert model.pooled
    export(model, tmp_path / "m.onnx")
    xs = data.test.frames[0]
    (features,) = run.features(data.features, [xs])
    expected = trained(torch.from_numpy(features)[None])[0].mean(0, keepdim=True)
    np.testing.assert_allclose(edgernn.open(tmp_path / "m.onnx").run(xs), expected.detach().numpy(), atol=1e-5)


def test_a_class_is_that_of_the_mean_score():
    """Loss and accuracy, computed sequence by sequence."""
    data = made("class")
    trained = network(Shape(hidden=6, bidirectional="concat"), data)
    frames, targets = list(data.train.frames), list(data.train.targets)
    task = Task(trained, "class", (frames, targets), (frames, targets), Training(batching=Batching(late=0.5))).eval()
    loss, right = task.loss(padded(frames, targets, 0.5))
    alone = torch.stack([trained(torch.from_numpy(each)[None])[0].mean(0) for each in frames])
    torch.testing.assert_close(loss, F.cross_entropy(alone, torch.tensor(np.array(targets))))
    assert float(right[""]) == pytest.approx(
        float((alone.argmax(-1) == torch.tensor(np.array(targets))).float().mean())
    )


@pytest.mark.parametrize("option", [{"carry": 0.5}, {"batching": Batching(tbptt=4)}])
def test_a_state_that_is_carried_is_refused(option):
    data = made("class")
    part = data.train.frames, data.train.targets
    with pytest.raises(UsageError, match=r"tbptt is .* and carry .*needs whole sequences; set both to 0"):
        Task(network(Shape(bidirectional="mean"), data), "class", part, part, Training(**option))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("model.bidirectional=concta", "bidirectional is 'concta'; did you mean 'concat'?"),
        ("training.tbptt=8", "set both to 0, or train in one direction"),
        ("training.carry=0.5", "set both to 0, or train in one direction"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_before_any_data_is_read(setting, words):
    with pytest.raises(UsageError) as error:
        recipes.load("japanese-vowels", ["model.bidirectional=concat", setting])
    assert words in str(error.value)
    assert "japanese-vowels.toml" in str(error.value)


@pytest.mark.parametrize(("reader", "kind"), window_model.FORECASTS.items())
def test_what_comes_later_is_not_asked_of_what_has_read_it(reader, kind):
    recipe = SimpleNamespace(reader=reader, shape=Shape(bidirectional="mean"))
    with pytest.raises(UsageError, match=f"the targets of reader '{reader}' are later frames of the sequence"):
        window_model.check_targets(recipe, made(kind, rows=3 * (kind == "text"), inputs=1))
    window_model.check_targets(SimpleNamespace(reader="npz", shape=recipe.shape), made(kind))
    window_model.check_targets(recipe, made("class"))


LATER = """title = "t"
[data]
reader = "series"
[model]
bidirectional = "concat"
hidden = 4
[training]
epochs = 1
"""


def test_a_forecast_is_not_trained_in_both_directions(tmp_path):
    rows = [f"2024-01-01 {k // 60:02d}:{k % 60:02d}:00,{np.sin(k)}" for k in range(200)]
    (tmp_path / "s.csv").write_text("\n".join(["timestamp,value", *rows]))
    (tmp_path / "r.toml").write_text(LATER)
    with pytest.raises(UsageError, match="the targets of reader 'series' are later frames of the sequence"):
        run.train(
            recipes.load(tmp_path / "r.toml"), tmp_path / "s.csv", tmp_path / "run", accelerator=Accelerator("cpu")
        )
    assert not (tmp_path / "run").exists()


def test_values_at_every_step_are_trained_in_both_directions(tmp_path):
    """Targets that depend on the next frame: a bidirectional network learns them, on sequences of every length."""
    random = np.random.default_rng(0)
    x = random.standard_normal((96, 14, 2)).astype(np.float32)
    y = np.concatenate([x[:, 1:, :1], np.zeros((96, 1, 1), np.float32)], 1)
    lengths = random.integers(4, 15, 96)
    parts = {"train": slice(0, 64), "test": slice(64, 96)}
    arrays = {
        f"{name}_{part}": each[rows]
        for part, rows in parts.items()
        for name, each in (("x", x), ("y", y), ("length", lengths))
    }
    np.savez(tmp_path / "d.npz", labels=["ahead"], **arrays)
    (tmp_path / "r.toml").write_text(
        LATER.replace("series", "npz").replace("epochs = 1", "epochs = 20\nrate = 2e-2\nlate = 0.0\nbatch = 16")
    )
    result = run.train(
        recipes.load(tmp_path / "r.toml", ["model.hidden=8"]),
        tmp_path / "d.npz",
        tmp_path / "run",
        accelerator=Accelerator("cpu"),
    )
    # chance gives 1.0; the last of about nine targets depends on a frame after the end
    assert result.metrics["rmse ahead"] < 0.7 < result.metrics["persistence ahead"]
    assert edgernn.open(tmp_path / "run/model.onnx").manifest.window == "steps"


def test_a_missing_writer_is_known_before_the_training(monkeypatch, tmp_path):
    def missing(_name):
        raise MissingExtraError("onnx", "export", "writing an .onnx file")

    monkeypatch.setattr(window_model, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgernn\[export\]'"):
        run.train(vowels("model.bidirectional=concat"), VOWELS, tmp_path)
    assert not list(tmp_path.iterdir())


def test_torchs_bidirectional_layer_is_told_of_windows():
    with pytest.raises(UnsupportedError, match=r"convert each direction separately for an edgernn.Window"):
        from_torch(nn.GRU(5, 6, batch_first=True, bidirectional=True).eval(), torch.zeros(1, 8, 5))
    trained = network(Shape(hidden=6, bidirectional="concat"), made("series"))
    with pytest.raises(UnsupportedError, match="reverses time"):
        from_torch(trained, torch.zeros(1, 8, 5))


def test_a_short_training_learns_and_ends_in_a_window(tmp_path):
    recipe = vowels("model.bidirectional=concat")
    result = run.train(recipe, VOWELS, tmp_path / "run", accelerator=Accelerator("cpu"))
    assert result.metrics["accuracy"] > 0.5
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert "model.onnx" in files
    assert "model.rnn" not in files
    program = edgernn.open(tmp_path / "run/model.onnx")
    assert program.manifest.window == "pooled"
    data = run.read_data(recipe.reader, VOWELS, recipe.options)
    right = [program.run(x).argmax() == y for x, y in zip(data.test.frames, data.test.targets, strict=True)]
    assert round(float(np.mean(right)), 4) == result.metrics["accuracy"]
    weights = sum(p.numel() for p in Network(recipe.shape, data.width, data.outputs).parameters())
    assert result.parameters == weights + 2 * data.width  # and mean and deviation
    with pytest.raises(UnsupportedError, match="cannot stream"):
        program.stream()


def test_the_command_says_that_it_cannot_stream(tmp_path):
    vowels()
    quick = ("--set", "training.epochs=1", "--set", "model.hidden=4", "--set", "model.bidirectional=mean")
    folder = tmp_path / "run"
    output = edge("train", "japanese-vowels", "--data", VOWELS, *quick, "--out", folder, "--accelerator", "cpu")
    assert "it takes whole windows and cannot stream" in output
    assert f"Model: {folder / 'model.onnx'}" in output
    assert "one answer for each; it cannot stream" in edge("info", folder / "model.onnx")
    assert json.loads((folder / "metrics.json").read_text())["parameters"] > 0
