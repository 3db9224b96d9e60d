"""The reason in a refusal is the true one: what it must say, and what it must not."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgernn.errors import UnsupportedError
from edgernn_export import from_torch

WIDTH, STEPS = 24, 13


class Written(nn.Module):
    """A function of a recurrent layer's output (1, time, 6) and of the input (1, time, 24)."""

    def __init__(self, function, **parts):
        super().__init__()
        self.gru = nn.GRU(WIDTH, 6, batch_first=True)
        self.does = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.does(self, self.gru(x)[0], x)


def slices(m, g, x):
    y = torch.zeros(1, x.shape[1], 6)
    y[:, :, :3] = g[:, :, :3]
    return y


def overwritten(m, g, x):
    y = g.clone()
    y[:, :, 0] = 0
    return y


def decides(m, g, x):
    return g if g.sum() > 0 else -g


ATTEND = {"attend": nn.TransformerEncoderLayer(WIDTH, 2, 8, batch_first=True)}

REASONS = {
    "scatter": (lambda m, g, x: g.scatter(2, torch.zeros(1, STEPS, 1).long(), g[..., :1]), {}, "writes into a part", "no cell"),
    "time in the features": (lambda m, g, x: m.late(x.flatten(1).view(1, -1)), {"late": nn.Linear(STEPS * WIDTH, 2)}, "'flatten'.*mixes time into the features", "linear"),
    "max over time": (lambda m, g, x: g.amax(1), {}, "it runs over time, so it needs the whole sequence", "features"),
    "std over time": (lambda m, g, x: g.std(1), {}, "write it with means", "take the last step"),
    "sum over time": (lambda m, g, x: g.sum((1, 2)), {}, "a sum of all frames so far grows without bound", "no cell"),
    "largest place": (lambda m, g, x: g.argmax(-1), {}, "finds the position of the largest value", "whole sequence"),
    "largest place of all": (lambda m, g, x: g.argmax(1), {}, "it runs over time", "of a frame"),
    "sorted": (lambda m, g, x: g.sort(-1)[0], {}, "no operation sorts the features", "whole sequence"),
    "median": (lambda m, g, x: g.median(-1)[0], {}, "no operation sorts the features", "whole sequence"),
    "product": (lambda m, g, x: g.prod(-1), {}, "no operation multiplies the elements of an axis", "whole sequence"),
    "attention": (lambda m, g, x: (g @ g.mT).softmax(-1) @ g, {}, "'matmul'.*attention over the whole sequence", "write a sum"),
    "attention in a module": (lambda m, g, x: m.attend(x), ATTEND, "attention over the whole sequence", "random numbers"),
    "softmax over time": (lambda m, g, x: (g.softmax(1) * g).sum(1), {}, "'softmax'.*it runs over time", "'sum'"),
    "einsum over time": (lambda m, g, x: torch.einsum("bti,bsi->bts", g, g), {}, "attention over the whole sequence", "write a sum"),
    "sine": (lambda m, g, x: g.sin(), {}, "no operation computes angles, or functions of them", "supported layers"),
    "angle": (lambda m, g, x: torch.atan2(g, x[..., :6]), {}, "no operation computes angles", "supported layers"),
    "rounded": (lambda m, g, x: g.round(), {}, "no operation rounds values", "supported layers"),
    "integers": (lambda m, g, x: g.int().float(), {}, "casts torch.float64 to torch.int32; no operation rounds", "supported layers"),
    "spectrum": (lambda m, g, x: torch.fft.fft(g).abs(), {}, "no operation computes this transform", "supported layers"),
    "spectrum over time": (lambda m, g, x: torch.fft.rfft(g, dim=1).abs(), {}, "does not run over the last axis", "supported layers"),
    "complex": (lambda m, g, x: torch.complex(g, g).abs(), {}, "no operation computes complex numbers", "supported layers"),
    "chosen by value": (lambda m, g, x: torch.masked_select(g, g > 0), {}, "depends on their values", "supported layers"),
    "gathered by value": (lambda m, g, x: x.gather(2, (g > 0).long()), {}, "its index is a value of the stream", "casts"),
    "windows": (lambda m, g, x: F.unfold(g.unsqueeze(1), (3, 1), padding=(1, 0)), {}, "no cell returns windows", "supported"),
    "group norm over time": (lambda m, g, x: F.group_norm(g.mT, 2).mT, {}, "its statistics run over time", "no operation"),
    "instance norm over time": (lambda m, g, x: F.instance_norm(g.mT).mT, {}, "x.cumsum\\(-1\\)", "no operation"),
    "layer norm over time": (lambda m, g, x: F.layer_norm(g, (STEPS, 6)), {}, "of which axis 1 is time", "features alone"),
    "positions": (lambda m, g, x: g + torch.arange(STEPS)[:, None], {}, "a constant changes over time", "expected"),
    "positions of the last step": (lambda m, g, x: g[:, -1] + torch.arange(STEPS)[:, None], {}, "a constant changes over time", "differ"),
    "decision": (decides, {}, "torch.export cannot follow Written.*what it does depends on the values", "guard"),
    "random": (lambda m, g, x: torch.rand_like(g) * g, {}, "draws random numbers", "no cell"),
    "fake quantized": (lambda m, g, x: torch.fake_quantize_per_tensor_affine(g, 0.1, 0, 0, 255), {}, "torch's own quantization", "no cell"),
    "equal": (lambda m, g, x: (g == 0).double(), {}, "no operation tells equal values", "no cell"),
    "unknown": (lambda m, g, x: torch.lgamma(g), {}, "'lgamma', which cannot stream: no cell computes it", "time"),
}  # fmt: skip
"""What the module does, its parts, what its refusal must say, and what it must not."""


@pytest.mark.parametrize("name", REASONS)
def test_the_reason_is_the_true_one(name):
    function, parts, said, silent = REASONS[name]
    with pytest.raises(UnsupportedError, match=said) as refusal:
        from_torch(
            Written(function, **parts).eval(),
            torch.randn(1, STEPS, WIDTH),
            time_axis=1,
        )
    message = str(refusal.value)
    assert silent not in message
    assert "\n" not in message
    assert len(message) < 500


def test_the_operation_that_loses_the_time_axis_is_named():
    class Lost(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(12, 3, batch_first=True)

        def forward(self, x):
            return self.gru(torch.tanh(x.flatten(1)).unsqueeze(0).reshape(1, -1, 12))[0]

    expected = r"'gru' runs over an axis that 'reshape' creates .*\(after 'flatten' has joined or removed axes"
    with pytest.raises(UnsupportedError, match=expected):
        from_torch(Lost().eval(), torch.randn(1, STEPS, WIDTH))
