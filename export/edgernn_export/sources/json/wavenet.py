"""The WaveNet of Neural Amp Modeler as a torch module (after A. van den Oord et al., arXiv:1609.03499)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Wavenet(nn.Module):
    """Arrays of gated or plain dilated convolutions; each layer adds to the head of its array, and to its input.

    Args:
        weights: by name, as `nam` splits them.
        settings: `arrays`, the settings of each array.
    """

    head_scale: Tensor

    def __init__(self, weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.arrays = settings["arrays"]
        for name, tensor in weights.items():
            self.register_buffer(name.replace(".", "_"), tensor)

    def forward(self, x: Tensor) -> Tensor:
        """(1, time, 1) -> (1, time, 1)."""
        condition = y = x.transpose(1, 2)
        head: Tensor | None = None
        for i, array in enumerate(self.arrays):
            y = self._conv(f"{i}_rechannel", y)
            for j, dilation in enumerate(array["dilations"]):
                z = self._conv(f"{i}_{j}_conv", y, dilation) + self._conv(f"{i}_{j}_mix", condition)
                z = self._activated(z, array)
                head = z if head is None else head + z
                y = y + self._conv(f"{i}_{j}_out", z)
            head = None if head is None else self._conv(f"{i}_head", head)
        assert head is not None
        return (head * self.head_scale).transpose(1, 2)

    def _conv(self, name: str, x: Tensor, dilation: int = 1) -> Tensor:
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias", None)
        padded = functional.pad(x, ((weight.shape[2] - 1) * dilation, 0)) if weight.shape[2] > 1 else x
        return functional.conv1d(padded, weight, bias, dilation=dilation)

    def _activated(self, z: Tensor, array: Mapping[str, Any]) -> Tensor:
        """Return the activation of the first channels, times the sigmoid of the second where they are gates."""
        kind, channels = array["activation"], array["channels"]
        function = getattr(torch, kind) if kind in {"tanh", "sigmoid"} else getattr(functional, kind)
        first: Tensor = function(z[:, :channels])
        return first * torch.sigmoid(z[:, channels:]) if array["gated"] else first
