"""Hostile files and settings are refused with a typed error, soon, and without much memory."""

import io
import json
import struct
import subprocess
import tracemalloc
import zipfile
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import edgernn
from edgernn.artifact import checksum, layout, manifest
from edgernn.artifact.rnn import dumps, loads
from edgernn.cells import LogMel, RunningMean
from edgernn.device import profile
from edgernn.errors import EdgernnError, FileError, GraphError, UsageError
from edgernn.files import arrays, bounded_json, bounded_toml, frames
from edgernn.latency import arrivals, baseline
from edgernn.model.graph import MOST_LAYERS, Graph
from edgernn.model.layer import Layer
from edgernn.package import minisign, trust
from edgernn.train import recipe
from edgernn.train.data import npz, reader
from zoo import GRAPHS, keyword_spotter

EXTRA = 64 << 20  # bytes of memory that a refusal may take
DATA = dumps(keyword_spotter())
SPARSE = Graph(
    (Layer("d", replace(GRAPHS["Dense"].layers[0].cell, w=edgernn.Tensor(np.eye(64, dtype=np.float32)), b=None)),), 64
)


def refused(call, error=EdgernnError, match=None):
    """Check that a call is refused with little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(error, match=match):
            call()
        assert tracemalloc.get_traced_memory()[1] < EXTRA
    finally:
        tracemalloc.stop()


def parts(data=DATA):
    """The header of a .rnn and the bytes behind it."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def put_together(header, body, length=None):
    """A file of a header, text or JSON, and a body, with a valid checksum."""
    text = header.encode() if isinstance(header, str) else json.dumps(header, separators=(",", ":")).encode()
    at = text.find(b'"edgernn.sha256":"') + 18
    text = text[:at] + checksum.BLANK.encode() + text[at + 64 :]
    return checksum.fill(struct.pack("<Q", len(text) if length is None else length) + text + body)


def with_entry(**changes):
    header, body = parts()
    header["gru.w"].update(changes)
    return put_together(header, body)


def with_graph(change):
    """The file with something else in the graph that its metadata describe."""
    header, body = parts()
    description = json.loads(header["__metadata__"]["edgernn.graph"])
    header["__metadata__"]["edgernn.graph"] = change(description) or json.dumps(description)
    return put_together(header, body)


def in_text(old, new, data=DATA):
    header, body = parts(data)
    text = json.dumps(header, separators=(",", ":"))
    assert old in text
    return put_together(text.replace(old, new, 1), body)


def swapped():
    """Two arrays that claim each other's bytes and so overlap with what is between."""
    header, body = parts()
    first, second = header["gru.w"]["data_offsets"], header["gru.u"]["data_offsets"]
    header["gru.u"]["data_offsets"] = [first[0], first[0] + second[1] - second[0]]
    return put_together(header, body)


def cell_of(name, **settings):
    return with_graph(lambda description: description.update(layers={"a": {"cell": name, "settings": settings}}))


def sparse(shape):
    header, body = parts(dumps(SPARSE))
    description = json.loads(header["__metadata__"]["edgernn.graph"])
    assert description["sparse"]
    header["__metadata__"]["edgernn.graph"] = json.dumps(
        description | {"sparse": dict.fromkeys(description["sparse"], shape)}
    )
    return put_together(header, body)


