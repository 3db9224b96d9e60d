"""`.rnn` files: a graph is loaded as it was saved, other programs can read them, and any other file is refused."""

import os
import struct

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.artifact import checksum
from edgernn.artifact.rnn import digest, dumps, loads
from edgernn.errors import FileError, UsageError
from edgernn.files import atomic
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.passes.quantize import quantize
from zoo import GRAPHS, keyword_spotter, t


def same(a: Graph, b: Graph) -> bool:
    return (a.layers, a.inputs, dict(a.initial_state), a.period_ms, a.labels) == (
        b.layers,
        b.inputs,
        dict(b.initial_state),
        b.period_ms,
        b.labels,
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_quantized_is_loaded(name, tmp_path):
    graph = quantize(GRAPHS[name])
    edgernn.save(graph, tmp_path / "m.rnn")
    assert same(edgernn.load(tmp_path / "m.rnn"), graph)
    arrays = safetensors.numpy.load_file(tmp_path / "m.rnn")
    for key, tensor in graph.tensors.items():
        np.testing.assert_array_equal(arrays[key], tensor.stored)


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_saved_is_loaded(name, tmp_path):
    edgernn.save(GRAPHS[name], tmp_path / "m.rnn")
    assert same(edgernn.load(tmp_path / "m.rnn"), GRAPHS[name])


@pytest.mark.parametrize("name", GRAPHS)
def test_the_safetensors_library_opens_it(name, tmp_path):
    graph = GRAPHS[name]
    edgernn.save(graph, tmp_path / "m.rnn")
    arrays = safetensors.numpy.load_file(tmp_path / "m.rnn")
    assert arrays.keys() == graph.tensors.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, graph.tensors[key].stored)
    with safetensors.safe_open(tmp_path / "m.rnn", "numpy") as file:
        assert file.metadata()["edgernn.format"] == "1"


def test_float64_survives(tmp_path):
    graph = keyword_spotter().astype("float64")
    edgernn.save(graph, tmp_path / "m.rnn")
    assert edgernn.load(tmp_path / "m.rnn").precision == "fp64"


def test_the_same_graph_gives_the_same_bytes():
    graph = GRAPHS["stack"]
    assert dumps(graph) == dumps(loads(dumps(graph)))
    assert digest(graph) != digest(GRAPHS["Gru"])


SAVED = dumps(keyword_spotter())


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(SAVED) - 1), bit=st.integers(0, 7))
def test_any_altered_bit_is_found(at, bit):
    altered = bytearray(SAVED)
    altered[at] ^= 1 << bit
    with pytest.raises(FileError, match=r"altered|edgernn did not write"):
        loads(bytes(altered))


@settings(max_examples=50, deadline=None)
@given(length=st.integers(0, len(SAVED) - 1))
def test_any_truncated_file_is_found(length):
    with pytest.raises(FileError, match="truncated"):
        loads(SAVED[:length])


def with_checksum(data: bytes, old: bytes, new: bytes) -> bytes:
    """A file with a changed header and a valid checksum."""
    stored = checksum.verify(data, "data").encode()
    header = data[8 : 8 + struct.unpack("<Q", data[:8])[0]]
    changed = header.replace(stored, checksum.BLANK.encode()).replace(old, new)
    assert changed != header
    return checksum.fill(struct.pack("<Q", len(changed)) + changed + data[8 + len(header) :])


def test_a_later_format_is_refused():
    with pytest.raises(FileError, match=r"'m.rnn' has format 2; this edgernn reads format 1: upgrade"):
        loads(with_checksum(SAVED, b'"edgernn.format":"1"', b'"edgernn.format":"2"'), "m.rnn")


def test_an_unknown_cell_is_named():
    with pytest.raises(FileError, match=r"layer 'gru' is a cell 'Gry', which is not registered; there are Activation"):
        loads(with_checksum(SAVED, b'\\"Gru\\"', b'\\"Gry\\"'))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"[48,10]", b"[10,48]"),
        (b'\\"inputs\\":10', b'\\"inputs\\":11'),
        (b'"F32"', b'"F99"'),
        (b'\\"layers\\"', b'\\"lawyers\\"'),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(old, new):
    with pytest.raises(FileError, match="does not hold a valid graph"):
        loads(with_checksum(SAVED, old, new))


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    safetensors.numpy.save_file({"w": np.zeros(3, np.float32)}, tmp_path / "m.rnn")
    with pytest.raises(FileError, match="edgernn did not write"):
        edgernn.load(tmp_path / "m.rnn")


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(FileError, match=r"m.rnn' cannot be read: No such file"):
        edgernn.load(tmp_path / "m.rnn")


def test_an_unwritable_path_leaves_nothing(tmp_path):
    with pytest.raises(FileError, match="cannot be written: No such file"):
        edgernn.save(keyword_spotter(), tmp_path / "missing" / "m.rnn")
    (tmp_path / "folder.rnn").mkdir()
    with pytest.raises(FileError, match="cannot be written: Is a directory"):
        edgernn.save(keyword_spotter(), tmp_path / "folder.rnn")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.rnn"]


def test_an_invalid_path_is_reported():
    with pytest.raises(FileError, match=r"null (byte|character)"):
        edgernn.load("a\0b.rnn")
    with pytest.raises(FileError, match=r"null (byte|character)"):
        atomic.write("a\0b.rnn", b"")


def test_a_graph_is_saved_as_rnn_and_nothing_else_is(tmp_path):
    with pytest.raises(UsageError, match=r"a graph is saved as .rnn, not as '.*m.onnx'"):
        edgernn.save(keyword_spotter(), tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="a list arrived; expected a Graph: convert a module with from_torch first"):
        edgernn.save([], tmp_path / "m.rnn")


