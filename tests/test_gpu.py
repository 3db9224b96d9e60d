"""Training on a CUDA GPU equals training on a CPU: every cell, precision and option; skipped without a GPU."""

import numpy as np
import pytest
import torch

import edgernn
from edgernn.passes.patterns import Blocks
from edgernn.train import recipe as recipes, run
from edgernn.train.compress.finetune import finetune
from edgernn.train.data.reader import read_data
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.loop.distillation import Distillation
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.network.models import TRAINABLE_CELLS
from killed import killed

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

CPU, CUDA = Accelerator("cpu"), Accelerator("cuda")


@pytest.fixture(scope="module")
def vowels(data):
    return read_data("ts", data / "japanese_vowels")


def recipe_of(*more):
    return recipes.load("japanese-vowels", ["training.epochs=3", "model.hidden=16", "model.dropout=0", *more])


def weights(folder):
    return {name: tensor.stored for name, tensor in edgernn.load(folder / "model.rnn").tensors.items()}


@pytest.mark.parametrize(
    "settings",
    [
        *((f"model.cell={name}",) for name in TRAINABLE_CELLS),
        ("model.bidirectional=concat",),
        ("model.cell=lstm", "model.bidirectional=mean"),
        (
            "model.layers=2",
            "model.residual=true",
            "model.norm=true",
            "model.before=[{cell='Dense', units=8, activation='relu'}]",
            "model.learned_state=true",
        ),
        ("training.tbptt=5", "training.batch=30"),
    ],
    ids=lambda settings: " ".join(each.partition(".")[2] for each in settings),
)
def test_a_gpu_learns_as_a_cpu_does(settings, vowels, tmp_path):
    """With equal initial weights and batches, losses differ by rounding only."""
    one, other = (
        run.train_on(vowels, recipe_of(*settings, "training.noise=0"), tmp_path / place.kind, accelerator=place)
        for place in (CPU, CUDA)
    )
    for here, there in zip(one.history, other.history, strict=True):
        assert there["loss"] == pytest.approx(here["loss"], rel=0.02)
    assert abs(one.metrics["accuracy"] - other.metrics["accuracy"]) < 0.05


def test_a_gpu_learns_symbols(tmp_path):
    whole = [np.resize([0, 1, 2, 2], 40 + i)[:, None].astype(np.int32) for i in range(8)]
    targets = tuple(each[1:, 0].astype(np.int64) for each in whole)
    rhythm = Sequences(tuple(each[:-1] for each in whole), targets, ("made",) * 8)
    data = Data(rhythm, rhythm, "text", 1, 3, symbols=("a", "b", "c"))
    settings = ["model.hidden=12", "training.epochs=30", "training.batch=8"]
    result = run.train_on(data, recipes.load("shakespeare", settings), tmp_path, accelerator=CUDA)
    assert result.metrics["accuracy"] > 0.9


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("cell", ["gru", "mgu", "layer_norm_lstm"])
def test_half_precision_learns_too(precision, cell, vowels, tmp_path):
    settings = (f"training.precision={precision}", f"model.cell={cell}", "training.epochs=8")
    result = run.train_on(vowels, recipe_of(*settings), tmp_path, accelerator=CUDA)
    assert result.history[-1]["loss"] < result.history[0]["loss"] - 0.2
    assert {each.dtype for each in weights(tmp_path).values()} == {np.dtype(np.float32)}


def test_the_same_seed_trains_the_same_network_whether_or_not_it_is_interrupted(vowels, tmp_path):
    recipe = recipe_of("model.dropout=0.2")
    for name in ("once", "again"):
        run.train_on(vowels, recipe, tmp_path / name, accelerator=CUDA)
    with killed(1, 1):
        run.train_on(vowels, recipe, tmp_path / "resumed", accelerator=CUDA)
    run.train_on(vowels, recipe, tmp_path / "resumed", accelerator=CUDA, resume=True)
    once = weights(tmp_path / "once")
    for name in ("again", "resumed"):
        other = weights(tmp_path / name)
        assert all(np.array_equal(once[key], other[key]) for key in once), name


@pytest.mark.parametrize(
    "scheme", ["", "weight_only_wi4_afp32", "dynamic_wi8_afp32", "static_wi8_ai8", "static_wi8_ai16"]
)
def test_fine_tuning_on_a_gpu_is_that_of_a_cpu(scheme, vowels, tmp_path):
    """With blocks of zeros, quantization-aware training, and a teacher."""
    recipe = recipe_of("training.epochs=2", "model.hidden=32")
    run.train_on(vowels, recipe, tmp_path, accelerator=CUDA)
    graph = edgernn.load(tmp_path / "model.rnn")
    pattern = Blocks(0.5)
    one, other = (
        finetune(
            graph, recipe, vowels, pattern=pattern, scheme=scheme, distillation=Distillation(graph), accelerator=place
        )
        for place in (CPU, CUDA)
    )
    for name, tensor in one.tensors.items():
        here, there = tensor.stored, other.tensors[name].stored
        assert np.array_equal(here == 0, there == 0)
        assert np.abs(here - there).max() < 0.05
