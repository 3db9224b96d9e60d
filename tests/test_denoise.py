"""Denoising from WAV files to WAV files: noises by their formulas, the mixtures, the loss, a training, and the command.

The speech is made of harmonics that fade in and out, so that no data set is needed. Oracles: scipy.signal for spectra,
torchmetrics for SI-SDR, soundfile for files.
"""

import io
import json
import re
from base64 import b64decode
from dataclasses import replace
from inspect import signature
from itertools import product

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch
from click.testing import CliRunner
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

import edgernn
from edgernn.cells import BandMask, Dense, Istft, LogBands, Stft
from edgernn.cli import cli
from edgernn.device.runtimes import suffixes
from edgernn.errors import EdgernnError, FileError, FrameError, GraphError, UnsupportedError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.train import recipe as recipes, run
from edgernn.train.compress.importance import taylor
from edgernn.train.convert import untrained
from edgernn.train.data import denoise as reader
from edgernn.train.data.noises import EARLY_S, NOISES, Scene, mixed
from edgernn.train.data.reader import read_data
from edgernn.train.data.sound import Transforms
from edgernn.train.evaluate.sound import heard, si_sdr_db
from edgernn.train.loop.batches import padded
from edgernn.train.loop.distillation import Distillation, Teacher
from edgernn.train.loop.sound_loss import SoundLoss
from edgernn.train.network.models import Network
from edgernn.train.pages import sounds
from edgernn_export import export
from page import Page

RATE, HOP, WINDOW, BANDS = 8000, 64, 128, 12
SPEAKERS = {"ann": 110, "ben": 150, "cat": 190, "dan": 230}
OPTIONS = {"window": WINDOW, "hop": HOP, "bands": BANDS, "test_groups": ["cat", "dan"], "seconds": 0.5}
DEFAULTS = signature(reader.read).parameters
SMALL = {**OPTIONS, "clips": 12, "test_clips": 5}


@pytest.fixture(scope="module")
def speakers(tmp_path_factory):
    """A folder of recordings: two words of each speaker."""
    folder = tmp_path_factory.mktemp("speakers")
    for (name, hz), word in product(SPEAKERS.items(), range(2)):
        t = np.arange(RATE * 3 // 10) / RATE
        voiced = sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 12 + word))
        soundfile.write(folder / f"{word}_{name}_{word}.wav", 0.2 * voiced * np.sin(np.pi * t / t[-1]) ** 2, RATE)
    return folder


@pytest.fixture(scope="module")
def data(speakers):
    return read_data("denoise", speakers, SMALL)


def scene(seconds=4, seed=0, speech=None):
    random = np.random.default_rng(seed)
    n = round(seconds * RATE)
    speech = random.standard_normal(n) if speech is None else speech
    return Scene(speech, [random.standard_normal(n)], RATE, random)


# The formulas.


@pytest.mark.parametrize("name", NOISES)
def test_every_noise_is_finite_and_is_mixed_at_the_ratio(name):
    known = scene()
    noise = NOISES[name](known)
    assert noise.shape == known.speech.shape
    added = mixed(known.speech, noise, 7.5)
    assert added.dtype == np.float32
    ratio = 10 * np.log10(np.square(known.speech).sum() / np.square(added.astype(float)).sum())
    assert ratio == pytest.approx(7.5, abs=1e-3)
    assert not np.array_equal(NOISES[name](scene(seed=1)), noise)


def test_silent_noise_adds_nothing():
    assert not mixed(np.ones(4), np.zeros(4), 5.0).any()


@pytest.mark.parametrize(("name", "slope"), [("white", 0), ("pink", 1), ("brown", 2), ("blue", -1)])
def test_a_colour_is_a_slope_of_the_power(name, slope):
    hz, power = scipy.signal.welch(NOISES[name](scene(20)), RATE, nperseg=2048)
    inside = (hz > 50) & (hz < 3500)
    assert np.polyfit(np.log(hz[inside]), np.log(power[inside]), 1)[0] == pytest.approx(-slope, abs=0.1)


