"""Compression: fine-tuning that keeps zeros, and a table of measured values only."""

import json
import os
import re
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import edgernn
from edge import edge
from edgernn.artifact.rnn import dumps, load
from edgernn.cells import Activation, Dense
from edgernn.commands.compress import _advice
from edgernn.device.runtimes import NATIVE
from edgernn.errors import GraphError, MissingExtraError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.latency.steps import interleaved
from edgernn.model.layer import Layer
from edgernn.model.tensor import SCHEMES, STATIC, Tensor
from edgernn.model.timing import in_steps
from edgernn.passes.agreement import agreement
from edgernn.passes.calibrate import calibrate
from edgernn.passes.factorize import factorize
from edgernn.passes.patterns import Blocks, FewOf, Magnitude
from edgernn.passes.prune_units import prune_units
from edgernn.passes.prune_weights import masks, prune_weights
from edgernn.passes.pruning import Pruning, parse_pruning
from edgernn.passes.quantize import quantize
from edgernn.train import recipe as recipes
from edgernn.train.compare import race as races
from edgernn.train.compress.finetune import finetune
from edgernn.train.compress.importance import taylor
from edgernn.train.compress.restore import restore
from edgernn.train.convert import to_graph
from edgernn.train.data import trainable
from edgernn.train.data.reader import read_data
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.loop.schedules import GRADUAL, cubic
from edgernn.train.loop.task import Task
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.network.before_options import (
    Conv1dOptions,
    Conv2dOptions,
    DenseOptions,
    DepthwiseConv2dOptions,
    LayerNormOptions,
    PoolOptions,
)
from edgernn.train.network.models import TRAINABLE_CELLS, Network, Shape
from edgernn_export.targets.c.pack import sparse_blocks
from edgernn_export.targets.c.target import render
from edgernn_export.targets.destination import destination_of
from edgernn_export.translate import export
from motors import trained
from zoo import frames, keyword_spotter, t

CPU = Accelerator("cpu")
CRNN = (
    Conv2dOptions(4, frames=3, taps=3, stride=2, frame_stride=2, below=1, activation="relu"),
    PoolOptions(size=2, frames=2, kind="mean"),
    DepthwiseConv2dOptions(frames=2, taps=3, above=1, activation="elu"),
    Conv1dOptions(5, kernel=2, stride=2, activation="relu"),
    LayerNormOptions(),
)
SHAPES = {
    **{kind: Shape(kind, hidden=6) for kind in TRAINABLE_CELLS},
    "stack": Shape("gru", hidden=6, layers=3, before=(DenseOptions(8, "relu"),), residual=True, norm=True, dropout=0.3),
    "variational": Shape("lstm", hidden=6, layers=2, variational=0.4),
    "learned": Shape("gru", hidden=6, learned_state=True),
    "crnn": Shape("gru", hidden=6, before=CRNN),
}


@pytest.fixture(scope="module")
def motor(tmp_path_factory):
    """A folder with a small recipe, its data, and the model trained for a moment."""
    return trained(tmp_path_factory.mktemp("motor"), 40, 20, hidden=32, epochs=4, batch=16, rate=1e-2)


@pytest.fixture(scope="module")
def known(motor):
    """(graph, recipe, data) of the same."""
    recipe = recipes.load(motor / "small.toml")
    return load(motor / "run/model.rnn"), recipe, read_data(recipe.reader, motor / "motor.npz", recipe.options)


def shaped(recipe, shape: Shape):
    return replace(recipe, shape=shape)


@pytest.mark.parametrize("name", SHAPES)
def test_a_graph_becomes_the_network_that_it_came_from(name, known):
    _, recipe, data = known
    torch.manual_seed(2)
    network = Network(SHAPES[name], data.width, data.outputs).eval()
    for each in network.parameters():
        nn.init.normal_(each, std=0.5)
    graph = to_graph(network, data)
    restored = restore(graph, shaped(recipe, SHAPES[name]), data)
    assert dumps(to_graph(restored, data)) == dumps(graph)
    x = torch.randn(2, 16, data.width)
    torch.testing.assert_close(restored(x), network(x), atol=1e-5, rtol=1e-5)
    if SHAPES[name].cell not in {"lstm", "rnn", "rnn_relu"}:  # whose two biases torch adds
        for key, weight in network.state_dict().items():
            assert torch.equal(restored.state_dict()[key], weight), key


