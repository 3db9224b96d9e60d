"""Several sets of targets for one clip: losses, metrics, the page of a run, and a model with an output for each."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from test_data import MEL, sound

import edgernn
from edgernn.device.runtimes import suffixes
from edgernn.errors import FileError, FrameError, GraphError, UnsupportedError, UsageError
from edgernn.train import recipe as recipes, run
from edgernn.train.compress.finetune import finetune
from edgernn.train.compress.importance import taylor
from edgernn.train.compress.restore import restore
from edgernn.train.convert import to_graph
from edgernn.train.data.background import SILENCE
from edgernn.train.data.reader import read_data
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.evaluate.metrics import evaluate
from edgernn.train.loop.batches import padded
from edgernn.train.loop.dataset import SequenceDataset
from edgernn.train.loop.distillation import Distillation, Teacher
from edgernn.train.loop.losses import Head
from edgernn.train.loop.task import Task, Training
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.network.models import Network, Shape
from edgernn_export import export
from page import Page

CPU = Accelerator("cpu")
HEADS = {"tone": 3, "voice": 2}
WEIGHTS = (("tone", 1.0), ("voice", 0.25))
INPUTS = 4


def clips(count, seed):
    """The tone is in the first three elements of a frame, the voice in the sign of the last."""
    random = np.random.default_rng(seed)
    targets = np.stack([np.arange(count) % 3, np.arange(count) // 3 % 2], axis=1).astype(np.int64)
    frames = []
    for tone, voice in targets:
        x = random.standard_normal((random.integers(5, 9), INPUTS)).astype(np.float32)
        x[:, tone] += 2
        x[:, 3] += 4 * voice - 2
        frames.append(x)
    return Sequences(tuple(frames), targets, tuple(f"clip {seed} {k}" for k in range(count)))


def data_of():
    labels = ("low", "middle", "high", "ann", "bob")
    return Data(clips(60, 0), clips(24, 1), "class", INPUTS, 5, labels, period_ms=10.0, heads=HEADS)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("heads") / "tones.toml"
    path.write_text(
        'title = "Tones and voices"\n[data]\nreader = "wav"\n[model]\nhidden = 12\nheads = { tone = 1.0, voice = 0.25 }\n'
        'before = [{ cell = "Conv1d", channels = 6, kernel = 2, activation = "relu", norm = true }]\n'
        "[training]\nepochs = 12\nbatch = 12\nrate = 2e-2\n"
    )
    return recipes.load(path)


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    """The folder of a short training, and its result."""
    folder = tmp_path_factory.mktemp("run")
    return folder, run.train_on(data_of(), recipe, folder, accelerator=CPU)


def task_of(network, data, heads=HEADS, teacher=None):
    part = SequenceDataset.fixed(data.train.frames, data.stepwise(data.train))
    return Task(network, data.kind, part, ("test", part), Training(), teacher, heads)


def test_the_loss_is_the_weighted_sum_over_the_heads():
    """By numpy, step by step: every step after the first half of a clip counts, with the targets of the clip."""
    data, network = data_of(), Network(Shape(hidden=6, heads=WEIGHTS), INPUTS, 5)
    batch = padded(data.train.frames[:7], data.stepwise(data.train)[:7], 0.5)
    loss, accuracies = task_of(network, data).loss(batch)
    rows, truth = [], []
    for x, target in zip(data.train.frames[:7], data.train.targets[:7], strict=True):
        y = network(torch.from_numpy(x)[None])[0].detach().numpy().astype(float)[len(x) // 2 :]
        rows.append(y)
        truth += [target] * len(y)
    scores, truth = np.concatenate(rows), np.array(truth)
    total = 0.0
    for column, (name, part) in enumerate({"tone": slice(0, 3), "voice": slice(3, 5)}.items()):
        logs = log_softmax(scores[:, part], axis=-1)
        total -= dict(WEIGHTS)[name] * logs[np.arange(len(logs)), truth[:, column]].mean()
        right = (scores[:, part].argmax(-1) == truth[:, column]).mean()
        assert float(accuracies[name]) == pytest.approx(right)
    assert loss.item() == pytest.approx(total, rel=1e-5)


def test_without_weights_all_are_one():
    heads = Head.all_of("class", HEADS, Shape())
    assert [(each.name, each.weight, each.part) for each in heads] == [
        ("tone", 1.0, slice(0, 3)),
        ("voice", 1.0, slice(3, 5)),
    ]


def test_each_head_has_its_metrics_and_its_matrix():
    data = data_of()
    random = np.random.default_rng(4)
    scores = [random.standard_normal((len(x), 5)).astype(np.float32) for x in data.test.frames]
    answers = iter(scores)
    verdict = evaluate(lambda _: next(answers), data, data.test)
    assert list(verdict.metrics) == ["accuracy tone", "macro f1 tone", "accuracy voice", "macro f1 voice"]
    last = np.stack([each[-1] for each in scores])
    for column, (name, part) in enumerate({"tone": slice(0, 3), "voice": slice(3, 5)}.items()):
        predicted, truth = last[:, part].argmax(-1), data.test.targets[:, column]
        assert verdict.metrics[f"accuracy {name}"] == pytest.approx((predicted == truth).mean(), abs=1e-4)
        matrix = np.zeros((part.stop - part.start,) * 2, int)
        np.add.at(matrix, (truth, predicted), 1)
        np.testing.assert_array_equal(verdict.confusions[name], matrix)


def test_a_training_learns_both_and_its_page_names_both(trained):
    folder, result = trained
    assert result.metrics["accuracy tone"] > 0.85
    assert result.metrics["accuracy voice"] > 0.75
    assert {"test_tone_accuracy", "test_voice_accuracy", "test_loss"} <= set(result.history[0])
    page = Page((folder / "report.html").read_text())
    assert page.stands_alone()
    for text in ("tone", "voice", "accuracy tone", "middle", "bob"):
        assert text in page.text
    assert len([drawn for drawn in page.drawn if {"truth", "answer"} <= set(drawn)]) == 2
    assert json.loads((folder / "metrics.json").read_text())["metrics"] == dict(result.metrics)


def test_every_runtime_answers_by_name(trained, recipe, tmp_path):
    folder, _ = trained
    graph, data = edgernn.load(folder / "model.rnn"), data_of()
    assert dict(graph.named_outputs) == HEADS
    assert graph.labels == data.labels
    network = Network(recipe.shape, INPUTS, 5)
    weights = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): value for name, value in weights.items()})
    xs = np.concatenate(data.test.frames)
    scores = network.eval()(torch.from_numpy(xs)[None])[0].detach().numpy()
    for suffix in suffixes():
        path = tmp_path / f"m{suffix}"
        edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
        answers = edgernn.open(path).stream().run(xs)
        assert list(answers) == list(HEADS)
        np.testing.assert_allclose(np.concatenate(list(answers.values()), -1), scores, atol=1e-4, err_msg=suffix)


@pytest.mark.parametrize("scheme", ["dynamic_wi8_afp32", "static_wi8_ai8"])
def test_it_is_trained_further_as_it_will_be_rounded(scheme, trained, recipe):
    folder, _ = trained
    graph = edgernn.load(folder / "model.rnn")
    tuned = finetune(graph, recipe, data_of(), scheme=scheme, accelerator=CPU)
    assert dict(tuned.named_outputs) == HEADS
    assert tuned.tensors["head.w"] != graph.tensors["head.w"]


def test_it_becomes_the_network_again_and_its_units_have_a_slope(trained, recipe):
    folder, _ = trained
    graph, data = edgernn.load(folder / "model.rnn"), data_of()
    again = to_graph(restore(graph, recipe, data), data)
    assert again == replace(graph, ranges={})
    assert (taylor(graph, recipe, data, batches=2)["layers_0.h"] > 0).all()


def test_a_teacher_is_heard_head_by_head(trained, recipe):
    """For each head alone the loss is that of a single set of targets with the teacher's scores for it."""
    folder, _ = trained
    graph, data = edgernn.load(folder / "model.rnn"), data_of()
    student = Network(Shape(hidden=6, heads=WEIGHTS), INPUTS, 5)
    teacher = Teacher(Distillation(graph, weight=0.4), data)
    task = task_of(student, data, teacher=teacher)
    batch = padded(data.train.frames[:7], data.stepwise(data.train)[:7], 0.5)
    result = task.loss(batch)[0].item()
    scores, lesson, truth = student(batch.x)[batch.mask], teacher(batch.x, False)[batch.mask], batch.target[batch.mask]
    total = 0.0
    for column, (name, part) in enumerate({"tone": slice(0, 3), "voice": slice(3, 5)}.items()):
        own = torch.nn.functional.cross_entropy(scores[:, part], truth[:, column])
        total += dict(WEIGHTS)[name] * teacher.combined_loss(own, scores[:, part], lesson[:, part]).item()
    assert result == pytest.approx(total, rel=1e-5)


