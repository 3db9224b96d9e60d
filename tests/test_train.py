"""Training: cells by their own formula, batches, recipes, and runs that are interrupted and resumed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

import edgernn
from edgernn.cells import Gru, Lstm, Rnn
from edgernn.errors import FileError, TrainingError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.train import catalog, recipe as recipes, run
from edgernn.train.data import READERS
from edgernn.train.loop.batches import Batching, epoch
from edgernn.train.loop.schedules import SCHEDULES
from edgernn.train.loop.task import Task, Training
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.network.before_options import DenseOptions
from edgernn.train.network.models import TRAINABLE_CELLS, Network, Shape
from edgernn.train.network.recurrent import Recurrent, Stateless
from edgernn_export import from_torch
from killed import killed
from zoo import GRAPHS, frames

CPU = Accelerator("cpu")
VOWELS = Path(__file__).parent.parent.parent / "shared/data/japanese_vowels"
ONE_CELL = [
    name
    for name, graph in GRAPHS.items()
    if not graph.initial_state and graph.layers == (Layer("layer", graph.layers[0].cell, ("x",)),)
]


@pytest.mark.parametrize("name", ONE_CELL)
def test_a_cell_trains_by_the_formula_that_numpy_runs(name):
    graph = GRAPHS[name]
    cell = graph.layers[0].cell
    module = (Recurrent if graph.states else Stateless)(cell).double()
    xs = frames(graph, 12).astype(float)
    result = module(torch.from_numpy(xs)[None])
    result = result[0] if graph.states else result
    np.testing.assert_allclose(result[0].detach().numpy(), Stepper(graph).run(xs)[0], atol=1e-6)
    if cell.exact or not list(module.parameters()):
        return
    result.sum().backward()
    assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in module.parameters())


@pytest.mark.parametrize(("cls", "cell"), [(nn.GRU, Gru), (nn.LSTM, Lstm), (nn.RNN, Rnn)])
def test_values_and_gradients_are_those_of_torch(cls, cell):
    """The oracle is torch's own layer with the same weights: outputs and gradients of every weight."""
    torch.manual_seed(0)
    fused = cls(5, 7, batch_first=True).double()
    w, u, b, c = (weight.detach().numpy() for weight in fused.parameters())
    biases = (b, c) if cell is Gru else (b + c,)
    ours = Recurrent(cell(*map(Tensor, (w, u, *biases)))).double()
    for name, value in zip(("w", "u", "b", "c"), (w, u, *biases), strict=False):
        getattr(ours, name).data = torch.from_numpy(value.copy())
    x = torch.randn(3, 9, 5, dtype=torch.double)
    (expected, _), (actual, _) = fused(x), ours(x)
    torch.testing.assert_close(actual, expected)
    for y in (expected, actual):
        (y**2).sum().backward()
    for mine, theirs in ((ours.w, fused.weight_ih_l0), (ours.u, fused.weight_hh_l0), (ours.b, fused.bias_ih_l0)):
        torch.testing.assert_close(mine.grad, theirs.grad)