RNN = {
    "a header nested deep": lambda: put_together(
        '{"__metadata__":{"edgernn.sha256":"' + "0" * 64 + '"},"a":' + "[" * 100_000, b""
    ),
    "a graph nested deep": lambda: with_graph(lambda _: "[" * 100_000),
    "a graph nested deep and closed": lambda: with_graph(lambda _: "[" * 900 + "]" * 900),
    "a number of 400 digits": lambda: in_text('\\"inputs\\":10', '\\"inputs\\":' + "1" * 400),
    "a number of 5,000 digits": lambda: in_text('\\"inputs\\":10', '\\"inputs\\":' + "1" * 5000),
    "offsets of 5,000 digits": lambda: in_text('"data_offsets":[0,', '"data_offsets":[' + "9" * 5000 + ","),
    "a period of 400 digits": lambda: in_text('\\"period_ms\\":10.0', '\\"period_ms\\":' + "1" * 400 + ".0"),
    "an infinite period": lambda: in_text('\\"period_ms\\":10.0', '\\"period_ms\\":Infinity'),
    "a period beyond float64": lambda: in_text('\\"period_ms\\":10.0', '\\"period_ms\\":1e999'),
    "no period at all": lambda: in_text('\\"period_ms\\":10.0', '\\"period_ms\\":NaN'),
    "2 GB": lambda: with_entry(shape=[1 << 29], data_offsets=[0, 1 << 31]),
    "2 GB of another dtype": lambda: with_entry(dtype="F64", shape=[1 << 28]),
    "a dtype of 2 GB": lambda: with_entry(dtype="V2147483648"),
    "a dtype that is none": lambda: with_entry(dtype=["F32"]),
    "widened to 2 GB": lambda: with_graph(lambda description: description.update(float16={"V2147483648": ["gru.w"]})),
    "negative offsets": lambda: with_entry(data_offsets=[-4, 1916]),
    "offsets turned round": lambda: with_entry(data_offsets=[1920, 0]),
    "offsets beyond the end": lambda: with_entry(data_offsets=[1 << 40, (1 << 40) + 1920]),
    "overlapping offsets": swapped,
    "a gap": lambda: put_together(parts()[0], parts()[1] + b"\\0" * 8),
    "a shape of -1": lambda: with_entry(shape=[-1, 10]),
    "a shape of two -1": lambda: with_entry(shape=[-48, -10]),
    "a shape of true": lambda: with_entry(shape=[True, 480]),
    "a shape of halves": lambda: with_entry(shape=[48.0, 10.0]),
    "a shape of many axes": lambda: with_entry(shape=[1] * 1000 + [480]),
    "a shape of 0 and much": lambda: with_entry(shape=[0, 1 << 62], data_offsets=[0, 0]),
    "a name twice": lambda: in_text('"gru.u":', '"gru.w":'),
    "a setting twice": lambda: in_text('\\"inputs\\":10', '\\"inputs\\":10,\\"inputs\\":10'),
    "metadata twice": lambda: in_text('"gru.u":', '"__metadata__":{},"gru.u":'),
    "a long header": lambda: put_together(parts()[0], b" " * (bounded_json.LONGEST + 8), bounded_json.LONGEST + 8),
    "no metadata": lambda: in_text('"__metadata__"', '"__metadatA__"'),
    "inputs without end": lambda: cell_of("RunningMean", inputs=99_999_999_999),
    "inputs of 4 GB": lambda: cell_of("RunningMean", inputs=1 << 30),
    "a log-mel of 4 GB": lambda: cell_of("LogMel", inputs=80, rate_hz=8000, window=1 << 20, bands=1 << 10),
    "a transform without end": lambda: cell_of("LogMel", inputs=80, rate_hz=8000, window=200, bands=20, fft=1 << 50),
    "an infinite rate": lambda: with_graph(
        lambda _: '{"layers":{"a":{"cell":"LogMel","settings":{"inputs":80,"rate_hz":1e999,"window":200,"bands":20}}}}'
    ),
    "layers without end": lambda: with_graph(
        lambda description: description.update(
            layers={f"a{i}": {"cell": "RunningMean", "settings": {"inputs": 10}} for i in range(MOST_LAYERS + 1)}
        )
    ),
    "wide layers, many": lambda: with_graph(
        lambda description: description.update(
            inputs=1 << 22,
            layers={f"a{i}": {"cell": "RunningMean", "settings": {"inputs": 1 << 22}} for i in range(100)},
        )
    ),
    "zeros of 16 TB": lambda: sparse([1 << 21, 1 << 21]),
    "zeros of 256 MB": lambda: sparse([1 << 13, 1 << 13]),
    "half a sparse matrix": lambda: sparse([0.5, 64]),
    "a sparse matrix of -1": lambda: sparse([-1, -1]),
    "a sparse matrix of lists": lambda: sparse([[0] * 99, 1 << 50]),
    "a rate near nothing": lambda: cell_of("LogMel", inputs=80, rate_hz=1e-320, window=200, bands=20),
    "a prior beyond float32": lambda: cell_of("RunningMean", inputs=10, prior=1e300, limit=1e300),
    "an eps near nothing": lambda: with_graph(
        lambda description: description.update(
            inputs=10, layers={"a": {"cell": "LayerNorm", "settings": {"eps": 1e-320}}}
        )
    ),
}


@pytest.mark.parametrize("case", RNN)
def test_a_hostile_graph_is_refused_with_little(case):
    data = RNN[case]()
    refused(lambda: loads(data, "m.rnn"), FileError, r"m\.rnn'")


