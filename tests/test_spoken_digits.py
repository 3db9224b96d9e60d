"""The main use on real audio: spoken digits, trained, exported, and streamed frame by frame on every runtime."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import edgernn
import spoken
from edgernn.device.runtimes import RUNTIMES, suffixes
from edgernn.integer.plan import integer_plan
from edgernn.model.graph import Graph
from edgernn.passes.calibrate import METHODS, calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime.backends import tflite
from edgernn.train import recipe as recipes, run
from edgernn.train.data.features import standardized
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.network.models import Network
from edgernn_export import export

ACCURACY, LOGIT_ERROR, PARAMETERS = 0.97, 1e-4, 20_000
CRNN_ACCURACY, CRNN_PARAMETERS = 0.985, 60_000
TRAINING = {
    "gru": ("model.hidden=48", "training.rate=6e-3", "training.epochs=14", "training.noise=0.2"),
    "lstm": ("model.hidden=48", "training.rate=8e-3", "training.epochs=14", "training.noise=0.2"),
}


@dataclass(frozen=True)
class Quality:
    """The limits of a precision: on the accuracy, and on the answers and scores of every frame."""

    change: float  # of the accuracy, either way
    equal: float  # share of frames with the answer of float
    snr_db: float
    equal_numpy: float  # share of frames with the answer of numpy in the same precision
    snr_db_numpy: float


QUALITY = {
    "fp16": Quality(change=0.0, equal=0.999, snr_db=65, equal_numpy=0.999, snr_db_numpy=110),
    "weight_only_wi8_afp32": Quality(change=0.007, equal=0.995, snr_db=40, equal_numpy=0.999, snr_db_numpy=110),
    # What is trained depends on the processor's last digits; an LSTM of one lost 4 of 300 clips in four bits, at 20.2 dB.
    "weight_only_wi4_afp32": Quality(change=0.02, equal=0.96, snr_db=18, equal_numpy=0.999, snr_db_numpy=110),
    "dynamic_wi8_afp32": Quality(change=0.007, equal=0.995, snr_db=38, equal_numpy=0.995, snr_db_numpy=40),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clips(data):
    train, test = spoken.load(data / "fsdd/recordings")
    assert (len(train.frames), len(test.frames)) == (2700, 300)
    return train, test


@dataclass(frozen=True)
class Trained:
    """A torch network with the statistics of its frames, and the graph of both."""

    data: Data
    network: Network
    graph: Graph

    def scores(self, frames):
        """torch's outputs: (time, bands) -> (time, classes)."""
        standardize = dict(self.data.exact)["standardize"]
        ready = (frames - standardize.mean.stored) / standardize.deviation.stored
        with torch.no_grad():
            return self.network(torch.from_numpy(ready[None]))[0].numpy()


@pytest.fixture(scope="module", params=TRAINING)
def trained(request, clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    train, test = (
        Sequences(part.frames, part.digits, tuple(f"{name} {i}" for i in range(len(part.frames))))
        for name, part in zip(("train", "test"), clips, strict=True)
    )
    exact = standardized((), train.frames)
    data = Data(train, test, "class", spoken.BANDS, 10, tuple("0123456789"), period_ms=10.0, exact=exact)
    recipe = recipes.load("spoken-digits", [f"model.cell={request.param}", *TRAINING[request.param]])
    run.train_on(data, recipe, folder, accelerator=Accelerator("cpu"))
    network = Network(recipe.shape, spoken.BANDS, 10)
    weights = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): value for name, value in weights.items()})
    assert sum(parameter.numel() for parameter in network.parameters()) <= PARAMETERS
    return Trained(data, network.eval(), edgernn.load(folder / "model.rnn"))


@pytest.fixture(scope="module")
def graph(trained):
    return trained.graph