# The reader


def spoken(folder, count=3):
    folder.mkdir()
    for k in range(count):
        for word in ("no", "yes"):
            for speaker in ("ann", "bob", "cy"):
                sound(folder / f"{word}_{speaker}_{k}.wav", np.sin(np.arange(900) * (k + 1)))
    return folder


OPTIONS = {**MEL, "pattern": "{label}_{group}_{index}", "test_indices": [0, 1]}
TARGETS = {"word": "label", "speaker": "group"}


@pytest.mark.parametrize("silence", [0.0, 0.5])
def test_a_file_name_holds_two_classes(silence, tmp_path):
    data = read_data("wav", spoken(tmp_path / "clips"), {**OPTIONS, "targets": TARGETS, "silence": silence})
    more = (SILENCE,) if silence else ()
    words, speakers = tuple(sorted(("no", "yes", *more))), tuple(sorted(("ann", "bob", "cy", *more)))
    assert data.heads == {"word": len(words), "speaker": len(speakers)}
    assert data.labels == (*words, *speakers)
    for source, (word, speaker) in zip(data.test.sources, data.test.targets, strict=True):
        if source.startswith(SILENCE):
            assert (words[word], speakers[speaker]) == (SILENCE, SILENCE)
        else:
            assert source.split("_")[:2] == [words[word], speakers[speaker]]
    assert len(data.test) == (9 if silence else 6)