REASONS = {
    "2 GB of another dtype": r"takes 2,147,483,648 bytes; its offsets are 0 and 1,920",
    "a shape of two -1": r"has the shape \[-48, -10\]; expected at most 3 lengths",
    "negative offsets": r"has the offsets \[-4, 1916\]; expected a start and an end",
    "overlapping offsets": r"begins at byte 0; the one before it ends at 1,920",
    "a name twice": "the name 'gru.w' stands twice in one object",
    "an infinite period": "JSON has no Infinity",
    "zeros of 256 MB": "is 8192 by 8192; expected 67,108,864 bytes in all",
    "wide layers, many": r"up to layer 'a\d' a step computes .* values; expected 16,777,216",
}


@pytest.mark.parametrize("case", REASONS)
def test_a_refusal_has_the_true_reason(case):
    with pytest.raises(FileError, match=REASONS[case]):
        loads(RNN[case](), "m.rnn")


@pytest.mark.parametrize("case", RNN)
def test_what_safetensors_refuses_in_a_header_is_refused_here(case):
    """Its own library is the oracle: nothing opens here that it does not open."""
    data = RNN[case]()
    try:
        safetensors.numpy.load(data)
    except Exception:  # its own exceptions have no common base that is public
        with pytest.raises(ValueError):  # noqa: PT011  of any words
            layout.unpacked(data)


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_packed_is_what_safetensors_packs(name):
    metadata, held = layout.unpacked(dumps(GRAPHS[name]))
    with_theirs = safetensors.numpy.save(held, metadata)
    again, theirs = layout.unpacked(with_theirs)
    assert again == metadata
    assert {key: array.dtype for key, array in theirs.items()} == {key: array.dtype for key, array in held.items()}
    for key, array in safetensors.numpy.load(dumps(GRAPHS[name])).items():
        np.testing.assert_array_equal(array, held[key])
        np.testing.assert_array_equal(theirs[key], held[key])


def zipped(change=lambda data: data, header=None, method=zipfile.ZIP_STORED, names=("x",), body=b""):
    """An .npz of arrays with one header, or of a good array, with some bytes of the archive changed."""
    archive, good = io.BytesIO(), io.BytesIO()
    np.save(good, np.zeros((2, 3), np.float32))
    text = header and (header + " " * (-(10 + len(header) + 1) % 64) + "\n").encode()
    with zipfile.ZipFile(archive, "w", method) as file:
        for name in names:
            file.writestr(
                f"{name}.npy",
                b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body if text else good.getvalue(),
            )
    return change(archive.getvalue())


def central(data, at, value):
    """The archive with something else in its central directory, and in the local header where that says the same."""
    entry = data.index(b"PK\x01\x02")
    changed = bytearray(data)
    changed[entry + at : entry + at + len(value)] = value
    return bytes(changed)


