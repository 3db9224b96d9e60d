"""`edgernn sensitivity`: each layer is evaluated alone, and the printed selection gives the evaluated model."""

import json
import shlex
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest

import edgernn
from edge import called, edge
from edgernn.artifact.rnn import load
from edgernn.interpreters.count import count
from edgernn.interpreters.integer import stepper
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, STATIC, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.train import recipe as recipes
from edgernn.train.compare import race as races
from edgernn.train.data.reader import read_data
from edgernn.train.evaluate.metrics import answers, evaluate as evaluated
from edgernn.tune.evaluate import by_frames
from edgernn.tune.mixed import mixed
from motors import trained
from zoo import frames, keyword_spotter

_random = np.random.default_rng(0)  # of its own: with other weights the bounds below may choose nothing
KWS = keyword_spotter(8, 6)
KWS = KWS.with_tensors(
    {name: Tensor(_random.standard_normal(each.shape) / np.sqrt(each.shape[-1])) for name, each in KWS.tensors.items()}
).astype("float32")
NAMES = ("gru", "out")
SHOWN, JUDGED = np.split(frames(KWS, 600), 2)
BOUNDS = {FOUR_BITS: 5.0, DYNAMIC: 0.5, "static_wi8_ai8": 1.5, "static_wi8_ai16": 0.0}


def ready(scheme):
    return calibrate(KWS, [SHOWN]) if scheme in STATIC else KWS


def equal(program):
    """The share of frames at which a program chooses as the float model does."""
    expected = stepper(KWS).run(JUDGED)[0].argmax(-1)
    return np.mean(program.stream().run(JUDGED).argmax(-1) == expected)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model, frames for its evaluation, and frames for its calibration; nothing is timed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(races, "race", lambda *_: ())
    edgernn.save(KWS, "kws.rnn")
    np.save("frames.npy", np.concatenate([SHOWN, JUDGED]))
    np.save("shown frames.npy", SHOWN)
    return tmp_path


def asked(scheme, *more):
    arguments = ("--calibrate", "shown frames.npy") if scheme in STATIC else ()
    return ("sensitivity", "kws.rnn", "--precision", scheme, "--data", "frames.npy", *arguments, *more)


@pytest.mark.parametrize("scheme", BOUNDS)
def test_what_is_told_makes_the_smallest_model_within_the_bound(scheme, folder):
    bound = BOUNDS[scheme]
    models = {}
    for keep in chain.from_iterable(combinations(NAMES, size) for size in range(len(NAMES))):
        edgernn.save(quantize(ready(scheme), scheme, keep=keep), "one.rnn")
        models[keep] = load("one.rnn"), equal(edgernn.open("one.rnn"))
    expected = min(
        (keep for keep, (_, share) in models.items() if 100 * (1 - share) <= bound + 1e-6),
        key=lambda keep: count(models[keep][0]).weight_bytes,
    )
    assert expected  # otherwise the bound has no effect
    out = edge(*asked(scheme, "--metric-drop", bound, "--json"))
    document = json.loads(out)
    remaining = document["selection"]
    assert tuple(remaining["keep"]) == expected
    assert (document["bound"], document["metric"]["before"]) == (bound, 1.0)
    edge(*document["command"][1:])
    result = load(f"kws-{scheme}.rnn")
    assert result == models[expected][0]
    assert remaining["weight_bytes"] == count(result).weight_bytes < document["weight_bytes"] == count(KWS).weight_bytes
    assert remaining["metric"] == pytest.approx(models[expected][1])
    assert remaining["drop"] == pytest.approx(100 - 100 * models[expected][1])
    for row in document["layers"]:
        alone, share = models[tuple(name for name in NAMES if name != row["layer"])]
        assert row["metric"] == pytest.approx(share)
        assert row["drop"] == pytest.approx(100 - 100 * share)
        assert row["saved_bytes"] == count(KWS).weight_bytes - count(alone).weight_bytes


@pytest.mark.parametrize("scheme", ["static_wi8_ai8", FOUR_BITS])
def test_the_table_says_the_same(scheme, folder):
    document = json.loads(edge(*asked(scheme, "--metric-drop", BOUNDS[scheme], "--json")))
    code, out, beside = called(*asked(scheme, "--metric-drop", BOUNDS[scheme]))
    assert code == 0
    head, *rows = out.splitlines()
    assert head.split() == ["layer", "equal", "answers", "points", "lost", "bytes", "saved"]
    for row, line in zip(document["layers"], rows, strict=False):
        figures = [f"{row['metric']:.4g}", f"{row['drop']:.2f}", f"{row['saved_bytes']:,}"]
        assert line.split() == [row["layer"], *figures]
    assert shlex.split(rows[-1]) == document["command"]
    remaining = document["selection"]
    assert (
        f"keeps {', '.join(remaining['keep'])}: equal answers {remaining['metric']:.4g}, {remaining['drop']:.2f} points lost"
        in out
    )
    assert beside.splitlines()[:2] == [
        "nothing quantized: equal answers 1",
        f"gru quantized: {rows_of(document, 'gru')}",
    ]


