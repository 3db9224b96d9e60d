"""The weights of each layer: a `.keras` stores them under its path, a legacy `.h5` in a list for each layer."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from edgernn.array import Array
from edgernn.errors import FileError
from edgernn_export.sources.keras.archive import Archive
from edgernn_export.sources.keras.hdf5 import named
from edgernn_export.sources.keras.layer import Layer

Weights = Mapping[tuple[str, ...], Mapping[str, torch.Tensor]]
"""The path of a layer in the model -> its weights by name."""

_BIAS = ("use_bias", "bias")
_OWN: dict[str, tuple[tuple[tuple[str, str], ...], tuple[str, ...]]] = {
    **dict.fromkeys(("SimpleRNNCell", "GRUCell", "LSTMCell"), ((("", "kernel"), ("", "recurrent_kernel"), _BIAS), ())),
    **dict.fromkeys(("Dense", "Conv1D", "Conv2D"), ((("", "kernel"), _BIAS), ())),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), ((("", "depthwise_kernel"), _BIAS), ())),
    **dict.fromkeys(
        ("SeparableConv1D", "SeparableConv2D"), ((("", "depthwise_kernel"), ("", "pointwise_kernel"), _BIAS), ())
    ),
    "Embedding": ((("", "embeddings"),), ()),
    "PReLU": ((("", "alpha"),), ()),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization"), ((("scale", "gamma"), ("center", "beta")), ())),
    "RMSNormalization": ((("", "scale"),), ()),
    "BatchNormalization": ((("scale", "gamma"), ("center", "beta")), ("moving_mean", "moving_variance")),
}
"""A class -> its trainable weights, each with the attribute that turns it off, and its other weights."""

_ADAPTED = ("mean", "variance", "count")
_OLD = "_layer_checkpoint_dependencies"  # the layers of a model, in Keras 2
_SAME = {"kernel": "depthwise_kernel", "adapt_mean": "mean", "adapt_variance": "variance"}


def weights_of(model: Layer, archive: Archive) -> Weights:
    """Read the weights of every layer.

    Raises:
        FileError: one is missing, or is no plain array of numbers.
    """
    places = list(listed(model, ()))
    arrays = _legacy(model, archive) if archive.legacy else _by_path(places, archive)
    weights: dict[tuple[str, ...], dict[str, torch.Tensor]] = {path: {} for path, _, _ in places}
    for path, name, _ in places:
        weights[path][name] = torch.from_numpy(arrays[path, name].astype("float32"))
    return weights


def own_weights(layer: Layer) -> list[tuple[str, bool]]:
    """Return the names of a layer's own weights, and whether each is trainable, in the order of Keras."""
    if layer.kind == "Normalization":
        return [] if layer.config.get("mean") is not None else [(name, False) for name in _ADAPTED]
    trained, others = _OWN.get(layer.kind, ((), ()))
    named_ = [(name, True) for switch, name in trained if not switch or layer.config.get(switch) is not False]
    return named_ + [(name, False) for name in others]


def listed(layer: Layer, path: tuple[str, ...], trainable: bool = True) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """Return the path, name and trainability of every weight in a layer, in the order of Keras."""
    trainable = trainable and layer.trainable
    for name, trained in own_weights(layer):
        yield path, name, trained and trainable
    for place, child in layer.children.items():
        yield from listed(child, (*path, place), trainable)


def _by_path(places: list[tuple[tuple[str, ...], str, bool]], archive: Archive) -> dict[Any, Array]:
    """Read the weights of a `.keras`: under the path of its layer, numbered."""
    arrays, numbers = {}, dict[tuple[str, ...], int]()
    old = not archive.weights.names("layers")
    for path, name, _ in places:
        number = numbers.get(path, 0)
        numbers[path] = number + 1
        place = _old_place(path, archive) if old else "/".join(path)
        array = archive.weights.array(f"{place}/vars/{number}")
        if array is None:
            raise FileError(f"'{archive.name}' lacks weight '{name}' of layer '{place}'; save the model again")
        arrays[path, name] = array
    return arrays


def _old_place(path: tuple[str, ...], archive: Archive) -> str:
    """Return the path of a layer in a `.keras` of Keras 2, which leaves out numbers among layers of one class."""
    place = ""
    for each in path:
        container, _, own = each.partition("/")
        if container != "layers":
            place += f"/{each}"
            continue
        kind, _, count = own.rpartition("_") if own.rpartition("_")[2].isdigit() else (own, "", "0")
        place += f"/{_OLD}"
        alike = [name for name in archive.weights.names(place) if re.fullmatch(rf"{kind}(_\d+)?", name)]
        alike.sort(key=lambda name: (len(name), name))
        place += f"/{alike[int(count)] if int(count) < len(alike) else own}"
    return place.lstrip("/")


def _legacy(model: Layer, archive: Archive) -> dict[Any, Array]:
    """Read the weights of an `.h5`: those of each layer in a list, trainable ones first."""
    arrays = {}
    for place, layer in model.children.items():
        own = sorted(listed(layer, (place,), model.trainable), key=lambda each: not each[2])
        group = f"model_weights/{layer.name}"
        names = archive.weights.texts(group, "weight_names", len(own)) if own else []
        if len(names) != len(own):
            raise FileError(
                f"'{archive.name}': layer '{layer.name}' has weights {named(names)}, and its configuration has "
                f"{named([name for _, name, _ in own])}; save the model again"
            )
        for (path, name, _), stored in zip(own, names, strict=True):
            last = stored.rpartition("/")[2].partition(":")[0]
            if last != name and _SAME.get(last) != name:
                raise FileError(
                    f"'{archive.name}': layer '{layer.name}' has weight '{stored[:200]}' in the place of '{name}'; "
                    "save the model again"
                )
            array = archive.weights.array(f"{group}/{stored}")
            if array is None:
                raise FileError(f"'{archive.name}' lacks weight '{stored[:200]}'; save the model again")
            arrays[path, name] = array
    return arrays