def test_a_hum_is_lines_at_multiples_of_one_frequency():
    hz, power = scipy.signal.periodogram(NOISES["hum"](scene(8)), RATE, window="blackman")
    peaks = hz[scipy.signal.find_peaks(power, power.max() * 1e-6, distance=8 * 40)[0]]
    fundamental = peaks[0]
    assert 45 <= fundamental <= 65
    assert np.allclose(peaks / fundamental, np.rint(peaks / fundamental), atol=0.1)


def test_the_turns_of_an_engine_change():
    noise = NOISES["engine"](scene(8))
    _, _, power = scipy.signal.spectrogram(noise, RATE, nperseg=1024)
    assert len(set(power[:25].argmax(axis=0).tolist())) > 2


@pytest.mark.parametrize(("name", "least"), [("impacts", 8), ("rain", 3.2), ("white", 2.7)])
def test_impacts_and_rain_are_peaks(name, least):
    """By the kurtosis, which is 3 for Gaussian noise."""
    noise = NOISES[name](scene(8))
    assert np.mean(noise**4) / np.mean(noise**2) ** 2 > least


def test_gusts_come_and_go():
    noise = NOISES["gusts"](scene(8))
    loudness = np.square(noise[: len(noise) // 800 * 800]).reshape(-1, 800).mean(axis=1)
    assert loudness.max() > 20 * np.quantile(loudness, 0.1)


def test_babble_is_of_other_speakers_alone():
    n = 4 * RATE
    other = np.sin(2 * np.pi * 440 * np.arange(n) / RATE)
    noise = NOISES["babble"](Scene(np.ones(n), [other], RATE, np.random.default_rng(0)))
    hz, power = scipy.signal.periodogram(noise, RATE)
    assert power[np.abs(hz - 440) > 1].sum() < 1e-6 * power.sum()


def test_reverberation_begins_late_and_decays():
    click = np.zeros(2 * RATE)
    click[100] = 1
    noise = NOISES["reverberation"](scene(2, speech=click))
    begin = 100 + round(EARLY_S * RATE)
    assert np.abs(noise[: begin - 1]).max() < 1e-9
    energies = [np.square(noise[begin + k * 800 : begin + (k + 1) * 800]).sum() for k in range(3)]
    assert energies[0] > 2 * energies[1] > 4 * energies[2] > 0


# The reader.


def test_a_clip_is_its_speech_and_its_noise(data):
    for part in (data.train, data.test):
        for frames, targets in zip(part.frames, part.targets, strict=True):
            speech, noise, voice = targets[:, :HOP], targets[:, HOP:-1], targets[:, -1]
            assert np.array_equal(frames, speech + noise)
            assert np.abs(frames).max() <= 1
            assert set(voice) <= {0.0, 1.0}
            quiet = np.square(speech).sum(axis=1) < 1e-4 * np.square(speech).sum(axis=1).max()
            assert not voice[quiet].any()
            assert voice.any()


def test_the_ratios_noises_and_speakers_are_those_of_the_recipe(data):
    for part, noises, speakers, low, high in (
        (data.train, DEFAULTS["noises"].default, {"ann", "ben"}, -5, 20),
        (data.test, DEFAULTS["test_noises"].default, {"cat", "dan"}, 5, 5),
    ):
        words = [source.split(": ")[1].split() for source in part.sources]
        assert {each[0] for each in words} <= speakers
        assert {each[2] for each in words} == set(noises)
        for each, targets in zip(words, part.targets, strict=True):
            energies = [np.square(targets[:, at].astype(float)).sum() for at in (slice(HOP), slice(HOP, -1))]
            ratio = 10 * np.log10(energies[0] / energies[1])
            assert ratio == pytest.approx(float(each[4]), abs=0.06)
            assert low <= ratio + 1e-3 and ratio - 1e-3 <= high  # noqa: PT018


def test_babble_at_a_test_is_of_its_own_speakers(speakers, monkeypatch):
    heard = []
    monkeypatch.setattr(
        reader._Part, "_speech", lambda part, name: heard.append(name) or np.ones(part._length, np.float32)
    )
    read_data("denoise", speakers, {**SMALL, "noises": ["white"], "clips": 1, "test_noises": ["babble"]})
    pairs = list(zip(heard[1::2], heard[2::2], strict=True))  # behind the one clip of the training part
    assert pairs == [("cat", "dan"), ("dan", "cat")] * 2 + [("cat", "dan")]


def test_equal_seeds_give_equal_clips(speakers, data):
    again, other = (read_data("denoise", speakers, {**SMALL, "seed": seed}) for seed in (0, 1))
    assert all(map(np.array_equal, data.train.frames, again.train.frames))
    assert not any(map(np.array_equal, data.train.frames, other.train.frames))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"window": 100}, UsageError, "window is 100 and hop 64; expected an even window of a whole number of hops"),
        ({"window": 64}, UsageError, "window is 64 and hop 64"),
        ({"window": 11, "hop": 1}, UsageError, "window is 11 and hop 1; expected an even window"),
        ({"noises": ["wite"]}, UsageError, "noises has 'wite'; did you mean 'white'"),
        ({"test_noises": []}, UsageError, "test_noises is empty; expected some of white, pink"),
        ({"snr_db": [5, -5]}, UsageError, r"snr_db is \[5, -5\] .* expected \[lowest, highest\]"),
        ({"test_snr_db": []}, UsageError, r"test_snr_db \[\]; .* one ratio at least"),
        ({"seconds": 0}, UsageError, "12 and 5 clips of 0 s; expected some of each, longer than 0"),
        ({"test_groups": ["eve"]}, UsageError, "there is no group 'eve' to hold out"),
        ({"test_groups": ["dan"]}, UsageError, "babble needs other speakers, and a part has dan alone"),
        ({"bands": 60}, GraphError, "mel band 0 of 60 contains none of 65 bins"),
        ({"rate_hz": 16000}, FileError, "has 8000 samples per second; expected 16000: resample the file"),
    ],
)
def test_bad_options_are_refused(speakers, options, kind, message):
    with pytest.raises(kind, match=message):
        read_data("denoise", speakers, SMALL | options)