WRONG_TARGETS = {
    "one": ({"word": "label"}, {}, r"targets is \{'word': 'label'\}; expected at least two sets"),
    "field": ({"word": "label", "speaker": "groop"}, {}, r"targets has speaker = 'groop'; did you mean 'group'\?"),
    "no group": (TARGETS, {"pattern": "{label}_{name}", "test_indices": [], "test_share": 0.3}, r"add \{group\} to"),
    "text": ("label", {}, "targets = 'label'; expected a table or nothing"),
    "unseen": (TARGETS, {"test_indices": [], "test_groups": ["ann"]}, "class 'ann' of 'speaker' has no sequence"),
}


@pytest.mark.parametrize("name", WRONG_TARGETS)
def test_wrong_targets_are_refused(name, tmp_path):
    targets, options, words = WRONG_TARGETS[name]
    with pytest.raises(UsageError, match=words):
        read_data("wav", spoken(tmp_path / "clips"), {**OPTIONS, **options, "targets": targets})


def test_data_that_does_not_fit_is_refused():
    data, part = data_of(), clips(6, 2)
    with pytest.raises(GraphError, match="one of the outputs is called 'a b'"):
        replace(data, heads={"a b": 3, "voice": 2})
    with pytest.raises(GraphError, match="at least two that add up to 5"):
        replace(data, heads={"tone": 3, "voice": 3})
    with pytest.raises(UsageError, match="targets tone, voice of kind 'text'; expected classes"):
        replace(data, kind="text")
    with pytest.raises(FrameError, match=r"targets of int64\(2,\); expected int64\(\) for kind 'class'"):
        replace(data, heads={})
    wrong = Sequences(part.frames, np.add(part.targets, [0, 1]), part.sources)
    with pytest.raises(FrameError, match="got target 2; expected 0 to 2 or 1"):
        replace(data, test=wrong)


# Refusals


MISFITS = {
    "unknown": (Shape(heads=(("tone", 1.0), ("vioce", 1.0))), HEADS, "model.heads has 'vioce'.*did you mean 'voice'"),
    "left out": (Shape(heads=(("tone", 1.0),)), HEADS, "and the data also has the targets 'voice'; give the weight"),
    "one set": (Shape(heads=WEIGHTS), {}, "model.heads has 'tone'.*has only one set; set data.targets"),
    "both directions": (Shape(bidirectional="mean"), HEADS, "has one output, and the data has the targets tone, voice"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_heads_that_do_not_fit_the_data_are_refused(name):
    shape, heads, words = MISFITS[name]
    with pytest.raises(UsageError, match=words):
        Head.all_of("class", heads, shape)


def test_a_model_of_other_outputs_is_not_trained_further(trained, recipe):
    folder, _ = trained
    graph, data = edgernn.load(folder / "model.rnn"), data_of()
    with pytest.raises(UsageError, match="the model has the outputs of one set, and the data the targets tone, voice"):
        finetune(replace(graph, named_outputs={}), recipe, data, scheme="dynamic_wi8_afp32", accelerator=CPU)
    single = replace(data, heads={}, train=first(data.train), test=first(data.test))
    with pytest.raises(
        UnsupportedError, match="'the model' has the outputs tone, voice; training takes a model with one"
    ):
        Teacher(Distillation(graph), single)


def first(part):
    """As many classes as outputs, in one set."""
    return Sequences(part.frames, np.arange(len(part)) % 5, part.sources)


WRONG_HEADS = {
    "list": '["tone", "voice"]',
    "one": "{ tone = 1.0 }",
    "zero": "{ tone = 1.0, voice = 0 }",
    "word": '{ tone = 1.0, voice = "much" }',
}


@pytest.mark.parametrize("name", WRONG_HEADS)
def test_wrong_heads_in_a_recipe_are_refused_with_their_line(name, tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(f'title = "t"\n[data]\nreader = "wav"\n[model]\nheads = {WRONG_HEADS[name]}\n[training]\n')
    with pytest.raises(FileError, match=r"line 5: 'heads' is .*; expected at least two names with the weight of each"):
        recipes.load(path)
