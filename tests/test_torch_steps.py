"""Modules that are one step with explicit state: state and answer equal torch's."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn import functional as F

import edgernn
from edgernn.errors import UnsupportedError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import export, from_torch

I, H, STEPS = 5, 4, 100
FRAME, SEQUENCE = torch.zeros(1, I), torch.zeros(1, 7, I)


class Step(nn.Module):
    """Parts by name, and a forward given as a function of the module and its arguments."""

    def __init__(self, forward, **parts):
        super().__init__()
        self._forward = forward
        for name, part in parts.items():
            setattr(self, name, part() if callable(part) and not isinstance(part, nn.Module) else part)

    def forward(self, x, *states):
        return self._forward(self, x, *states)


def gru(inputs=I, **options):
    return nn.GRU(inputs, H, batch_first=True, **options)


def lstm(inputs=I, **options):
    return nn.LSTM(inputs, H, batch_first=True, **options)


def zeros(*shape):
    return torch.zeros(shape)


def one_frame(m, x, h):
    y, h = m.g(x.unsqueeze(1), h)
    return y[:, 0], h


def one_frame_lstm(m, x, state):
    y, state = m.g(x[:, None], state)
    return y[:, 0], state


def packed(m, x, h):
    y, a = m.g(x, h[:1])
    y, b = m.k(y, h[1:])
    return y, torch.cat([a, b])


def packed_features(m, x, h):
    a, b = h.split([H, H], -1)
    a = m.a(x, a)
    b = m.b(a, b)
    return m.out(b), torch.cat([a, b], -1)


def packed_lstm(m, x, states):
    y, (h, c) = m.g(x[:, None], (states[0], states[1]))
    return y[:, 0], torch.stack([h, c])


def by_hand(m, x, h):
    h = torch.tanh(m.w(x) + m.u(h))
    return h, h


def gated_by_hand(m, x, h):
    z = torch.sigmoid(m.z(torch.cat([x, h], -1)))
    h = (1 - z) * h + z * torch.tanh(m.n(torch.cat([x, z * h], -1)))
    return m.out(h), h


def answers_before_it_moves(m, x, h):
    return m.out(h), torch.tanh(m.w(x) + m.u(h))


def exchanged(m, x, a, b):
    return m.out(a + b), b, torch.tanh(m.w(x) + a)


def shifted(m, x, a, b):
    return m.w(torch.cat([x, a, b], -1)), x, a


def keeps_in_an_attribute(m, x):
    y, m.h = m.g(x, m.h)
    return y


def keeps_in_a_buffer(m, x):
    m.h.copy_(torch.tanh(m.w(x) + m.u(m.h)))
    return m.out(m.h)


def keeps_an_lstm(m, x):
    y, m.state = m.g(x, m.state)
    return y


def cell_state_as_feature(m, x):
    _, (_, c) = m.g(x)
    return m.out(c[-1])


def both_states_of_two_layers(m, x):
    _, (h, c) = m.g(x)
    return torch.cat([h[-1], c[0]], -1)


def flattened(m, x):
    return m.g(x)[1].transpose(0, 1).flatten(1)


def by_dictionary(m, x, states):
    h = m.c(x, states["h"])
    return {"scores": m.out(h), "h": h}


class Answer(NamedTuple):
    y: torch.Tensor
    new_c: torch.Tensor
    new_h: torch.Tensor


def by_name(m, x, h, c):
    h, c = m.c(x, (h, c))
    return Answer(m.out(h), c, h)


def reset_by_gate(m, x, h):
    y, h = m.g(x[:, None], h * torch.sigmoid(m.r(x)))
    return y[:, 0], h


MODULES = {
    "one frame through nn.GRU": (one_frame, {"g": gru}, (FRAME, zeros(1, 1, H)), ["g.h"]),
    "one frame through two layers": (one_frame, {"g": lambda: gru(num_layers=2)}, (FRAME, zeros(2, 1, H)), ["g_l0.h", "g_l1.h"]),
    "one frame through nn.RNN": (one_frame, {"g": lambda: nn.RNN(I, H, batch_first=True)}, (FRAME, zeros(1, 1, H)), ["g.h"]),
    "one frame through nn.LSTM": (one_frame_lstm, {"g": lstm}, (FRAME, (zeros(1, 1, H), zeros(1, 1, H))), ["g.h", "g.c"]),
    "a few frames": (lambda m, x, h: m.g(x, h), {"g": gru}, (SEQUENCE, zeros(1, 1, H)), ["g.h"]),
    "packed states": (packed, {"g": gru, "k": lambda: gru(H)}, (SEQUENCE, zeros(2, 1, H)), ["states_0.past"]),
    "packed states, one frame": (packed, {"g": gru, "k": lambda: gru(H)}, (FRAME[:, None], zeros(2, 1, H)), ["states_0.past"]),
    "packed features": (
        packed_features, {"a": nn.GRUCell(I, H), "b": nn.RNNCell(H, H), "out": nn.Linear(H, 2)}, (FRAME, zeros(1, 2 * H)), ["states_0.past"],
    ),
    "packed LSTM": (packed_lstm, {"g": lstm}, (FRAME, zeros(2, 1, 1, H)), ["states_0.past"]),
    "by hand": (by_hand, {"w": nn.Linear(I, H), "u": nn.Linear(H, H)}, (FRAME, zeros(1, H)), ["states_0.past"]),
    "gated by hand": (
        gated_by_hand, {"z": nn.Linear(I + H, H), "n": nn.Linear(I + H, H), "out": nn.Linear(H, 2)}, (FRAME, zeros(1, H)), ["states_0.past"],
    ),
    "answers before it moves": (
        answers_before_it_moves, {"w": nn.Linear(I, H), "u": nn.Linear(H, H), "out": nn.Linear(H, 2)}, (FRAME, zeros(1, H)), ["states_0.past"],
    ),
    "exchanged states": (exchanged, {"w": nn.Linear(I, H), "out": nn.Linear(H, 2)}, (FRAME, zeros(1, H), zeros(1, H)), ["states_0.past", "states_1.past"]),
    "frames before": (shifted, {"w": nn.Linear(3 * I, 2)}, (FRAME, zeros(1, I), zeros(1, I)), ["states_0.past", "states_1.past"]),
    "reset by a gate": (reset_by_gate, {"g": gru, "r": nn.Linear(I, 1)}, (FRAME, zeros(1, 1, H)), ["states_0.past"]),
    "kept in an attribute": (keeps_in_an_attribute, {"g": gru, "h": None}, (SEQUENCE,), ["g.h"]),
    "kept in a buffer": (
        keeps_in_a_buffer, {"w": nn.Linear(I, H), "u": nn.Linear(H, H), "out": nn.Linear(H, 2), "h": lambda: nn.Buffer(torch.ones(1, H) / 3)}, (FRAME,), ["h.past"],
    ),
    "kept by an LSTM": (keeps_an_lstm, {"g": lstm, "state": None}, (SEQUENCE,), ["g.h", "g.c"]),
    "optional argument": (lambda m, x, h=None: m.g(x, h)[0], {"g": gru}, (SEQUENCE, None), ["g.h"]),
    "cell state as a feature": (cell_state_as_feature, {"g": lstm, "out": nn.Linear(H, 2)}, (SEQUENCE,), ["g_h.past", "g_c.past"]),
    "states of two layers": (
        both_states_of_two_layers, {"g": lambda: lstm(num_layers=2)}, (SEQUENCE,), ["g_l0_h.past", "g_l0_c.past", "g_l1_h.past", "g_l1_c.past"],
    ),
    "flattened states": (flattened, {"g": lambda: gru(num_layers=2)}, (SEQUENCE,), ["g_l0.h", "g_l1.h"]),
    "dictionaries": (by_dictionary, {"c": nn.GRUCell(I, H), "out": nn.Linear(H, 2)}, (FRAME, {"h": zeros(1, H)}), ["c.h"]),
}  # fmt: skip
"""Name -> a forward, its parts, an example, and the states of the graph."""

ON_EVERY_TARGET = {"packed states", "kept in a buffer", "states of two layers"}
"""Modules that are exported to every target; the others run on numpy and as a library in C."""


def stepped(module, example, frames, fed=None):
    """The module's answers, frame by frame, with its own states handed back."""
    first, *states = example
    axis = 1 if first.dim() == 3 else None
    answers = []
    for frame in torch.from_numpy(frames):
        x = frame.reshape(first.narrow(axis, 0, 1).shape if axis is not None else first.shape)
        with torch.no_grad():
            result = module(x, *states)
        leaves = (
            list(result.values())
            if isinstance(result, dict)
            else list(result)
            if isinstance(result, tuple)
            else [result]
        )
        answers.append(leaves[0].reshape(-1).numpy())
        after = leaves[1:] if fed is None else [leaves[i] for i in fed]
        states = [{"h": after[0]}] if states and isinstance(states[0], dict) else after
    return np.stack(answers)