SHAPES = {
    **{kind: Shape(kind, hidden=6) for kind in TRAINABLE_CELLS},
    "stack": Shape("gru", hidden=6, layers=3, before=(DenseOptions(8, "relu"),), residual=True, norm=True, dropout=0.3),
    "variational": Shape("lstm", hidden=6, layers=2, variational=0.4),
    "learned": Shape("gru", hidden=6, learned_state=True),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_network_exports_to_what_it_computes(name):
    torch.manual_seed(1)
    network = Network(SHAPES[name], 5, 3).eval()
    for rest in (p for n, p in network.named_parameters() if ".initial_state." in n):
        nn.init.normal_(rest)
    x = torch.randn(1, 20, 5)
    graph = from_torch(network, x)
    np.testing.assert_allclose(Stepper(graph).run(x[0].numpy())[0], network(x)[0].detach().numpy(), atol=1e-5)


def test_symbols_go_through_a_table():
    network = Network(Shape(embedding=4, hidden=6), 1, 7, vocabulary_size=7).eval()
    x = torch.randint(0, 7, (1, 12))
    graph = from_torch(network, x)
    assert graph.vocabulary_size == 7
    result = Stepper(graph).run(x[0, :, None].numpy().astype(np.int32))[0]
    np.testing.assert_allclose(result, network(x)[0].detach().numpy(), atol=1e-5)


def test_a_variational_mask_is_the_same_at_every_step():
    module = Recurrent(GRAPHS["Rnn"].layers[0].cell, dropout=0.5).train()
    with torch.no_grad():
        module.u.zero_(), module.b.zero_()
        y, _ = module(torch.ones(4, 30, 6))
    assert (y == y[:, :1]).all()
    assert not (y[0] == y[1]).all()


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=20),
    batch=st.integers(1, 8),
    tbptt=st.integers(0, 12),
    late=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
)
def test_every_step_of_every_sequence_is_met_once(lengths, batch, tbptt, late):
    """Chunks without a step that counts are included, and each chunk continues the one before."""
    numbered, total = [], 0
    for length in lengths:
        numbered.append(np.arange(total, total + length, dtype=np.float32)[:, None] + 1)
        total += length
    targets = [each.copy() for each in numbered]
    counting = [step for each in numbered for step in each[int(late * len(each)) :, 0].tolist()]
    seen, requests, rows = [], [], None
    for part in epoch(numbered, targets, Batching(batch, tbptt, late), np.random.default_rng(0)):
        assert tbptt == 0 or part.x.shape[1] <= tbptt
        if part.fresh:
            rows = part.x[:, -1]
        else:  # a chunk continues the last one
            both = (part.x[:, 0] > 0) & (rows > 0)
            assert (part.x[:, 0] == rows + 1)[both].all()
            rows = part.x[:, -1]
        np.testing.assert_array_equal(part.x[part.mask], part.target[part.mask])
        assert part.counts == part.mask.any()
        seen += part.x[part.x > 0].tolist()
        requests += part.x[part.mask].reshape(-1).tolist()
    assert sorted(seen) == list(range(1, total + 1))
    assert sorted(requests) == sorted(counting)


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=20),
    batch=st.integers(1, 8),
    tbptt=st.integers(0, 7),
    world=st.integers(2, 3),
    late=st.sampled_from([0.0, 0.5]),
)
def test_processes_share_every_batch_and_have_as_many(lengths, batch, tbptt, world, late):
    """Otherwise they would wait for each other forever."""
    frames = [np.full((n, 1), k + 1, np.float32) for k, n in enumerate(lengths)]
    plan = Batching(batch, tbptt, late)

    def seen(*place):
        return list(epoch(frames, frames, plan, np.random.default_rng(0), *place))

    alone, shared = seen(), [seen(rank, world) for rank in range(world)]
    assert len({len(each) for each in shared}) == 1
    remaining = [each for each in alone if len(each.x) >= world]
    assert len(shared[0]) == len(remaining)
    for whole, *parts in zip(remaining, *shared, strict=True):
        assert sorted(map(float, whole.x.sum((1, 2)))) == sorted(float(x.sum()) for part in parts for x in part.x)
        for part in parts:
            assert part.x.shape[1:] == whole.x.shape[1:]
            assert len(part.x) == len(part.target) == len(part.mask) == len(part.lengths)
            assert part.counts == whole.counts == whole.mask.any()  # all of them update the weights, or none


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_stays_within_its_rate(name):
    factors = [SCHEDULES[name](progress) for progress in np.linspace(0, 1, 101)]
    assert 0 < min(factors) <= max(factors) <= 1.0000001


WRONG = {
    "section": ("[model]", "[modle]", 6, "there is no 'modle' in a recipe; did you mean 'model'?"),
    "key": ("hidden =", "hiden =", 8, "there is no 'hiden' in [model]; did you mean 'hidden'?"),
    "kind": ("hidden = 16", "hidden = 16.5", 8, "'hidden' is 16.5; expected a whole number"),
    "batch": ("batch = 8", 'batch = "8"', 12, "'batch' is '8'; expected a whole number"),
    "training": ("epochs", "epoch", 11, "there is no 'epoch' in [training]; did you mean 'epochs'?"),
    "reader": ('reader = "ts"', "", 4, "the section [data] has no reader"),
    "missing": ('title = "t"', "", 1, "'title' is missing"),
}
RECIPE = """title = "t"


[data]
reader = "ts"
[model]
cell = "gru"
hidden = 16

[training]
epochs = 4
batch = 8
"""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_recipe_is_refused_with_its_line(name, tmp_path):
    old, new, line, words = WRONG[name]
    assert RECIPE.count(old) == 1
    path = tmp_path / "r.toml"
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(FileError) as error:
        recipes.load(path)
    assert words in str(error.value)
    assert f"line {line}:" in str(error.value)


