"""The sentiment recipe on a synthetic corpus: words of praise and blame, reversed by a "not" before them."""

import json

import numpy as np
import pytest

import edgernn
from edge import edge
from edgernn.postprocess.text import text_symbols
from edgernn.train import recipe as recipes, run
from edgernn.train.data.reader import read_data

PRAISE, BLAME = ("good", "fine", "lovely", "great"), ("bad", "poor", "ugly", "dull")
FILLERS = ("the", "film", "was", "a", "very", "long", "story", "of", "two", "friends", "and", "their", "house")


def corpus(path, n):
    """Sentences of fillers and one word of praise or blame, reversed by a "not" before it."""
    random = np.random.default_rng(0)
    lines = []
    for _ in range(n):
        words = random.choice(FILLERS, random.integers(3, 9)).tolist()
        praise, turned = random.random(2) < 0.5
        polar = random.choice(PRAISE if praise else BLAME)
        at = random.integers(0, len(words) + 1)
        words[at:at] = [*(["not"] if turned else []), polar]
        lines.append(f"{' '.join(words)}\t{'praises' if praise != turned else 'complains'}\n")
    path.write_text("".join(lines))
    return path


def test_lines_of_a_sentence_and_its_class_are_read_as_tokens(tmp_path):
    path = corpus(tmp_path / "sentences.txt", 300)
    result = read_data("text", path, recipes.load("sentence-sentiment").options)
    assert result.labels == ("complains", "praises")
    assert set(result.symbols) == {"<unknown>", *PRAISE, *BLAME, *FILLERS, "not"}
    line = path.read_text().splitlines()[int(result.test.sources[0].rpartition(" ")[2]) - 1]
    assert [result.symbols[row] for row in result.test.frames[0][:, 0]] == line.split("\t")[0].split()
    assert result.labels[result.test.targets[0]] == line.split("\t")[1]


@pytest.mark.slow
def test_the_recipe_learns_what_no_count_of_words_can_tell(tmp_path):
    """Half of the sentences are reversed by a "not", so single words have no information."""
    path = corpus(tmp_path / "sentences.txt", 1500)
    loaded = recipes.load("sentence-sentiment", ["training.epochs=10", "training.rate=1e-2"])
    result = run.train(loaded, path, tmp_path / "run")
    assert result.metrics["accuracy"] >= 0.97
    program = edgernn.open(tmp_path / "run/model.rnn")
    assert program.manifest.labels == ("complains", "praises")
    with pytest.raises(edgernn.EdgernnError, match="is not a text model"):
        text_symbols(program.manifest, "model.rnn")


def test_the_verb_trains_on_sentences(tmp_path):
    path = corpus(tmp_path / "sentences.txt", 120)
    arguments = ("train", "sentence-sentiment", "--data", path, "--out", tmp_path / "run", "--json")
    document = json.loads(edge(*arguments, "--set", "training.epochs=1", "--accelerator", "cpu"))
    assert 0 <= document["metrics"]["accuracy"] <= 1
