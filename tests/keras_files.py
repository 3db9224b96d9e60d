"""Files of Keras, written by hand: a configuration as JSON, and arrays as HDF5."""

import io
import json
import zipfile

import h5py
import numpy as np

RANDOM = np.random.default_rng(0)


def layer(kind, name, **config):
    """The configuration of a layer."""
    return {"class_name": kind, "config": {"name": name, **config}}


def sequential(*layers, shape=(None, None, 6)):
    """The configuration of a model of layers in a row."""
    start = {"class_name": "InputLayer", "config": {"batch_shape": list(shape), "name": "x"}}
    return {"class_name": "Sequential", "config": {"name": "model", "layers": [start, *layers]}}


def dense(name="dense", units=3, **config):
    return layer("Dense", name, units=units, activation="linear", use_bias=True, **config)


DENSE = {"layers/dense/vars/0": RANDOM.standard_normal((6, 3)), "layers/dense/vars/1": RANDOM.standard_normal(3)}


def hdf5(arrays, write=lambda file: None):
    """The bytes of an HDF5 file with these arrays, and what else is written."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        for path, array in arrays.items():
            file[path] = np.asarray(array, dtype=np.float32)
        write(file)
    return data.getvalue()


def archive(config, weights=None, version="3.9.0", deflate=False):
    """The bytes of a `.keras`."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": version}))
        file.writestr("config.json", config if isinstance(config, str | bytes) else json.dumps(config))
        file.writestr("model.weights.h5", hdf5(DENSE) if weights is None else weights)
    return data.getvalue()


def varied(random):
    """The configuration of a model with layers of every room, and its weights."""
    rnn = {"units": 4, "activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
    conv = {"filters": 5, "kernel_size": [3], "strides": [1], "padding": "causal", "dilation_rate": [2], "groups": 1}
    config = sequential(
        layer("Conv1D", "conv", **conv, activation="relu", data_format="channels_last", use_bias=True),
        layer("BatchNormalization", "norm", axis=-1, epsilon=1e-3, center=True, scale=True),
        layer("LSTM", "lstm", **rnn, return_sequences=True, return_state=False, go_backwards=False),
        layer("TimeDistributed", "each", layer=layer("Reshape", "pairs", target_shape=[2, 2])),
        layer("Permute", "permute", dims=[1, 3, 2]),
        layer("Reshape", "back", target_shape=[-1, 4]),
        layer("GRU", "gru", **rnn, reset_after=random.random() < 0.5, return_sequences=False),
        layer("ReLU", "relu", max_value=6.0, negative_slope=0.1, threshold=0.0),
        dense(units=3),
    )
    after = config["config"]["layers"][7]["config"]["reset_after"]
    arrays = {"conv1d": [(3, 6, 5), (5,)], "batch_normalization": [(5,)] * 4, "lstm/cell": [(5, 16), (4, 16), (16,)]}
    arrays |= {"gru/cell": [(4, 12), (4, 12), (2, 12) if after else (12,)], "dense": [(4, 3), (3,)]}
    values = np.random.default_rng(0)
    return config, {
        f"layers/{place}/vars/{i}": np.abs(values.standard_normal(shape)) * 0.3
        for place, shapes in arrays.items()
        for i, shape in enumerate(shapes)
    }
