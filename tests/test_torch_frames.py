"""What happens within one frame: elements in another order, joins on inner axes, convolutions over past frames."""

import numpy as np
import pytest
import torch
from torch import nn

from edgernn.errors import UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import from_torch

STEPS = 30


class Module(nn.Module):
    """A forward given as a function of the parts and the arguments."""

    def __init__(self, forward, **parts):
        super().__init__()
        self._forward, self.parts = forward, nn.ModuleDict(parts)

    def forward(self, *args):
        return self._forward(self.parts, *args)


IMAGE = torch.randn(1, 3, 9, 4)

ORDERS = {
    "flip": lambda x: x.flip(1),
    "flip of two axes": lambda x: x.flip(1, 3),
    "roll": lambda x: x.roll(2, 3),
    "roll of two axes": lambda x: x.roll((1, 2), (1, 3)),
    "index_select": lambda x: x.index_select(3, torch.tensor([2, 0])),
    "a list of places": lambda x: x[:, [2, 0, 0]],
    "a list from the end": lambda x: x[..., [-1, 1]],
    "repeat_interleave": lambda x: x.repeat_interleave(2, 3),
    "cat on an inner axis": lambda x: torch.cat([x, x * x, x[..., :1]], 3),
    "stack": lambda x: torch.stack([x, x * x], 1).flatten(1, 2),
    "stack before time": lambda x: torch.stack([x, x * x]).flatten(0, 1)[1:],
    "cat of channels": lambda x: torch.cat([x, x[:, :1]], 1),
}
"""A name -> what it does with an image (1, channels, time, frequencies)."""


@pytest.mark.parametrize("time_last", [True, False])
@pytest.mark.parametrize("name", ORDERS)
def test_elements_of_a_frame_change_places(name, time_last):
    """Whether time is on axis 2, or the last."""
    there = (lambda x: x.transpose(2, 3)) if time_last else (lambda x: x)
    module = Module(lambda _, x: there(ORDERS[name](there(x)) * 2)).eval()
    graph = from_torch(module, there(IMAGE), time_axis=3 if time_last else 2)
    frames = torch.randn(1, 3, STEPS, 4)
    expected = 2 * ORDERS[name](frames)
    actual, _ = Stepper(graph).run(frames[0].transpose(0, 1).flatten(1).numpy())
    np.testing.assert_allclose(actual, expected[0].transpose(0, 1).flatten(1).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("forward", "message"),
    {
        "flip": (lambda _, x: x.flip(2), "it reverses time"),
        "roll": (lambda _, x: x.roll(1, 2), "it moves the newest frames to the front"),
        "steps": (lambda _, x: x[:, :, [1, 0]], "it selects frames by their position"),
        "join": (lambda _, x: torch.cat([x, x], 2), "joins steps"),
    }.values(),
)  # fmt: skip
def test_steps_do_not_change_places(forward, message):
    with pytest.raises(UnsupportedError, match=message):
        from_torch(Module(forward).eval(), IMAGE, time_axis=2)


def newest(x, past, axis):
    """Past frames with the newest, and those that the next step reads."""
    frames = torch.cat([past, x], axis)
    return frames, frames.narrow(axis, 1, past.shape[axis])


def over_time(p, x, past):
    frames, past = newest(x.unsqueeze(1).transpose(1, 2), past, 2)
    return p["c"](frames)[..., 0], past


def over_both(p, x, past):
    frames, past = newest(x, past, 2)
    return p["c"](frames), past


def time_last(p, x, past):
    frames, past = newest(x, past, 3)
    return p["c"](frames), past


def of_one_frame(p, x, h):
    y = p["pool"](p["up"](p["c"](x)))
    return y, 0.5 * h + y


def shared(p, x, h):
    y, h = p["g"](x[0].permute(2, 1, 0), h)
    return y.permute(2, 1, 0).unsqueeze(0), h


FRAME = torch.zeros(1, 2, 1, 5)
CONVOLUTIONS = {
    "over time": (over_time, {"c": nn.Conv1d(3, 4, 3)}, torch.zeros(1, 3), (1, 3, 2)),
    "over time, dilated, in groups": (
        over_time, {"c": nn.Conv1d(4, 2, 2, dilation=3, groups=2)}, torch.zeros(1, 4), (1, 4, 3),
    ),
    "over both": (over_both, {"c": nn.Conv2d(2, 3, (3, 2))}, FRAME, (1, 2, 2, 5)),
    "over both, dilated": (
        over_both, {"c": nn.Conv2d(2, 4, (2, 2), (1, 2), (0, 1), (3, 2), 2)}, FRAME, (1, 2, 3, 5),
    ),
    "over both, same over frequency": (
        over_both, {"c": nn.Sequential(nn.ZeroPad2d((1, 1, 0, 0)), nn.Conv2d(2, 3, (2, 3)))}, FRAME, (1, 2, 1, 5),
    ),
    "time last": (time_last, {"c": nn.Conv2d(2, 3, (2, 3))}, FRAME.mT, (1, 2, 5, 2)),
    "one layer for all bands": (shared, {"g": nn.GRU(2, 3, batch_first=True)}, FRAME, (1, 5, 3)),
    "of one frame, padded with zeros": (
        lambda p, x, h: (p["c"](x), 0.5 * h + x), {"c": nn.Conv2d(2, 2, 3, padding=1)}, FRAME, FRAME.shape,
    ),
    "of one frame": (
        of_one_frame,
        {"c": nn.Conv2d(2, 4, (1, 2), bias=False), "up": nn.ConvTranspose2d(4, 2, (1, 3)), "pool": nn.MaxPool2d((1, 2))},
        FRAME, (1, 2, 1, 3),
    ),
}  # fmt: skip
"""A name -> a step, its parts, a frame, and the shape of its state, such as past frames."""


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_one_frame_with_states(name):
    forward, parts, frame, shape = CONVOLUTIONS[name]
    module = Module(forward, **parts).eval()
    graph = from_torch(module, (frame, torch.zeros(shape)))
    frames, state, expected = torch.randn(STEPS, *frame.shape), torch.zeros(shape), []
    for each in frames:
        with torch.no_grad():
            y, state = module(each, state)
        expected.append(y.flatten().numpy())
    actual, _ = Stepper(graph).run(frames.flatten(1).numpy())
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_one_frame_is_not_padded_to_several():
    def forward(p, x, h):
        y = p["c"](x)
        return y, h + y

    module = Module(forward, c=nn.ConvTranspose2d(2, 2, (3, 1), padding=(1, 0))).eval()
    with pytest.raises(UnsupportedError, match="its kernel is longer than the one frame of a step"):
        from_torch(module, (FRAME, torch.zeros(1, 2, 1, 5)))
