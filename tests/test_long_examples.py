"""A long example is no more work than a short one, and no less strict."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgernn.errors import EdgernnError, ParityError, UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import from_torch
from edgernn_export.sources.torch.signature import shortening
from edgernn_export.sources.torch.signature.shortening import STEPS

I, H, LONG = 6, 8, 500
LENGTHS: list[int] = []  # of the sequences that a module has computed


class Wrapped(nn.Module):
    """A GRU and a head, with a forward that notes the length of every sequence."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.gru = nn.GRU(I, H, batch_first=True)
        self.does = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        LENGTHS.append(x.shape[1])
        return self.does(self, x)


def made(forward, **parts):
    torch.manual_seed(0)
    return Wrapped(forward, **parts).eval()


def causal(m, x):
    y = F.pad(x.transpose(1, 2), ((m.conv.kernel_size[0] - 1) * m.conv.dilation[0], 0))
    return m.gru(m.conv(y).transpose(1, 2))[0]


FORWARDS = {
    "every step": lambda: made(lambda m, x: m.gru(x)[0]),
    "the last step": lambda: made(lambda m, x: m.gru(x)[0][:, -1]),
    "a convolution": lambda: made(causal, conv=nn.Conv1d(I, I, 3)),
    "a convolution that looks back 600 frames": lambda: made(causal, conv=nn.Conv1d(I, I, 3, dilation=300)),
    "a convolution without padding": lambda: made(
        lambda m, x: m.conv(x.transpose(1, 2)).transpose(1, 2), conv=nn.Conv1d(I, I, 4, dilation=50)
    ),
    "an initial state": lambda: made(lambda m, x: m.gru(x, m.h)[0], h=nn.Parameter(torch.ones(1, 1, H))),
}


@pytest.mark.parametrize("name", FORWARDS)
def test_the_graph_is_that_of_a_short_example(name):
    module = FORWARDS[name]()
    long, short = (from_torch(module, torch.randn(1, steps, I)) for steps in (2500, 190))
    assert [layer.name for layer in long.layers] == [layer.name for layer in short.layers]
    assert long.tensors.keys() == short.tensors.keys()
    for key, tensor in long.tensors.items():
        np.testing.assert_allclose(tensor.dense(), short.tensors[key].dense(), rtol=1e-6, atol=1e-9)
    xs = torch.randn(1, 1300, I)
    reference = module(xs)[0].detach().numpy().reshape(-1, long.outputs)
    actual = Stepper(long).run(xs[0].numpy())[0]
    np.testing.assert_allclose(actual[-len(reference) :], reference, atol=1e-5)


@pytest.mark.parametrize("name", FORWARDS)
def test_steps_that_are_computed_do_not_grow_with_the_example(name, monkeypatch):
    run, counted = Stepper.run, []

    def counting(self, xs, states=None):
        counted.append(xs.shape[-2])
        return run(self, xs, states)

    monkeypatch.setattr(Stepper, "run", counting)
    totals = []
    for steps in (2_500, 100_000):
        LENGTHS.clear()
        counted.clear()
        from_torch(FORWARDS[name](), torch.randn(1, steps, I))
        computed = [length for length in LENGTHS if length != 2 * steps + 1]  # which torch.export follows with no data
        totals.append((sorted(computed), counted.copy()))
    assert totals[0] == totals[1]
    assert max(totals[0][0]) <= 2 * 1100 + 1


DEPENDENT = {
    "the first frames alone": lambda m, x: m.gru(x[:, : LONG // 2])[0][:, -1],
    "the first frames of a longer one": lambda m, x: m.gru(x[:, : 2 * LONG])[0][:, -1],
    "another scale for a longer one": lambda m, x: m.gru(x)[0] * (1 if x.shape[1] <= 2 * LONG else 1.001),
    "the newest frames": lambda m, x: m.gru(x[:, -LONG // 2 :])[0][:, -1],
    "backwards": lambda m, x: m.gru(x.flip(1))[0],
}


@pytest.mark.parametrize("name", DEPENDENT)
def test_a_module_that_looks_at_the_length_is_refused_as_ever(name, monkeypatch):
    module = made(DEPENDENT[name])
    example = torch.randn(1, LONG, I)
    with monkeypatch.context() as patch:
        patch.setattr(shortening, "STEPS", ())
        with pytest.raises(EdgernnError) as whole:
            from_torch(module, example)
    with pytest.raises(type(whole.value)) as error:
        from_torch(module, example)
    assert isinstance(error.value, ParityError | UnsupportedError)
    assert str(error.value) == str(whole.value)


def test_a_module_of_one_length_is_converted_by_the_whole_example():
    module = made(lambda m, x: m.gru(x.view(1, 400, I))[0][:, -1])
    assert from_torch(module, torch.randn(1, 400, I)).outputs == H


def test_a_module_that_changes_only_for_short_sequences_is_converted_by_the_whole_example():
    module = made(lambda m, x: m.gru(x)[0] * (1 if x.shape[1] < LONG // 2 else 3))
    xs = torch.randn(1, LONG, I)
    actual = Stepper(from_torch(module, xs)).run(xs[0].numpy())[0]
    np.testing.assert_allclose(actual, module(xs)[0].detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 30, 600), (1, 700, 600)])
def test_wide_frames_are_not_taken_for_time(shape):
    module = nn.Sequential(nn.LayerNorm(600), nn.Linear(600, 4)).eval()
    assert from_torch(module, torch.randn(shape), time_axis=1).inputs == 600


def test_frames_come_from_the_whole_example():
    example = torch.cat([torch.zeros(1, LONG, I), 5 * torch.randn(1, LONG, I)], dim=1)  # silence at first
    axis, length, shorter = next(shortening.shortened(made(lambda m, x: x), example, None))
    assert (axis, length) == (1, 2 * LONG)
    assert abs(float(shorter.std() / example.std()) - 1) < 0.2


@pytest.mark.parametrize("width", [*range(95, 104), 97 * 2])
def test_no_width_of_the_module_equals_the_number_of_steps(width):
    module = nn.Linear(width, 3)
    _, _, shorter = next(shortening.shortened(module, torch.randn(1, LONG, width), 1))
    assert width % shorter.shape[1]
    assert STEPS[0] <= shorter.shape[1] < STEPS[0] + 10
