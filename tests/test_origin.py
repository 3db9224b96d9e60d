"""The graph that an artifact was made from: exported and imported again it is the same, in every scheme."""

from importlib import import_module

import numpy as np
import pytest

from edgernn import calibrate, quantize
from edgernn.artifact.checksum import BLANK, fill, verify
from edgernn.artifact.rnn import digest
from edgernn.errors import FileError
from edgernn.interpreters.numpy import random_frames
from edgernn.model.tensor import SCHEMES, STATIC
from edgernn_export import from_file
from edgernn_export.origin import text_of
from edgernn_export.sources.suffixes import SOURCES
from edgernn_export.targets.destination import destination_of
from edgernn_export.targets.onnx.target import render as onnx
from edgernn_export.targets.tflite.target import render as tflite
from zoo import GRAPHS, begin, keyword_spotter

RENDER = {".onnx": onnx, ".tflite": tflite}
FLOAT = [scheme for scheme in SCHEMES if scheme not in STATIC]
begin(7)
LARGE = keyword_spotter(hidden=64)


def artifact(graph, suffix):
    (data,) = RENDER[suffix](graph, "m", destination_of(f"m{suffix}")).values()
    return data


@pytest.mark.parametrize("suffix", RENDER)
@pytest.mark.parametrize("scheme", ["", *FLOAT])
def test_what_was_exported_is_imported_as_the_same_graph(tmp_path, scheme, suffix):
    path = tmp_path / f"m{suffix}"
    for name, graph in GRAPHS.items():
        before = (quantize(graph, scheme) if scheme else graph).astype("float32")
        path.write_bytes(artifact(before, suffix))
        assert digest(from_file(path)) == digest(before), name


@pytest.mark.parametrize("suffix", RENDER)
@pytest.mark.parametrize("scheme", STATIC)
def test_integers_are_the_same_graph_too(tmp_path, scheme, suffix):
    path = tmp_path / f"m{suffix}"
    frames = random_frames(10, 0, 50)
    before = quantize(calibrate(LARGE, [frames]), scheme)
    path.write_bytes(artifact(before, suffix))
    assert from_file(path) == before


@pytest.mark.parametrize("suffix", RENDER)
def test_one_other_weight_is_another_graph(tmp_path, suffix):
    """Whatever constant of a file is changed, its text does not decide what the graph is."""
    data, path = artifact(LARGE, suffix), tmp_path / f"m{suffix}"
    blank = data.replace(verify(data, "m").encode(), BLANK.encode())
    constants = import_module(SOURCES[suffix].module("own")).contents(data)[1]
    arrays = [array for array in constants.values() if array.dtype == np.float32 and array.size > 1]
    assert len(arrays) > 3
    for array in arrays:
        at = blank.find(array.tobytes()) + array.nbytes - 1  # sign and exponent of the last number
        path.write_bytes(fill(blank[:at] + bytes([blank[at] ^ 0x80]) + blank[at + 1 :]))
        assert digest(from_file(path)) != digest(LARGE)


@pytest.mark.parametrize("suffix", RENDER)
def test_a_damaged_artifact_is_not_imported(tmp_path, suffix):
    data = artifact(LARGE, suffix)
    (tmp_path / f"m{suffix}").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(FileError, match="truncated or altered"):
        from_file(tmp_path / f"m{suffix}")


def test_the_text_is_no_second_copy_of_the_weights():
    assert len(text_of(LARGE, {name: tensor.stored for name, tensor in LARGE.tensors.items()})) < 500
    assert text_of(LARGE, {}) == ""
