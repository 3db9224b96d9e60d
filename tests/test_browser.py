"""A browser runs what was exported: an AudioWorklet spots spoken digits, and the page of `--as demo` shows them."""

import csv
import io
import time
import wave
from importlib.util import find_spec

import numpy as np
import pytest

import browser
import edgernn
from edge import edge
from edgernn.train import recipe as recipes, run
from edgernn.train.data.wav import samples
from edgernn_export import export, export_project
from zoo import frames, keyword_spotter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(browser.MISSING), reason=browser.MISSING),
    pytest.mark.skipif(not find_spec("ziglang"), reason="ziglang is not installed"),
]

SPEAKERS = ("jackson", "theo")
CLIPS = [f"{digit}_{speaker}_1.wav" for digit in range(10) for speaker in SPEAKERS]
"""Of the test part of the official split: the network was trained on none of them."""

RIGHT = 17  # of the 20 clips


@pytest.fixture(scope="module")
def recordings(data):
    return data / "fsdd/recordings"


@pytest.fixture(scope="module")
def spotter(recordings, tmp_path_factory):
    """A network of the recipe that two speakers taught for a few epochs."""
    folder = tmp_path_factory.mktemp("spotter")
    (folder / "clips").mkdir()
    for speaker in SPEAKERS:
        for path in recordings.glob(f"*_{speaker}_*.wav"):
            (folder / "clips" / path.name).symlink_to(path)
    run.train(recipes.load("spoken-digits", ["training.epochs=12"]), folder / "clips", folder / "run")
    return edgernn.load(folder / "run/model.rnn")