def whole(module, example, frames):
    """The module's answers to the prefixes of a sequence."""
    with torch.no_grad():
        return np.stack(
            [
                module(torch.from_numpy(frames[None, : t + 1]), *example[1:]).reshape(1, -1)[0].numpy()
                for t in range(len(frames))
            ]
        )


@pytest.mark.parametrize("name", MODULES)
def test_a_step_is_that_of_torch(name, tmp_path):
    forward, parts, example, states = MODULES[name]
    module = Step(forward, **parts).eval()
    frames = np.random.default_rng(1).standard_normal((STEPS, I)).astype(np.float32)
    graph = from_torch(module, example if len(example) > 1 else example[0])
    assert list(graph.states) == states
    if name in {"cell state as a feature", "states of two layers", "flattened states"}:
        expected = whole(module, example, frames)
    else:
        expected = (
            stepped(module, example[:1] if None in example[1:] else example, frames)
            if name != "optional argument"
            else None
        )
    if expected is None:
        with torch.no_grad():
            expected = module(torch.from_numpy(frames[None]), None)[0].numpy()
    edgernn.save(graph, tmp_path / "m.rnn")
    others = (".c", ".onnx", ".tflite") if name in ON_EVERY_TARGET else ()
    for suffix in (".so", *others):
        export(graph, tmp_path / f"m{suffix}")
    for suffix in (".rnn", ".so", *others[1:]):
        stream = edgernn.open(tmp_path / f"m{suffix}").stream()
        assert list(stream.state) == states
        actual = np.stack([stream.step(frame) for frame in frames])
        np.testing.assert_allclose(actual, expected, atol=1e-5, err_msg=suffix)


