"""RTNeural's JSON: layers with weights as Keras has them, and what AIDA-X adds (J. Chowdhury, arXiv:2106.03037)."""

from collections import Counter
from collections.abc import Callable, Mapping
from math import prod

from edgernn.array import Array
from edgernn.errors import UnsupportedError
from edgernn_export.sources.json.entries import Entries, array
from edgernn_export.sources.json.network import Network, Stage
from edgernn_export.sources.json.rates import rate_of

ACTIVATIONS = {"tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid", "softmax": "softmax", "elu": "elu"}
"""The activations of RTNeural's loader; "" and "linear" are none."""

PASSES = {"dropout", "flatten", "input", "reshape"}
"""Layers without weights that leave the elements of a frame as they are."""


def network_of(file: Entries) -> Network:
    """Return the network of a file with `in_shape` and `layers`.

    `in_skip` adds the first element of the input to the output; `in_gain` and `out_gain` are in dB.

    Raises:
        FileError: an entry is missing, or its sizes disagree with those of other entries.
        UnsupportedError: a layer is not known.
    """
    inputs = width = _width(file, "in_shape")
    stages: list[Stage] = []
    count: Counter[str] = Counter()
    for layer in file.objects("layers"):
        kind = layer.text("type")
        if kind not in LAYERS:
            raise UnsupportedError(
                f"'{file.file}': '{layer.place('type')}' is '{kind}', which is not known; there are "
                f"{', '.join(LAYERS)}. Export the model from its own tool as ONNX, and import that"
            )
        out = _width(layer, "shape")
        count[kind] += 1
        name = kind.removeprefix("time-distributed-") + (f"_{count[kind]}" if count[kind] > 1 else "")
        own = LAYERS[kind](layer, width, out, name)
        stages += [*own, *_activation(layer, own)]
        width = out
    skip = file.size("in_skip", least=0) if isinstance(file.members.get("in_skip"), int) else 0
    if skip > inputs or (skip and width not in {skip, 1}):
        raise file.error("in_skip", f"is {skip} of {inputs} inputs, beside {width} outputs", "1, or 0 for none")
    return Network(inputs, tuple(stages), skip, _gain(file, "in_gain"), _gain(file, "out_gain"), rate_of(file))


def _width(entries: Entries, name: str) -> int:
    """Return the elements of a frame of a Keras shape: (batch, time, width), or (batch, time, features, filters)."""
    shape = entries.value(name)
    if not isinstance(shape, list) or not 2 <= len(shape) <= 4:
        raise entries.error(name, f"is {shape!r}"[:80], "a shape (null, null, width)")
    sizes = shape[2:] if len(shape) == 4 else shape[-1:]
    return prod(Entries(entries.file, entries.path, {name: each}).size(name) for each in sizes)


def _gain(file: Entries, name: str) -> float:
    """Return a gain, which is stored in dB, as a factor; 1 when there is none."""
    return float(10 ** (file.number(name) / 20)) if file.members.get(name) is not None else 1.0


def _arrays(layer: Entries, shapes: Mapping[str, tuple[int | None, ...]]) -> dict[str, Array]:
    """Return the weights of a layer by name, from their list."""
    weights = layer.value("weights")
    if not isinstance(weights, list) or len(weights) != len(shapes):
        count = len(weights) if isinstance(weights, list) else 0
        raise layer.error("weights", f"has {count} arrays", f"{len(shapes)}: {', '.join(shapes)}")
    return {
        name: array(layer, f"weights[{i}]", value, axes)
        for i, ((name, axes), value) in enumerate(zip(shapes.items(), weights, strict=True))
    }


