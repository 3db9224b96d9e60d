"""Artifacts: the same bytes each time, trusted only with a right checksum, and refused in clear words."""

import os
import subprocess
import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.artifact import checksum, manifest
from edgernn.artifact.rnn import digest
from edgernn.cells import Activation, Dense
from edgernn.device.runtimes import suffixes
from edgernn.errors import FileError, MissingExtraError, ParityError, UnsupportedError, UsageError
from edgernn.files import atomic
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.passes.quantize import quantize
from edgernn_export import export, translate
from edgernn_export.targets import TARGETS
from edgernn_export.targets.destination import destination_of
from edgernn_export.targets.naming import named_trace
from zoo import GRAPHS, keyword_spotter

SUFFIXES = sorted(set(TARGETS) & set(suffixes()))
KWS = keyword_spotter()


def render(graph, name):
    return translate.render(graph, name)[name]


DATA = {suffix: render(KWS, f"kws{suffix}") for suffix in SUFFIXES}


@pytest.fixture(params=SUFFIXES)
def suffix(request):
    return request.param


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("target", sorted({*SUFFIXES} - {".so"}))
def test_the_same_graph_gives_the_same_bytes(name, target):
    """Without the proof; a compiler is asked for the same bytes in test_bytes_do_not_depend_on_the_process."""
    write, destination = import_module(TARGETS[target].module).render, destination_of(f"m{target}")
    assert write(GRAPHS[name], "m", destination) == write(GRAPHS[name], "m", destination)


def test_bytes_do_not_depend_on_the_process(suffix, tmp_path):
    edgernn.save(KWS, tmp_path / "m.rnn")
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}{suffix}"
        command = [sys.executable, "-m", "edgernn_export", tmp_path / "m.rnn", out]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True)
        assert out.read_bytes() == DATA[suffix]


def test_a_manifest_has_the_origin_of_its_artifact(suffix):
    parsed = manifest.parse_manifest(DATA[suffix], "kws")
    assert parsed.graph == digest(KWS)
    assert parsed.version == edgernn.__version__
    assert (parsed.precision, parsed.period_ms, parsed.labels) == ("fp32", 10.0, KWS.labels)
    assert replace(parsed, cpu="") == manifest.graph_manifest(KWS)


def test_a_manifest_has_the_exact_initial_state(suffix):
    graph = GRAPHS["Gru rest"]
    parsed = manifest.parse_manifest(render(graph, f"m{suffix}"), "m")
    np.testing.assert_array_equal(np.float32(parsed.initial_state["layer.h"]), graph.initial_state["layer.h"].stored)


def test_other_programs_find_the_metadata():
    props = {prop.key: prop.value for prop in onnx.load_from_string(DATA[".onnx"]).metadata_props}
    assert props["edgernn"].startswith('{"edgernn.sha256":"')
    model = schema.ModelT.InitFromPackedBuf(DATA[".tflite"])
    entries = {entry.name.decode(): entry for entry in model.metadata}
    assert entries.keys() == props.keys() == {"edgernn", "edgernn.graph"}
    assert bytes(model.buffers[entries["edgernn"].buffer].data).decode() == props["edgernn"].replace(
        checksum.verify(DATA[".onnx"], ""), checksum.verify(DATA[".tflite"], "")
    )


def test_a_tflite_file_has_a_signature():
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=DATA[".tflite"], num_threads=1)
    assert interpreter.get_signature_list() == {"step": {"inputs": ["gru.h.in", "x"], "outputs": ["gru.h.out", "y"]}}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_altered_bit_is_found_before_a_runtime_sees_it(data):
    suffix = data.draw(st.sampled_from(SUFFIXES))
    altered = bytearray(DATA[suffix])
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FileError, match=r"altered|edgernn did not write"):
        checksum.verify(bytes(altered), "m")


@pytest.mark.parametrize("length", [0, 1, 100, 4000])
def test_a_truncated_file_is_refused(suffix, length, tmp_path):
    (tmp_path / f"m{suffix}").write_bytes(DATA[suffix][:length])
    with pytest.raises(FileError, match=rf"m{suffix}'(, or the file is truncated: it has no checksum| was truncated)"):
        edgernn.open(tmp_path / f"m{suffix}")


