"""The recipe for sentences, on a corpus whose answer is known: praise and blame, and what a "not" before them does."""

import json

import numpy as np
import pytest

import edgernn
from edge import edge
from edgernn.postprocess.text import text_symbols
from edgernn.train import recipe as recipes, run
from edgernn.train.data.reader import read

PRAISE, BLAME = ("good", "fine", "lovely", "great"), ("bad", "poor", "ugly", "dull")
FILLERS = ("the", "film", "was", "a", "very", "long", "story", "of", "two", "friends", "and", "their", "house")


def corpus(path, n):
    """Sentences of fillers and one word of praise or blame, turned round where "not" stands before it."""
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
    found = read("text", path, recipes.load("sentence-sentiment").options)
    assert found.labels == ("complains", "praises")
    assert set(found.symbols) == {"<unknown>", *PRAISE, *BLAME, *FILLERS, "not"}
    line = path.read_text().splitlines()[int(found.test.sources[0].rpartition(" ")[2]) - 1]
    assert [found.symbols[row] for row in found.test.frames[0][:, 0]] == line.split("\t")[0].split()
    assert found.labels[found.test.targets[0]] == line.split("\t")[1]


@pytest.mark.slow
def test_the_recipe_learns_what_no_count_of_words_can_tell(tmp_path):
    """Half of the sentences are turned round by a "not", so that the words by themselves say nothing."""
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
    said = json.loads(edge(*arguments, "--set", "training.epochs=1", "--accelerator", "cpu"))
    assert 0 <= said["metrics"]["accuracy"] <= 1