def _activation(layer: Entries, own: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Return the activation behind a layer; a recurrent layer has its own."""
    kind = layer.members.get("activation") or ""
    recurrent = layer.text("type") in {"gru", "lstm"}
    if not isinstance(kind, str) or kind in {"", "linear"} or (recurrent and kind == "tanh"):
        return ()
    if recurrent or kind not in ACTIVATIONS:
        known = "tanh" if recurrent else ", ".join(ACTIVATIONS)
        raise UnsupportedError(
            f"'{layer.file}': '{layer.place('activation')}' is '{kind}', which RTNeural does not compute there; "
            f"expected {known}. Import the model from the file of its own tool"
        )
    name = f"{own[-1].name if own else 'activation'}_{kind}"
    return (Stage("activation", name, {}, {"activation": ACTIVATIONS[kind]}),)


def _dense(layer: Entries, inputs: int, outputs: int, name: str) -> tuple[Stage, ...]:
    return (Stage("keras dense", name, _arrays(layer, {"kernel": (inputs, outputs), "bias": (outputs,)})),)


def _lstm(layer: Entries, inputs: int, outputs: int, name: str) -> tuple[Stage, ...]:
    shapes = {"kernel": (inputs, 4 * outputs), "recurrent": (outputs, 4 * outputs), "bias": (4 * outputs,)}
    return (Stage("keras lstm", name, _arrays(layer, shapes)),)


def _gru(layer: Entries, inputs: int, outputs: int, name: str) -> tuple[Stage, ...]:
    """Return a GRU; a bias of two rows is that of `reset_after=True`, of one that of `reset_after=False`."""
    weights = layer.value("weights")
    after = isinstance(weights, list) and len(weights) == 3 and isinstance(weights[2], list) and len(weights[2]) == 2
    bias = (2, 3 * outputs) if after else (3 * outputs,)
    shapes = {"kernel": (inputs, 3 * outputs), "recurrent": (outputs, 3 * outputs), "bias": bias}
    return (Stage("keras gru" if after else "keras gru reset before", name, _arrays(layer, shapes)),)


def _conv1d(layer: Entries, inputs: int, outputs: int, name: str) -> tuple[Stage, ...]:
    taps, dilation = layer.size("kernel_size"), layer.size("dilation")
    groups = layer.size("groups") if "groups" in layer.members else 1
    if inputs % groups or outputs % groups:
        raise layer.error("groups", f"is {groups}", f"a divisor of {inputs} inputs and {outputs} outputs")
    shapes = {"kernel": (taps, inputs // groups, outputs), "bias": (outputs,)}
    return (Stage("keras conv1d", name, _arrays(layer, shapes), {"dilation": dilation, "groups": groups}),)


def _conv2d(layer: Entries, inputs: int, outputs: int, name: str) -> tuple[Stage, ...]:
    """Return a convolution over time, causal, and over features; a frame is (features, filters)."""
    sizes = ("kernel_size_time", "kernel_size_feature", "num_filters_in", "num_filters_out", "num_features_in")
    time, feature, before, after, features = (layer.size(each) for each in sizes)
    dilation, stride, padding = layer.size("dilation"), layer.size("strides"), layer.text("padding")
    if padding not in {"valid", "same"}:
        raise layer.error("padding", f"is '{padding}'", "'valid' or 'same'")
    positions = -(-features // stride) if padding == "same" else (features - feature) // stride + 1
    if before * features != inputs or after * positions != outputs or positions < 1:
        raise layer.error(
            "shape",
            f"has {outputs} elements behind {inputs}",
            f"{after * max(0, positions)} behind {before * features}",
        )
    reach = max(0, (positions - 1) * stride + feature - features) if padding == "same" else 0
    settings = {"dilation": dilation, "stride": stride, "filters": before, "pad": (reach // 2, reach - reach // 2)}
    shapes = {"kernel": (time, feature, before, after), "bias": (after,)}
    return (Stage("keras conv2d", name, _arrays(layer, shapes), settings),)


def _prelu(layer: Entries, inputs: int, outputs: int, name: str) -> tuple[Stage, ...]:
    _check_same(layer, inputs, outputs)
    return (Stage("prelu", name, _arrays(layer, {"alpha": (1, inputs)})),)


def _batchnorm(layer: Entries, inputs: int, outputs: int, name: str) -> tuple[Stage, ...]:
    """Return a batch normalization, over channels, or in two dimensions over the filters of each feature."""
    _check_same(layer, inputs, outputs)
    channels = layer.size("num_filters_in") if layer.text("type") == "batchnorm2d" else inputs
    if inputs % channels:
        raise layer.error("num_filters_in", f"is {channels}", f"a divisor of the {inputs} elements of a frame")
    weights = layer.value("weights")
    affine = isinstance(weights, list) and len(weights) == 4
    names = ("gamma", "beta", "mean", "variance") if affine else ("mean", "variance")
    arrays = _arrays(layer, dict.fromkeys(names, (channels,)))
    return (Stage("batchnorm", name, arrays, {"epsilon": layer.number("epsilon")}),)


def _passed(layer: Entries, inputs: int, outputs: int, name: str) -> tuple[Stage, ...]:
    del name
    _check_same(layer, inputs, outputs)
    if layer.members.get("weights"):
        raise layer.error("weights", "has arrays", f"none of a layer '{layer.text('type')}'")
    return ()


def _check_same(layer: Entries, inputs: int, outputs: int) -> None:
    if inputs != outputs:
        raise layer.error("shape", f"has {outputs} elements", f"{inputs}, as the layer before it")


LAYERS: dict[str, Callable[[Entries, int, int, str], tuple[Stage, ...]]] = {
    "dense": _dense,
    "time-distributed-dense": _dense,
    "lstm": _lstm,
    "gru": _gru,
    "conv1d": _conv1d,
    "conv2d": _conv2d,
    "prelu": _prelu,
    "batchnorm": _batchnorm,
    "batchnorm2d": _batchnorm,
    "activation": _passed,
    **dict.fromkeys(sorted(PASSES), _passed),
}
"""The type of a layer -> (entries, inputs, outputs, name) to its stages."""
