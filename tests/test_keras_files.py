"""Files of Keras from unknown sources: what is refused, and why; code in them never runs, and nothing grows beyond bounds."""

import json
import time
import tracemalloc

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")
pytest.importorskip("torch")

from edgernn.errors import FileError, UnsupportedError, UsageError  # noqa: E402
from edgernn_export import from_file  # noqa: E402
from edgernn_export.sources.foreign.options import ImportOptions  # noqa: E402
from edgernn_export.sources.keras.read import read  # noqa: E402
from keras_files import DENSE, RANDOM, archive, dense, hdf5, layer, sequential  # noqa: E402


def written(tmp_path, data, name="m.keras"):
    path = tmp_path / name
    path.write_bytes(data)
    return str(path)


def of_kernel(write):
    """A model whose kernel is what `write` puts into its group."""
    weights = hdf5({"layers/dense/vars/1": np.zeros(3)}, lambda file: write(file["layers/dense/vars"]))
    return archive(sequential(dense()), weights)


def deep(levels):
    config = dense()
    for i in range(levels):
        config = {"class_name": "Sequential", "config": {"name": f"s{i}", "layers": [config]}}
    return config


def bomb():
    """A dataset that Keras would need terabytes for, of which nothing is stored."""
    return of_kernel(lambda group: group.create_dataset("0", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(1024, 1024)))