def test_a_result_feeds_the_argument_that_the_caller_names():
    module = Step(by_name, c=nn.LSTMCell(I, H), out=nn.Linear(H, 2)).eval()
    example = (FRAME, zeros(1, H), zeros(1, H))
    graph = from_torch(module, example, states={"states_0": "new_h", "states_1": "new_c"})
    assert list(graph.states) == ["c.h", "c.c"]
    frames = np.random.default_rng(1).standard_normal((STEPS, I)).astype(np.float32)
    np.testing.assert_allclose(Stepper(graph).run(frames)[0], stepped(module, example, frames, (2, 1)), atol=1e-5)


def test_arguments_have_the_names_of_forward():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Linear(I, H)

        def forward(self, frame, memory):
            memory = torch.tanh(self.w(frame) + memory)
            return memory.sum(-1, keepdim=True), memory

    graph = from_torch(nn.DataParallel(Named()).eval(), (FRAME, zeros(1, H)))
    assert list(graph.states) == ["memory.past"]


def three_alike(m, x, h):
    y = m.w(x) + h
    return m.w(x), y, torch.tanh(y)


def counts(m, x):
    y, m.k = m.g(x, m.k)
    m.h = m.h + y[:, -1]
    return y + m.h[:, None]


def loops(m, x):
    h, ys = torch.zeros(1, H), []
    for t in range(x.shape[1]):
        h = m.c(x[:, t], h)
        ys.append(h)
    return torch.stack(ys, 1)


def starts_from_ones(m, x):
    m.h = torch.tanh(m.w(x) + (1.0 if m.h is None else m.h))
    return m.h + 0.0


def module(forward, **parts):
    return Step(forward, **parts).eval()


REFUSED = {
    "no result": (
        lambda: (module(lambda m, x, h: (m.w(x) + h).sum(-1), w=nn.Linear(I, H)), (FRAME, zeros(1, H)), {}),
        UnsupportedError, r"argument 'states_0' \(1, 4\) is no state: no result of its shape.*results are '0' \(1,\)",
    ),
    "ambiguous": (
        lambda: (module(three_alike, w=nn.Linear(I, H)), (FRAME, zeros(1, H)), {}),
        UnsupportedError, r"'states_0' \(1, 4\) could be result '1' or '2'; say which: .*states=\{'states_0': '1'\}",
    ),
    "unknown argument": (
        lambda: (module(by_hand, w=nn.Linear(I, H), u=nn.Linear(H, H)), (FRAME, zeros(1, H)), {"h": 1}),
        UsageError, r"states= names 'h'; the arguments besides the frame are 'states_0'",
    ),
    "unknown result": (
        lambda: (module(by_hand, w=nn.Linear(I, H), u=nn.Linear(H, H)), (FRAME, zeros(1, H)), {"states_0": "z"}),
        UsageError, r"feeds 'states_0' by 'z'; the results are '0' \(1, 4\), '1' \(1, 4\)",
    ),
    "fed back twice": (
        lambda: (module(exchanged, w=nn.Linear(I, H), out=nn.Linear(H, 2)), (FRAME, zeros(1, H), zeros(1, H)), {"states_0": 1, "states_1": 1}),
        UsageError, r"feeds result 1 back twice; name another result for 'states_1'",
    ),
    "another shape": (
        lambda: (module(one_frame, g=gru()), (FRAME, zeros(1, 1, H)), {"states_0": 0}),
        UsageError, r"feeds 'states_0' \(1, 1, 4\) by result 0 \(1, 4\); expected equal shapes",
    ),
    "constant": (
        lambda: (module(lambda m, x, h: (m.w(x) + h, torch.zeros(1, H)), w=nn.Linear(I, H)), (FRAME, zeros(1, H)), {"states_0": 1}),
        UnsupportedError, r"nothing feeds state 'states_0' back: its result is a constant",
    ),
    "state lost": (
        lambda: (module(lambda m, x, h: (m.g(x[:, None])[0][:, 0] + h, m.w(h)), g=gru(), w=nn.Linear(H, H)), (FRAME, zeros(1, H)), {}),
        UnsupportedError, r"module 'g' uses 'gru'.*its state is not passed in by the caller",
    ),
    "other answers at once": (
        lambda: (module(counts, g=gru(), k=None, h=lambda: nn.Buffer(zeros(1, H))), (torch.randn(1, 7, I),), {}),
        UnsupportedError, r"answers 7 frames at once otherwise than one after another",
    ),
    "starts otherwise": (
        lambda: (module(starts_from_ones, w=nn.Linear(I, H), h=None), (FRAME,), {}),
        UnsupportedError, r"keeps state of its own and answers otherwise when it starts from zeros",
    ),
    "loop over time": (
        lambda: (module(loops, c=nn.GRUCell(I, H)), (SEQUENCE,), {}),
        UnsupportedError,
        (r"called in a Python loop over time.*from_torch\(module, \(x\[:, 0\], torch.zeros\(1, 4\)\)\) with\n"
        r"    def forward\(self, frame, state\):\n        state = self.c\(frame, state\)\n        return state, state"),
    ),
}  # fmt: skip
"""Name -> a module, an example and `states`; the error."""