def header(shape, descr="'<f4'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


NPZ = {
    "another version of zip": lambda: zipped(lambda data: central(data, 6, b"\xff\x00")),
    "another method": lambda: zipped(lambda data: central(data, 10, b"\x63\x00")),
    "an encryption flag": lambda: zipped(lambda data: central(data, 8, b"\x01\x00")),
    "3.6 TiB": lambda: zipped(header=header("(1000000000, 1000)")),
    "3.6 TiB, compressed": lambda: zipped(header=header("(1000000000, 1000)"), method=zipfile.ZIP_DEFLATED),
    "a size that deflate cannot reach": lambda: zipped(lambda data: central(data, 24, b"\xff\xff\xff\x7f")),
    "2^64 elements": lambda: zipped(header=header("(4294967296, 4294967296)")),
    "a length of 0 and one without end": lambda: zipped(header=header(f"(0, {10**30})")),
    "a shape of -1": lambda: zipped(header=header("(-1, 4)"), body=bytes(16)),
    "an item of 2 GB": lambda: zipped(header=header("(1,)", "'|V2147483647'")),
    "a text of 2 GB": lambda: zipped(header=header("(1,)", "'<U536870911'")),
    "objects": lambda: zipped(header=header("(1,)", "'|O'"), body=bytes(8)),
    "code in the header": lambda: zipped(header="__import__('os')"),
    "a header nested deep": lambda: zipped(header="(" * 9000),
    "a long header": lambda: zipped(header="'" + "a" * 60_000 + "'"),
    "a name twice": lambda: zipped(names=("x", "y")).replace(b"y.npy", b"x.npy"),
    "more than the array": lambda: zipped(header=header("(1,)"), body=bytes(12)),
    "no zip": lambda: b"PK and no more",
    "nothing": lambda: b"",
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", NPZ)
def test_a_hostile_archive_of_arrays_is_refused_with_little(case, tmp_path):
    data = NPZ[case]()
    refused(
        lambda: arrays.load_npz(data, "a.npz"), FileError, r"'a\.npz' is not a complete \.npz file of plain arrays: "
    )
    (tmp_path / "a.npz").write_bytes(data)
    for read in (lambda path: frames.sequences(str(path), "float32"), npz.read):
        refused(lambda read=read: read(tmp_path / "a.npz"), FileError)


def test_a_good_archive_is_read_as_numpy_reads_it(tmp_path):
    rng = np.random.default_rng(0)
    held = {
        **{
            f"a{i}": rng.standard_normal((3, 2)).astype(kind)
            for i, kind in enumerate(["f2", "f4", "f8", ">f8", "i1", "u2"])
        },
        "labels": np.array(["one", "zwölf"]),
        "none": np.zeros((0, 4)),
        "alone": np.array(3.0),
        "fortran": np.asfortranarray(rng.standard_normal((4, 3))),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **held)
        loaded = arrays.load_npz((tmp_path / "a.npz").read_bytes(), "a.npz")
        with np.load(tmp_path / "a.npz") as theirs:
            assert loaded.keys() == set(theirs.files)
            for name in theirs.files:
                np.testing.assert_array_equal(loaded[name], theirs[name], strict=True)


NPY = {
    "3.6 TiB": header("(1000000000, 1000)"),
    "objects": header("(1,)", "'|O'"),
    "text": header("(2,)", "'<U1'"),
}


@pytest.mark.parametrize("case", NPY)
def test_a_hostile_array_is_refused_with_little(case, tmp_path):
    with zipfile.ZipFile(io.BytesIO(zipped(header=NPY[case], body=bytes(8)))) as file:
        (tmp_path / "a.npy").write_bytes(file.read("x.npy"))
    refused(lambda: list(frames.frames(str(tmp_path / "a.npy"), "float32")), FileError)
    refused(lambda: arrivals.recorded(tmp_path / "a.npy"), FileError)


RECIPE = """title = "t"
[data]
reader = "wav"
window = 200
hop = 80
bands = 20
[model]
hidden = 16
[training]
epochs = 1
rate = 0.01
"""

TOML = {
    "brackets 10,000 deep": "a = " + "[" * 10_000 + "]" * 10_000,
    "brackets 10,000 deep and open": "a = " + "[" * 10_000,
    "tables 10,000 deep": "[" + ".".join("a" * 10_000) + "]",
    "a key of 10,000 parts": ".".join("a" * 10_000) + " = 1",
    "a key of quoted parts": " . ".join(['"\\""'] * 10_000) + " = 1",
    "a key of parts in a value": "a = { " + ".".join("b" * 10_000) + " = 1 }",
    "inline tables 10,000 deep": "a = " + "{ b = " * 10_000 + "1" + " }" * 10_000,
    "a number of 5,000 digits": "a = " + "1" * 5_000,
    "a number of 5,000 digits in hex": "a = 0x" + "f" * 5_000,
    "a text that never ends": 'a = "' + '\\"' * 50_000,
    "a long text that never ends": 'a = """' + '\\"""' * 25_000,
    "a header that never ends": "[" + " " * 100_000,
    "a long file": "#" * (bounded_toml.LONGEST + 1),
}


@pytest.mark.parametrize("case", TOML)
def test_hostile_toml_is_refused_with_little(case, tmp_path):
    (tmp_path / "r.toml").write_text(TOML[case])
    refused(lambda: recipe.load(tmp_path / "r.toml"), FileError, r"r\.toml' is not valid TOML: ")
    refused(lambda: profile.parse_profile(TOML[case].encode(), "p.toml"), FileError, r"'p\.toml' is not valid TOML: ")
    if TOML[case].startswith("a = "):
        setting = TOML[case].removeprefix("a = ")
        refused(lambda: recipe.load("motor", [f"model.hidden={setting}"]))
        refused(lambda: recipe.load("motor", (), [f"model.hidden={setting},3"]))


ABSURD = {
    "model.hidden=99999999999": "'hidden' is 99999999999; expected a whole number below",
    "model.hidden=2000000000": "up to .* weights; expected at most",
    "model.layers=1000000000": "up to .* weights; expected at most",
    "model.embedding=2000000000": "embedding is 2000000000; expected 0 to",
    "model.embedding=-1": "embedding is -1; expected 0 to",
    "training.rate=inf": "'rate' is inf; expected a number below",
    "training.rate=nan": "'rate' is nan; expected a number below",
    "training.noise=1e300": "'noise' is 1e\\+300; expected a number below",
    "training.clip=-inf": "'clip' is -inf; expected a number below",
    "augment.snr_db=[0, inf]": "'snr_db' is .*; expected a list of numbers below",
    "data.low_hz=inf": "'low_hz' is inf; expected numbers below",
    "data.running_mean=[20, nan]": "'running_mean' is .*; expected numbers below",
    "data.fft=99999999999": "'fft' is 99999999999; expected numbers below",
}


@pytest.mark.parametrize("setting", ABSURD)
def test_an_absurd_setting_is_refused_by_its_name(setting, tmp_path):
    (tmp_path / "r.toml").write_text(RECIPE)
    refused(lambda: recipe.load(tmp_path / "r.toml", [setting]), EdgernnError, ABSURD[setting])


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("hop", 80.5, "a whole number"),
        ("hop", "80", "a whole number"),
        ("floor", inf, "a number"),
        ("pattern", 3, "a text"),
        ("test_indices", [0.5], "a list, each a whole number"),
    ],
)
def test_an_option_of_another_kind_is_refused_by_its_name(option, value, kind, tmp_path):
    with pytest.raises(UsageError, match=rf"reader 'wav' has {option} = .*; expected {kind}"):
        reader.read_data("wav", tmp_path, {"window": 200, "hop": 80, "bands": 20, option: value})