def test_a_foreign_file_is_refused(suffix, tmp_path):
    (tmp_path / f"m{suffix}").write_bytes(b"something else")
    with pytest.raises(FileError, match="edgernn did not write") as caught:
        edgernn.open(tmp_path / f"m{suffix}")
    assert "again" not in str(caught.value)  # what edgernn did not write, it cannot export again
    others = suffix in {".onnx", ".tflite"}  # which other tools write too
    for verb in ("import", "adopt"):
        assert (f"`edgernn {verb} {tmp_path}/m{suffix}" in str(caught.value)) == others


def test_a_file_of_one_kind_under_the_name_of_another_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(DATA[".tflite"])
    with pytest.raises(FileError, match=r"onnxruntime .* refuses '.*m.onnx'"):
        edgernn.open(tmp_path / "m.onnx")
    (tmp_path / "m.tflite").write_bytes(DATA[".onnx"])
    with pytest.raises(FileError, match=r"ai-edge-litert .* refuses"):
        edgernn.open(tmp_path / "m.tflite")


def with_blank_checksum(data: bytes) -> bytes:
    return data.replace(checksum.verify(data, "").encode(), checksum.BLANK.encode())


def test_a_state_that_is_not_fed_back_cannot_be(tmp_path):
    """A file with a right checksum whose output has another name than in its manifest: the wiring is checked, not trusted."""
    model = onnx.load_from_string(with_blank_checksum(DATA[".onnx"]))
    for node in model.graph.node:
        node.output[:] = ["lost" if name == "gru.h.out" else name for name in node.output]
        node.input[:] = ["lost" if name == "gru.h.out" else name for name in node.input]
    model.graph.output[1].name = "lost"
    (tmp_path / "m.onnx").write_bytes(checksum.fill(model.SerializeToString(deterministic=True)))
    with pytest.raises(FileError, match=r"gru.h.out: None.*it should have gru.h.out: \(\(1, 16\), 'float32'\)"):
        edgernn.open(tmp_path / "m.onnx")


def test_a_manifest_of_another_width_is_refused(suffix, tmp_path):
    wrong = with_blank_checksum(DATA[suffix]).replace(b'"edgernn.inputs":10', b'"edgernn.inputs":11')
    (tmp_path / f"m{suffix}").write_bytes(checksum.fill(wrong))
    with pytest.raises(
        FileError, match=r"has (x: \(\(1, 10\)|inputs.* of \(10,).*; it should have (x: \(\(1, 11\)|\(11,)"
    ):
        edgernn.open(tmp_path / f"m{suffix}")


def test_a_manifest_of_another_version_is_refused(suffix, tmp_path):
    wrong = with_blank_checksum(DATA[suffix]).replace(b'"edgernn.inputs"', b'"edgernn.entrys"')
    (tmp_path / f"m{suffix}").write_bytes(checksum.fill(wrong))
    with pytest.raises(FileError, match="was written by another version of edgernn"):
        edgernn.open(tmp_path / f"m{suffix}")


@pytest.mark.parametrize("name", ["m.h5", "m", "m.onnx.bak", ".onnx"])
def test_an_unknown_suffix_is_refused(name, tmp_path):
    with pytest.raises(UsageError, match=r"no backend opens '.*'; there are .onnx, .rnn, .so, .tflite"):
        edgernn.open(tmp_path / name)
    with pytest.raises(UsageError, match=r"no target writes '.*'; there are .c, .dll, .dylib, .onnx, .so, .tflite"):
        export(KWS, tmp_path / name)