@pytest.mark.parametrize("name", REFUSED)
def test_a_state_that_is_not_fed_back_is_refused(name):
    make, error, words = REFUSED[name]
    step, example, states = make()
    with pytest.raises(error, match=words):
        from_torch(step, example, states=states or None)


def test_the_lines_that_make_a_loop_one_step_convert():
    cell = nn.GRUCell(I, H)

    def forward(self, frame, state):
        state = self.c(frame, state)
        return state, state

    graph = from_torch(module(forward, c=cell), (FRAME, zeros(1, H)))
    frames = np.random.default_rng(1).standard_normal((30, I)).astype(np.float32)
    with torch.no_grad():
        expected = module(loops, c=cell)(torch.from_numpy(frames[None]))[0].numpy()
    np.testing.assert_allclose(Stepper(graph).run(frames)[0], expected, atol=1e-5)


OPERATIONS = {
    "tanh": lambda a, b, w: torch.tanh(a + b),
    "gate": lambda a, b, w: torch.sigmoid(a) * b,
    "mix": lambda a, b, w: F.linear(torch.cat([a, b], -1), w),
    "relu": lambda a, b, w: torch.relu(a) - b * 0.5,
    "part": lambda a, b, w: torch.cat([a[:, :2], torch.tanh(b[:, 2:])], -1),
}


class RandomStep(nn.Module):
    """A cell by hand: values computed from the frame and the states by operations on pairs of them."""

    def __init__(self, states, operations, results):
        super().__init__()
        torch.manual_seed(0)
        self.w = nn.Linear(I, H)
        self.mixes = nn.ParameterList(torch.randn(H, 2 * H) / 4 for _ in operations)
        self.states, self.operations, self.results = states, operations, results

    def forward(self, x, state):
        values = [self.w(x), *state.split(H, -1)]
        for (name, i, j), mix in zip(self.operations, self.mixes, strict=True):
            values.append(OPERATIONS[name](values[i % len(values)], values[j % len(values)], mix))
        after = [torch.tanh(values[k % len(values)]) for k in self.results]
        return values[-1] + 0.0, torch.cat(after, -1)


def test_a_scale_of_the_output_is_folded_though_a_state_is_computed_later():
    step = RandomStep(1, [("mix", 0, 1)], [0]).eval()
    example = (FRAME, zeros(1, H))
    graph = from_torch(step, example, states={"state": 1})
    frames = np.random.default_rng(1).standard_normal((20, I)).astype(np.float32)
    np.testing.assert_allclose(Stepper(graph).run(frames)[0], stepped(step, example, frames), atol=1e-4)


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_any_cell_by_hand_converts(data):
    """The state is packed; `from_torch` proves each conversion in float64, and float32 is near it."""
    count = data.draw(st.integers(1, 3))
    numbers = st.integers(0, 9)
    operations = data.draw(
        st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), numbers, numbers), min_size=1, max_size=6)
    )
    results = data.draw(st.lists(numbers, min_size=count, max_size=count))
    step = RandomStep(count, operations, results).eval()
    example = (FRAME, zeros(1, count * H))
    graph = from_torch(step, example, states={"state": 1})
    frames = np.random.default_rng(1).standard_normal((20, I)).astype(np.float32)
    np.testing.assert_allclose(Stepper(graph).run(frames)[0], stepped(step, example, frames), atol=1e-4)
