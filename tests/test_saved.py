"""States in files: they go on bit for bit, in any artifact of their graph, and survive whatever stops a save."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from safetensors.numpy import load as load_safetensors

import disk_faults
import edgernn
from edgernn.errors import FileError, StateError
from edgernn.files import temporary
from edgernn.runtime.parts import flat_answer
from edgernn.runtime.saved import dumps, loads
from edgernn_export import export
from zoo import GRAPHS, begin, frames, keyword_spotter

SUFFIXES = (".rnn", ".onnx", ".tflite", ".so")
SCHEMES = ("fp32", "dynamic_wi8_afp32", "static_wi8_ai8", "static_wi8_ai16")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An artifact of each precision and suffix: (precision, suffix) -> program."""
    begin(5)
    folder, graph = tmp_path_factory.mktemp("saved"), keyword_spotter()
    programs = {}
    for scheme in SCHEMES:
        ranged = edgernn.calibrate(graph, [frames(graph, 200)]) if scheme.startswith("static") else graph
        quantized = graph if scheme == "fp32" else edgernn.quantize(ranged, scheme)
        for suffix in SUFFIXES:
            path = folder / f"{scheme}{suffix}"
            edgernn.save(quantized, path) if suffix == ".rnn" else export(quantized, path)
            programs[scheme, suffix] = edgernn.open(path)
    return programs


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("scheme", "raw"), [*((each, False) for each in SCHEMES), *((each, True) for each in SCHEMES[2:])]
)
def test_a_stream_goes_on_from_its_file_bit_for_bit(scheme, raw, suffix, files, tmp_path):
    program, xs = files[scheme, suffix], frames(keyword_spotter(), 20)
    if raw and "x" in program.manifest.quantization:
        xs = program.manifest.quantization["x"].integers(xs).astype(program.manifest.dtype("x"))
    whole = program.stream(raw=raw).run(xs)
    stream = program.stream(raw=raw)
    stream.run(xs[:7])
    stream.save(tmp_path / "kws.state")
    np.testing.assert_array_equal(program.restore(tmp_path / "kws.state", raw=raw).run(xs[7:]), whole[7:])


@pytest.mark.parametrize("name", ["Lstm", "stack", "Delay exchange", "Conv2d", "Embedding", "Gru shared", "Dense"])
def test_every_kind_of_state_is_saved_and_so_is_none(name, tmp_path):
    graph, path = GRAPHS[name], tmp_path / "a.rnn"
    edgernn.save(graph, path)
    program, xs = edgernn.open(path), frames(graph, 12)
    whole, stream = flat_answer(program.stream().run(xs)), program.stream()
    stream.run(xs[:5])
    stream.save(tmp_path / "a.state")
    np.testing.assert_array_equal(flat_answer(program.restore(tmp_path / "a.state").run(xs[5:])), whole[5:])


def test_a_state_moves_to_another_artifact_of_its_graph_and_to_no_other(files, tmp_path):
    stream = files["fp32", ".so"].stream()
    stream.run(frames(keyword_spotter(), 9))
    stream.save(tmp_path / "a.state")
    for suffix in SUFFIXES:
        moved = files["fp32", suffix].restore(tmp_path / "a.state").state
        np.testing.assert_array_equal(moved["gru.h"], stream.state["gru.h"])
    for scheme in SCHEMES[1:]:
        with pytest.raises(StateError, match="holds states of another model"):
            files[scheme, ".rnn"].restore(tmp_path / "a.state")


def test_the_file_is_one_of_the_safetensors_library(files, tmp_path):
    stream = files["fp32", ".rnn"].stream()
    stream.run(frames(keyword_spotter(), 9))
    stream.save(tmp_path / "a.state")
    arrays = load_safetensors((tmp_path / "a.state").read_bytes())
    np.testing.assert_array_equal(arrays["gru.h"], stream.state["gru.h"][np.newaxis])


def test_no_bit_and_no_length_but_the_true_one_is_read(files):
    manifest = files["fp32", ".rnn"].manifest
    data = dumps(manifest, {0: files["fp32", ".rnn"].stream().state})
    assert loads(data, "a.state", manifest).keys() == {0}
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FileError):
            loads(bytes(flipped), "a.state", manifest)
    for length in range(len(data)):
        with pytest.raises(FileError):
            loads(data[:length], "a.state", manifest)


def test_what_is_not_the_state_of_one_stream_is_refused(files, tmp_path):
    program = files["fp32", ".rnn"]
    streams = program.streams(3)
    streams.save(tmp_path / "none.state")
    streams.join(), streams.join()
    streams.save(tmp_path / "two.state")
    edgernn.save(GRAPHS["Gru"], tmp_path / "g.rnn")
    for name, count in (("none.state", 0), ("two.state", 2)):
        with pytest.raises(FileError, match=rf"{name}' holds the states of {count} streams; expected one"):
            program.restore(tmp_path / name)
    with pytest.raises(FileError, match="holds no states of a stream"):
        program.restore(tmp_path / "g.rnn")
    with pytest.raises(FileError, match=r"missing\.state' cannot be read"):
        program.restore(tmp_path / "missing.state")
    with pytest.raises(FileError, match="cannot be written"):
        program.stream().save(tmp_path / "no folder" / "a.state")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_many_streams_are_one_file(files, data):
    program = files["dynamic_wi8_afp32", ".so"]
    streams, random = program.streams(5), np.random.default_rng(data.draw(st.integers(0, 99)))
    for _ in range(5):
        streams.join()
    streams.step(random.standard_normal((5, 10)).astype(np.float32), range(5))
    for slot in data.draw(st.sets(st.integers(0, 4))):
        streams.leave(slot)
    states = {slot: streams.get_state(slot) for slot in streams.slots}
    with temporary.directory() as folder:
        streams.save(folder / "all.state")
        again = program.streams(5)
        assert again.restore(folder / "all.state") == streams.slots == again.slots
        for slot, state in states.items():
            np.testing.assert_array_equal(again.get_state(slot)["gru.h"], state["gru.h"])
        if states:
            with pytest.raises(StateError, match="is joined"):
                again.restore(folder / "all.state")
        if states.keys() - {0, 1}:
            small = program.streams(2)
            with pytest.raises(StateError, match="is beyond the capacity of 2"):
                small.restore(folder / "all.state")
            assert small.slots == ()


@pytest.mark.slow
def test_a_save_that_fails_or_is_killed_leaves_the_old_state_or_the_new(tmp_path):
    edgernn.save(keyword_spotter(), tmp_path / "m.rnn")
    printed = disk_faults.run(Path(__file__).parent / "saving.py", tmp_path, 7, 60)
    assert all(f"'{kind}': 5" in printed for kind in disk_faults.KINDS), printed