@pytest.mark.parametrize("option", [{"hop": 1 << 30, "window": 1 << 30}, {"bands": 1 << 30}, {"fft": 1 << 30}])
def test_a_log_mel_without_end_is_refused_with_little(option):
    options = {"inputs": 80, "rate_hz": 8000.0, "window": 200, "bands": 20}
    options |= {{"hop": "inputs"}.get(key, key): value for key, value in option.items()}
    refused(lambda: LogMel(**options), GraphError)


@pytest.mark.parametrize("value", [inf, nan, -inf])
def test_a_cell_takes_finite_numbers(value):
    with pytest.raises(GraphError):
        RunningMean(6, 3.0, value)
    with pytest.raises(GraphError):
        LogMel(80, value, 200, 20)


SAID = {
    "a negative width": {"inputs": -1},
    "a width without end": {"outputs": 1 << 40},
    "a width of text": {"inputs": "10"},
    "a state of -1": {"states": {"gru.h": -1}},
    "a state of 2^40": {"states": {"gru.h": 1 << 40}},
    "states in a list": {"states": [16]},
    "an initial state of another width": {"initial_state": {"gru.h": [1.0]}},
    "an initial state of nothing": {"initial_state": {"other": [1.0] * 16}},
    "an initial state of text": {"initial_state": {"gru.h": ["a"] * 16}},
    "labels in one text": {"labels": "abcd"},
    "labels of numbers": {"labels": [1, 2, 3, 4]},
    "a label too many": {"labels": ["a"] * 5},
    "a period of 0": {"period_ms": 0},
    "rows below 0": {"vocabulary_size": -1},
    "a limit beyond float32": {"limit": 1e300},
    "a limit of 0": {"limit": 0.0},
    "a window of its own": {"window": "all"},
    "a grid of 7 bits": {"quantization": {"x": {"scale": 1.0, "zero": 0, "bits": 7}}},
    "a grid of scale 0": {"quantization": {"x": {"scale": 0.0, "zero": 0, "bits": 8}}},
    "a grid of nothing": {"quantization": {"z": {"scale": 1.0, "zero": 0, "bits": 8}}},
    "a grid with more": {"quantization": {"x": {"scale": 1.0, "zero": 0, "bits": 8, "more": 1}}},
    "one field more": {"more": 1},
}
GOOD = manifest.graph_manifest(keyword_spotter())


@pytest.mark.parametrize("case", SAID)
def test_an_invalid_manifest_is_refused(case):
    fields = json.loads(manifest.dump_manifest(GOOD)) | {f"edgernn.{key}": value for key, value in SAID[case].items()}
    data = b"\x7fELF" + json.dumps(fields, separators=(",", ":")).encode() + b"\xff" * 100
    assert manifest.parse_manifest(b"\x7fELF" + manifest.dump_manifest(GOOD).encode(), "m") == GOOD
    refused(
        lambda: manifest.parse_manifest(data, "m.so"), FileError, r"'m\.so' was written by another version of edgernn"
    )