def test_every_runtime_hears_what_torch_hears(trained, graph, clips, tmp_path):
    _, test = clips
    expected = [trained.scores(frames) for frames in test.frames]
    answers = np.array([scores[-1].argmax() for scores in expected])
    accuracy = float((answers == test.digits).mean())
    worst = {}
    for suffix in suffixes():
        path = tmp_path / f"digits{suffix}"
        edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
        stream = edgernn.open(path).stream()
        worst[suffix] = 0.0
        for frames, scores, answer in zip(test.frames, expected, answers, strict=True):
            stream.reset()
            actual = np.stack([stream.step(frame) for frame in frames])
            worst[suffix] = max(worst[suffix], float(np.abs(actual - scores).max()))
            assert actual[-1].argmax() == answer
    print(f"\naccuracy {accuracy:.4f}, largest difference of a logit {worst}")
    assert accuracy >= ACCURACY
    assert max(worst.values()) <= LOGIT_ERROR


def test_convolutions_and_two_heads_hear_the_same_on_every_runtime(data, tmp_path):
    """Two convolutions with strides over time and frequency, a GRU, a digit and a speaker."""
    recipe = recipes.load("spoken-digits-speakers")
    result = run.train(recipe, data / "fsdd/recordings", tmp_path, accelerator=Accelerator("cpu"))
    clips, graph = run.read(recipe, data / "fsdd/recordings"), edgernn.load(tmp_path / "model.rnn")
    assert result.parameters <= CRNN_PARAMETERS
    assert (graph.frames_per_step, graph.period_ms) == (4, 40.0)
    last = {}
    for suffix in suffixes():
        path = tmp_path / f"crnn{suffix}"
        edgernn.save(graph, path) if suffix == ".rnn" else export(graph, path)
        stream = edgernn.open(path).stream()
        last[suffix] = [stream.reset().run(frames) for frames in clips.test.frames]
    for column, head in enumerate(("digit", "speaker")):
        scores = {suffix: np.stack([each[head][-1] for each in answers]) for suffix, answers in last.items()}
        right = {
            name: float(np.mean(each.argmax(-1) == clips.test.targets[:, column])) for name, each in scores.items()
        }
        print(f"\n{head}: {right}")
        assert min(right.values()) >= CRNN_ACCURACY
        assert right[".rnn"] == pytest.approx(result.metrics[f"accuracy {head}"], abs=1e-4)
        assert max(np.abs(each - scores[".rnn"]).max() for each in scores.values()) <= 5 * LOGIT_ERROR


@dataclass(frozen=True)
class Heard:
    """The scores of every frame of the test clips in one stream: (frames, classes); and the last frame of each clip."""

    scores: np.ndarray
    ends: np.ndarray

    def accuracy(self, digits):
        return float(np.mean(self.scores[self.ends].argmax(-1) == digits))

    def equal(self, other):
        """The share of frames with the same answer."""
        return float(np.mean(self.scores.argmax(-1) == other.scores.argmax(-1)))

    def snr_db(self, other):
        """The scores' own variance against that of the difference, in decibels."""
        signal, noise = np.var(other.scores), np.mean((self.scores - other.scores) ** 2)
        return float(10 * np.log10(signal / max(noise, 1e-30)))


def heard(graph, path, runtime, clips):
    edgernn.save(graph, path) if path.suffix == ".rnn" else export(graph, path, runtime=runtime)
    stream = edgernn.open(path).stream()
    scores = [stream.reset().run(frames) for frames in clips.frames]
    return Heard(np.concatenate(scores), np.cumsum([len(each) for each in scores]) - 1)


@pytest.mark.parametrize("scheme", QUALITY)
def test_a_smaller_precision_hears_the_same(scheme, graph, clips, tmp_path):
    """Compared with float for the loss of the precision, and with numpy in the same precision for the runtime."""
    _, test = clips
    quality, smaller = QUALITY[scheme], quantize(graph, scheme)
    exact = heard(graph, tmp_path / "exact.rnn", None, test)
    defined = heard(smaller, tmp_path / "defined.rnn", None, test)
    for name, runtime in RUNTIMES.items():
        result = heard(smaller, tmp_path / f"digits{runtime.suffix}", name, test)
        accuracy = result.accuracy(test.digits)
        change = accuracy - exact.accuracy(test.digits)
        print(
            f"\n{scheme:22} {name:15} accuracy {accuracy:.4f} ({change:+.4f}); against float "
            f"{result.equal(exact):.4f} equal, {result.snr_db(exact):.1f} dB; against numpy "
            f"{result.equal(defined):.4f} equal, {result.snr_db(defined):.1f} dB",
            end="",
        )
        assert abs(change) <= quality.change
        assert result.equal(exact) >= quality.equal
        assert result.snr_db(exact) >= quality.snr_db
        assert result.equal(defined) >= quality.equal_numpy
        assert result.snr_db(defined) >= quality.snr_db_numpy


