"""The later network of RNNoise (version 0.2), as a state dict of its torch module in JSON.

Two convolutions over time, three GRUs behind each other, and the gains and the probability of speech from all of them
side by side. Each convolution begins with zeros, as in RNNoise's code in C; its training leaves out the first frames.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from edgernn.array import Array
from edgernn_export.sources.json.entries import Entries
from edgernn_export.sources.json.modules import MODULES
from edgernn_export.sources.json.network import Stage
from edgernn_export.sources.json.reference import FORMULAS, sigmoid

CONVOLUTIONS, GRUS = ("conv1", "conv2"), ("gru1", "gru2", "gru3")
HEADS = {"dense_out": "gains", "vad_dense": "vad"}
"""A linear layer at the end -> the name of its output; the second is missing in early versions."""

Stages = Mapping[str, Stage]
"""The layers by their names in the file."""


def is_network(file: Entries) -> bool:
    """Whether a state dict has the layers of this network."""
    return all(f"{name}.weight" in file.members for name in (*CONVOLUTIONS, "dense_out")) and all(
        f"{name}.weight_ih_l0" in file.members for name in GRUS
    )


def stages_of(file: Entries) -> Stages:
    """Return the layers.

    Raises:
        FileError: an entry is missing, or its sizes disagree with those of other entries.
    """
    stages: dict[str, Stage] = {}
    width: int | None = None
    for name in CONVOLUTIONS:
        w = file.array(f"{name}.weight", (None, width, None))
        arrays = {"weight": w, "bias": file.array(f"{name}.bias", (len(w),))}
        stages[name], width = Stage("torch conv1d", name, arrays, {"dilation": 1}), len(w)
    for name in GRUS:
        u = file.array(f"{name}.weight_hh_l0", (None, None))
        shapes = {"w": (3 * u.shape[1], width), "b": (3 * u.shape[1],), "c": (3 * u.shape[1],)}
        keys = {"w": "weight_ih_l0", "b": "bias_ih_l0", "c": "bias_hh_l0"}
        arrays = {key: file.array(f"{name}.{keys[key]}", shape) for key, shape in shapes.items()}
        arrays["u"] = file.array(f"{name}.weight_hh_l0", (3 * u.shape[1], u.shape[1]))
        stages[name], width = Stage("torch gru", name, arrays), u.shape[1]
    widths = [len(stages["conv2"].weights["bias"]), *(stages[name].weights["u"].shape[1] for name in GRUS)]
    for name in HEADS:
        if f"{name}.weight" not in file.members:
            continue
        whole = file.array(f"{name}.weight", (None, None)).shape[1] != widths[-1]
        w = file.array(f"{name}.weight", (None, sum(widths) if whole else widths[-1]))
        arrays = {"weight": w, "bias": file.array(f"{name}.bias", (len(w),))}
        stages[name] = Stage("torch linear", name, arrays, {"whole": whole})
    return stages


class RnnoiseTorch(nn.Module):
    """The network: features (1, time, inputs) -> {"gains": (1, time, bands), "vad": (1, time, 1)}."""

    def __init__(self, stages: Stages) -> None:
        super().__init__()
        self.whole = {name: bool(stages[name].settings["whole"]) for name in HEADS if name in stages}
        for name, stage in stages.items():
            self.add_module(name, MODULES[stage.kind](stage))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Features of each frame -> gains and probability of speech."""
        y = x
        for name in CONVOLUTIONS:
            y = torch.tanh(self.get_submodule(name)(y))
        parts = [y]
        for name in GRUS:
            y = self.get_submodule(name)(y)[0]
            parts.append(y)
        every = torch.cat(parts, -1)
        heads = {name: self.get_submodule(name)(every if whole else y) for name, whole in self.whole.items()}
        return {HEADS[name]: torch.sigmoid(value) for name, value in heads.items()}


def run(stages: Stages, xs: Array) -> list[Array]:
    """Return the outputs for features (time, inputs): the reference, in float64."""

    def formula(name: str, x: Array) -> Array:
        return FORMULAS[stages[name].kind](stages[name].weights, stages[name].settings, x)

    y = xs.astype(np.float64)
    for name in CONVOLUTIONS:
        y = np.tanh(formula(name, y))
    parts = [y]
    for name in GRUS:
        y = formula(name, y)
        parts.append(y)
    ends = {name: np.concatenate(parts, 1) if stages[name].settings["whole"] else y for name in HEADS if name in stages}
    return [sigmoid(formula(name, end)).astype(np.float32) for name, end in ends.items()]