def test_an_unwritable_path_leaves_nothing(suffix, tmp_path):
    with pytest.raises(FileError, match="cannot be written"):
        export(KWS, tmp_path / "missing" / f"m{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_writes_something_else_leaves_no_file(suffix, tmp_path, monkeypatch):
    """The proof runs on what was written: break an operation of the target and see."""
    from edgernn_export.targets.c.float_ops import CFloatOps
    from edgernn_export.targets.onnx.operations import OnnxOps
    from edgernn_export.targets.tflite.operations import TfliteOps

    atomic.write(tmp_path / f"m{suffix}", b"old")
    for words in (CFloatOps, OnnxOps, TfliteOps):
        monkeypatch.setattr(words, "subtract", words.add)
    with pytest.raises(ParityError, match=r"differs from numpy at step 0|fails its own test"):
        export(KWS, tmp_path / f"m{suffix}")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


MISSING = {
    ".onnx": ("edgernn.runtime.backends.onnxruntime", ["onnxruntime"], r"'onnxruntime', which is not installed: pip install 'edgernn\[ort\]'"),
    ".tflite": (
        "edgernn.runtime.backends.tflite",
        ["ai_edge_litert.interpreter", "tflite_runtime.interpreter"],
        r"'ai-edge-litert', which is not installed: pip install 'edgernn\[litert\]'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("suffix", MISSING)
def test_a_missing_runtime_is_answered_with_the_command(suffix, tmp_path, monkeypatch):
    module, packages, words = MISSING[suffix]
    (tmp_path / f"m{suffix}").write_bytes(DATA[suffix])
    monkeypatch.delitem(sys.modules, module)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=words):
        edgernn.open(tmp_path / f"m{suffix}")


MISSING_WRITERS = {
    ".onnx": (["edgernn_export.targets.onnx", "edgernn_export.targets.onnx.target"], ["onnx"]),
    ".tflite": (
        [
            "edgernn_export.targets.tflite.target",
            "edgernn_export.targets.tflite.flat",
            "edgernn_export.targets.tflite.operations",
        ],
        ["flatbuffers", "ai_edge_litert"],
    ),
}


@pytest.mark.parametrize("suffix", MISSING_WRITERS)
def test_a_missing_writer_is_answered_with_the_command(suffix, tmp_path, monkeypatch):
    modules, packages = MISSING_WRITERS[suffix]
    for module in modules:
        monkeypatch.delitem(sys.modules, module)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgernn\[export\]'"):
        export(KWS, tmp_path / f"m{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_module_is_refused(suffix, tmp_path):
    with pytest.raises(UsageError, match="a list arrived; expected a Graph: convert a module with from_torch first"):
        export([], tmp_path / f"m{suffix}")


@pytest.mark.parametrize("kind", ["infinite", "no number"])
def test_a_graph_whose_outputs_are_not_finite_is_proved_too(kind, suffix, tmp_path):
    layers = (Layer("relu", Activation("relu")), Layer("log", Activation("log")))
    graph = Graph(layers if kind == "infinite" else layers[1:], 4)
    export(graph, tmp_path / f"m{suffix}")


def test_a_model_that_amplifies_rounding_is_proved_by_its_own_measure(suffix, tmp_path):
    gru = GRAPHS["Gru"].layers[0].cell
    wild = replace(gru, w=Tensor(gru.w.stored * 100), u=Tensor(gru.u.stored * 100))
    export(Graph((Layer("gru", wild),), 6), tmp_path / f"m{suffix}")


def test_a_scheme_that_a_target_cannot_express_is_refused():
    with pytest.raises(
        UnsupportedError,
        match="layer 'gru' is quantized as dynamic_wi8_afp32, which this target cannot express; there are fp16, or leave the layer in float",
    ):
        named_trace(quantize(KWS), schemes=("fp16",))


def test_a_model_of_large_numbers_is_proved_in_their_measure(suffix, tmp_path):
    export(Graph((Layer("d", Dense(Tensor(np.full((3, 6), 1e6, np.float32) / 7))),), 6), tmp_path / f"m{suffix}")


def test_a_float64_graph_is_written_in_float32(suffix):
    assert manifest.parse_manifest(render(KWS.astype("float64"), f"m{suffix}"), "m").precision == "fp32"


def test_telemetry_is_off_without_being_asked():
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    code = "import os, edgernn.runtime.backends.onnxruntime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
