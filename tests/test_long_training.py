"""Long trainings: interruption, resumption, early stopping and monitoring; and models on long streams."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.errors import FileError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.train import recipe as recipes, run
from edgernn.train.data.augment import Augmentation
from edgernn.train.data.features import features
from edgernn.train.data.reader import read_data
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.data.varied import Varied
from edgernn.train.loop.batches import Batching
from edgernn.train.loop.dataset import SequenceDataset
from edgernn.train.loop.gradients import EXPLODED
from edgernn.train.loop.schedules import OPTIMIZERS
from edgernn.train.loop.task import Task, Training
from edgernn.train.loop.trainer import Accelerator, make_trainer, quiet
from edgernn.train.network.models import Network, Shape

SHARED = Path(__file__).parent.parent.parent / "shared/data"
VOWELS, DIGITS = SHARED / "japanese_vowels", SHARED / "fsdd/recordings"
CPU = Accelerator("cpu")


def vowels(*more):
    if not VOWELS.is_dir():
        pytest.skip(f"the data is not at {VOWELS}")
    return recipes.load("japanese-vowels", ["training.epochs=4", "model.hidden=16", "model.dropout=0.1", *more])


# long streams


@pytest.mark.slow
@pytest.mark.parametrize("carry", [0.0, 0.5])
def test_a_model_trained_with_carried_states_keeps_its_accuracy_on_an_endless_stream(carry, tmp_path):
    """The test part as one stream of 360 times a training sequence, never reset; without carry the model fails."""
    result = run.train(vowels(f"training.carry={carry}", "training.epochs=25", "model.hidden=24"), VOWELS, tmp_path)
    data = read_data("ts", VOWELS)
    assert data.test.steps > 300 * np.mean([len(frames) for frames in data.train.frames])
    stepper = Stepper(edgernn.load(tmp_path / "model.rnn"), "float32")
    states, right = stepper.initial_state(), []
    for i in np.random.default_rng(0).permutation(len(data.test)):
        answers, states = stepper.run(data.test.frames[i], states)
        right.append(answers[-1].argmax() == data.test.targets[i])
    lost = result.metrics["accuracy"] - np.mean(right)
    assert lost < 0.03 if carry else lost > 0.04
    if carry:
        assert np.mean(right[-100:]) > result.metrics["accuracy"] - 0.05


# interruption


STRUCK = """
import os, signal, sys
from edgernn.cli import main
from edgernn.train.loop.task import Task
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored by what runs in the background
on = Task.on_train_batch_start
def batch(task, *said):
    if (task.current_epoch, said[-1]) == ({epoch}, 1):
        os.kill(os.getpid(), signal.{name})
    on(task, *said)
Task.on_train_batch_start = batch
main(sys.argv[1:])
"""


def command(*arguments, how=("-m", "edgernn")):
    return [sys.executable, "-W", "error::UserWarning", *how, "train", "japanese-vowels", "--accelerator", "cpu",
            "--data", str(VOWELS), "--set", "model.hidden=16", "--set", "training.epochs=6", *arguments]  # fmt: skip


def struck(name, epoch, out):
    """The command, with a signal in the middle of an epoch on a machine of any speed."""
    code = STRUCK.format(name=name, epoch=epoch)
    return subprocess.run(command("--out", str(out), how=("-c", code)), stderr=subprocess.PIPE, text=True, check=False)


def finished(folder):
    """The number of epochs in the checkpoint; it is complete whenever it exists."""
    path = folder / "last.ckpt"
    return torch.load(path, weights_only=True)["epoch"] + 1 if path.exists() else 0


def test_an_interrupted_command_says_how_to_go_on(tmp_path):
    vowels()
    done = struck("SIGINT", 1, tmp_path)
    assert done.returncode == 130
    assert "Finished epochs are saved: the same command with --resume continues.\n" in done.stderr
    assert done.stderr.splitlines()[-1] == "interrupted"
    assert finished(tmp_path) == 1


FULL = """
import resource, signal, sys
from pathlib import Path
from edgernn.errors import FileError
from edgernn.train import recipe, run
from edgernn.train.loop.task import Task
from edgernn.train.loop.trainer import Accelerator
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
end = Task.on_train_epoch_end
def filled(task):
    end(task)
    if task.current_epoch == 1:  # from here on no file may be longer than this
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
Task.on_train_epoch_end = filled
try:
    run.train(recipe.load("japanese-vowels", ["training.epochs=3"]), sys.argv[1], Path(sys.argv[2]), accelerator=Accelerator("cpu"))
except FileError as error:
    print(error)