def circle():
    """Two layers that call each other."""

    def taken(name):
        return {"class_name": "__keras_tensor__", "config": {"shape": [None, 6], "keras_history": [name, 0, 0]}}

    def node(name):
        return [{"args": [[taken("x"), taken(name)]], "kwargs": {}}]

    layers = [
        {**layer("InputLayer", "x", batch_shape=[None, None, 6]), "inbound_nodes": []},
        {**layer("Add", "a"), "inbound_nodes": node("b")},
        {**layer("Add", "b"), "inbound_nodes": node("a")},
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["b", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}


def doubled(count):
    """Layers that each join their input with itself."""

    def taken(name):
        return {"class_name": "__keras_tensor__", "config": {"shape": [None, 6], "keras_history": [name, 0, 0]}}

    layers = [{**layer("InputLayer", "c0", batch_shape=[None, None, 6]), "inbound_nodes": []}]
    for i in range(count):
        node = {"args": [[taken(f"c{i}"), taken(f"c{i}")]], "kwargs": {}}
        layers.append({**layer("Concatenate", f"c{i + 1}", axis=-1), "inbound_nodes": [node]})
    ends = {"input_layers": [["c0", 0, 0]], "output_layers": [[f"c{count}", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}


def compressed():
    """A zip whose weights are zeros, a thousand times as many as its bytes."""
    return archive(sequential(dense()), bytes(1 << 27), deflate=True)


def renamed(data, old, new):
    """A zip with another name for a member."""
    assert len(old) == len(new)
    return data.replace(old, new)


CODE = "gANjcG9zaXgKc3lzdGVtCnEAWAQAAABleGl0cQGFcQJScQMu"

HOSTILE = {
    "no archive": (b"PK\x03\x04 nothing", FileError, "not a model of Keras"),
    "no HDF5": (b"\x89HDF\r\n\x1a\n nothing", FileError, "not an HDF5 file"),
    "truncated": (archive(sequential(dense()))[:-30], FileError, "not a model of Keras"),
    "no configuration": (
        renamed(archive(sequential(dense())), b"config.json", b"c0nfig.json"), FileError, "has no config.json",
    ),
    "a path of elsewhere": (
        renamed(archive(sequential(dense())), b"config.json", b"../../../up"), FileError, "has no config.json",
    ),
    "deep configuration": (archive("[" * 100_000), FileError, "nested more than"),
    "deep models": (archive(deep(40)), FileError, "nested more than"),
    "long configuration": (archive(" " * (1 << 22)), FileError, "beyond the bounds"),
    "no JSON": (archive("{'a': 1}"), FileError, "config.json is not read"),
    "no model": (archive([1, 2]), FileError, "without class and configuration"),
    "a layer alone": (archive(dense()), FileError, "expected a Sequential or Functional model"),
    "many layers": (
        archive(sequential(*(layer("Dropout", f"d{i}") for i in range(5000)))), UnsupportedError, "more than 1,000 layers",
    ),
    "two of one name": (archive(sequential(dense(), dense())), FileError, "two layers of one name"),
    "Lambda": (
        archive(sequential(layer("Lambda", "f", function={"class_name": "__lambda__", "config": {"code": CODE}}))),
        UnsupportedError, "layer 'f' is a Lambda, which holds Python code, which is never run",
    ),
    "Lambda inside": (
        archive(sequential(layer("TimeDistributed", "t", layer=layer("Lambda", "f", function=[CODE, None, None])))),
        UnsupportedError, "holds Python code",
    ),
    "custom class": (
        archive(sequential({**dense(), "module": "os", "registered_name": "system"})),
        UnsupportedError, "of class 'Dense', which is not read, and code of other packages is never run",
    ),
    "custom activation": (
        archive(sequential(layer("Activation", "a", activation={"class_name": "function", "config": "os>system"}))),
        UnsupportedError, "'os>system', which is code of its own and is never run",
    ),
    "circle": (archive(circle()), FileError, "call each other in a circle"),
    "no such layer": (
        archive(json.dumps(circle()).replace('["a", 0, 0]', '["z", 0, 0]')), FileError, "result of 'z', which is no layer",
    ),
    "joins of joins": (archive(doubled(60)), UnsupportedError, "numbers on a short sequence"),
    "repeated": (
        archive(sequential(layer("GlobalMaxPooling1D", "g"), *(layer("RepeatVector", f"r{i}", n=60000) for i in range(1)),
                           layer("ZeroPadding1D", "z", padding=60000), layer("ZeroPadding1D", "y", padding=[60000, 1]),
                           shape=(None, None, 600))),
        UnsupportedError, "numbers on a short sequence",
    ),
    "a long example": (archive(sequential(dense(), shape=(None, 1 << 40, 6))), FileError, "numbers at most"),
    "terabytes": (bomb(), FileError, "stored in chunks"),
    "longer than the file": (
        of_kernel(lambda group: group.create_dataset("0", shape=(1 << 20, 1 << 10), dtype="f4")),
        FileError, "declares 4,294,967,296 bytes",
    ),
    "compressed": (
        of_kernel(lambda group: group.create_dataset("0", data=np.zeros((6, 3), "f4"), compression="gzip")),
        FileError, "stored in chunks",
    ),
    "compressed archive": (compressed(), FileError, "beyond the bounds"),
    "link to a file": (
        of_kernel(lambda group: group.__setitem__("0", h5py.ExternalLink("/etc/passwd", "/x"))),
        FileError, "a link to elsewhere, which is never followed",
    ),
    "soft link": (
        of_kernel(lambda group: group.__setitem__("0", h5py.SoftLink("/layers/dense/vars/1"))),
        FileError, "a link to elsewhere",
    ),
    "values in a file": (
        of_kernel(lambda group: group.create_dataset("0", (6, 3), "f4", external=[("/etc/passwd", 0, 72)])),
        FileError, "in other files",
    ),
    "Python objects": (
        of_kernel(lambda group: group.create_dataset("0", data=[["a"] * 3] * 6, dtype=h5py.string_dtype())),
        FileError, "no Python objects",
    ),
    "wrong shape": (
        archive(sequential(dense(units=4))), FileError, r"shape \(6, 3\); its attributes and input need \(6, 4\)",
    ),
    "no weight": (archive(sequential(dense()), hdf5({})), FileError, "lacks weight 'kernel'"),
    "weights alone": (hdf5(DENSE), UnsupportedError, "has weights alone"),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _imported(tmp_path_factory):
    """Let torch import what it needs for shapes alone, which takes two seconds, before any time is taken."""
    path = written(tmp_path_factory.mktemp("first"), archive(doubled(1), hdf5({})))
    read(path, ImportOptions())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_at_once(name, tmp_path):
    data, error, message = HOSTILE[name]
    path = written(tmp_path, data, "m.keras" if data.startswith(b"PK") else "m.h5")
    before = set(tmp_path.iterdir())
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(error, match=message):
            from_file(path)
        assert time.process_time() - started < 2
        assert tracemalloc.get_traced_memory()[1] < (64 << 20) + 4 * len(data)
    finally:
        tracemalloc.stop()
    assert set(tmp_path.iterdir()) == before


REFUSED = {
    "go_backwards": (layer("LSTM", "l", units=2, go_backwards=True), "begins with the last frame"),
    "Masking": (layer("Masking", "l", mask_value=0.0), "frames of padding would be skipped"),
    "mask_zero": (layer("Embedding", "l", input_dim=5, output_dim=2, mask_zero=True), "symbol 0 would be padding"),
    "channels first": (layer("Conv1D", "l", filters=2, kernel_size=[2], data_format="channels_first"), "channels_last"),
    "unknown attribute": (dense("l", lora_rank=4), r"lora_rank=4: this attribute is not known"),
    "float16": (dense("l", dtype={"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}), "float32"),
    "unknown class": (layer("Attention", "l"), "needs frames that have not arrived; use LSTM"),
    "misspelt class": (layer("LSTMM", "l"), "of class 'LSTMM', which is not read"),
    "joined over time": (layer("Concatenate", "l", axis=1), "joins sequences"),
    "a cell alone": (layer("GRUCell", "l", units=2), "no layer of a sequence"),
    "uneven pooling": (layer("MaxPooling1D", "l", pool_size=[2], strides=[1], padding="same"), "padding='valid'"),
}
"""What is refused: a layer, and words of the reason."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_stream_is_refused_by_layer_and_attribute(name, tmp_path):
    config, message = REFUSED[name]
    arrays = {f"layers/{kind}/vars/{i}": np.zeros(shape) for kind, shapes in {
        "dense": [(6, 3), (3,)], "embedding": [(5, 2)], "conv1d": [(2, 6, 2), (2,)], "lstm/cell": [(6, 8), (2, 8), (8,)],
        "group_normalization": [(6,), (6,)], "gru_cell": [(6, 6), (2, 6), (6,)],
    }.items() for i, shape in enumerate(shapes)}  # fmt: skip
    with pytest.raises(UnsupportedError, match=message) as raised:
        read(written(tmp_path, archive(sequential(config), hdf5(arrays))), ImportOptions())
    assert "'l'" in str(raised.value)


def test_options_name_inputs_and_outputs_that_exist(tmp_path):
    path = written(tmp_path, archive(sequential(dense())))
    for options in ({"shapes": {"y": (1, 8, 6)}}, {"constants": {"y": 1.0}}, {"inputs": ("y",)}, {"outputs": ("y",)},
                    {"states": {"y": "z"}}):  # fmt: skip
        with pytest.raises(UsageError, match="'y'"):
            from_file(path, **options)
    with pytest.raises(UsageError, match="expected a vector beside a sequence"):
        from_file(path, constants={"x": 1.0})


def test_an_open_size_is_asked_for(tmp_path):
    path = written(tmp_path, archive(sequential(dense(), shape=(None, None, None))))
    with pytest.raises(UsageError, match=r"open on axis 2; pass its shape: shapes=\{'x': \(1, \.\.\.\)\}"):
        from_file(path)
    assert from_file(path, shapes={"x": (1, None, 6)}).inputs == 6


def test_a_zip_of_keras_2_is_read(tmp_path):
    """Keras 2.12 to 2.15 count every layer with weights twice, and call what holds them otherwise."""
    first, second, bias = (RANDOM.standard_normal(shape) for shape in ((6, 3), (3, 2), 2))
    place = "_layer_checkpoint_dependencies"
    arrays = {
        f"{place}/dense/vars/0": first, f"{place}/dense/vars/1": np.zeros(3), f"{place}/dense_2/vars/0": second,
        f"{place}/dense_2/vars/1": bias,
    }  # fmt: skip
    config = sequential(dense("one"), dense("two", units=2))
    path = written(tmp_path, archive(config, hdf5(arrays), version="2.13.1"))
    x = RANDOM.standard_normal((1, 17, 6)).astype(np.float32)
    (y,) = read(path, ImportOptions()).run([x]).values()
    assert np.abs(y - (x @ first @ second + bias)).max() < 1e-5
