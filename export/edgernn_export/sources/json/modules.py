"""The torch module of a network: each stage as the layer of torch that computes it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgernn.array import Array
from edgernn.cells import GruResetBefore
from edgernn_export.sources.foreign.layers import CellLayer
from edgernn_export.sources.json.network import Network, Stage
from edgernn_export.sources.json.wavenet import Wavenet

KERAS_GRU = (1, 0, 2)
"""The place of torch's gates r z n among those of Keras, z r n; those of an LSTM are in the same order."""


BEGUN = {"nam lstm": ("h", "c")}
"""The kind of a stage that begins with states of its own -> their names."""


class Chain(nn.Module):
    """A network over a sequence: (1, time, inputs) -> {"y": (1, time, outputs)}."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.skip, self.in_gain, self.out_gain = network.skip, network.in_gain, network.out_gain
        self.names: list[str] = []
        self.begun: dict[str, tuple[str, ...]] = {}
        for stage in network.stages:
            name = f"{stage.name}_" if hasattr(self, stage.name) else stage.name
            self.add_module(name, MODULES[stage.kind](stage))
            self.names.append(name)
            if stage.kind in BEGUN:
                for state in BEGUN[stage.kind]:
                    self.register_buffer(f"{name}_{state}", tensor(stage.weights[state]).reshape(1, 1, -1))
                self.begun[name] = BEGUN[stage.kind]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(1, time, inputs) -> (1, time, outputs)."""
        x = x * self.in_gain if self.in_gain != 1 else x
        y = x
        for name in self.names:
            states = tuple(getattr(self, f"{name}_{state}") for state in self.begun.get(name, ()))
            result = self.get_submodule(name)(y, *([states] if states else []))
            y = result[0] if isinstance(result, tuple) else result
        y = y + x[..., : self.skip] if self.skip else y
        return {"y": y * self.out_gain if self.out_gain != 1 else y}


class CausalConv1d(nn.Module):
    """A convolution over time that begins with zeros; weight (outputs, inputs / groups, taps)."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, dilation: int, groups: int = 1) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.dilation, self.groups = dilation, groups

    def forward(self, x: Tensor) -> Tensor:
        """(1, time, inputs) -> (1, time, outputs)."""
        padded = functional.pad(x.transpose(1, 2), ((self.weight.shape[2] - 1) * self.dilation, 0))
        y = functional.conv1d(padded, self.weight, self.bias, dilation=self.dilation, groups=self.groups)
        return y.transpose(1, 2)


class CausalConv2d(nn.Module):
    """A convolution over time, which begins with zeros, and features; a frame is (features, filters), side by side."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.filters, self.stride, self.dilation = settings["filters"], settings["stride"], settings["dilation"]
        self.pad = (*settings["pad"], (weight.shape[2] - 1) * self.dilation, 0)

    def forward(self, x: Tensor) -> Tensor:
        """(1, time, features * filters) -> (1, time, positions * filters)."""
        planes = functional.pad(x.reshape(1, x.shape[1], -1, self.filters).permute(0, 3, 1, 2), self.pad)
        y = functional.conv2d(planes, self.weight, self.bias, stride=(1, self.stride), dilation=(self.dilation, 1))
        return y.permute(0, 2, 3, 1).flatten(2)


class Affine(nn.Module):
    """A factor and a summand for each channel, of which a frame has one or several sets."""

    factor: Tensor
    summand: Tensor

    def __init__(self, factor: Tensor, summand: Tensor) -> None:
        super().__init__()
        self.register_buffer("factor", factor)
        self.register_buffer("summand", summand)

    def forward(self, x: Tensor) -> Tensor:
        """(1, time, sets * channels) -> the same."""
        sets = x.shape[-1] // len(self.factor)
        return x * self.factor.repeat(sets) + self.summand.repeat(sets)


class Activated(nn.Module):
    """A function of torch.nn.functional."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Any:
        """(1, time, features) -> the same."""
        if self.name in {"tanh", "sigmoid"}:  # deprecated in torch.nn.functional
            return getattr(torch, self.name)(x)
        return torch.softmax(x, -1) if self.name == "softmax" else getattr(functional, self.name)(x)


def tensor(array: Array) -> Tensor:
    """Return weights as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _recurrent(kind: type[Any], w: Array, u: Array, biases: tuple[Array, ...] = ()) -> Any:
    """Return nn.LSTM, nn.GRU or nn.RNN of one layer with these weights, in torch's order of gates."""
    hidden = u.shape[1]
    layer = kind(w.shape[1], hidden, batch_first=True, bias=bool(biases))
    with torch.no_grad():
        for parameter, array in zip(layer.parameters(), (w, u, *biases), strict=True):
            parameter.copy_(tensor(array))
    return layer


