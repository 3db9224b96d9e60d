"""The network of RNNoise, as rnnoise-nu's text of integers (`.rnnn`).

J.-M. Valin, "A hybrid DSP/deep learning approach to real-time full-band speech enhancement" (arXiv:1709.08243). A
frame is the features of 10 ms; the results are a gain for each band, and the probability of speech. RNNoise itself
computes sigmoid and tanh from a table of a few digits.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgernn.array import Array
from edgernn.cells import GruResetBefore
from edgernn.errors import FileError
from edgernn.model.cell import LARGEST
from edgernn_export.sources.foreign.layers import CellLayer
from edgernn_export.sources.json.check import NUMBERS
from edgernn_export.sources.json.modules import gates, tensor
from edgernn_export.sources.json.reference import ACTIVATIONS, FORMULAS

PERIOD_MS = 10.0  # 480 samples at 48 kHz
UNIT = 256  # by which the integers are divided
KINDS = ("tanh", "sigmoid", "relu")  # by number
LAYERS = ("input_dense", "vad_gru", "noise_gru", "denoise_gru", "denoise_output", "vad_output")
"""The layers in the order of the text; a GRU has recurrent weights between its weights and its bias."""


@dataclass(frozen=True, eq=False)
class Rnnoise:
    """The six layers: (weights (inputs, outputs), recurrent weights or None, bias, activation), by name."""

    layers: Mapping[str, tuple[Array, Array | None, Array, str]]

    @property
    def inputs(self) -> int:
        """The number of features."""
        return len(self.layers["input_dense"][0])


def parsed(file: str, data: bytes) -> Rnnoise:
    """Return the network of a text: for each layer its inputs, outputs and activation, weights and bias.

    Raises:
        FileError: it is no such text, or a layer has other sizes than those before it.
    """
    numbers = _numbers(file, data[len(NUMBERS) :])
    layers, at = {}, 0
    for name in LAYERS:
        if at + 3 > len(numbers):
            raise FileError(
                f"'{file}': layer '{name}' begins at number {at} of {len(numbers)}; expected its three sizes"
            )
        inputs, outputs, kind = (int(each) for each in numbers[at : at + 3])
        if not (0 < inputs <= LARGEST and 0 < outputs <= LARGEST and 0 <= kind < len(KINDS)):
            raise FileError(
                f"'{file}': layer '{name}' has {inputs} inputs, {outputs} outputs and activation {kind}; expected "
                f"sizes from 1 to {LARGEST:,}, and an activation of 0, 1 or 2"
            )
        gated, arrays, at = name.endswith("_gru"), [], at + 3
        wide = outputs * (3 if gated else 1)
        for shape in [(inputs, wide), *([(outputs, wide)] if gated else []), (wide,)]:
            end = at + int(np.prod(shape))
            if end > len(numbers):
                raise FileError(f"'{file}': layer '{name}' needs numbers up to {end}, and there are {len(numbers)}")
            arrays.append((numbers[at:end].reshape(shape) / np.float32(UNIT)).astype(np.float32))
            at = end
        layers[name] = (arrays[0], arrays[1] if gated else None, arrays[-1], KINDS[kind])
    if at != len(numbers):
        raise FileError(f"'{file}' has {len(numbers)} numbers; expected {at} by its sizes")
    _check(file, layers)
    return Rnnoise(layers)


def _numbers(file: str, data: bytes) -> Array:
    """Return whole numbers between spaces and lines; float32 holds those of a network exactly."""
    try:
        with warnings.catch_warnings(action="error", category=DeprecationWarning):
            numbers = np.fromstring(data.decode("latin-1"), np.float32, sep=" ")
    except (ValueError, DeprecationWarning) as error:
        raise FileError(f"'{file}' holds more than numbers; expected those of '{NUMBERS.decode()}'") from error
    if not (np.abs(numbers) <= LARGEST).all() or (numbers % 1).any():
        raise FileError(
            f"'{file}' holds a number that is no integer of at most {LARGEST:,}; expected the network's integers"
        )
    return numbers


def _check(file: str, layers: Mapping[str, tuple[Array, Array | None, Array, str]]) -> None:
    x, *widths = (len(layers["input_dense"][0]), *(len(layers[name][0][0]) for name in LAYERS))
    dense, vad, noise, denoise = widths[0], *(each // 3 for each in widths[1:4])
    expected = (x, dense, dense + vad + x, vad + noise + x, denoise, vad)
    for name, inputs in zip(LAYERS, expected, strict=True):
        if len(layers[name][0]) != inputs:
            raise FileError(f"'{file}': layer '{name}' reads {len(layers[name][0])} values; expected {inputs}")


class RnnoiseNet(nn.Module):
    """The network: features (1, time, inputs) -> {"gains": (1, time, bands), "vad": (1, time, 1)}."""

    def __init__(self, network: Rnnoise) -> None:
        super().__init__()
        self.kinds = {name: kind for name, (*_, kind) in network.layers.items()}
        for name, (w, u, b, kind) in network.layers.items():
            if u is None:
                layer: nn.Module = nn.Linear(*w.shape)
                layer.load_state_dict({"weight": tensor(w.T), "bias": tensor(b)})
            else:
                rows, both = tensor(gates(u).T), 2 * len(u)
                layer = CellLayer(
                    GruResetBefore,
                    w=tensor(gates(w).T),
                    u=rows[:both],
                    v=rows[both:],
                    b=tensor(gates(b)),
                    activation=kind,
                )
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Features of each frame -> gains and probability of speech."""
        dense = self._dense("input_dense", x)
        vad = self.get_submodule("vad_gru")(dense)[0]
        noise = self.get_submodule("noise_gru")(torch.cat([dense, vad, x], -1))[0]
        denoise = self.get_submodule("denoise_gru")(torch.cat([vad, noise, x], -1))[0]
        return {"gains": self._dense("denoise_output", denoise), "vad": self._dense("vad_output", vad)}

    def _dense(self, name: str, x: Tensor) -> Any:
        return getattr(torch, self.kinds[name])(self.get_submodule(name)(x))


def run(network: Rnnoise, xs: Array) -> tuple[Array, Array]:
    """Return gains and probability of speech for features (time, inputs): the reference, in float64."""

    def dense(name: str, x: Array) -> Array:
        w, _, b, kind = network.layers[name]
        return ACTIVATIONS[kind](x @ w + b)

    def gru(name: str, x: Array) -> Array:
        w, u, b, kind = network.layers[name]
        return FORMULAS["keras gru reset before"]({"kernel": w, "recurrent": u, "bias": b}, {"activation": kind}, x)

    x = xs.astype(np.float64)
    first = dense("input_dense", x)
    vad = gru("vad_gru", first)
    noise = gru("noise_gru", np.concatenate([first, vad, x], 1))
    denoise = gru("denoise_gru", np.concatenate([vad, noise, x], 1))
    return dense("denoise_output", denoise).astype(np.float32), dense("vad_output", vad).astype(np.float32)
