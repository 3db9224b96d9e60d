"""Damaged graphs and code in packages whose hashes match: refused with an error of ours, or taken with right answers.

The many are tried by `python tests/fuzz_runtimes.py FORMAT --count 2000`.
"""

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import helper

import edgernn
import fuzz_runtimes
from damage import summed
from edgernn.errors import FileError
from edgernn_export.targets.tflite.flat import IDENTIFIER
from edgernn_export.translate import render
from mutants import DAMAGE, sections
from zoo import keyword_spotter

SCRIPT, COUNT = Path(fuzz_runtimes.__file__), 40


@pytest.mark.parametrize("form", DAMAGE)
def test_no_damaged_artifact_is_taken_with_wrong_answers(form):
    """In a process without threads, which forks one for each package."""
    call = [sys.executable, SCRIPT, form, "--count", str(COUNT), "--candidates", "1"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])["outcomes"]
    assert outcomes["refused"] > COUNT // 10
    assert outcomes["taken"] > COUNT // 20  # a changed name, a bit of a section that is not loaded
    assert sum(outcomes.get(each, 0) for each in (*fuzz_runtimes.QUIET, *fuzz_runtimes.ENDED)) <= COUNT


def reading_beyond(data):
    """An `.onnx` that gathers the element of `y` with the index max(x)."""
    model = onnx.load_from_string(data)
    for node in model.graph.node:
        node.output[:] = ["y.whole" if name == "y" else name for name in node.output]
        node.input[:] = ["y.whole" if name == "y" else name for name in node.input]
    model.graph.node.extend(
        (
            helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
            helper.make_node("Cast", ["most"], ["index"], to=onnx.TensorProto.INT64),
            helper.make_node("Gather", ["y.whole", "index"], ["one"], axis=1),
            helper.make_node("Add", ["y.whole", "one"], ["y"]),
        )
    )
    return model.SerializeToString()


def altered(data, change):
    """A `.tflite` whose model was changed, as the object API of the schema has it."""
    model, builder = schema.ModelT.InitFromPackedBuf(data, 0), flatbuffers.Builder(1024)
    change(model)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def without_weights(data):
    """A `.tflite` whose largest buffer of a tensor is gone."""

    def change(model):
        buffers = [model.buffers[tensor.buffer] for tensor in model.subgraphs[0].tensors]
        max(buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data)).data = None

    return altered(data, change)


REFUSED_STEPS = {
    "m.onnx": (reading_beyond, "cannot step this artifact, which may be damaged: .*Gather"),
    "m.tflite": (without_weights, "cannot step this artifact, which may be damaged: Input tensor [0-9]+ lacks data"),
}


@pytest.mark.parametrize("name", REFUSED_STEPS)
def test_a_step_that_a_runtime_refuses_is_an_error_of_ours(name, tmp_path):
    change, reason = REFUSED_STEPS[name]
    (tmp_path / name).write_bytes(summed(change(render(keyword_spotter(), name)[name])))
    program = edgernn.open(tmp_path / name)
    frame, stream = np.full(10, 100, np.float32), program.stream()
    for call in (lambda: stream.step(frame), lambda: stream.run(frame[None]), stream.prime):
        with pytest.raises(FileError, match=reason):
            call()


def test_a_model_whose_tensors_have_no_memory_is_refused(tmp_path):
    """It has no operator, so the runtime gives its inputs none."""
    data = render(keyword_spotter(), "m.tflite")["m.tflite"]
    (tmp_path / "m.tflite").write_bytes(summed(altered(data, lambda model: model.subgraphs[0].operators.clear())))
    program = edgernn.open(tmp_path / "m.tflite")
    with pytest.raises(FileError, match="cannot step this artifact, which may be damaged: Tensor data is null"):
        program.stream()


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite"])
def test_a_name_that_is_no_text_is_refused(name, tmp_path):
    data = render(keyword_spotter(), name)[name]
    (tmp_path / name).write_bytes(summed(data.replace(b"gru.h.out", b"gru.\xff.out")))
    with pytest.raises(FileError, match=f"refuses '.*{name}': 'utf-8' codec can't decode"):
        edgernn.open(tmp_path / name)


def test_many_streams_that_a_runtime_refuses_are_an_error_of_ours(tmp_path):
    (tmp_path / "m.onnx").write_bytes(summed(reading_beyond(render(keyword_spotter(), "m.onnx")["m.onnx"])))
    streams = edgernn.open(tmp_path / "m.onnx").streams(2)
    slots = [streams.join(), streams.join()]
    with pytest.raises(FileError, match="cannot step this artifact"):
        streams.step(np.full((2, 10), 100, np.float32), slots)


def without_a_function(data):
    """A `.so` that says that it makes Python functions, and lacks one."""
    return data.replace(b"\0edgernn_python_step\0", b"\0edgernn_python_stop\0")


def in_need_of_no_text(data):
    """A `.so` that needs another library, whose name is not UTF-8: a name of its own that nothing must have."""
    at = data.index(b"\0__gmon_start__\0") + 1
    start = max(offset for offset, size in sections(data) if offset <= at < offset + size)
    (count,) = re.findall(re.escape(struct.pack("<Q", RELACOUNT)) + b"(?s:.{8})", data)
    renamed = data[:at] + b"\xff" + data[at + 1 :]
    return renamed.replace(count, struct.pack("<2Q", NEEDED, at - start))


NEEDED, RELACOUNT = 1, 0x6FFFFFF9  # tags of the dynamic section, of which the second only says what others say too

LIBRARIES = {
    "it lacks a function of Python": (without_a_function, "it has no function edgernn_python_step"),
    "it needs a library whose name is no text": (in_need_of_no_text, "cannot be loaded here: its names are no text"),
}


@pytest.mark.parametrize("case", LIBRARIES)
def test_a_library_with_other_names_is_refused(case, tmp_path):
    change, reason = LIBRARIES[case]
    data = render(keyword_spotter(), "m.so")["m.so"]
    (tmp_path / "m.so").write_bytes(summed(change(data)))
    with pytest.raises(FileError, match=reason):
        edgernn.open(tmp_path / "m.so")