def test_normalizations_are_restored_in_the_weights(known):
    _, recipe, data = known
    shape = Shape("gru", hidden=6, before=tuple(replace(each, norm=True) for each in CRNN if hasattr(each, "norm")))
    network = Network(shape, data.width, data.outputs)
    network(torch.randn(4, 32, data.width) * 3)  # the normalizations learn from it
    graph = to_graph(network.eval(), data)
    restored = restore(graph, shaped(recipe, shape), data)
    assert dumps(to_graph(restored, data)) == dumps(graph)
    x = torch.randn(2, 16, data.width)
    torch.testing.assert_close(restored(x), network(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scheme", ["", "dynamic_wi8_afp32", "static_wi8_ai8"])
def test_convolutions_are_trained_further(scheme, known):
    """On the graph with its rounding, or as the network; steps of several frames, and a limit that ends within one."""
    _, recipe, data = known
    torch.manual_seed(3)
    recipe, data = shaped(recipe, SHAPES["crnn"]), data.in_whole_steps(4)
    graph = to_graph(Network(recipe.shape, data.width, data.outputs).eval(), data)
    tuned = finetune(graph, recipe, data, scheme=scheme, accelerator=CPU)
    assert tuned.frames_per_step == 4
    assert loss_of(tuned, data) < loss_of(graph, data)
    small = quantize(tuned, scheme) if scheme else tuned
    assert agreement(graph, small, data.test.frames).frames == sum(map(len, data.test.frames)) // 4


def test_calibration_ends_with_a_whole_step(known, monkeypatch):
    _, _, data = known
    monkeypatch.setattr(trainable, "FRAMES", 2 * len(data.train.frames[0]) - 1)
    assert len(trainable.to_calibrate(data)[-1]) % 4
    assert [len(x) % 4 for x in trainable.to_calibrate(data, 4)] == [0, 0]


def test_units_behind_convolutions_are_removed(known):
    _, recipe, data = known
    graph = to_graph(Network(SHAPES["crnn"], data.width, data.outputs).eval(), data)
    smaller = prune_units(graph, 0.5)
    assert smaller.states["layers_0.h"] == 3
    assert smaller.tensors["before_0.w"] == graph.tensors["before_0.w"]
    network = restore(smaller, shaped(recipe, SHAPES["crnn"]), data.in_whole_steps(4))
    assert dumps(to_graph(network, data)) == dumps(smaller)


def test_symbols_are_restored():
    part = Sequences(
        tuple(np.arange(7, dtype=np.int32)[:, None] for _ in range(2)),
        tuple(np.arange(7) for _ in range(2)),
        ("a", "b"),
    )
    data = Data(part, part, "text", 1, 7, symbols=tuple("abcdefg"))
    shape = Shape("gru", hidden=6, embedding=4)
    graph = to_graph(Network(shape, 1, 7, 7).eval(), data)
    recipe = shaped(recipes.load("shakespeare"), shape)
    assert dumps(to_graph(restore(graph, recipe, data), data)) == dumps(graph)


def test_fewer_units_are_restored(known):
    graph, recipe, data = known
    smaller = prune_units(graph, 0.5)
    network = restore(smaller, recipe, data)
    assert network.shape.hidden == 16
    assert dumps(to_graph(network, data)) == dumps(smaller)


def test_a_model_of_another_recipe_is_refused(known):
    graph, recipe, data = known
    with pytest.raises(
        UsageError,
        match=r"has a Gru 'layers_0' with the inputs standardize where recipe 'small' with this data has a Lstm",
    ):
        restore(graph, shaped(recipe, Shape("lstm")), data)
    more = replace(graph, layers=(*graph.layers, Layer("more", Activation("relu"))))
    with pytest.raises(UsageError, match="the model has 4 layers, and recipe 'small' with this data has 3"):
        restore(more, recipe, data)
    with pytest.raises(UsageError, match="a model in dynamic_wi8_afp32 cannot be trained"):
        restore(quantize(graph), recipe, data)
    with pytest.raises(UsageError, match="no streaming layer 'layers_0'"):
        restore(keyword_spotter(), recipe, data)
    wide = replace(graph, layers=(*graph.layers[:-1], Layer("head", Dense(t(6, 32), t(6)))), labels=())
    with pytest.raises(UsageError, match=r"layer 'head' of the model has .*'outputs': 6.* and that of recipe 'small'"):
        restore(wide, recipe, data)
    with pytest.raises(UsageError, match="layer 'standardize' of the model differs from that of recipe 'small'"):
        restore(graph.with_tensors({"standardize.mean": t(20)}), recipe, data)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_taylor_is_the_slope_of_the_loss(kind, known):
    """Finite differences: the weights that read a unit are scaled slightly, and the change of the loss is compared."""
    _, recipe, data = known
    torch.manual_seed(4)
    shape, size = Shape(kind, hidden=5), len(data.train.frames)
    recipe = recipes.with_settings(recipe, {"model.cell": kind, "model.hidden": 5, "training.batch": size})
    graph = to_graph(Network(shape, data.width, data.outputs).eval(), data)
    actual = taylor(graph, recipe, data, batches=1)["layers_0.h"]

    def loss(unit: int, by: float) -> float:
        changed = {}
        for name in ("layers_0.u", "head.w"):
            weight = graph.tensors[name].dense(np.float64).copy()
            weight[:, unit] *= by
            changed[name] = Tensor(weight)
        stepper = Stepper(graph.astype("float64").with_tensors(changed))
        total, count = 0.0, 0
        for xs, target in zip(data.train.frames, data.train.targets, strict=True):
            scores = stepper.run(xs)[0][int(recipe.training.batching.late * len(xs)) :]
            total -= (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))[:, target].sum()
            count += len(scores)
        return total / count

    e = 1e-4
    expected = [((loss(unit, 1 + e) - loss(unit, 1 - e)) / (2 * e)) ** 2 for unit in range(5)]
    np.testing.assert_allclose(actual, expected, rtol=2e-3)


def test_the_cubic_schedule_is_its_papers_formula():
    """Zhu and Gupta: s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3."""
    for done in np.linspace(0, 1, 21):
        expected = 1 + (0 - 1) * (1 - min(done, GRADUAL) / GRADUAL) ** 3
        assert cubic(done) == pytest.approx(expected, abs=1e-12)
    shares = [cubic(t) for t in np.linspace(0, 1, 101)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


@pytest.mark.parametrize("gradual", [True, False], ids=["gradual", "at once"])
@pytest.mark.parametrize("pattern", [Blocks(0.75, 4), Magnitude(0.6), FewOf()], ids=lambda each: type(each).__name__)
def test_zeros_are_held_while_the_rest_is_trained(pattern, gradual, known):
    graph, recipe, data = known
    tuned = finetune(graph, recipe, data, pattern=pattern, keep=("head",), gradual=gradual, accelerator=CPU)
    stays = masks(graph, pattern, keep=("head",))
    for name, mask in stays.items():
        weight = tuned.tensors[name].stored
        assert (weight == 0).sum() == (~mask).sum()
        assert not np.signbit(weight[weight == 0]).any()
        if not gradual:
            np.testing.assert_array_equal(weight != 0, mask)
        assert not np.array_equal(weight[mask], graph.tensors[name].stored[mask])
    assert (tuned.tensors["head.w"].stored != 0).all()


def test_fine_tuning_lowers_the_loss_of_what_was_cut(known):
    graph, recipe, data = known
    cut = prune_units(graph, 0.5)
    assert loss_of(finetune(cut, recipe, data, accelerator=CPU), data) < loss_of(cut, data)


@pytest.mark.parametrize("dense", [0, 12])
def test_factors_are_trained_further(dense, known):
    graph, recipe, data = known
    if dense:
        recipe = shaped(recipe, Shape("gru", hidden=6, before=(DenseOptions(dense, "relu"),)))
        graph = to_graph(Network(recipe.shape, data.width, data.outputs).eval(), data)
    small = factorize(graph, 0.5)
    factored = {name.split(".")[0] for name in small.tensors if name.endswith(".left")}
    assert factored == {"layers_0", "head", *(["before_0"] if dense else [])}
    assert dumps(to_graph(restore(small, recipe, data), data)) == dumps(small)
    tuned = finetune(small, recipe, data, accelerator=CPU)
    assert loss_of(tuned, data) < loss_of(small, data)
    for name, tensor in small.tensors.items():
        assert tuned.tensors[name].shape == tensor.shape
        assert (tuned.tensors[name] != tensor) == (not name.startswith("standardize"))


def test_zeros_are_held_in_factors(known):
    graph, recipe, data = known
    small = factorize(graph, 0.5)
    tuned = finetune(small, recipe, data, pattern=Magnitude(0.5), accelerator=CPU)
    for name, mask in masks(small, Magnitude(0.5)).items():
        assert (tuned.tensors[name].stored == 0).sum() == (~mask).sum() > 0


def loss_of(graph, data) -> float:
    """The loss on the training part, at the last step of each sequence."""
    stepper, total = Stepper(graph), 0.0
    for xs, target in zip(data.train.frames, data.train.targets, strict=True):
        scores = stepper.run(in_steps(xs, graph.frames_per_step))[0][-1]
        total += float(np.log(np.exp(scores).sum()) - scores[target])
    return total


def test_what_cannot_be_is_told_before_the_training(known):
    graph, recipe, data = known
    with pytest.raises(GraphError, match=r"weight 'w' of layer 'head' has 8 blocks of 16 x 4: 0.95 of them cannot"):
        finetune(graph, recipe, data, pattern=Blocks(0.95, 4), accelerator=CPU)


PLANS = {
    ("units=0.5",): Pruning(0.5),
    ("blocks=0.8",): Pruning(0.0, Blocks(0.8, 1)),
    ("magnitude=0.25", "units=0.5"): Pruning(0.5, Magnitude(0.25)),
    ("2:4",): Pruning(0.0, FewOf(2, 4)),
    ("1:8",): Pruning(0.0, FewOf(1, 8)),
    ("energy=0.9", "units=0.5", "2:4"): Pruning(0.5, FewOf(2, 4), 0.9),
    (): Pruning(),
}


@pytest.mark.parametrize("texts", PLANS)
def test_a_plan_is_read(texts):
    assert parse_pruning(texts) == PLANS[texts]


def test_blocks_are_those_of_the_kernel():
    for scheme in ("dynamic_wi8_afp32", *STATIC):
        assert parse_pruning(("blocks=0.8",), scheme).pattern == Blocks(0.8, 4)
    for scheme in ("", "fp16"):
        assert parse_pruning(("blocks=0.8",), scheme).pattern == Blocks(0.8, 1)


WRONG_PLANS = {
    ("unit=0.5",): "'unit=0.5' is not a pruning method; .*did you mean 'units'",
    ("units",): "'units' is not a pruning method; write units=0.5, energy=0.5, blocks=0.5, magnitude=0.5 or 2:4$",
    ("units=half",): "'units=half' has no part; expected a number between 0 and 1",
    ("blocks=1",): "'blocks=1' has no part",
    ("blocks=nan",): "'blocks=nan' has no part",
    ("magnitude=-1",): "'magnitude=-1' has no part",
    ("4:4",): "'4:4' keeps none or all of the weights",
    ("2:4=3",): "'2:4=3' is not a pruning method",
    ("blocks=0.5", "2:4"): "expected at most one of units, one of energy and one sparsity pattern",
    ("units=0.5", "units=0.5"): "expected at most one of units",
    ("energy=0.9", "energy=0.8"): "expected at most one of units, one of energy",
    ("energy=1.5",): "'energy=1.5' has no part",
}


@pytest.mark.parametrize("texts", WRONG_PLANS)
def test_a_wrong_plan_is_refused(texts):
    with pytest.raises(UsageError, match=WRONG_PLANS[texts]):
        parse_pruning(texts)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        races, "interleaved", lambda steps, *_: interleaved(steps, 2, 20)
    )  # the figures are not compared
    edgernn.save(keyword_spotter(32, 20, 40), "kws.rnn")
    return tmp_path


def test_the_table_says_what_is_in_the_files(folder):
    document = json.loads(
        edge("compress", "kws.rnn", "small.rnn", "--prune", "blocks=0.75", "--precision", "dynamic_wi8_afp32", "--json")
    )
    before, after = load("kws.rnn"), load("small.rnn")
    assert after.layers == quantize(prune_weights(before, Blocks(0.75, 4))).layers
    for name, path, graph in (("before", "kws.rnn", before), ("after", "small.rnn", after)):
        assert document[name]["bytes"] == (folder / path).stat().st_size
        assert document[name]["zeros"] == sum(
            int((graph.tensors[each].stored == 0).sum()) for each in ("gru.w", "gru.u", "out.w")
        )
    assert document["metric"] == {}
    assert "Accuracy was not measured" in document["advice"]
    notes = {step["runtime"]: step["note"] for step in document["steps"]}
    assert notes["compiled"].startswith("skips blocks of zeros in")
    assert notes["ONNX Runtime"] == notes["LiteRT"] == "cannot skip zeros: it computes them too"
    for step in document["steps"]:
        assert step["backend"]
        assert min(step["before_us"], step["after_us"], step["faster"]) > 0


def test_the_table_is_read_by_people(folder):
    output = edge("compress", "kws.rnn", "small.rnn", "--prune", "units=0.5", "--prune", "magnitude=0.5")
    lines = {line.split("  ")[0]: line for line in output.splitlines()}
    old, new = 96 * (20 + 32) + 40 * 32, 48 * (20 + 16) + 40 * 16
    assert lines["macs"].split()[1:4] == [f"{old:,}", f"{new:,}", f"{old / new:.2f}"]
    assert "computes the zeros too: they form no blocks" in lines["us, compiled"]
    assert "fp32" in lines["precision"]


def test_matrices_that_became_two_are_named(folder):
    output = edge("compress", "kws.rnn", "small.rnn", "--prune", "energy=0.5", "--keep", "out")
    line = next(line for line in output.splitlines() if line.startswith("factored"))
    assert line.split(maxsplit=2)[1:] == ["2", "matrices: gru.w, gru.u; factoring the others saves nothing"]
    assert dumps(load("small.rnn")) == dumps(factorize(load("kws.rnn"), 0.5, keep=("out",)))


def test_units_alone_leave_no_word_about_zeros(folder):
    document = json.loads(edge("compress", "kws.rnn", "small.rnn", "--prune", "units=0.5", "--json"))
    assert {step["note"] for step in document["steps"]} == {""}
    assert document["after"]["zeros"] == 0


def test_a_runtime_that_is_not_there_is_said(folder, monkeypatch):
    def absent(graph, path):
        if str(path).endswith(".tflite"):
            raise MissingExtraError("ai-edge-litert", "litert", "running .tflite")
        return export(graph, path)

    monkeypatch.setattr(races, "export", absent)
    document = json.loads(edge("compress", "kws.rnn", "small.rnn", "--precision", "fp16", "--json"))
    gone = document["steps"][2]
    assert gone["runtime"] == "LiteRT"
    assert gone["faster"] is None
    assert gone["note"].startswith("not measured: running .tflite needs the package 'ai-edge-litert'")


def race(runtime, before, after):
    return races.Race(runtime, "b", before, after, before / after)


def test_the_advice_is_what_was_measured():
    assert "no runtime could be measured" in races.advice((races.Race("compiled", note="not measured"),))
    slower = races.advice((race("compiled", 2.0, 1.99), race("LiteRT", 9.0, 3.0)))
    assert "2.00 us on compiled and is 1.99 us on compiled. It is not faster" in slower
    stood = races.Race("compiled", "a 1", 3.0, 2.0, 1.2)  # ratios of rounds are not those of medians
    assert "2.00 us on compiled, 1.20 x faster" in races.advice((stood,))
    assert "8.00 us on LiteRT and is 2.00 us on compiled, 4.00 x faster" in races.advice(
        (race("compiled", 9.0, 2.0), race("LiteRT", 8.0, 3.0))
    )


def test_a_model_is_pruned_and_trained_further_in_one_command(motor, folder):
    document = json.loads(edge(
        "compress", motor / "run/model.rnn", "small.rnn", "--prune", "units=0.5", "--prune", "blocks=0.5", "--precision", "dynamic_wi8_afp32",
        "--recipe", motor / "small.toml", "--data", motor / "motor.npz", "--importance", "taylor", "--set", "training.epochs=2",
        "--keep", "head", "--one-shot", "--json",
    ))  # fmt: skip
    small = load("small.rnn")
    assert small.states == {"layers_0.h": 16}
    assert small.precision == "dynamic_wi8_afp32"
    metric = document["metric"]
    assert metric["name"] == "accuracy"
    assert metric["better"] == "maximize"
    assert metric["before"] == json.loads((motor / "run/metrics.json").read_text())["metrics"]["accuracy"]
    assert all(0 <= metric[when] <= 1 for when in ("cut", "after"))
    assert f"accuracy goes from {metric['before']:g} to {metric['after']:g}" in document["advice"]


def test_an_interrupted_fine_tuning_says_how_to_go_on(motor, tmp_path, monkeypatch):
    monkeypatch.setattr(
        Task, "on_train_epoch_start", lambda task: task.current_epoch and os.kill(os.getpid(), signal.SIGINT)
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for background processes
    output = edge(
        "compress", motor / "run/model.rnn", tmp_path / "small.rnn", "--prune", "units=0.5", "--recipe", motor / "small.toml",
        "--data", motor / "motor.npz", "--set", "training.epochs=3", "--checkpoint", tmp_path / "kept", code=130,
    )  # fmt: skip
    signal.signal(signal.SIGINT, before)
    assert f"Finished epochs are saved in '{tmp_path / 'kept'}': the same command continues.\n" in output
    assert output.splitlines()[-1] == "interrupted"
    assert (tmp_path / "kept/float/last.ckpt").exists()
    assert not (tmp_path / "small.rnn").exists()


def test_lost_accuracy_is_not_recommended():
    fell = {"name": "accuracy", "better": "maximize", "before": 0.95, "after": 0.9, "cut": 0.3}
    assert _advice("x", fell) == "x. But accuracy goes from 0.95 to 0.9: prune less, or train longer, before you use it"
    assert _advice("x", fell | {"after": 0.945}) == "x; accuracy goes from 0.95 to 0.945"
    error = {"name": "rmse", "better": "minimize", "before": 2.0, "after": 2.5, "cut": 9.0}
    assert "But rmse goes from 2 to 2.5" in _advice("x", error)
    assert "But" not in _advice("x", error | {"after": 1.5})


WRONG = {
    ("kws.rnn", "a.rnn"): "there is nothing to do; give --prune, --precision or both",
    ("kws.rnn", "a.onnx", "--prune", "units=0.5"): "a model is written as .rnn, not as 'a.onnx'",
    ("kws.rnn", "a.rnn", "--prune", "units=0.5", "--recipe", "motor"): "--recipe and --data need each other",
    ("kws.rnn", "a.rnn", "--prune", "units=0.5", "--data", "x"): "--recipe and --data need each other",
    ("kws.rnn", "a.rnn", "--prune", "units=0.5", "--importance", "taylor"): "--importance taylor needs a recipe",
    ("kws.rnn", "a.rnn", "--prune", "2:4", "--one-shot"): "--one-shot needs a recipe",
    ("kws.rnn", "a.rnn", "--prune", "2:4", "--set", "training.epochs=1"): "--set needs a recipe",
    ("kws.rnn", "a.rnn", "--prune", "unts=0.5"): "did you mean 'units'",
    ("kws.rnn", "a.rnn", "--prune", "units=0.99"): "layer 'gru' has 32 removable units, and 0.99 of them is all",
    ("kws.rnn", "a.rnn", "--prune", "2:4", "--keep", "grru"): "there is no layer 'grru' to keep",
    ("kws.rnn", "a.rnn", "--precision", "int3"): "'int3' is not one of 'fp16'",
    ("none.rnn", "a.rnn", "--prune", "2:4"): "'none.rnn' cannot be read",
    ("kws.rnn", "gone/a.rnn", "--prune", "units=0.99"): "'gone/a.rnn' cannot be written",  # before anything is pruned
}  # fmt: skip


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_use_is_told(arguments, folder):
    assert WRONG[arguments] in edge("compress", *arguments, code=2)
    assert not (folder / "a.rnn").exists()


@pytest.mark.parametrize("columns", [1, 4])
def test_the_compiler_passes_over_the_blocks_that_were_pruned(columns):
    graph = prune_weights(keyword_spotter(32, 20, 40), Blocks(0.8, columns))
    ready = quantize(graph) if columns == 4 else graph
    assert all(sparse_blocks(tensor) is not None for tensor in races.matrices(ready))
    assert all(sparse_blocks(tensor) is None for tensor in races.matrices(keyword_spotter(32, 20, 40)))


@pytest.mark.parametrize("scheme", ["", *SCHEMES])
def test_what_is_said_of_zeros_is_what_the_source_does(scheme):
    graph = prune_weights(keyword_spotter(32, 20, 40), Blocks(0.8, 4), keep=("out",))
    ready = calibrate(graph, [frames(graph, 40)], growing="accept") if scheme in STATIC else graph
    ready = quantize(ready, scheme) if scheme else ready
    calls = re.findall(rb"^    affine_\w+_sparse\(", render(ready, "m", destination_of("m.c"))["m.c"], re.MULTILINE)
    result = re.findall(r"skips blocks of zeros in (\d) of 3", races._zeros(NATIVE, ready)) or ["0"]
    assert len(calls) == int(result[0]) == (0 if scheme == "fp16" or scheme.startswith("weight_only") else 2)


@pytest.mark.parametrize("suffix", [".so", ".onnx", ".tflite"])
@pytest.mark.parametrize("scheme", [None, "fp16", "weight_only_wi8_afp32", "dynamic_wi8_afp32"])
def test_every_runtime_answers_with_rows_of_zeros(scheme, suffix, tmp_path):
    graph = prune_weights(keyword_spotter(32, 20, 40), Blocks(0.9, 4), keep=("out",))
    rows = np.arange(96) % 3 > 0
    graph = graph.with_tensors({"gru.w": Tensor(graph.tensors["gru.w"].stored * rows[:, None])})
    graph = graph if scheme is None else quantize(graph, scheme)
    export(graph, tmp_path / f"m{suffix}")
    xs = frames(graph, 30)
    actual, expected = edgernn.open(tmp_path / f"m{suffix}").stream().run(xs), Stepper(graph).run(xs)[0]
    np.testing.assert_allclose(actual, expected, atol=0.05 if scheme == "dynamic_wi8_afp32" else 1e-3)