def _torch_recurrent(kind: type[Any]) -> Callable[[Stage], nn.Module]:
    def build(stage: Stage) -> nn.Module:
        p = stage.weights
        module: nn.Module = _recurrent(kind, p["w"], p["u"], (p["b"], p["c"]) if "b" in p else ())
        return module

    return build


def _nam_lstm(stage: Stage) -> nn.Module:
    p = stage.weights
    inputs = p["wu"].shape[1] - len(p["h"])
    module: nn.Module = _recurrent(nn.LSTM, p["wu"][:, :inputs], p["wu"][:, inputs:], (p["b"], np.zeros_like(p["b"])))
    return module


def _keras_lstm(stage: Stage) -> nn.Module:
    p = stage.weights
    module: nn.Module = _recurrent(nn.LSTM, p["kernel"].T, p["recurrent"].T, (p["bias"], np.zeros_like(p["bias"])))
    return module


def _keras_gru(stage: Stage) -> nn.Module:
    w, u, biases = (gates(stage.weights[name]) for name in ("kernel", "recurrent", "bias"))
    module: nn.Module = _recurrent(nn.GRU, w.T, u.T, (biases[0], biases[1]))
    return module


def _keras_gru_before(stage: Stage) -> nn.Module:
    w, u, b = (gates(stage.weights[name]) for name in ("kernel", "recurrent", "bias"))
    both = 2 * u.shape[0]
    return CellLayer(GruResetBefore, w=tensor(w.T), u=tensor(u.T[:both]), v=tensor(u.T[both:]), b=tensor(b))


def gates(array: Array) -> Array:
    """Return an array with the gates of Keras' GRU, on its last axis, in torch's order."""
    parts = np.split(array, len(KERAS_GRU), axis=-1)
    return np.concatenate([parts[i] for i in KERAS_GRU], axis=-1)


def _linear(weight: Array, bias: Array | None) -> nn.Module:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(tensor(weight))
        if bias is not None:
            layer.bias.copy_(tensor(bias))
    return layer


def _batchnorm(stage: Stage) -> nn.Module:
    p = {name: array.astype(np.float64) for name, array in stage.weights.items()}
    factor = p.get("gamma", 1.0) / np.sqrt(p["variance"] + stage.settings["epsilon"])
    return Affine(tensor(factor), tensor(p.get("beta", 0.0) - factor * p["mean"]))


def _prelu(stage: Stage) -> nn.Module:
    layer = nn.PReLU(stage.weights["alpha"].size)
    with torch.no_grad():
        layer.weight.copy_(tensor(stage.weights["alpha"][0]))
    return nn.Sequential(_Channels(), layer, _Channels())


class _Channels(nn.Module):
    """Exchanges time and features: nn.PReLU has the channels on the axis after the batch."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def _conv1d(stage: Stage) -> nn.Module:
    p, bias = stage.weights, stage.weights.get("bias")
    return CausalConv1d(tensor(p["weight"]), None if bias is None else tensor(bias), stage.settings["dilation"])


def _keras_conv1d(stage: Stage) -> nn.Module:
    p = stage.weights
    return CausalConv1d(tensor(p["kernel"].transpose(2, 1, 0)), tensor(p["bias"]), **stage.settings)


def _keras_conv2d(stage: Stage) -> nn.Module:
    p = stage.weights
    return CausalConv2d(tensor(p["kernel"].transpose(3, 2, 0, 1)), tensor(p["bias"]), stage.settings)


MODULES: dict[str, Callable[[Stage], nn.Module]] = {
    "torch lstm": _torch_recurrent(nn.LSTM),
    "torch gru": _torch_recurrent(nn.GRU),
    "torch rnn": _torch_recurrent(nn.RNN),
    "torch linear": lambda stage: _linear(stage.weights["weight"], stage.weights.get("bias")),
    "torch conv1d": _conv1d,
    "nam lstm": _nam_lstm,
    "nam wavenet": lambda stage: Wavenet({name: tensor(w) for name, w in stage.weights.items()}, stage.settings),
    "keras lstm": _keras_lstm,
    "keras gru": _keras_gru,
    "keras gru reset before": _keras_gru_before,
    "keras dense": lambda stage: _linear(stage.weights["kernel"].T, stage.weights["bias"]),
    "keras conv1d": _keras_conv1d,
    "keras conv2d": _keras_conv2d,
    "batchnorm": _batchnorm,
    "prelu": _prelu,
    "activation": lambda stage: Activated(stage.settings["activation"]),
}
"""The kind of a stage -> its module."""