def test_several_files_are_written_or_none(tmp_path):
    files = {str(tmp_path / "a"): b"1", str(tmp_path / "missing/b"): b"2"}
    with pytest.raises(FileError, match="missing/b' cannot be written"):
        atomic.write_all(files)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    atomic.write(tmp_path / "m", b"old")

    def stop(_handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        atomic.write(tmp_path / "m", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("m", b"old")]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    atomic.write(tmp_path / "m", b"old")

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="No space left on device; check the path and the disk"):
        atomic.write(tmp_path / "m", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("m", b"old")]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o444, 0o755])
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000])
def test_a_file_that_is_written_over_keeps_its_permissions(mode, mask, tmp_path):
    (tmp_path / "m").write_bytes(b"old")
    (tmp_path / "m").chmod(mode)
    before = os.umask(mask)
    try:
        atomic.write(tmp_path / "m", b"new")
    finally:
        os.umask(before)
    assert ((tmp_path / "m").stat().st_mode & 0o777, (tmp_path / "m").read_bytes()) == (mode, b"new")


def test_what_is_private_is_so_while_it_is_written(tmp_path, monkeypatch):
    (tmp_path / "m").write_bytes(b"old")
    (tmp_path / "m").chmod(0o600)
    open_file, seen = os.open, []

    def look(name, flags, mode=0o777, **kwargs):
        handle = open_file(name, flags, mode, **kwargs)
        seen.append(os.stat(handle).st_mode & 0o077)
        return handle

    monkeypatch.setattr(os, "open", look)
    atomic.write(tmp_path / "m", b"new")
    assert seen
    assert not any(seen)


LINKS = {
    "to a file": ("data/m", True),
    "to a file not yet there": ("data/m", False),
    "through a folder": ("linked/m", True),
    "by two links": ("second", True),
}


@pytest.mark.parametrize("case", LINKS)
def test_a_link_is_followed_and_stays_one(case, tmp_path):
    """As open(path, "wb") does it: the oracle is a copy of the folder written by that."""
    end, there = LINKS[case]
    seen_by = {}
    for way, write in {"disk": atomic.write, "open": lambda path, data: path.write_bytes(data)}.items():
        folder = tmp_path / way
        (folder / "data").mkdir(parents=True)
        (folder / "linked").symlink_to("data")
        (folder / "second").symlink_to("data/m")
        (folder / "link").symlink_to(end)
        if there:
            (folder / "data/m").write_bytes(b"old")
        write(folder / "link", b"new")
        seen_by[way] = {
            str(path.relative_to(folder)): os.readlink(path)
            if path.is_symlink()
            else path.is_file() and path.read_bytes()
            for path in sorted(folder.rglob("*"))
        }
    assert seen_by["disk"] == seen_by["open"]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path.name)], ids=["pipe", "loop"])
def test_only_a_regular_file_is_replaced(make, tmp_path):
    make(tmp_path / "m")
    before = os.lstat(tmp_path / "m")
    for write in (atomic.writable, lambda path: atomic.write(path, b"")):
        with pytest.raises(FileError, match=r"cannot be written: (it is a device, a pipe|Too many levels of symbolic)"):
            write(tmp_path / "m")
    assert os.lstat(tmp_path / "m") == before


def test_writing_never_touches_the_mask_of_the_process(tmp_path, monkeypatch):
    """A mask that is set and set back is wrong for every other thread in between."""
    before = os.umask(0o027)
    monkeypatch.setattr(os, "umask", None)
    try:
        atomic.write(tmp_path / "m", b"")
        atomic.writable(tmp_path / "m")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o640


def test_a_checksum_inside_a_label_is_not_a_second_one():
    """A label may be any text; JSON escapes its quotes, so it is no second checksum."""
    graph = keyword_spotter()
    tricky = Graph(graph.layers, graph.inputs, labels=(f'"{checksum.KEY}":"{"0" * 64}"', "b", "c", "d"))
    assert loads(dumps(tricky)).labels == tricky.labels


def test_layers_may_end_like_initial_states():
    graph = Graph(
        (Layer("a", GRAPHS["Gru"].layers[0].cell), Layer("rest", GRAPHS["Scale"].layers[0].cell, ("x",))),
        6,
        {"a.h": t(5)},
    )
    assert same(loads(dumps(graph)), graph)


def test_names_that_begin_alike_are_kept_apart():
    cell = GRAPHS["Gru"].layers[0].cell
    graph = Graph((Layer("a", cell), Layer("ab", type(cell)(t(9, 6), t(9, 3)), ("x",))), 6)
    assert same(loads(dumps(graph)), graph)


def test_a_file_with_two_checksums_is_refused():
    with pytest.raises(FileError, match="has several checksums"):
        checksum.verify(SAVED + SAVED, "m")


def test_a_graph_has_one_name_in_every_precision(tmp_path):
    graph = keyword_spotter()
    edgernn.save(graph.astype("float64"), tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")
    assert program.manifest.graph == digest(graph) == digest(graph.astype("float64"))
    assert program.manifest.precision == "fp32"
    assert program.stream().step(np.zeros(10, np.float32)).dtype == np.float32


def test_the_order_of_bytes_in_memory_makes_no_difference():
    assert edgernn.Tensor(np.ones(3, ">f4")) == edgernn.Tensor(np.ones(3, "<f4"))


def test_a_header_is_aligned():
    assert struct.unpack("<Q", SAVED[:8])[0] % 8 == 0
