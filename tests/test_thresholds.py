"""Thresholds for changes are chosen by what a model may lose, trained with, and written by one command."""

import json

import numpy as np
import pytest
from test_delta import NET, delta_gru, quiet

import edgernn
from edge import edge
from edgernn.artifact.rnn import load
from edgernn.errors import UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.latency.steps import interleaved
from edgernn.passes.delta import delta
from edgernn.passes.thresholds import FACTORS, choose_thresholds, parse_delta, weights_read
from edgernn.train.compare import race as races
from motors import trained
from zoo import keyword_spotter

SEQUENCES = [quiet(NET, 60, seed) for seed in range(4)]


def loss(graph):
    """The largest change of an output."""
    return max(np.abs(Stepper(graph).run(xs)[0] - Stepper(NET).run(xs)[0]).max() for xs in SEQUENCES)


@pytest.mark.parametrize("bound", [0.05, 0.2, 0.8])
def test_no_larger_threshold_is_within_the_bound(bound):
    graph = choose_thresholds(NET, lambda each: -loss(each), -bound, SEQUENCES)
    assert loss(graph) <= bound
    gru, out = graph.layers
    assert (gru.delta_x, gru.delta_h, out.delta_x) > (0, 0, 0)
    assert out.delta_h is None
    spread = np.concatenate(SEQUENCES).std()
    place = int(np.abs(np.array(FACTORS) - gru.delta_x / spread).argmin())
    np.testing.assert_allclose(gru.delta_x, FACTORS[place] * spread, rtol=1e-5)
    for more in ({"x": 1}, {"h": 1}):
        larger = {name: getattr(gru, f"delta_{name}") * (2**0.5 if name in more else 1) for name in "xh"}
        heads = {name: getattr(out, f"delta_{name}") for name in "x"}
        heads["x"] *= 2**0.5 if "x" in more else 1
        layers = (
            edgernn.Layer("gru", gru.cell, delta_x=larger["x"], delta_h=larger["h"]),
            edgernn.Layer("out", out.cell, delta_x=heads["x"]),
        )
        assert loss(edgernn.Graph(layers, 6)) > bound


def test_a_step_reads_the_columns_of_what_moved():
    """Counted by the plain loop that test_delta.py holds the definition to."""
    cell, xs = NET.layers[0].cell, quiet(NET, 80)
    graph = edgernn.Graph(NET.layers[:1], 6)
    _, columns = delta_gru(cell, xs.astype(np.float32), 0.25, 0.03125)
    assert weights_read(delta(graph, x=0.25, h=0.03125), [xs]) == pytest.approx(columns / (80 * 26), rel=1e-3)
    assert weights_read(graph, [xs]) == 1


@pytest.mark.parametrize("text", ["-1", "x=-0.1", "y=1", "x", "", "x=0.1,h", "points=3", "nan", "h=inf", "x=0.1,x=b"])
def test_a_wrong_request_is_refused(text):
    with pytest.raises(UsageError, match="expected the points that may be lost"):
        parse_delta(text)


# The command


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(races, "interleaved", lambda steps, *_: interleaved(steps, 2, 20))
    edgernn.save(keyword_spotter(8, 6, 3), "kws.rnn")
    return tmp_path


def test_thresholds_that_are_known_need_no_data(folder):
    edge("compress", "kws.rnn", "small.rnn", "--delta", "x=0.5,h=0.25", "--keep", "out")
    assert load("small.rnn").layers == delta(load("kws.rnn"), x=0.5, h=0.25, keep=("out",)).layers


WRONG = {
    ("--delta", "0.3"): "--delta 0.3 chooses thresholds by validation data; give --recipe RECIPE and --data PATH, or",
    ("--delta", "x=-1"): "thresholds from 0 on",
    ("--delta", "x=1", "--precision", "dynamic_wi8_afp32"): "with --delta give --precision static_wi8_ai8 or",
    (): "there is nothing to do; give --prune, --precision or both, a --teacher, or --delta",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_use_is_told(arguments, folder):
    assert WRONG[arguments] in edge("compress", "kws.rnn", "a.rnn", *arguments, code=2)
    assert not (folder / "a.rnn").exists()


def test_thresholds_are_chosen_and_trained_with_in_one_command(folder):
    trained(folder, 40, 20, hidden=12, epochs=4, batch=16, rate=1e-2)
    recipe = ("--recipe", "small.toml", "--data", "motor.npz", "--set", "training.epochs=2")
    given = ("--delta", "2.5", "--precision", "static_wi8_ai8", *recipe, "--checkpoint", "checkpoints")
    document = json.loads(edge("compress", "run/model.rnn", "small.rnn", *given, "--json"))
    small = load("small.rnn")
    layers = {layer.name: layer for layer in small.layers}
    assert min(layers["layers_0"].delta_x, layers["layers_0"].delta_h, layers["head"].delta_x) > 0
    assert small.precision == "static_wi8_ai8"
    assert (folder / "checkpoints/delta/last.ckpt").exists()
    assert all(0 <= document["metric"][when] <= 1 for when in ("before", "cut", "after"))