@pytest.fixture(scope="module")
def sounds(recordings):
    """The samples of each clip, whole frames of 80."""
    result = {name: samples(recordings / name)[0].astype(np.float32) for name in CLIPS}
    return {name: sound[: len(sound) // 80 * 80] for name, sound in result.items()}


@pytest.fixture(scope="module")
def spoken(sounds, tmp_path_factory):
    """All clips one after another as a file, which the microphone of the browser plays."""
    path = tmp_path_factory.mktemp("spoken") / "all.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        whole = np.concatenate([*sounds.values()])
        file.writeframes((whole * 32768).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def session(spoken, tmp_path_factory):
    with browser.browser(tmp_path_factory.mktemp("browser"), f"--use-file-for-fake-audio-capture={spoken}") as opened:
        yield opened


def native(graph, sound, folder):
    """The answers of compiled code to a clip, (time, 10)."""
    path = folder / "native.so"
    if not path.exists():
        export(graph, path)
    return edgernn.open(path).stream().run(sound.reshape(-1, 80))


PROCESSOR = """
import { instantiate } from "./kws.mjs";
class Processor extends AudioWorkletProcessor {
  constructor({ processorOptions: { bytes } }) {
    super();
    const model = instantiate(bytes);
    this.stream = model.stream();
    this.frame = new Float32Array(model.inputs);
    this.filled = 0;
    this.port.onmessage = () => this.stream.reset();
  }
  process([[channel]]) {
    for (const sample of channel ?? []) {
      this.frame[this.filled++] = sample;
      if (this.filled < this.frame.length) continue;
      this.port.postMessage([...this.stream.step(this.frame)]);
      this.filled = 0;
    }
    return true;
  }
}
registerProcessor("kws", Processor);
"""
WORKLET = """
const [sounds] = arguments;
const bytes = await (await fetch("kws.wasm")).arrayBuffer();
const result = [];
for (const sound of sounds) {
  const context = new OfflineAudioContext(1, sound.length, 8000);
  await context.audioWorklet.addModule("processor.mjs");
  const node = new AudioWorkletNode(context, "kws", { processorOptions: { bytes } });
  const answers = [];
  const all = new Promise((resolve, reject) => {
    node.port.onmessage = ({ data }) => { answers.push(data); if (answers.length === sound.length / 80) resolve(); };
    node.onprocessorerror = () => reject(new Error("the processor failed"));
  });
  const buffer = context.createBuffer(1, sound.length, 8000);
  buffer.copyToChannel(new Float32Array(sound), 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(node).connect(context.destination);
  source.start();
  await context.startRendering();
  await all;
  result.push(answers.slice(0, sound.length / 80)); // the last quantum of 128 samples is filled up with zeros
}
return result;
"""


@pytest.mark.parametrize("precision", ["fp32", "static_wi8_ai8"])
def test_an_audio_worklet_spots_digits_as_native_code_does(precision, spotter, sounds, session, tmp_path):
    graph = spotter
    if precision != "fp32":
        ranged = edgernn.calibrate(graph, [sound.reshape(-1, 80) for sound in sounds.values()])
        graph = edgernn.quantize(ranged, precision)
    export(graph, tmp_path / "kws.wasm")
    (tmp_path / "processor.mjs").write_text(PROCESSOR)
    (tmp_path / "index.html").write_text("<!doctype html><title>test</title>")
    chosen = sounds if precision == "fp32" else dict([*sounds.items()][::4])
    with browser.served(tmp_path) as address:
        session.open(f"{address}/index.html")
        answers = session.script(WORKLET, [sound.tolist() for sound in chosen.values()])
    right = 0
    for (name, sound), each in zip(chosen.items(), answers, strict=True):
        expected = native(graph, sound, tmp_path)
        if precision == "static_wi8_ai8":
            np.testing.assert_array_equal(np.float32(each), expected, err_msg=name)
        else:
            np.testing.assert_allclose(each, expected, atol=2e-3, err_msg=name)
        assert np.argmax(each[-1]) == expected[-1].argmax()
        right += int(np.argmax(each[-1])) == int(name[0])
    assert right >= RIGHT * len(chosen) // len(sounds)


@pytest.fixture(scope="module")
def page(spotter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "digits"
    export_project(spotter, folder, "demo")
    return folder


STATUS = "return document.getElementById('status').textContent + document.getElementById('problem').textContent"
TEXT = "return document.getElementById(arguments[0]).textContent"
SAVED = "return (await fetch(document.getElementById('save').href)).text()"


def until(session, *texts):
    """The status of the page, once it holds one of these."""
    end = time.monotonic() + browser.SECONDS
    while time.monotonic() < end:
        status = session.script(STATUS)
        if any(text in status for text in texts):
            return status
        time.sleep(0.05)
    raise AssertionError(f"{status!r} stays; expected one of {texts}")


def loaded(session, address):
    session.open(address)
    session.script(
        "while (!document.body.dataset.ready) await new Promise((resolve) => setTimeout(resolve, 10)); return true"
    )


def saved_scores(session):
    lines = [*csv.reader(io.StringIO(session.script(SAVED)))]
    return lines[0], np.array(lines[1:], np.float32)


@pytest.mark.parametrize("way", ["server", "file"])
def test_the_page_spots_digits_in_files(way, page, spotter, recordings, sounds, session, tmp_path):
    with browser.served(page) as address:
        loaded(session, f"{address}/index.html" if way == "server" else (page / "index.html").as_uri())
        for name in CLIPS[:: 4 if way == "server" else 8]:
            session.type("#file", str(recordings / name))
            assert until(session, f"{name}: ") == f"{name}: {len(sounds[name]) // 80} steps from the initial state."
            labels, scores = saved_scores(session)
            expected = native(spotter, sounds[name], tmp_path)
            assert labels == [*"0123456789"]
            np.testing.assert_allclose(scores, expected, atol=2e-3)
            assert session.script(TEXT, "answer") == labels[expected[-1].argmax()]
            assert session.script(TEXT, "time").startswith("Median ")
        fetched = session.script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert all(each.startswith((address, "blob:", "data:", page.as_uri())) for each in fetched), fetched


def test_the_page_hears_the_microphone(page, session):
    with browser.served(page) as address:
        loaded(session, f"{address}/index.html")
        session.click("#live")
        until(session, "Running.")
        answers = set()
        end = time.monotonic() + browser.SECONDS
        while len(answers - {"-"}) < 2 and time.monotonic() < end:
            answers.add(session.script(TEXT, "answer"))
            time.sleep(0.05)
        session.click("#reset")
        session.click("#live")
        assert until(session, "Stopped after ").endswith(" steps.")
        _, scores = saved_scores(session)
    assert answers - {"-"} <= {*"0123456789"}
    assert len(answers - {"-"}) >= 2  # it does not stay at one digit
    assert len(scores) > 20
    assert np.isfinite(scores).all()


def test_the_page_steps_frames_of_a_file_or_random_ones(session, tmp_path):
    graph = keyword_spotter()
    xs = frames(graph, 30)
    edge("export", saved(graph, tmp_path), tmp_path / "plain", "--as", "demo")
    head = ",".join(f"x{i}" for i in range(graph.inputs))
    lines = [",".join(map(repr, x.tolist())) for x in xs]
    (tmp_path / "frames.csv").write_text("\n".join([head, *lines, ""]))
    (tmp_path / "short.csv").write_text("\n".join([*lines[:3], "1,2,3", ""]))
    loaded(session, (tmp_path / "plain/index.html").as_uri())
    session.type("#file", str(tmp_path / "frames.csv"))
    assert until(session, "frames.csv: ") == "frames.csv: 30 steps from the initial state."
    _, scores = saved_scores(session)
    export(graph, tmp_path / "native.so")
    np.testing.assert_allclose(scores, edgernn.open(tmp_path / "native.so").stream().run(xs), atol=1e-5)
    session.type("#file", str(tmp_path / "short.csv"))
    complaint = f"line 4 of the numbers has 3 cells; expected {graph.inputs} numbers with commas"
    assert complaint in until(session, "line 4")
    session.click("#live")
    until(session, "Running.")
    time.sleep(0.2)
    session.click("#live")
    until(session, "Stopped after ")
    assert len(saved_scores(session)[1]) > 2


def saved(graph, folder):
    edgernn.save(graph, folder / "m.rnn")
    return folder / "m.rnn"