"""


def test_a_full_disk_is_said_and_leaves_the_last_checkpoint(tmp_path):
    vowels()
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(VOWELS), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "last.ckpt' cannot be written: File too large; check the path and the disk" in done.stdout
    assert finished(tmp_path) == 1
    assert sorted(os.listdir(tmp_path)) == ["data.json", "last.ckpt", "recipe.toml"]


def test_a_run_goes_on_only_with_its_own_recipe(tmp_path):
    run.train(vowels(), VOWELS, tmp_path, accelerator=CPU)
    with pytest.raises(UsageError, match="differs from the recipe of this run"):
        run.train(vowels("training.rate=1e-3"), VOWELS, tmp_path, accelerator=CPU, resume=True)
    (tmp_path / "last.ckpt").write_bytes((tmp_path / "last.ckpt").read_bytes()[:5000])
    with pytest.raises(FileError, match=r"last.ckpt' is not a complete checkpoint: .*; delete it to train again"):
        run.train(vowels(), VOWELS, tmp_path, accelerator=CPU, resume=True)


def test_a_training_from_the_start_leaves_nothing_of_the_one_before(tmp_path, monkeypatch):
    run.train(vowels(), VOWELS, tmp_path, accelerator=CPU)

    def interrupted(_task, _batch, _index):
        raise KeyboardInterrupt

    monkeypatch.setattr(Task, "on_train_batch_start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.train(vowels("training.rate=1e-3"), VOWELS, tmp_path, accelerator=CPU)
    assert sorted(os.listdir(tmp_path)) == ["data.json", "recipe.toml"]


def test_what_is_refused_before_it_begins_leaves_a_finished_run_as_it_was(tmp_path):
    run.train(vowels(), VOWELS, tmp_path, accelerator=CPU)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for setting in ("training.precision=fp16", "training.validation=0.999", "augment.gain_db=3.0", "model.embedding=4"):
        with pytest.raises(UsageError):
            run.train(vowels(setting), VOWELS, tmp_path, accelerator=CPU)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_finished_run_resumed_is_finished(tmp_path):
    once = run.train(vowels(), VOWELS, tmp_path, accelerator=CPU)
    again = run.train(vowels(), VOWELS, tmp_path, accelerator=CPU, resume=True)
    assert (again.metrics, again.history) == (once.metrics, once.history)


# validation


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 40), share=st.floats(0.0, 1.0), seed=st.integers(0, 5), kind=st.sampled_from(["class", "series"])
)
def test_the_validation_part_is_taken_from_the_training_part_alone(n, share, seed, kind):
    frames = tuple(np.full((2, 1), k, np.float32) for k in range(n))
    targets = np.zeros(n, np.int64) if kind == "class" else tuple(np.zeros((2, 1), np.float32) for _ in range(n))
    part = Sequences(frames, targets, tuple(map(str, range(n))))
    data = Data(part, part, kind, 1, 1)
    expected = round(share * n)
    if not 0 < expected < n:
        with pytest.raises(UsageError, match=f"of {n} sequences is empty or leaves none"):
            data.hold_out(share, seed)
        return
    rest, held = data.hold_out(share, seed)
    assert len(held) == expected
    assert sorted([*rest.train.sources, *held.sources], key=int) == [str(k) for k in range(n)]
    assert rest.test is data.test
    if kind == "series":  # the last sequences
        assert held.sources == tuple(str(k) for k in range(n - expected, n))


def test_stopping_goes_by_a_validation_part(tmp_path):
    for setting in ("training.patience=2", "training.schedule=plateau"):
        with pytest.raises(UsageError, match=r"needs a validation part; set validation = 0\.1"):
            vowels(setting)
    slow = ("training.rate=1e-9", "training.schedule=constant", "training.noise=0.0", "model.dropout=0.0")
    result = run.train(
        vowels("training.patience=1", "training.validation=0.2", "training.epochs=9", *slow),
        VOWELS,
        tmp_path,
        accelerator=CPU,
    )
    assert len(result.history) < 9  # a network that learns nothing is not trained on
    assert "accuracy" in result.validation
    assert {"validation_loss", "validation_accuracy", "loss", "gradient_norm"} <= set(result.history[0])
    assert "test_loss" not in result.history[0]


# the gradient


def trained(network, x, target, training):
    frames, targets = [x.astype(np.float32)], [target.astype(np.float32)]
    part = SequenceDataset.fixed(frames, targets)
    task = Task(network, "series", part, ("test", part), training)
    with quiet():
        trainer, norms, _ = make_trainer(training, Path("/nowhere"), CPU)
        trainer.callbacks = [each for each in trainer.callbacks if "Checkpoint" not in type(each).__name__]
        trainer.fit(task)
    return task, norms


def steps(n=40, width=3):
    x = np.random.default_rng(0).standard_normal((n, width))
    return x, x[:, :1]


def once(**more):
    return Training(epochs=1, rate=1e-9, batching=Batching(late=0.0), **more)


@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_the_norm_is_that_of_the_whole_gradient_before_clipping(clip):
    torch.manual_seed(0)
    network = Network(Shape("gru", hidden=5), 3, 1)
    x, target = steps()
    answer = network(torch.from_numpy(x.astype(np.float32))[None])[0]
    ((answer - torch.from_numpy(target.astype(np.float32))) ** 2).mean().backward()
    expected = np.sqrt(sum(float((p.grad.double() ** 2).sum()) for p in network.parameters()))
    network.zero_grad()
    task, norms = trained(network, x, target, once(clip=clip))
    assert task.history[0]["gradient_norm"] == pytest.approx(expected, rel=1e-4)
    assert norms.notes == []


def test_a_gradient_that_vanishes_is_said_with_what_to_try(caplog):
    network = Network(Shape("rnn", hidden=5, layers=4), 3, 1)
    with torch.no_grad():
        for layer in network.layers:
            layer.weight_ih_l0 *= 0.01
    _, norms = trained(network, *steps(), once())
    assert "the gradient vanishes" in norms.notes[0]
    assert "Try a gated cell, residual layers, norm, or a shorter training.tbptt" in norms.notes[0]
    assert norms.notes[0] in caplog.text


def test_a_gradient_that_explodes_is_said_with_what_to_try(caplog):
    network = Network(Shape("rnn_relu", hidden=5), 3, 1)
    with torch.no_grad():
        network.layers[0].weight_hh_l0.copy_(torch.eye(5) * 1.5)
    x, target = steps()
    task, norms = trained(network, np.abs(x), target, once())
    assert task.history[0]["gradient_norm_max"] > EXPLODED
    assert "the gradient exploded" in norms.notes[0]
    assert "Try a smaller training.clip or rate" in norms.notes[0]


# devices and options


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("clip_by", ["norm", "value"])
def test_every_optimizer_learns(optimizer, clip_by, tmp_path):
    rate = 0.1 if optimizer == "sgd" else 5e-3
    arguments = (f"training.optimizer={optimizer}", f"training.clip_by={clip_by}", f"training.rate={rate}")
    history = run.train(vowels(*arguments), VOWELS, tmp_path, accelerator=CPU).history
    assert history[-1]["loss"] < history[0]["loss"] - 0.2


def test_arithmetic_in_bfloat16_learns_too(tmp_path):
    result = run.train(vowels("training.precision=bf16"), VOWELS, tmp_path, accelerator=CPU)
    assert result.metrics["accuracy"] > 0.4
    assert edgernn.load(tmp_path / "model.rnn").precision == "fp32"


def test_places_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(UsageError, match="precision fp16 needs a GPU"):
        run.train(vowels("training.precision=fp16"), VOWELS, tmp_path, accelerator=CPU)
    with pytest.raises(UsageError, match=r"accelerator is 'gpu'; .*there are auto, cpu, cuda"):
        Accelerator("gpu")
    with pytest.raises(UsageError, match=r"logger is 'tensorbord'; did you mean 'tensorboard'\?"):
        Accelerator(logger="tensorbord")
    with pytest.raises(UsageError, match="devices is 0 and nodes 1"):
        Accelerator(devices=0)
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="torch finds no CUDA GPU; use --accelerator cpu"):
            run.train(vowels(), VOWELS, tmp_path, accelerator=Accelerator("cuda"))


@pytest.mark.slow
def test_two_processes_train_one_network_together(tmp_path):
    vowels()
    arguments = ("--set", "training.batch=33", "--set", "training.tbptt=8", "--logger", "csv")
    done = subprocess.run(
        command("--out", str(tmp_path), "--devices", "2", *arguments),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert float((tmp_path / "metrics.json").read_text().split('"accuracy": ')[1].split(",")[0]) > 0.5
    assert (tmp_path / "log/metrics.csv").exists()


# augmentation


def test_every_epoch_hears_other_clips_and_the_same_ones_again_from_the_same_seed():
    if not DIGITS.is_dir():
        pytest.skip(f"the data is not at {DIGITS}")
    recipe = recipes.load("spoken-digits", ["data.test_indices=[2, 50]"])
    data = read_data(recipe.reader, DIGITS, recipe.options)
    still = Varied(data, Augmentation())(np.random.default_rng(0))
    for actual, expected in zip(still, features(data.features, data.train.frames), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5)
    varied = Varied(data, Augmentation(speed=0.1, gain_db=6, snr_db=(10, 40), shift=200, warp=0.1))
    one, same, other = (varied(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert {len(a) - len(b) for a, b in zip(one, still, strict=True)} != {0}


def test_only_sound_is_varied(tmp_path):
    with pytest.raises(UsageError, match=r"\[augment\] needs audio"):
        run.train(vowels("augment.gain_db=6.0"), VOWELS, tmp_path, accelerator=CPU)