@dataclass(frozen=True)
class TuneCache:
    """The limits of integers compared with float."""

    changed: int  # answers of the 300
    change: float  # of the accuracy, either way
    equal: float  # share of frames with the same answer
    snr_db: float


INTEGERS = {
    "static_wi8_ai16": TuneCache(changed=2, change=0.007, equal=0.995, snr_db=38),
    "static_wi8_ai8": TuneCache(changed=5, change=0.010, equal=0.97, snr_db=25),
}


@pytest.mark.parametrize(
    ("scheme", "method"), [("static_wi8_ai16", "min-max"), *(("static_wi8_ai8", method) for method in METHODS)]
)
def test_integers_hear_the_same(scheme, method, graph, clips, tmp_path):
    """Calibrated on a ninth of the training clips; the answer of a clip is that of its last frame."""
    train, test = clips
    remaining, exact = INTEGERS[scheme], heard(graph, tmp_path / "exact.rnn", None, test)
    smaller = quantize(calibrate(graph, train.frames[::9], method), scheme)
    result = heard(smaller, tmp_path / "whole.rnn", None, test)
    changed = int(np.sum(result.scores[result.ends].argmax(-1) != exact.scores[exact.ends].argmax(-1)))
    change = result.accuracy(test.digits) - exact.accuracy(test.digits)
    print(
        f"\n{scheme:16} {method:10} accuracy {result.accuracy(test.digits):.4f} ({change:+.4f}), {changed} answers of "
        f"{len(test.digits)} changed; frames {result.equal(exact):.4f} equal, {result.snr_db(exact):.1f} dB",
        end="",
    )
    assert changed <= remaining.changed
    assert abs(change) <= remaining.change
    assert result.equal(exact) >= remaining.equal
    assert result.snr_db(exact) >= remaining.snr_db


RUNS_INTEGERS = {".onnx": ("onnxruntime",), ".tflite": ("AUTO", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN_REF")}
"""The suffix of an artifact in a static precision -> what runs it; for LiteRT its delegate, plain and slow kernels."""


@pytest.mark.parametrize("scheme", INTEGERS)
def test_a_runtime_hears_what_the_integers_say(scheme, graph, clips, tmp_path, monkeypatch):
    """One stream over all test clips: a value that rounds to the next integer stays in the state."""
    train, test = clips
    smaller = quantize(calibrate(graph, train.frames[::9]), scheme)
    exact, defined = (heard(each, tmp_path / "whole.rnn", None, test) for each in (graph, smaller))
    np.testing.assert_array_equal(heard(smaller, tmp_path / "whole.so", None, test).scores, defined.scores)
    step = integer_plan(smaller).io_quantization["y"].scale
    for suffix, runtimes in RUNS_INTEGERS.items():
        for runtime in runtimes:
            if suffix == ".tflite":
                kernels = getattr(OpResolverType, runtime)
                monkeypatch.setattr(tflite, "Interpreter", partial(Interpreter, experimental_op_resolver_type=kernels))
            result = heard(smaller, tmp_path / f"whole{suffix}", None, test)
            off = np.rint(np.abs(result.scores - defined.scores) / step)
            spread = ", ".join(f"{np.quantile(off, share):.0f}" for share in (0.5, 0.9, 0.99, 1.0))
            changed = int(np.sum(result.scores[result.ends].argmax(-1) != exact.scores[exact.ends].argmax(-1)))
            print(
                f"\n{scheme:16} {runtime:15} {result.equal(defined):.4f} of frames equal, {result.snr_db(defined):.1f} dB; "
                f"half, 90 %, 99 % and all of the scores within {spread} steps; {changed} answers are not those of float",
                end="",
            )
            assert result.equal(defined) >= 0.995
            assert changed <= INTEGERS[scheme].changed