def test_silent_recordings_are_refused(tmp_path):
    for name in SPEAKERS:
        soundfile.write(tmp_path / f"0_{name}_0.wav", np.zeros(800), RATE)
    with pytest.raises(FileError, match="the recordings of 'ann' are silent; remove them"):
        read_data("denoise", tmp_path, SMALL)


# The loss and the metrics.


@pytest.mark.parametrize("hop", [64, 32])
def test_the_loss_hears_what_the_model_answers(speakers, hop):
    """The vectorized transforms of the training give the samples of the exported graph, step by step."""
    small = read_data("denoise", speakers, {**SMALL, "hop": hop})
    recipe = recipes.load("denoise", ["model.hidden=8"])
    torch.manual_seed(1)
    network = Network(recipe.shape, small.width, small.outputs).eval()
    torch.manual_seed(1)
    graph = untrained(recipe, small)
    assert (graph.delay_frames, dict(graph.named_outputs)) == (WINDOW // hop - 1, {"sound": hop, "voice": 1})
    x = small.test.frames[0]
    inputs = run.fixed_dataset(small, small.test).frames(np.random.default_rng(0))[0]
    scores = network(torch.from_numpy(inputs)[None])
    loss = SoundLoss(small.transforms)
    actual = loss.samples(loss.masked(scores, torch.from_numpy(x)[None]))[0].detach().numpy()
    answers = Stepper(graph).run(x)[0]
    assert np.abs(actual - answers[:, :hop]).max() < 1e-5
    assert np.abs(torch.sigmoid(scores[0, :, -1]).detach().numpy() - answers[:, hop]).max() < 1e-5


def test_the_loss_is_least_for_the_right_gains(data):
    loss, frames = SoundLoss(data.transforms), data.train.frames[0]
    speech = data.train.targets[0][:, :HOP]
    for noise, right in ((np.zeros_like(speech), 9.0), (0.5 * np.roll(speech, 7).astype(np.float32), -9.0)):
        target = np.hstack([speech * (right > 0), noise, np.ones((len(speech), 1), np.float32)])
        batch = padded([frames], [target.astype(np.float32)], 0.0)
        if right < 0:  # nothing but noise: only gains of 0 are right
            target[:, :HOP] = 1e-3 * speech
        losses = {
            score: loss(torch.full((1, len(frames), BANDS + 1), score), batch)[0].item() for score in (-9.0, 0.0, 9.0)
        }
        without_voice = {score: value - _voice(score) for score, value in losses.items()}
        assert min(without_voice, key=without_voice.get) == right


def _voice(score):
    return 0.1 * float(np.log1p(np.exp(-score)))


def test_padding_and_late_steps_do_not_count(data):
    loss, steps = SoundLoss(data.transforms), len(data.train.frames[0])
    torch.manual_seed(0)
    scores = torch.randn(1, steps, BANDS + 1)
    alone = loss(scores, padded(data.train.frames[:1], data.train.targets[:1], 0.0))[0]
    target = np.asarray(data.train.targets[0]).copy()
    longer = padded([np.zeros((steps + 5, HOP), np.float32)], [np.pad(target, ((0, 5), (0, 0)))], 0.0)
    longer.mask[:, steps:] = False
    more = torch.cat([scores, torch.randn(1, 5, BANDS + 1)], 1)
    assert loss(more, longer)[0].item() == pytest.approx(alone.item(), abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_si_sdr_is_that_of_torchmetrics(seed):
    random = np.random.default_rng(seed)
    truth = random.standard_normal(4000)
    estimate = random.uniform(0.1, 3) * truth + random.uniform(0.01, 2) * random.standard_normal(4000)
    expected = scale_invariant_signal_distortion_ratio(torch.from_numpy(estimate), torch.from_numpy(truth))
    assert si_sdr_db(estimate, truth) == pytest.approx(float(expected), abs=1e-6)


def test_si_sdr_of_silence_is_finite():
    assert np.isfinite([si_sdr_db(np.zeros(9), np.ones(9)), si_sdr_db(np.ones(9), np.zeros(9))]).all()


# A training, and its model everywhere.


@pytest.fixture(scope="module")
def trained(speakers, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    settings = [f"data.{key}={json.dumps(value)}" for key, value in SMALL.items()]
    recipe = recipes.load("denoise", [*settings, "model.hidden=8", "training.epochs=8", "training.batch=3"])
    return run.train(recipe, speakers, out), out


def test_a_training_improves_and_reports(trained):
    result, out = trained
    losses = [each["loss"] for each in result.history]
    assert losses[-1] < losses[0] - 0.1
    assert set(result.metrics) == {"si-sdr gain", "si-sdr noisy", "si-sdr denoised", "accuracy voice"}
    assert next(iter(result.metrics)) == "si-sdr gain"
    assert result.metrics["si-sdr noisy"] == pytest.approx(5, abs=2)  # noise may be like the speech
    assert "leaving the sound as it is" in result.baselines[0]
    page = Page((out / "report.html").read_text())
    assert page.stands_alone()
    assert page.text.count("SI-SDR from") == 3


@pytest.mark.parametrize("precision", ["", "static_wi8_ai8"])
@pytest.mark.parametrize("suffix", [each for each in suffixes() if each != ".rnn"])
def test_every_format_gives_the_same_sound(trained, data, suffix, precision, tmp_path):
    graph = edgernn.load(trained[1] / "model.rnn")
    if precision:
        graph = edgernn.quantize(edgernn.calibrate(graph, data.train.frames), precision)
    x = data.test.frames[0]
    edgernn.save(graph, tmp_path / "m.rnn")
    export(graph, tmp_path / f"m{suffix}")
    ours, theirs = (edgernn.open(tmp_path / f"m{each}").stream().run(x) for each in (".rnn", suffix))
    assert {name: part.shape for name, part in theirs.items()} == {"sound": (len(x), HOP), "voice": (len(x), 1)}
    for name, part in theirs.items():
        assert np.abs(part - ours[name]).max() < 1e-5, name


def test_what_makes_no_sense_for_sound_is_refused(trained, speakers, data):
    settings = [f"data.{key}={json.dumps(value)}" for key, value in SMALL.items()]
    both = recipes.load("denoise", [*settings, "model.bidirectional=mean"])
    with pytest.raises(UsageError, match=r"trains a model of a stream of sound, .* train in one direction"):
        run.train_on(data, both, trained[1] / "none")
    with pytest.raises(UsageError, match="and the data is sound; train without a teacher"):
        Teacher(Distillation(edgernn.load(trained[1] / "model.rnn")), data)
    louder = recipes.load("denoise", [*settings, "augment.gain_db=3"])
    with pytest.raises(UsageError, match="needs audio with one class per clip"):
        run.train_on(data, louder, trained[1] / "none")


def test_units_are_ranked_by_what_the_sound_loses(trained, data):
    recipe = recipes.load("denoise", ["model.hidden=8"])
    scores = taylor(edgernn.load(trained[1] / "model.rnn"), recipe, data, 2)
    for name in ("layers_0.h", "layers_1.h"):
        assert scores[name].shape == (8,)
        assert (scores[name] > 0).any()


# Whole recordings.


def passing(hop=HOP, window=WINDOW, gain=40.0, period_ms=1000 * HOP / RATE):
    """A model whose gains and voice are 1: the sigmoid of 40."""
    taper = Tensor(np.sqrt(np.hanning(window + 1)[:-1]).astype(np.float32))
    width = window + 2
    transforms = Transforms(
        Stft(hop, window, taper),
        LogBands(width, RATE, BANDS),
        BandMask(width, RATE, BANDS),
        Istft(width, hop, window, taper),
    )
    scores = Dense(Tensor(np.zeros((BANDS + 1, BANDS), np.float32)), Tensor(np.full(BANDS + 1, gain, np.float32)))
    before = (Layer("stft", transforms.stft), Layer("bands", transforms.bands), Layer("head", scores))
    late = transforms.delay_frames
    return Graph(
        (*before, *transforms.layers),
        hop,
        period_ms=period_ms,
        named_outputs=transforms.outputs,
        delay_frames=late,
        warmup_frames=late,
    )


@pytest.fixture(scope="module", params=[64, 32])
def open_all(request, tmp_path_factory):
    """A program whose gains and voice are 1."""
    path = tmp_path_factory.mktemp("models") / "open.rnn"
    edgernn.save(passing(request.param, period_ms=1000 * request.param / RATE), path)
    return edgernn.open(path)


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 1000])
def test_gains_of_one_give_the_recording_back_without_a_delay(open_all, samples):
    sound = np.random.default_rng(0).uniform(-1, 1, (samples, 3)).astype(np.float32)
    result = edgernn.denoise(open_all, sound, RATE)
    assert result.sound.shape == sound.shape
    assert np.abs(result.sound - sound).max() < 1e-6
    assert result.voice.shape == (-(-samples // open_all.manifest.inputs), 3)
    assert (result.voice > 0.99).all()


def test_channels_do_not_know_each_other(trained):
    program = edgernn.open(trained[1] / "model.rnn")
    sound = 0.1 * np.random.default_rng(0).standard_normal((700, 2)).astype(np.float32)
    both = edgernn.denoise(program, sound, RATE)
    for k in range(2):
        one = edgernn.denoise(program, sound[:, k], RATE)
        assert np.array_equal(one.sound, both.sound[:, k])
        assert np.array_equal(one.voice, both.voice[:, k])


@pytest.mark.parametrize(
    ("sound", "rate_hz", "kind", "message"),
    [
        (np.zeros(99), 16000, UsageError, "the sound has 16,000 samples per second, and '.*' takes 8,000; convert the"),
        (np.zeros(0), RATE, FrameError, r"sound of shape \(0,\) arrived; expected \(samples,\)"),
        (np.zeros((9, 2, 2)), RATE, FrameError, r"sound of shape \(9, 2, 2\) arrived"),
        (np.array([0, np.nan]), RATE, FrameError, "sample 1 of the sound is not finite; expected numbers from -1 to 1"),
    ],
)
def test_bad_sound_is_refused(open_all, sound, rate_hz, kind, message):
    with pytest.raises(kind, match=message):
        edgernn.denoise(open_all, sound, rate_hz)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            lambda: Graph((Layer("d", Dense(Tensor(np.ones((2, 64), np.float32)))),), 64),
            "answers 2 values; expected a model",
        ),
        (lambda: passing(period_ms=None), "has no period, so its sample rate is unknown; export it with --period"),
    ],
)
def test_a_model_that_does_not_denoise_is_refused(graph, message, tmp_path):
    edgernn.save(graph(), tmp_path / "m.rnn")
    with pytest.raises(UnsupportedError, match=message):
        edgernn.denoise(edgernn.open(tmp_path / "m.rnn"), np.zeros(99), RATE)