def test_other_mistakes_in_a_recipe(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(RECIPE)
    for setting, words in (
        ("model.cell=gruu", "there is no cell 'gruu' to train; did you mean 'gru'?"),
        ("hidden=3", "'hidden=3' is not a setting; write section.key=value"),
        ("training.optimizer=adan", "optimizer is 'adan'; did you mean 'adam'?"),
    ):
        with pytest.raises(UsageError) as error:
            recipes.load(path, [setting])
        assert words in str(error.value)
    for setting, words in (
        ("model.hiden=3", "'model.hiden' as it was set: there is no 'hiden' in [model]; did you mean 'hidden'?"),
        ("model.hidden=a", "'model.hidden' as it was set: 'hidden' is 'a'; expected a whole number"),
    ):
        with pytest.raises(FileError) as wrong:
            recipes.load(path, [setting])
        assert str(wrong.value).startswith(words)
    with pytest.raises(UsageError, match=r"there is no recipe 'spoken-digit'; did you mean 'spoken-digits'\?"):
        recipes.load("spoken-digit")


@pytest.mark.parametrize("name", [each.name for each in catalog.listed() if each.reader in READERS])
def test_a_shipped_recipe_is_sound_and_written_back_whole(name, tmp_path):
    loaded = recipes.load(name, ["model.hidden=12"])
    assert loaded.shape.hidden == 12
    (tmp_path / f"{name}.toml").write_text(recipes.to_toml(loaded))
    assert recipes.load(tmp_path / f"{name}.toml") == loaded


def vowels(*settings):
    if not VOWELS.is_dir():
        pytest.skip(f"the data is not at {VOWELS}")
    return recipes.load("japanese-vowels", ["training.epochs=4", "model.hidden=16", "model.dropout=0.1", *settings])


def test_a_short_training_learns_and_streams(tmp_path):
    result = run.train(vowels(), VOWELS, tmp_path / "run", accelerator=CPU)
    assert result.metrics["accuracy"] > 0.5
    assert len(result.history) == 4
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "recipe.toml",
        "data.json",
        "model.rnn",
        "metrics.json",
        "curves.csv",
        "environment.json",
        "report.html",
        "last.ckpt",
    }
    graph = edgernn.load(tmp_path / "run/model.rnn")
    assert graph.layers[0].name == "standardize"


RESUMED = {
    "carried": ("training.carry=0.9", "training.batch=37"),  # the last evaluated batch is as wide as the first
    "plateau": ("training.schedule=plateau", "training.validation=0.2", "training.patience=2", "training.rate=0.02"),
    "variational": ("model.cell=mgu", "model.variational=0.3", "model.learned_state=true", "training.tbptt=7"),
    "both ways": ("model.bidirectional=mean", "training.optimizer=sgd", "training.schedule=cosine"),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_training_that_is_killed_goes_on_as_if_it_was_not(name, tmp_path):
    carried, model = RESUMED[name], "model.onnx" if name == "both ways" else "model.rnn"
    whole = run.train(vowels(*carried), VOWELS, tmp_path / "whole", accelerator=CPU)
    with killed(2, 1):
        run.train(vowels(*carried), VOWELS, tmp_path / "halves", accelerator=CPU)
    assert torch.load(tmp_path / "halves/last.ckpt", weights_only=False)["epoch"] == 1
    resumed = run.train(vowels(*carried), VOWELS, tmp_path / "halves", accelerator=CPU, resume=True)
    assert resumed.metrics == whole.metrics
    assert resumed.history == whole.history
    assert (tmp_path / "whole" / model).read_bytes() == (tmp_path / "halves" / model).read_bytes()


def test_a_loss_that_is_no_number_stops_at_once_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    loss = Task.loss

    def broken(task, batch):
        value, right = loss(task, batch)
        return (value * float("nan") if task.training and task.current_epoch == 1 else value), right

    monkeypatch.setattr(Task, "loss", broken)
    with pytest.raises(TrainingError, match="the loss of batch 0 in epoch 1 is nan; lower the rate"):
        run.train(vowels(), VOWELS, tmp_path, accelerator=CPU)
    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["epoch"] == 0


def test_training_options_are_checked():
    with pytest.raises(UsageError, match="epochs is 0 and rate"):
        Training(epochs=0)
    with pytest.raises(UsageError, match="batch is 0 and tbptt 4; expected at least 1 sequence"):
        Batching(batch=0, tbptt=4)
    for late in (1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match=r"late is .*; expected a part of at least 0 and below 1"):
            Batching(late=late)
    with pytest.raises(UsageError, match="embedding is 0 and the vocabulary size is 7"):
        Network(Shape(), 1, 7, vocabulary_size=7)