def rows_of(document, layer):
    return next(f"equal answers {row['metric']:.4g}" for row in document["layers"] if row["layer"] == layer)


def test_without_a_bound_nothing_is_chosen(folder):
    document = json.loads(edge(*asked(DYNAMIC, "--json")))
    assert (document["selection"], document["command"]) == (None, None)
    assert [row["layer"] for row in document["layers"]] == [*NAMES]
    out = edge(*asked(DYNAMIC))
    assert "smallest" not in out
    assert "compress" not in out


def test_where_every_layer_loses_too_much_that_is_said(folder):
    document = json.loads(edge(*asked(FOUR_BITS, "--metric-drop", 0, "--json")))
    assert (document["selection"]["keep"], document["selection"]["drop"], document["command"]) == ([*NAMES], 0.0, None)
    assert document["selection"]["weight_bytes"] == document["weight_bytes"]
    out = edge(*asked(FOUR_BITS, "--metric-drop", 0))
    assert "every quantized layer loses more than 0 points; allow more" in out
    assert "kws-" not in out


def test_no_model_is_judged_twice():
    heard, plain = [], by_frames(KWS, np.concatenate([SHOWN, JUDGED]), "frames")
    evaluator = replace(plain, score=lambda answer: heard.append(0) or plain.score(answer))
    messages = []
    mixed(KWS, FOUR_BITS, evaluator, 0, on_progress=messages.append)
    assert len(heard) == len(set(messages)) == 4  # all subsets of two layers


def test_a_loss_of_an_error_is_of_what_it_was_and_the_bound_may_be_reached():
    expected = stepper(KWS).run(JUDGED)[0]

    def error(answer):
        return 2.0 + float(np.abs(answer(JUDGED) - expected).mean())

    evaluator = replace(by_frames(KWS, JUDGED, "frames"), better="minimize", score=error, baseline=2.0)
    rows = {row.layer: row for row in mixed(KWS, FOUR_BITS, evaluator).layers}
    for layer, other in zip(NAMES, reversed(NAMES), strict=True):
        alone = quantize(KWS, FOUR_BITS, keep=(other,))
        assert rows[layer].metric == error(lambda xs, alone=alone: stepper(alone).run(xs)[0])
        assert rows[layer].drop == pytest.approx(50 * (rows[layer].metric - 2), abs=1e-6)
    assert 0 < rows["gru"].drop < rows["out"].drop
    at, below = (mixed(KWS, FOUR_BITS, evaluator, rows["gru"].drop - less).selection for less in (0, 1e-6))
    assert (at.keep, at.drop) == (("out",), rows["gru"].drop)
    assert (below.keep, below.drop) == (NAMES, 0)


def test_a_recipe_judges(tmp_path):
    motor = trained(tmp_path, 20, 20, hidden=8, epochs=1, batch=20, rate=1e-2)
    out = edge(
        "sensitivity", motor / "run/model.rnn", "--precision", FOUR_BITS, "--data", motor / "motor.npz",
        "--recipe", motor / "small.toml", "--set", "training.seed=3", "--json",
    )  # fmt: skip
    document, graph = json.loads(out), load(motor / "run/model.rnn")
    recipe = recipes.load(motor / "small.toml")
    data = read_data(recipe.reader, motor / "motor.npz", recipe.options)
    assert document["metric"]["name"] == "accuracy"
    assert [row["layer"] for row in document["layers"]] == ["layers_0", "head"]
    names = [layer.name for layer in graph.layers]
    for row in document["layers"]:
        alone = quantize(graph, FOUR_BITS, keep=[name for name in names if name != row["layer"]])
        assert row["metric"] == evaluated(answers(alone), data, data.test).metrics["accuracy"]


WRONG = {
    "scheme": (("--precision", "weight_only_wi4_afp23"), "Did you mean 'weight_only_wi4_afp32'?"),
    "ranges": (("--precision", "static_wi8_ai8"), "whose ranges are learned from real frames; give --calibrate FILE\n"),
    "growing": (("--accept-growing",), "--accept-growing needs a precision of integers"),
    "drop": (("--metric-drop", "-1"), "the allowed drop is -1.0 points; expected a number of at least 0"),
    "nan": (("--metric-drop", "nan"), "the allowed drop is nan points"),
    "settings": (("--set", "training.epochs=1"), "--set needs a recipe; give --recipe RECIPE"),
    "data": (("--data", "frames.txt"), "no frames can be read from 'frames.txt'"),
    "calibration": (("--calibrate", "none.npy"), "'none.npy' cannot be read"),
    "model": (("kwss.rnn",), "unexpected extra argument"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_use_is_told(case, folder):
    options, message = WRONG[case]
    assert message in edge(*asked(FOUR_BITS), *options, code=2)


def test_what_is_quantized_already_has_nothing_left(folder):
    edgernn.save(quantize(KWS, FOUR_BITS), "kws.rnn")
    assert f"no layer is left to quantize as {FOUR_BITS}" in edge(*asked(FOUR_BITS), code=2)