@pytest.fixture
def command(tmp_path):
    edgernn.save(passing(), tmp_path / "m.rnn")

    def run_it(*arguments, out="out.wav", model="m.rnn"):
        given = ["denoise", str(tmp_path / "in.wav"), str(tmp_path / out), "--model", str(tmp_path / model)]
        return CliRunner().invoke(cli, [*given, *arguments])

    return run_it


@pytest.mark.parametrize("channels", [1, 2])
def test_the_command_writes_the_sound(command, channels, tmp_path):
    sound = np.random.default_rng(0).uniform(-0.9, 0.9, (1000, channels))
    soundfile.write(tmp_path / "in.wav", sound, RATE, "FLOAT")
    result = command("--json")
    facts = json.loads(result.output)
    assert (facts["seconds"], facts["channels"], facts["rate_hz"], facts["voice"]) == (0.125, channels, RATE, 1.0)
    assert facts["delay_ms"] == 8
    assert facts["times_real_time"] > 0
    assert facts["notes"] == []
    written, rate_hz = soundfile.read(tmp_path / "out.wav", always_2d=True)
    assert rate_hz == RATE
    assert np.abs(written - sound).max() < 1e-4
    assert "in a stream it is 8 ms late" in command().output


@pytest.mark.parametrize(
    ("sound", "note"),
    [
        (np.zeros(300), "the recording is silent, and so is the result"),
        (np.ones(300), "the recording is clipped at 300 samples, which no model restores"),
        (np.full(300, 1.5), "the result is clipped at .* samples: it is louder than full scale"),
    ],
)
def test_the_command_tells_of_silence_and_clipping(command, sound, note, tmp_path):
    soundfile.write(tmp_path / "in.wav", sound, RATE, "FLOAT")
    result = command()
    assert result.exit_code == 0
    assert re.search(note, result.stderr)
    assert np.abs(soundfile.read(tmp_path / "out.wav")[0]).max() <= 1


