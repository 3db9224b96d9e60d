"""The reference: what a network computes, in float64 numpy, by the formulas of its format and in its order of gates."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn_export.sources.json.network import Network

Weights = Mapping[str, Any]
Settings = Mapping[str, Any]


def run(network: Network, xs: Array) -> Array:
    """Return the outputs (time, outputs) in float32 for frames (time, inputs), from the beginning of a stream."""
    x = xs.astype(np.float64) * network.in_gain
    y = x
    with np.errstate(over="ignore"):  # exp of a large number in a sigmoid is infinite, and its inverse is 0
        for stage in network.stages:
            y = FORMULAS[stage.kind](stage.weights, stage.settings, y)
    if network.skip:
        y = y + x[:, : network.skip]
    answer: Array = (y * network.out_gain).astype(np.float32)
    return answer


def sigmoid(x: Array) -> Array:
    """Return the logistic function."""
    y: Array = 1 / (1 + np.exp(-x))
    return y


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "softmax": lambda x: (
        np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)
    ),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "silu": lambda x: x * sigmoid(x),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
}


def _scan(xs: Array, states: Sequence[Array], step: Callable[..., tuple[Array, ...]]) -> Array:
    """Return the first state after each frame."""
    answers = []
    for x in xs:
        states = step(x, *states)
        answers.append(states[0])
    return np.array(answers)


def _lstm_step(a: Array, c: Array) -> tuple[Array, Array]:
    """Return h and c of an LSTM from its sums, with the gates in the order i f g o."""
    i, f, g, o = np.split(a, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def _torch_biases(p: Weights) -> tuple[Any, Any]:
    return (p["b"].astype(np.float64), p["c"].astype(np.float64)) if "b" in p else (0.0, 0.0)


def _torch_lstm(p: Weights, settings: Settings, xs: Array) -> Array:
    del settings
    (b, d), zeros = _torch_biases(p), np.zeros(p["u"].shape[1])
    return _scan(xs, (zeros, zeros), lambda x, h, c: _lstm_step(p["w"] @ x + b + p["u"] @ h + d, c))


def _torch_gru(p: Weights, settings: Settings, xs: Array) -> Array:
    """See the documentation of torch.nn.GRU: gates r z n, and the reset gate multiplies the second bias of n."""
    del settings
    b, d = _torch_biases(p)

    def step(x: Array, h: Array) -> tuple[Array, ...]:
        (xr, xz, xn), (hr, hz, hn) = np.split(p["w"] @ x + b, 3), np.split(p["u"] @ h + d, 3)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        return ((1 - z) * np.tanh(xn + r * hn) + z * h,)

    return _scan(xs, (np.zeros(p["u"].shape[1]),), step)


def _torch_rnn(p: Weights, settings: Settings, xs: Array) -> Array:
    del settings
    b, d = _torch_biases(p)
    return _scan(xs, (np.zeros(p["u"].shape[1]),), lambda x, h: (np.tanh(p["w"] @ x + b + p["u"] @ h + d),))


def _nam_lstm(p: Weights, settings: Settings, xs: Array) -> Array:
    del settings
    return _scan(xs, (p["h"], p["c"]), lambda x, h, c: _lstm_step(p["wu"] @ np.concatenate([x, h]) + p["b"], c))


def _keras_lstm(p: Weights, settings: Settings, xs: Array) -> Array:
    """Gates i f c o in columns."""
    del settings
    zeros = np.zeros(len(p["recurrent"]))
    return _scan(xs, (zeros, zeros), lambda x, h, c: _lstm_step(x @ p["kernel"] + h @ p["recurrent"] + p["bias"], c))


def _keras_gru(p: Weights, settings: Settings, xs: Array) -> Array:
    """Gates z r h in columns; `reset_after=True`, whose bias has a row for each product."""
    del settings

    def step(x: Array, h: Array) -> tuple[Array, ...]:
        (xz, xr, xh), (hz, hr, hh) = (
            np.split(x @ p["kernel"] + p["bias"][0], 3),
            np.split(h @ p["recurrent"] + p["bias"][1], 3),
        )
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        return (z * h + (1 - z) * np.tanh(xh + r * hh),)

    return _scan(xs, (np.zeros(len(p["recurrent"])),), step)


def _keras_gru_before(p: Weights, settings: Settings, xs: Array) -> Array:
    """Gates z r h in columns; `reset_after=False`: the recurrent product of h reads the state times r."""
    activation = ACTIVATIONS[settings.get("activation", "tanh")]
    hidden = len(p["recurrent"])

    def step(x: Array, h: Array) -> tuple[Array, ...]:
        xz, xr, xh = np.split(x @ p["kernel"] + p["bias"], 3)
        z, r = np.split(sigmoid(np.concatenate([xz, xr]) + h @ p["recurrent"][:, : 2 * hidden]), 2)
        return (z * h + (1 - z) * activation(xh + (r * h) @ p["recurrent"][:, 2 * hidden :]),)

    return _scan(xs, (np.zeros(hidden),), step)


def _convolved(xs: Array, weight: Array, dilation: int = 1) -> Array:
    """Convolve (time, inputs) causally with a weight (outputs, inputs, taps), whose last tap is the newest frame."""
    taps = weight.shape[2]
    past = np.concatenate([np.zeros(((taps - 1) * dilation, xs.shape[1])), xs])
    parts = [past[k * dilation : k * dilation + len(xs)] @ weight[:, :, k].T for k in range(taps)]
    return np.asarray(np.sum(parts, axis=0))


def _torch_conv1d(p: Weights, settings: Settings, xs: Array) -> Array:
    y: Array = _convolved(xs, p["weight"], settings["dilation"]) + p.get("bias", 0.0)
    return y


def _keras_conv1d(p: Weights, settings: Settings, xs: Array) -> Array:
    """Kernel (taps, inputs / groups, outputs): each group of inputs makes one group of outputs."""
    groups, kernel = settings["groups"], p["kernel"]
    parts = zip(np.split(xs, groups, 1), np.split(kernel, groups, 2), strict=True)
    y: Array = np.concatenate([_convolved(x, k.T, settings["dilation"]) for x, k in parts], 1) + p["bias"]
    return y


def _keras_conv2d(p: Weights, settings: Settings, xs: Array) -> Array:
    """Kernel (time, features, filters in, filters out); a frame is (features, filters) in this order."""
    kernel, (before, after) = p["kernel"], settings["pad"]
    planes = np.pad(xs.reshape(len(xs), -1, settings["filters"]), ((0, 0), (before, after), (0, 0)))
    starts = range(0, planes.shape[1] - kernel.shape[1] + 1, settings["stride"])
    weight = kernel.transpose(3, 1, 2, 0).reshape(kernel.shape[3], -1, kernel.shape[0])
    windows = (planes[:, i : i + kernel.shape[1]].reshape(len(xs), -1) for i in starts)
    return np.concatenate([_convolved(window, weight, settings["dilation"]) + p["bias"] for window in windows], 1)


def _batchnorm(p: Weights, settings: Settings, xs: Array) -> Array:
    channels = xs.reshape(len(xs), -1, len(p["mean"]))
    scaled = (channels - p["mean"]) / np.sqrt(p["variance"].astype(np.float64) + settings["epsilon"])
    y: Array = (scaled * p.get("gamma", 1.0) + p.get("beta", 0.0)).reshape(xs.shape)
    return y


def _wavenet(p: Weights, settings: Settings, xs: Array) -> Array:
    head: Any = 0.0
    y = xs
    for i, array in enumerate(settings["arrays"]):
        y = _convolved(y, p[f"{i}.rechannel.weight"])
        for j, dilation in enumerate(array["dilations"]):
            z = _convolved(y, p[f"{i}.{j}.conv.weight"], dilation) + p[f"{i}.{j}.conv.bias"]
            z = z + _convolved(xs, p[f"{i}.{j}.mix.weight"])
            first, gates = z[:, : array["channels"]], z[:, array["channels"] :]
            z = ACTIVATIONS[array["activation"]](first) * (sigmoid(gates) if array["gated"] else 1.0)
            head = head + z
            y = y + _convolved(z, p[f"{i}.{j}.out.weight"]) + p[f"{i}.{j}.out.bias"]
        head = _convolved(head, p[f"{i}.head.weight"]) + p.get(f"{i}.head.bias", 0.0)
    return np.asarray(head * p["head_scale"])


FORMULAS: dict[str, Callable[[Weights, Settings, Array], Array]] = {
    "torch lstm": _torch_lstm,
    "torch gru": _torch_gru,
    "torch rnn": _torch_rnn,
    "torch linear": lambda p, _, x: x @ p["weight"].T + p.get("bias", 0.0),
    "torch conv1d": _torch_conv1d,
    "nam lstm": _nam_lstm,
    "nam wavenet": _wavenet,
    "keras lstm": _keras_lstm,
    "keras gru": _keras_gru,
    "keras gru reset before": _keras_gru_before,
    "keras dense": lambda p, _, x: x @ p["kernel"] + p["bias"],
    "keras conv1d": _keras_conv1d,
    "keras conv2d": _keras_conv2d,
    "batchnorm": _batchnorm,
    "prelu": lambda p, _, x: np.where(x > 0, x, p["alpha"][0] * x),
    "activation": lambda _, settings, x: ACTIVATIONS[settings["activation"]](x),
}
"""The kind of a stage -> (weights, settings, frames (time, inputs)) to its outputs (time, outputs)."""