def test_a_manifest_nested_deep_or_behind_many_bytes_is_parsed_with_little_memory():
    data = b"\x7fELF" + manifest.dump_manifest(GOOD).encode()[:-1] + b',"a":' + b"[" * 10**6
    refused(lambda: manifest.parse_manifest(data, "m.so"), FileError, "nested more than")
    behind = manifest.dump_manifest(GOOD).encode() + bytes(EXTRA)
    tracemalloc.start()
    assert manifest.parse_manifest(behind, "m") == GOOD
    assert tracemalloc.get_traced_memory()[1] < EXTRA
    tracemalloc.stop()


def test_a_library_without_our_functions_is_no_file_of_ours(tmp_path):
    """It has a manifest and a valid checksum, and is a library that the system loads."""
    text = manifest.dump_manifest(replace(GOOD, cpu=edgernn.device.isa.best()))
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    (tmp_path / "m.c").write_text(
        f'const char about[] = "{escaped}"; unsigned long edgernn_size(void) {{ return 64; }}'
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "m.so", tmp_path / "m.c"], check=True)
    (tmp_path / "m.so").write_bytes(checksum.fill((tmp_path / "m.so").read_bytes()))
    with pytest.raises(FileError, match=r"m\.so' is not a compiled step of edgernn: it has no function edgernn_"):
        edgernn.open(tmp_path / "m.so")


BASELINES = {
    "deep": "[" * 100_000,
    "a list": "[]",
    "digits": '{"unit":"us","value":' + "1" * 5000 + "}",
    "infinite": '{"unit":"us","value":1e999,"low":1,"high":1,"size":1,"fingerprint":{}}',
    "no number": '{"unit":"us","value":NaN,"low":1,"high":1,"size":1,"fingerprint":{}}',
    "no text": '{"unit":["us"],"value":1,"low":1,"high":1,"size":1,"fingerprint":{}}',
    "twice": '{"unit":"us","unit":"us","value":1,"low":1,"high":1,"size":1,"fingerprint":{}}',
}


@pytest.mark.parametrize("case", BASELINES)
def test_a_hostile_baseline_is_refused_with_little(case, tmp_path):
    (tmp_path / "b.json").write_text(BASELINES[case])
    refused(lambda: baseline.load(tmp_path / "b.json"), FileError, r"b\.json' is not a baseline: ")


LINES = [b"untrusted comment: a", b"A" * 100, b"trusted comment: b", b"A" * 88]  # of a signature
MINISIGN = {
    "without end": b"\n" * EXTRA,
    "a long untrusted comment": b"\n".join((LINES[0] + b"a" * 1024, *LINES[1:])),
    "a long trusted comment": b"\n".join((*LINES[:2], LINES[2] + b"b" * 8192, LINES[3])),
    "a long signature": b"\n".join((LINES[0], b"A" * 8000, *LINES[2:])),
    "lines without end": b"\n" * minisign.LONGEST,
}


@pytest.mark.parametrize("case", MINISIGN)
def test_a_hostile_signature_is_refused_with_little(case, tmp_path):
    (tmp_path / "m.rnn").write_bytes(DATA)
    (tmp_path / "m.rnn.minisig").write_bytes(MINISIGN[case])
    demanded = trust.Demand(minisign.PublicKey(bytes(8), bytes(32)))
    refused(
        lambda: demanded.check_file(DATA, str(tmp_path / "m.rnn")),
        FileError,
        "is no signature of minisign: |has more than 16,384 bytes",
    )


@pytest.mark.parametrize(
    "text", ['{"a": [1, 2.5, null, true, "b\\u00e9\\"]["]}', " [] ", "-1", '"[[[["', "9223372036854775807"]
)
def test_json_within_the_bounds_is_read_as_python_reads_it(text):
    assert bounded_json.loads(text) == json.loads(text)


def test_a_checksum_of_a_large_file_copies_nothing():
    data = checksum.fill(b'{"edgernn.sha256":"' + checksum.BLANK.encode() + b'"' + bytes(EXTRA))
    tracemalloc.start()
    assert checksum.verify(data, "m")
    assert tracemalloc.get_traced_memory()[1] < EXTRA // 8
    tracemalloc.stop()
