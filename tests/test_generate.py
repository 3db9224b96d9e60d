"""Generation: samples follow the scores, equally on every runtime, with carried states."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import softmax
from scipy.stats import chisquare

import edgernn
from edge import called
from edgernn.cells import Dense, Embedding, Gru
from edgernn.device.runtimes import suffixes
from edgernn.errors import StateError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.package.translation import UNKNOWN
from edgernn.postprocess.text import generate, sample, separator, text_symbols
from edgernn_export import export
from zoo import GRAPHS, keyword_spotter, t

SYMBOLS = (UNKNOWN, *"abc de\n")
ROWS = len(SYMBOLS)
GRU = Layer("gru", Gru(t(36, 5), t(36, 12), t(36), t(36)))


def model(*layers, labels=SYMBOLS, bias=0.0, width=5) -> Graph:
    """A model of text with random weights; `bias` is that of the unknown symbol."""
    plus = np.zeros(len(labels), np.float32)
    plus[0] = bias
    head = Layer("head", Dense(Tensor(3 * t(len(labels), width).stored), Tensor(plus)))
    return Graph((Layer("table", Embedding(t(len(labels), 5))), *layers, head), 1, labels=labels)


CARRIED = model(GRU, width=12)


def opened(graph, path):
    edgernn.save(graph, path) if path.suffix == ".rnn" else export(graph, path)
    return edgernn.open(path)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_symbols_are_drawn_as_often_as_the_scores_say(temperature, tmp_path):
    """A model without memory: the distribution after each symbol is known in closed form."""
    program = opened(model(bias=1.0), tmp_path / "m.rnn")
    text = [SYMBOLS.index(s) for s in generate(program.stream(), SYMBOLS, "a", 20_000, temperature, seed=1)]
    after = np.zeros((ROWS, ROWS))
    np.add.at(after, (text[:-1], text[1:]), 1)
    for row in set(text):
        scores = program.stream().step(np.array([row], np.int32)).astype(float)[1:]
        expected = softmax(scores / temperature) * after[row].sum()
        enough = expected > 5
        actual = np.append(after[row, 1:][enough], after[row, 1:][~enough].sum() + 1e-9)
        expected = np.append(expected[enough], expected[~enough].sum() + 1e-9)
        assert chisquare(actual, expected * actual.sum() / expected.sum()).pvalue > 1e-4


@settings(max_examples=200, deadline=None)
@given(
    scores=st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=9),
    temperature=st.sampled_from([0.0, 5e-324, 1e-3, 1.0, 1e6]),
    seed=st.integers(0, 9),
)
def test_whatever_the_scores_something_possible_is_drawn(scores, temperature, seed):
    scores = np.array(scores, np.float32)
    with np.errstate(all="ignore"):
        place = sample(scores, temperature, np.random.default_rng(seed))
        far = (scores.astype(float) - scores.max()) / max(temperature, 1e-300)
    assert scores[place] == scores.max() or far[place] > -746


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_text_is_that_of_a_loop_written_by_hand(temperature, tmp_path):
    stepper, random = Stepper(CARRIED, "float32"), np.random.default_rng(7)
    states, expected = stepper.initial_state(), []
    y, states = stepper.step(np.array([SYMBOLS.index("b")], np.int32), states)
    y, states = stepper.step(np.array([SYMBOLS.index("a")], np.int32), states)
    for _ in range(60):
        p = softmax(y[1:].astype(float) / temperature) if temperature else np.eye(ROWS - 1)[y[1:].argmax()]
        expected.append(1 + int((random.random() > p.cumsum()).sum()) if temperature else 1 + int(p.argmax()))
        y, states = stepper.step(np.array(expected[-1:], np.int32), states)
    stream = opened(CARRIED, tmp_path / "m.rnn").stream()
    actual = "".join(generate(stream, SYMBOLS, "ba", 60, temperature, seed=7))
    assert actual == "".join(SYMBOLS[row] for row in expected)
    assert len(set(actual)) > 1 or not temperature
    np.testing.assert_array_equal(stream.state["gru.h"], states["gru.h"])  # it has seen the whole text


@pytest.mark.parametrize("suffix", suffixes())
def test_the_same_seed_is_the_same_text_on_every_runtime(suffix, tmp_path):
    texts = {
        path: ["".join(generate(opened(CARRIED, path).stream(), SYMBOLS, "a", 300, 0.9, seed)) for seed in (0, 1)]
        for path in (tmp_path / "a.rnn", tmp_path / f"b{suffix}")
    }
    first, other = texts.values()
    assert first == other
    assert first[0] != first[1]


@pytest.mark.parametrize("temperature", [0.0, 1.0, 50.0])
def test_the_unknown_is_never_drawn(temperature, tmp_path):
    """Even where it is by far the most likely."""
    stream = opened(model(GRU, width=12, bias=100.0), tmp_path / "m.rnn").stream()
    assert UNKNOWN not in list(generate(stream, SYMBOLS, "a", 200, temperature, seed=0))


def test_a_text_is_drawn_while_it_is_read(tmp_path):
    stream = opened(CARRIED, tmp_path / "m.rnn").stream()
    drawn = generate(stream, SYMBOLS, "a", 10**9, 1.0, seed=0)
    assert len([next(drawn) for _ in range(5)]) == 5


WRONG = {
    "empty": ({"prompt": ""}, "the prompt is empty"),
    "not known": ({"prompt": "abx"}, r"does not know 'x' in the prompt; there are 'abc de\\n'"),
    "negative temperature": ({"temperature": -0.1}, r"a temperature of -0\.1 arrived"),
    "no temperature": ({"temperature": float("nan")}, "a temperature of nan arrived"),
    "endless temperature": ({"temperature": float("inf")}, "a temperature of inf arrived"),
    "length": ({"length": -1}, "length -1 and seed 0 arrived"),
    "seed": ({"seed": -1}, "length 3 and seed -1 arrived"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_gone_on_from_is_refused_before_the_first_step(name, tmp_path):
    wrong, words = WRONG[name]
    stream = opened(CARRIED, tmp_path / "m.rnn").stream()
    before = stream.state["gru.h"]
    with pytest.raises(UsageError, match=words):
        generate(stream, SYMBOLS, **{"prompt": "a", "length": 3, "temperature": 1.0, "seed": 0, **wrong})
    np.testing.assert_array_equal(stream.state["gru.h"], before)


def test_a_token_that_looks_misspelt_gets_a_suggestion(tmp_path):
    labels = (UNKNOWN, "good", "film")
    stream = opened(model(labels=labels), tmp_path / "m.rnn").stream()
    with pytest.raises(UsageError, match=r"'fil' in the prompt; did you mean 'film'\? there are good, film"):
        generate(stream, labels, ["good", "fil"], 1, 1.0, 0)


def test_scores_that_are_no_numbers_are_not_drawn_from():
    with pytest.raises(StateError, match="the scores hold nan"):
        sample(np.array([1.0, np.nan]), 1.0, np.random.default_rng(0))


@pytest.mark.parametrize(("labels", "gap"), [(SYMBOLS, ""), ((UNKNOWN, "good", "a"), " "), (("x", "y"), "")])
def test_tokens_are_told_from_characters(labels, gap):
    assert separator(labels) == gap


@pytest.mark.parametrize("graph", [keyword_spotter(), GRAPHS["Embedding"], model()], ids=["frames", "classes", "text"])
def test_only_a_model_of_text_goes_on_with_one(graph, tmp_path):
    manifest_read = opened(graph, tmp_path / "m.rnn").manifest
    if manifest_read.labels == SYMBOLS:
        assert text_symbols(manifest_read, "m.rnn") == SYMBOLS
        return
    with pytest.raises(UsageError, match=r"'m.rnn' is not a text model: it reads .* and returns 4 values"):
        text_symbols(manifest_read, "m.rnn")


@pytest.mark.parametrize("suffix", suffixes())
def test_the_verb_goes_on_with_a_text(suffix, tmp_path):
    path = tmp_path / f"m{suffix}"
    expected = "".join(generate(opened(CARRIED, path).stream(), SYMBOLS, "ab", 40, 0.7, seed=3))
    options = ("--prompt", "ab", "--length", 40, "--seed", 3)
    assert called("generate", path, *options) == (0, f"{expected}\n", "")
    document = json.loads(called("generate", path, *options, "--json")[1])
    assert (document["prompt"], document["text"]) == ("ab", expected)


def test_the_verb_joins_tokens_by_spaces(tmp_path):
    labels = (UNKNOWN, "good", "film", "a")
    opened(model(labels=labels), tmp_path / "m.rnn")
    code, text, _ = called("generate", tmp_path / "m.rnn", "--prompt", "a  good", "--length", 9, "--temperature", 2)
    assert code == 0
    assert len(text.removesuffix("\n").split(" ")) == 9
    assert set(text.split()) <= set(labels)


def test_the_verb_refuses_other_models_and_prompts(tmp_path):
    edgernn.save(keyword_spotter(), tmp_path / "kws.rnn")
    edgernn.save(CARRIED, tmp_path / "m.rnn")
    code, printed, complaint = called("generate", tmp_path / "kws.rnn", "--prompt", "a")
    assert (code, printed) == (2, "")
    assert "kws.rnn' is not a text model: it reads 10 numbers and returns 4 values with 4 labels" in complaint
    for prompt, words in (("", "the prompt is empty"), ("Z", "the model does not know 'Z'")):
        code, printed, complaint = called("generate", tmp_path / "m.rnn", "--prompt", prompt)
        assert (code, printed) == (2, "")
        assert words in complaint


def test_a_pipe_meets_each_symbol_as_it_is_drawn(tmp_path):
    """The beginning of an infinite text is printed, and closing the pipe ends the command without an error."""
    edgernn.save(CARRIED, tmp_path / "m.rnn")
    command = [
        sys.executable,
        "-m",
        "edgernn",
        "generate",
        tmp_path / "m.rnn",
        "--prompt",
        "a",
        "--length",
        "1000000000",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        begun = process.stdout.read(20)
        process.stdout.close()
        assert len(begun) == 20
        assert process.stderr.read() == b""
        process.wait()
