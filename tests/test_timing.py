"""Several inputs, outputs and frames of a step in every verb: a table of verbs by models, against torch."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import edgernn
from edgernn.cli import cli
from edgernn.errors import UnsupportedError
from edgernn.model.graph import Graph
from edgernn.model.timing import in_steps
from edgernn.runtime.parts import check_each_frame
from edgernn_export import export, from_torch
from edgernn_export.translate import render
from zoo import GRAPHS

WIDTHS, HEADS = {"mic": 5, "far": 3}, {"gain": 2, "voice": 1}
FRAMES, PERIOD = 141, 10.0


class Net(nn.Module):
    """A convolution over time, a GRU and heads; `forward` of the subclasses has the arguments."""

    def __init__(self, heads, stride=1, padding=1):
        super().__init__()
        width = sum(WIDTHS.values())
        self.conv, self.padding = nn.Conv1d(width, width, 3, stride), padding
        self.gru = nn.GRU(width, 6, batch_first=True)
        self.heads = nn.ModuleDict({name: nn.Linear(6, width) for name, width in heads.items()})

    def answers(self, x):
        x = nn.functional.pad(x, (0, 0, self.padding, 2 - self.padding))
        y = self.gru(self.conv(x.transpose(1, 2)).transpose(1, 2))[0]
        answers = {name: head(y) for name, head in self.heads.items()}
        return answers if len(answers) > 1 else answers.popitem()[1]


class One(Net):
    """One input."""

    def forward(self, x):
        return self.answers(x)


class Two(Net):
    """Two inputs."""

    def forward(self, mic, far):
        return self.answers(torch.cat([mic, far], -1))


# name -> (module, frames per step, delay and warm-up)
MODELS = {
    "two outputs": (lambda: One(HEADS, padding=2), (1, 0, 0)),
    "two inputs": (lambda: Two({"y": 3}, padding=2), (1, 0, 0)),
    "both": (lambda: Two(HEADS, padding=2), (1, 0, 0)),
    "strided": (lambda: One({"y": 3}, 2), (2, 0, 0)),
    "strided, both": (lambda: Two(HEADS, 2), (2, 0, 0)),
    "late": (lambda: One({"y": 3}), (1, 1, 1)),
    "late, both": (lambda: Two(HEADS), (1, 1, 1)),
}


def module_of(name):
    torch.manual_seed(0)
    return MODELS[name][0]().eval()


def parts_of(x):
    """The inputs of `Two`, (1, time, width) each, in frames (time, 8)."""
    return tuple(torch.tensor(part)[None] for part in np.split(x, [WIDTHS["mic"]], axis=1))


def inputs_of(module, x):
    return parts_of(x) if isinstance(module, Two) else (torch.tensor(x)[None],)


def graph_of(name):
    module = module_of(name)
    example = inputs_of(module, np.random.default_rng(0).standard_normal((36, 8)).astype(np.float32))
    return from_torch(module, example if len(example) > 1 else example[0], time_axis=1, period_ms=PERIOD)


@pytest.fixture(scope="module")
def graphs():
    return {name: graph_of(name) for name in MODELS}


@pytest.fixture(scope="module")
def compiled(graphs, tmp_path_factory):
    """A function that copies a model into a folder: `m.rnn`, and `m.so` with its loader, which is compiled once."""
    folders = {}

    def copied(name, to):
        if name not in folders:
            folder = tmp_path_factory.mktemp("compiled")
            edgernn.save(graphs[name], folder / "m.rnn")
            export(graphs[name], folder / "m.so")
            folders[name] = folder
        shutil.copytree(folders[name], to, dirs_exist_ok=True)

    return copied


def expected_of(name, x):
    """The module's answers, side by side, (steps, outputs), later by the warm-up; its first ones are left out."""
    module, (each, _, warmup) = module_of(name), MODELS[name][1]
    with torch.no_grad():
        answer = module(*inputs_of(module, x[: len(x) // each * each]))
    whole = np.concatenate([y[0].numpy() for y in (answer.values() if isinstance(answer, dict) else [answer])], axis=1)
    return whole[: len(whole) - warmup // each]


def ran(*arguments, code=0):
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == code, (done.output, done.exception)
    return done


def rows_of(text):
    return np.array([[float(cell) for cell in line.split(",")] for line in text.split() if not line[0].isalpha()])


def agree(name, rows, x):
    late = MODELS[name][1][2] // MODELS[name][1][0]
    assert len(rows) == len(x) // MODELS[name][1][0]
    np.testing.assert_allclose(rows[late:], expected_of(name, x), atol=1e-5)


def run(name, graph):
    """CSV from .npy and .csv; a line of names before several outputs; what remains of a step is counted."""
    x, each = np.load("x.npy"), graph.frames_per_step
    for source in ("x.npy", "x.csv"):
        done = ran("run", "m.so", "--frames", source)
        agree(name, rows_of(done.stdout), x)
        assert done.stdout.startswith("gain_0,gain_1,voice\n") == bool(graph.named_outputs)
        remains = f"1 of {len(x)} frames remain: a step takes {each}\n"
        assert done.stderr == (remains if len(x) % each else "")
    if graph.named_inputs:
        np.savez("x.npz", far=x[:, 5:], mic=x[:, :5])
        agree(name, rows_of(ran("run", "m.rnn", "--frames", "x.npz").stdout), x)
    if graph.named_outputs:
        ran("run", "m.rnn", "--frames", "x.npy", "--out", "y.npz")
        with np.load("y.npz") as ys:
            agree(name, np.concatenate([ys["gain"], ys["voice"]], axis=1), x)


def info(name, graph):
    text = ran("info", "m.so").stdout
    each, delay, warmup = MODELS[name][1]
    assert (f"frames_per_step {each}: x is {each} frames of 8 values" in text) == (each > 1)
    assert (f"delay_frames   {delay}: an output is about the frame so many" in text) == (delay > 0)
    assert (f"warmup_frames  {warmup}: the first {warmup // each} outputs do not count" in text) == (warmup > 0)
    assert f"period_ms      {PERIOD * each}" in text
    assert ("named_inputs" in text, "named_outputs" in text) == (bool(graph.named_inputs), bool(graph.named_outputs))


def bench(name, graph):
    rows = json.loads(ran("bench", "m.so", "m.rnn", "--reference", "m.rnn", "--steps", "100", "--json").stdout)
    assert all(row["error"] < 1e-5 for row in rows)


def check(name, graph):
    """The period is that of a step, of the model or of the option; 20 steps decide nothing."""
    for options in ((), ("--period", "10ms")):
        done = CliRunner().invoke(cli, ["check", "m.so", "--seconds", "0.4", "--frames", "x.npy", "--json", *options])
        assert done.exit_code in {1, 3}, done.output
        budget = json.loads(done.stdout)["budget"]
        assert budget["period_us"] == 1000 * PERIOD * graph.frames_per_step


def compress(name, graph):
    x = np.load("x.npy")
    whole = len(x) // graph.frames_per_step * graph.frames_per_step
    np.save("whole.npy", x[:whole])
    ran("compress", "m.rnn", "small.rnn", "--precision", "static_wi8_ai8", "--calibrate", "whole.npy")
    small = edgernn.load("small.rnn")
    assert (small.named_outputs, small.frames_per_step) == (graph.named_outputs, graph.frames_per_step)
    rows = rows_of(ran("run", "small.rnn", "--frames", "x.npy").stdout)[graph.warmup_frames :]
    np.testing.assert_allclose(rows, expected_of(name, x), atol=0.05)
    if graph.named_inputs:
        np.savez("whole.npz", mic=x[:whole, :5], far=x[:whole, 5:])
        ran("compress", "m.rnn", "again.rnn", "--precision", "static_wi8_ai8", "--calibrate", "whole.npz")
        assert edgernn.load("again.rnn") == small


def sensitivity(name, graph):
    arguments = ("--precision", "dynamic_wi8_afp32", "--data", "x.npy", "--json")
    result = json.loads(ran("sensitivity", "m.rnn", *arguments).stdout)
    assert result["metric"]["before"] == 1
    assert {layer["layer"] for layer in result["layers"]} >= {"conv", "gru"}


def estimate(name, graph):
    assert "flash      fits" in ran("estimate", "m.rnn", "--board", "stm32h743").stdout


def loader(name, graph):
    """The module beside a library, without numpy: a line for each frame."""
    x = np.load("x.npy")
    lines = "".join(f"{','.join(map(str, row))}\n" for row in x.tolist())
    done = subprocess.run(
        [sys.executable, "-S", "m_stream.py"], input=lines, capture_output=True, text=True, check=True
    )
    agree(name, rows_of(done.stdout), x)
    left = f"1 frames remain: a step takes {graph.frames_per_step}\n"
    assert done.stderr == (left if len(x) % graph.frames_per_step else "")


VERBS = {each.__name__: each for each in (run, info, bench, check, compress, sensitivity, estimate, loader)}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", MODELS)
def test_every_verb_takes_every_model(name, verb, graphs, compiled, tmp_path, monkeypatch):
    compiled(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    graph = graphs[name]
    assert (graph.frames_per_step, graph.delay_frames, graph.warmup_frames) == MODELS[name][1]
    x = np.random.default_rng(1).standard_normal((FRAMES, 8)).astype(np.float32)
    np.save("x.npy", x)
    np.savetxt("x.csv", x, delimiter=",", fmt="%.9g")
    VERBS[verb](name, graph)


def test_tune_compares_the_choices_of_every_output(graphs, tmp_path, monkeypatch):
    """Of steps of two frames; tests/test_tune.py tunes models with one output."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(1).standard_normal((FRAMES, 8)).astype(np.float32))
    edgernn.save(graphs["strided, both"], "m.rnn")
    result = json.loads(ran("tune", "m.rnn", "--data", "x.npy", "--out", "best", "--json").stdout)
    assert max(each["metric"] for each in result["candidates"]) == 1


@pytest.mark.parametrize("name", MODELS)
def test_header_has_what_is_not_usual(name, graphs):
    header = render(graphs[name], "m.c")["m.h"].decode()
    found = tuple(
        int(match[1]) if (match := re.search(rf"#define M_{macro} (\d+) ", header)) else usual
        for macro, usual in (("FRAMES_PER_STEP", 1), ("DELAY_FRAMES", 0), ("WARMUP_FRAMES", 0))
    )
    assert found == MODELS[name][1]
    assert ("2 frames: x holds 16 numbers" in header) == ("strided" in name)


def test_a_usual_header_says_nothing_of_timing():
    header = render(GRAPHS["Gru"], "m.c")["m.h"].decode()
    assert "_FRAMES" not in header
    assert "/* One frame: x holds" in header


def test_frames_side_by_side_are_those_by_name(graphs, tmp_path):
    """In a step all frames of one input come before those of the next; a block has them frame by frame."""
    graph = graphs["strided, both"]
    edgernn.save(graph, tmp_path / "m.rnn")
    x = np.random.default_rng(1).standard_normal((40, 8)).astype(np.float32)
    program = edgernn.open(tmp_path / "m.rnn")
    side, named = program.run(x), program.run({"mic": x[:, :5], "far": x[:, 5:]})
    for head in HEADS:
        np.testing.assert_array_equal(side[head], named[head])
        np.testing.assert_array_equal(program.stream().step(x[:2])[head], named[head][0])
    steps = in_steps(x, 2, graph.named_inputs)
    np.testing.assert_array_equal(steps[0], np.concatenate([x[0, :5], x[1, :5], x[0, 5:], x[1, 5:]]))


WRONG = {
    "arrays of others": (
        lambda: {"mic": np.zeros((9, 5)), "near": np.zeros((9, 3))},
        "arrays mic, near; expected mic, far",
    ),
    "lengths": (lambda: {"mic": np.zeros((9, 5)), "far": np.zeros((8, 3))}, "expected as many frames of each"),
    "widths": (lambda: {"mic": np.zeros((9, 3)), "far": np.zeros((9, 5))}, "'mic' of width 5, 'far' of width 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_inputs_of_a_file_that_do_not_fit_are_refused(name, graphs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, words = WRONG[name]
    edgernn.save(graphs["both"], "m.rnn")
    np.savez("x.npz", **{key: each.astype(np.float32) for key, each in make().items()})
    error = CliRunner().invoke(cli, ["run", "m.rnn", "--frames", "x.npz"]).exception
    assert words in str(error)


def test_files_by_name_need_names(compiled, tmp_path, monkeypatch):
    compiled("strided", tmp_path)
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", x=np.zeros((4, 8), np.float32))
    np.save("x.npy", np.zeros((4, 7), np.float32))
    for arguments, words in (
        (("--frames", "x.npz"), ".npz for several inputs by name"),
        (("--frames", "x.npy", "--out", "y.npz"), ".npz for several outputs by name"),
        (("--frames", "x.npy"), "a frame of 7 values arrived; expected 8: a step takes 2 frames"),
    ):
        assert words in str(CliRunner().invoke(cli, ["run", "m.rnn", *arguments]).exception)
    np.save("x.npy", np.zeros((1, 8), np.float32))
    done = CliRunner().invoke(cli, ["check", "m.so", "--frames", "x.npy", "--seconds", "1"])
    assert "'x.npy' holds 1 frames; expected at least 2, which are one step" in str(done.exception)


@pytest.mark.parametrize("name", ["strided", "late"])
def test_answers_to_each_frame_are_needed(name, graphs):
    with pytest.raises(UnsupportedError, match="a text model takes a model that answers each frame at once"):
        check_each_frame(graphs[name], "m.rnn", "a text model")
    check_each_frame(replace(GRAPHS["Gru"]), "m.rnn", "a text model")


class Words(nn.Module):
    """Symbols beside numbers."""

    def __init__(self):
        super().__init__()
        self.words, self.gru = nn.Embedding(10, 4), nn.GRU(7, 6, batch_first=True)

    def forward(self, word, x):
        return self.gru(torch.cat([self.words(word), x], -1))[0]


class Spoken(nn.Module):
    """Symbols alone, with two answers."""

    def __init__(self):
        super().__init__()
        self.words, self.gru = nn.Embedding(10, 4), nn.GRU(4, 6, batch_first=True)
        self.a, self.b = nn.Linear(6, 3), nn.Linear(6, 1)

    def forward(self, word):
        y = self.gru(self.words(word))[0]
        return self.a(y), self.b(y)


def test_symbols_are_the_only_input():
    words = r"'words'.*'embedding', .*beside other inputs.* one number type; take the embedding outside"
    with pytest.raises(UnsupportedError, match=words):
        from_torch(Words().eval(), (torch.randint(0, 10, (1, 36)), torch.randn(1, 36, 3)))
    graph: Graph = from_torch(Spoken().eval(), torch.randint(0, 10, (1, 36)))
    assert (graph.vocabulary_size, dict(graph.named_outputs)) == (10, {"0": 3, "1": 1})