@pytest.mark.parametrize(
    ("rate_hz", "samples", "out", "message"),
    [
        (16000, 100, "out.wav", "the sound has 16,000 samples per second, and '"),
        (RATE, 0, "out.wav", "sound of shape (0,) arrived"),
        (RATE, 100, "out.mp3", "expected a name that ends in .wav"),
        (RATE, 100, "none/out.wav", "none"),
    ],
)
def test_the_command_refuses_and_writes_nothing(command, rate_hz, samples, out, message, tmp_path):
    soundfile.write(tmp_path / "in.wav", np.zeros(samples), rate_hz)
    result = command(out=out)
    assert result.exception is not None
    assert message in str(result.exception)
    assert isinstance(result.exception, EdgernnError)
    assert {each.name for each in tmp_path.iterdir()} == {"in.wav", "m.rnn"}


def test_a_recording_that_ends_early_is_refused(command, tmp_path):
    soundfile.write(tmp_path / "in.wav", np.zeros(1000), RATE)
    whole = (tmp_path / "in.wav").read_bytes()
    (tmp_path / "in.wav").write_bytes(whole[:-100])
    assert "is truncated" in str(command().exception)
    assert not (tmp_path / "out.wav").exists()


# The report.


def test_players_hold_the_sound(data):
    frames, targets = data.test.frames[0], data.test.targets[0]
    clip = heard(np.hstack([frames, frames[:, :1]]), frames, targets, data.test.sources[0], data)
    files = re.findall(r"base64,([^\"]*)", sounds.players(clip))
    assert len(files) == 3
    played, rate_hz = soundfile.read(io.BytesIO(b64decode(files[0])))
    assert rate_hz == RATE
    assert np.abs(played - clip.noisy).max() < 1e-4
    assert sounds.players(replace(clip, rate_hz=200_000.0)) == ""
    assert sounds.spectrogram(clip).count("<image") == 3


def test_the_report_shows_the_worst_the_median_and_the_best_clip():
    class Clip:
        def __init__(self, gain_db):
            self.gain_db = gain_db

    shown = sounds.chosen([Clip(each) for each in (3.0, 9.0, 5.0, 1.0, 7.0)])
    assert [each.gain_db for each in shown] == [1.0, 5.0, 9.0]
    assert [each.gain_db for each in sounds.chosen([Clip(2.0)])] == [2.0]
