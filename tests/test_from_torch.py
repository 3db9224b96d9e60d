"""What people write in PyTorch becomes a graph that streams it, or is refused with the place and the way out."""

import copy
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgernn.cells import Conv1d, Dense, Gru, Scale
from edgernn.errors import MissingExtraError, ParityError, UnsupportedError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.tensor import Tensor
from edgernn_export import from_torch

I, H, T = 6, 8, 20


class Wrapped(nn.Module):
    """Layers by name, and a forward given as a function of the module and its input."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.does = forward

    def forward(self, *args):
        return self.does(self, *args)


def gru(inputs=I, hidden=H, **options):
    return nn.GRU(inputs, hidden, batch_first=True, **options)


def of(forward, **layers):
    return lambda: Wrapped(forward, **layers)


def chomped(m, x):
    return m.out(m.gru(F.relu(m.conv(x.transpose(1, 2)))[:, :, :-4].transpose(1, 2))[0])


def residual(m, x):
    h = m.inner(x)
    return m.out(m.gru(h)[0] + h)


def gated(m, x):
    h, _ = m.gru(x)
    return m.out(h * torch.sigmoid(m.gate(x)))


def with_zeros(m, x):
    h0 = torch.zeros(1, x.size(0), H)
    return m.out(m.lstm(x, (h0, torch.zeros_like(h0)))[0][:, -1, :])


def sliced(m, x):
    a, b = x[..., :4], x[..., 4:]
    c, d = m.gru(torch.cat([b, a], dim=-1))[0].chunk(2, -1)
    return m.out(torch.cat([c * 0.5 + 1, 2 - d, c.tanh()], 2))


def inplace(m, x):
    h = m.gru(x)[0]
    h += m.skip(x)
    return m.out(F.relu(h, inplace=True))


class OwnCell(nn.Module):
    """A user's module that says which cell it is."""

    def __init__(self, pair):
        super().__init__()
        self.w, self.pair = nn.Parameter(torch.randn(H, I)), pair

    def edgernn_cell(self):
        return Dense(Tensor(self.w.detach().numpy()), None, "tanh")

    def forward(self, x):
        y = torch.tanh(x @ self.w.T)
        return (y, None) if self.pair else y


def normalize_(x):
    x -= 0.5
    x /= 2.0
    return x


def old_weight_norm(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


MODULES = {
    "sequential": lambda: nn.Sequential(nn.Linear(I, H), nn.ReLU(), nn.Linear(H, 3), nn.Tanh()),
    "last step": of(lambda m, x: m.out(m.gru(x)[0][:, -1]), gru=gru(), out=nn.Linear(H, 3)),
    "last step kept": of(lambda m, x: m.out(m.gru(x)[0][:, -1:, :]).squeeze(1), gru=gru(), out=nn.Linear(H, 3)),
    "last hidden": of(lambda m, x: m.out(m.gru(x)[1][-1]), gru=gru(num_layers=2), out=nn.Linear(H, 3)),
    "last hidden squeezed": of(lambda m, x: m.out(m.gru(x)[1].squeeze(0)), gru=gru(), out=nn.Linear(H, 3)),
    "lstm hidden": of(
        lambda m, x: m.out(m.lstm(x)[1][0][-1]), lstm=nn.LSTM(I, H, batch_first=True), out=nn.Linear(H, 3)
    ),
    "time first": of(
        lambda m, x: m.out(m.rnn(x.transpose(0, 1))[0].transpose(0, 1)), rnn=nn.RNN(I, H), out=nn.Linear(H, 3)
    ),
    "unbatched": of(lambda m, x: m.out(m.gru(x.squeeze(0))[0]), gru=gru(), out=nn.Linear(H, 3)),
    "zero states": of(with_zeros, lstm=nn.LSTM(I, H, batch_first=True), out=nn.Linear(H, 3)),
    "learned rest": of(
        lambda m, x: m.gru(x, m.h0.expand(-1, x.shape[0], -1))[0], gru=gru(num_layers=2), h0=nn.Parameter(torch.randn(2, 1, H))
    ),
    "returns its state": of(lambda m, x: m.gru(x), gru=gru()),
    "mixed": of(
        lambda m, x: F.log_softmax(m.out(m.lstm(m.norm(m.gru(x)[0]))[0]), -1),
        gru=gru(),
        norm=nn.LayerNorm(H),
        lstm=nn.LSTM(H, 5, batch_first=True, proj_size=2),
        out=nn.Linear(2, 4),
    ),
    "residual": of(residual, inner=nn.Linear(I, H), gru=gru(H), out=nn.Linear(H, 2)),
    "gated": of(gated, gru=gru(), gate=nn.Linear(I, H), out=nn.Linear(H, 2)),
    "gated by one": of(gated, gru=gru(), gate=nn.Linear(I, 1), out=nn.Linear(H, 2)),
    "slices": of(sliced, gru=gru(), out=nn.Linear(12, 3)),
    "in place": of(inplace, gru=gru(), skip=nn.Linear(I, H), out=nn.Linear(H, 3)),
    "two branches": of(lambda m, x: torch.cat([m.a(x)[0], m.b(x)[0]], -1) - 1, a=gru(), b=nn.RNN(I, 3, batch_first=True)),
    "difference": of(lambda m, x: m.a(x)[0] - m.b(x)[0] / 3, a=gru(), b=gru()),
    "normalized input": of(lambda m, x: m.gru((x - m.mean) / m.std)[0], gru=gru(), mean=nn.Parameter(torch.randn(I)), std=nn.Parameter(torch.rand(I) + 1)),
    "activations": of(lambda m, x: F.silu(m.a(x)) + F.leaky_relu(m.gru(x)[0], 0.1) - m.a(x).softmax(-1), a=nn.Linear(I, H), gru=gru()),
    "matrix product": of(lambda m, x: m.gru(x)[0] @ m.w, gru=gru(), w=nn.Parameter(torch.randn(H, 3))),
    "reshaped": of(lambda m, x: m.gru(x.view(1, x.shape[1], 2, 3).flatten(2))[0].reshape(x.shape[1], H), gru=gru()),
    "permuted": of(lambda m, x: m.gru(x.permute(0, 2, 1).mT.contiguous())[0].unsqueeze(1)[:, 0], gru=gru()),
    "dropout": of(lambda m, x: m.out(F.dropout(m.drop(m.gru(x)[0]), 0.5, m.training)), gru=gru(), drop=nn.Dropout(0.5), out=nn.Linear(H, 3)),
    "causal convolution": of(lambda m, x: m.gru(m.conv(F.pad(x.transpose(1, 2), (2, 0))).transpose(1, 2))[0], conv=nn.Conv1d(I, H, 3), gru=gru(H)),
    "chomped convolution": of(chomped, conv=nn.Conv1d(I, H, 3, padding=4, dilation=2), gru=gru(H), out=nn.Linear(H, 3)),
    "grouped convolution": of(lambda m, x: m.conv(F.pad(x.mT, (3, 0))).mT, conv=nn.Conv1d(I, I, 4, groups=I)),
    "pointwise convolution": of(lambda m, x: m.gru(m.conv(x.mT).mT)[0], conv=nn.Conv1d(I, H, 1), gru=gru(H)),
    "late convolution": of(lambda m, x: m.out(m.conv(x.mT).mT)[:, -1], conv=nn.Conv1d(I, H, 3), out=nn.Linear(H, 3)),
    "stacked convolutions": of(
        lambda m, x: m.b(F.pad(F.relu(m.a(F.pad(x.mT, (2, 0)))), (4, 0))).mT, a=nn.Conv1d(I, H, 3), b=nn.Conv1d(H, 4, 3, dilation=2)
    ),
    "zeros before": of(
        lambda m, x: m.conv(torch.cat([torch.zeros(1, I, 2), x.mT], 2)).mT, conv=nn.Conv1d(I, H, 3)
    ),
    "batch norm": of(lambda m, x: m.gru(m.norm(m.conv(F.pad(x.mT, (2, 0)))).mT)[0], conv=nn.Conv1d(I, H, 3), norm=nn.BatchNorm1d(H), gru=gru(H)),
    "batch norm first": of(lambda m, x: m.gru(m.norm(x.mT).mT)[0], norm=nn.BatchNorm1d(I), gru=gru()),
    "weight norm": of(lambda m, x: m.out(m.gru(x)[0]), gru=gru(), out=nn.utils.parametrizations.weight_norm(nn.Linear(H, 3))),
    "last step as a sequence": of(lambda m, x: m.out(m.gru(x)[0][:, -1:]), gru=gru(), out=nn.Linear(H, 3)),
    "last step unsqueezed": of(lambda m, x: m.out(m.gru(x)[0][:, -1, None]), gru=gru(), out=nn.Linear(H, 3)),
    "casts": of(lambda m, x: m.gru(x.float())[0].float(), gru=gru()),
    "zeros like": of(lambda m, x: m.gru(x, x.new_zeros(1, 1, H))[0] + torch.zeros_like(x[..., :1]), gru=gru()),
    "normalized in place": of(lambda m, x: m.gru(normalize_(x.clone()))[0], gru=gru()),
    "clamps": of(lambda m, x: F.relu6(m.a(x)) + F.hardtanh(m.a(x)) + m.a(x).clamp(-0.3, 0.2) + m.gru(x)[0], a=nn.Linear(I, H), gru=gru()),
    "hard gates": of(lambda m, x: F.hardswish(m.a(x)) + F.hardsigmoid(m.gru(x)[0]), a=nn.Linear(I, H), gru=gru()),
    "glu": of(lambda m, x: m.gru(F.glu(m.a(x), -1))[0], a=nn.Linear(I, 2 * H), gru=gru(H)),
    "prelu": of(lambda m, x: m.one(m.gru(x)[0]) + m.each(m.gru(x)[0].mT).mT, gru=gru(), one=nn.PReLU(), each=nn.PReLU(H)),
    "energy": of(lambda m, x: m.gru(x)[0] * x.pow(2).mean(-1, keepdim=True) + x.sum(-1, True), gru=gru()),
    "old weight norm": of(lambda m, x: m.conv(F.pad(x.mT, (2, 0))).mT, conv=old_weight_norm(nn.Conv1d(I, H, 3))),
    "negative axes": of(lambda m, x: m.gru(x.permute(-3, -1, -2).transpose(-1, -2).movedim(-2, 0).movedim(0, 1))[0].unsqueeze(-1).squeeze(-1), gru=gru()),
    "norms": of(lambda m, x: m.a(m.gru(x)[0]) + m.b(m.gru(x)[0].mT).mT, gru=gru(), a=nn.LayerNorm(H, eps=0.1), b=nn.BatchNorm1d(H, eps=0.2, affine=False)),
    "conv without bias": of(lambda m, x: m.norm(m.conv(F.pad(x.mT, (1, 0)))).mT, conv=nn.Conv1d(I, H, 2, bias=False), norm=nn.BatchNorm1d(H)),
    "scaled dense read twice": of(lambda m, x: m.gru(m.a(x) * 2 + m.a(x).relu())[0], a=nn.Linear(I, I), gru=gru()),
    "two paddings": of(lambda m, x: m.conv(F.pad(F.pad(x.mT, (1, 0)), (1, 0))).mT, conv=nn.Conv1d(I, H, 3)),
    "unbound features": of(lambda m, x: m.gru(torch.cat([part.unsqueeze(-1) for part in x.unbind(-1)], -1))[0], gru=gru()),
    "sliced blocks": of(lambda m, x: m.gru(x.view(1, -1, 2, 3)[:, :, 1:].flatten(2))[0], gru=gru(3)),
    "reversed difference": of(lambda m, x: torch.rsub(m.gru(x)[0], 1, alpha=0.5), gru=gru()),
    "late padding of the last step": of(lambda m, x: m.out(m.conv(F.pad(x.mT, (5, 0)))[:, :, -1]), conv=nn.Conv1d(I, H, 3), out=nn.Linear(H, 2)),
    "doubled dense": of(lambda m, x: m.gru(m.a(x) * 2 + 1)[0], a=nn.Linear(I, I, bias=False), gru=gru()),
    "doubled leaf": of(lambda m, x: m.gru(m.own(x) * 2 + 1)[0], own=OwnCell(False), gru=gru(H)),
    "first layer's end": of(lambda m, x: m.out(m.gru(x)[1][0]), gru=gru(num_layers=2), out=nn.Linear(H, 2)),
    "only the end": of(lambda m, x: m.gru(x)[1], gru=gru()),
    "layers called x and y": of(lambda m, a: m.y(m.x(a)[0]), x=gru(), y=nn.Linear(H, 2)),
    "rest with a zero": of(lambda m, x: m.gru(x, m.h0)[0], gru=gru(), h0=nn.Parameter(torch.arange(H).float()[None, None] / 8)),
    "even kernel": of(lambda m, x: m.out(m.conv(F.pad(x.mT, (2, 0)))[:, :, 1:].mT), conv=nn.Conv1d(I, H, 2), out=nn.Linear(H, 2)),
    "shared layer": of(lambda m, x: m.mix(m.mix(m.gru(x)[0])), gru=gru(), mix=nn.Linear(H, H)),
}  # fmt: skip

TIME_AXIS = {"sequential": 1}


def example(steps=T):
    return torch.randn(1, steps, I, generator=torch.Generator().manual_seed(3))


def randomized(module):
    """Running statistics as after training, so that folding them shows."""
    torch.manual_seed(4)
    for inner in module.modules():
        if isinstance(inner, nn.BatchNorm1d):
            inner.running_mean.normal_()
            inner.running_var.uniform_(0.5, 2)
            for parameter in inner.parameters():
                nn.init.normal_(parameter)
    return module.eval()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_streams(name):
    torch.manual_seed(5)
    module = randomized(MODULES[name]())
    graph = from_torch(module, example(), time_axis=TIME_AXIS.get(name))
    xs = example(50)
    actual, _ = Stepper(graph).run(xs[0].numpy())
    for steps in (7, 50):
        with torch.no_grad():
            answer = module(xs[:, :steps])
        y = (answer[0] if isinstance(answer, tuple) else answer).reshape(-1, graph.outputs)[-1]
        np.testing.assert_allclose(actual[steps - 1], y.numpy(), atol=1e-5)


def test_the_module_is_left_as_it_was():
    module = MODULES["mixed"]().eval()
    before = copy.deepcopy(module.state_dict())
    from_torch(module, example())
    assert all(
        torch.equal(value, before[key]) and value.dtype == torch.float32 for key, value in module.state_dict().items()
    )
    assert torch.get_default_dtype() == torch.float32
    assert module(example()).dtype == torch.float32


def test_a_batch_norm_disappears_into_the_layer_before_it():
    graph = from_torch(randomized(MODULES["batch norm"]()), example())
    assert [type(layer.cell) for layer in graph.layers] == [Conv1d, Gru]


def test_scales_in_a_row_become_one():
    graph = from_torch(MODULES["normalized input"]().eval(), example())
    assert [type(layer.cell) for layer in graph.layers] == [Scale, Gru]


def test_symbols_become_an_embedding():
    torch.manual_seed(0)
    module = Wrapped(
        lambda m, x: m.out(m.gru(m.table(x))[0]), table=nn.Embedding(11, 4), gru=gru(4), out=nn.Linear(H, 11)
    ).eval()
    graph = from_torch(module, torch.zeros(1, 5, dtype=torch.long))
    assert (graph.vocabulary_size, graph.inputs) == (11, 1)
    text = torch.randint(11, (1, 30))
    with torch.no_grad():
        np.testing.assert_allclose(Stepper(graph).run(text[0, :, None].numpy())[0], module(text)[0].numpy(), atol=1e-5)


def test_a_module_may_take_and_return_its_state():
    torch.manual_seed(0)

    def forward(m, x, state):
        h, c = m.cell(x, state)
        return m.out(h), (h, c)

    module = Wrapped(forward, cell=nn.LSTMCell(I, H), out=nn.Linear(H, 3)).eval()
    state = (torch.zeros(1, H), torch.zeros(1, H))
    graph = from_torch(module, (torch.randn(1, I), state))
    xs = example()
    actual, _ = Stepper(graph).run(xs[0].numpy())
    for x, y in zip(xs[0], actual, strict=True):
        with torch.no_grad():
            expected, state = module(x[None], state)
        np.testing.assert_allclose(y, expected[0].numpy(), atol=1e-6)


def test_a_sequence_may_come_with_its_state():
    def forward(m, x, h):
        y, h = m.gru(x, h)
        return m.out(y), h

    module = Wrapped(forward, gru=gru(), out=nn.Linear(H, 2)).eval()
    assert list(from_torch(module, (example(), torch.zeros(1, 1, H))).states) == ["gru.h"]


@pytest.mark.parametrize("pair", [True, False])
def test_a_module_that_says_its_cell_is_a_leaf(pair):
    cell = OwnCell(pair).eval()
    graph = from_torch(cell, example())
    assert [type(layer.cell) for layer in graph.layers] == [Dense]
    inside = Wrapped(lambda m, x: m.gru(m.own(x)[0] if pair else m.own(x))[0], own=cell, gru=gru(H)).eval()
    assert [layer.name for layer in from_torch(inside, example()).layers] == ["own", "gru"]


def loop(m, x):
    h = torch.zeros(1, H)
    for t in range(x.shape[1]):
        h = m.cell(x[:, t], h)
    return h


class Decides(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def attends(m, x):
    h = m.gru(x)[0]
    return torch.softmax(h @ h.mT, -1) @ h


def truncated_window(m, x):
    return m.gru(x[:, -T:])[0][:, -1]


REFUSED = {
    "bidirectional": (of(lambda m, x: m.rnn(x)[0], rnn=gru(bidirectional=True)), r"module 'rnn' uses 'gru'.*backward direction"),
    "attention": (of(attends, gru=gru()), r"own forward uses 'matmul'.*attention over the whole sequence"),
    "attention module": (
        of(lambda m, x: m.attend(x, x, x)[0] + m.gru(x)[0], attend=nn.MultiheadAttention(I, 2, batch_first=True), gru=gru(I, I)),
        r"module 'attend' uses",
    ),
    "mean over time": (of(lambda m, x: m.gru(x)[0].mean(1), gru=gru()), r"'mean', which cannot stream: .*take the last step"),
    "max over time": (of(lambda m, x: m.gru(x)[0].max(1).values, gru=gru()), r"'max', which cannot stream"),
    "softmax over time": (of(lambda m, x: m.gru(x)[0].softmax(1), gru=gru()), r"it runs over time and not over the features"),
    "python loop": (of(loop, cell=nn.GRUCell(I, H)), r"loop over time"),
    "cell without state": (of(lambda m, x: m.cell(x[:, -1], torch.zeros(1, H)), cell=nn.GRUCell(I, H)), r"would be lost after each frame"),
    "middle step": (of(lambda m, x: m.gru(x)[0][:, 3], gru=gru()), r"takes step 3 of 20; only the last step"),
    "flattened time": (of(lambda m, x: m.out(m.gru(x)[0].flatten(1)), gru=gru(), out=nn.Linear(T * H, 2)), r"mixes time into the features"),
    "positional": (of(lambda m, x: m.gru(x + m.p)[0], gru=gru(), p=nn.Parameter(torch.randn(1, T, I))), r"changes over time"),
    "pad of ones": (of(lambda m, x: m.c(F.pad(x.mT, (2, 0), value=1.0)).mT, c=nn.Conv1d(I, H, 3)), r"only zeros can be padded"),
    "reflected": (of(lambda m, x: m.c(x.mT).mT, c=nn.Conv1d(I, H, 3, padding=2, padding_mode="reflect")), r"only zeros can be padded"),
    "unknown": (of(lambda m, x: torch.lgamma(m.gru(x)[0]), gru=gru()), r"own forward uses 'lgamma'"),
    "unknown in a module": (of(lambda m, x: m.far(m.gru(x)[0], m.gru(x)[0]), gru=gru(), far=nn.PairwiseDistance()), r"module 'far' uses 'pairwise_distance'"),
    "state from the input": (of(lambda m, x: m.gru(x, m.init(x[:, -1:]).transpose(0, 1))[0], gru=gru(), init=nn.Linear(I, H)), r"initial state is computed from the input"),
    "mixed steps": (of(lambda m, x: m.gru(x)[0] + m.gru(x)[0][:, -1:], gru=gru()), r"belong to different steps"),
    "only the input": (of(lambda m, x: (x, m.gru(x)[0]), gru=gru()), r"first output is not computed by a layer"),
    "decides": (Decides, r"torch.export cannot follow Decides"),
    "group norm": (of(lambda m, x: m.gru(m.n(x.mT).mT)[0], n=nn.GroupNorm(1, I), gru=gru()), r"'group_norm'.*statistics run over time"),
    "untracked batch norm": (of(lambda m, x: m.gru(m.n(x.mT).mT)[0], n=nn.BatchNorm1d(I, track_running_stats=False), gru=gru()), r"statistics of the batch"),
    "padded output": (of(lambda m, x: m.conv(F.pad(x.mT, (5, 0))).mT, conv=nn.Conv1d(I, H, 3)), r"3 frames longer than the input"),
    "flipped axes": (of(lambda m, x: m.a(x)[0] + m.b(x.transpose(0, 1))[0].transpose(0, 1), a=gru(), b=gru()), r"check batch_first"),
    "drops the newest": (of(lambda m, x: m.gru(x[:, :15])[0][:, -1], gru=gru()), r"cuts off the newest frames"),
    "divided by zero": (of(lambda m, x: m.gru(x)[0] / 0, gru=gru()), r"a constant is not finite"),
    "locked": (of(lambda m, x: m.gru(x)[0], gru=gru(), lock=threading.Lock()), r"Wrapped cannot be copied: .*lock"),
    "does not run": (of(lambda m, x: m.gru(x)[0], gru=gru(I + 1)), r"does not run on the example"),
}  # fmt: skip


CONVERTED = {
    "outer product": of(lambda m, x: (m.gru(x)[0].unsqueeze(3) * m.gru(x)[0].unsqueeze(2)).flatten(2), gru=gru()),
    "cell state as output": of(lambda m, x: m.out(m.lstm(x)[1][1][-1]), lstm=nn.LSTM(I, H, batch_first=True), out=nn.Linear(H, 2)),
    "exchanged features": of(lambda m, x: m.gru(x.view(1, T, 2, 3).transpose(2, 3).flatten(2))[0], gru=gru()),
    "features of a state": of(lambda m, x: m.gru(x)[1][:, :, :4], gru=gru(num_layers=2)),
}  # fmt: skip
"""Arrangements of features and states; each conversion is proved against torch."""


@pytest.mark.parametrize("name", CONVERTED)
def test_arrangements_convert(name):
    assert from_torch(CONVERTED[name]().eval(), example()).layers


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_stream_is_refused_by_name(name):
    make, words = REFUSED[name]
    with pytest.raises(UnsupportedError, match=words):
        from_torch(make().eval(), example())


def test_a_state_takes_the_result_in_its_place():
    def forward(m, x, a, b):
        a, b = m.one(x, a), m.two(x, b)
        return m.out(a + b), b, a

    swapped = Wrapped(forward, one=nn.GRUCell(I, H), two=nn.GRUCell(I, H), out=nn.Linear(H, 2)).eval()
    a, b = torch.zeros(1, H), torch.zeros(1, H)
    graph = from_torch(swapped, (torch.randn(1, I), a, b), states={"args_1": 1, "args_2": 2})
    xs, rows = torch.randn(20, I), []
    with torch.no_grad():
        for x in xs:
            y, a, b = swapped(x[None], a, b)
            rows.append(y[0].numpy())
    np.testing.assert_allclose(Stepper(graph).run(xs.numpy())[0], rows, atol=1e-5)


def test_a_module_in_training_is_refused():
    with pytest.raises(UnsupportedError, match=r"call module.eval\(\) first"):
        from_torch(gru(), example())


def test_what_is_no_module_is_refused():
    with pytest.raises(UnsupportedError, match=r"a list arrived; expected a torch.nn.Module"):
        from_torch([], example())


def test_an_example_of_one_step_is_refused():
    with pytest.raises(UnsupportedError, match=r"has 1 step on its time axis 1"):
        from_torch(gru().eval(), example(1))


def test_a_batch_is_refused():
    with pytest.raises(UnsupportedError, match=r"one sequence"):
        from_torch(gru().eval(), torch.randn(3, T, I))


def test_time_must_be_said_when_no_layer_shows_it():
    with pytest.raises(UsageError, match="pass time_axis="):
        from_torch(MODULES["sequential"]().eval(), example())
    with pytest.raises(UsageError, match=r"time_axis=5 of an example of shape \(1, 20, 6\)"):
        from_torch(MODULES["sequential"]().eval(), example(), time_axis=5)


class WrongCell(OwnCell):
    def forward(self, x):
        return super().forward(x) * 1.0001


def test_a_wrong_conversion_is_caught_with_layer_and_step():
    module = Wrapped(
        lambda m, x: m.gru(m.own(m.first(x)))[0], first=nn.Linear(I, I), own=WrongCell(False), gru=gru(H)
    ).eval()
    with pytest.raises(ParityError, match=r"at step 0, first in layer 'own' at step 0"):
        from_torch(module, example())


def test_a_module_that_changes_with_the_length_is_caught():
    module = Wrapped(lambda m, x: m.gru(x)[0] * (1 if x.shape[1] < 50 else 2), gru=gru()).eval()
    with pytest.raises(ParityError, match=r"at step 0, .*longer than the example"):
        from_torch(module, example())


@pytest.mark.parametrize(
    "forward",
    [
        truncated_window,
        lambda m, x: m.gru(x)[0] * (1 if x.shape[1] <= 2 * T else 1.001),
        lambda m, x: m.gru(x[:, : 2 * T])[0][:, -1],
    ],
)
def test_a_module_that_looks_at_the_length_of_the_sequence_is_caught(forward):
    torch.manual_seed(0)
    module = Wrapped(forward, gru=gru()).eval()
    for weight in module.parameters():
        weight.data *= 3  # so that old frames are not forgotten
    with pytest.raises(ParityError):
        from_torch(module, example())


def test_a_lazy_module_is_refused():
    with pytest.raises(UnsupportedError, match="lazy layers without weights"):
        from_torch(nn.Sequential(nn.LazyLinear(3)).eval(), example(), time_axis=1)


def test_the_example_is_left_as_it_was():
    xs = example().double()
    before = xs.clone()
    from_torch(Wrapped(lambda m, x: m.gru(normalize_(x))[0], gru=gru()).eval(), xs)
    assert torch.equal(xs, before)


EXAMPLES = {
    "dictionary": ({"x": example()}, r"an example of x arrived, and forward takes \(input, hx=None\)"),
    "list": ([example()], r"an example of \(list\) arrived"),
    "number beside": ((example(), 3), r"\(Tensor, int\) arrived"),
    "not finite": (torch.full((1, T, I), torch.nan), r"values that are not finite"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_wrong_example_is_refused(name):
    xs, words = EXAMPLES[name]
    with pytest.raises(UnsupportedError, match=words):
        from_torch(gru().eval(), xs)


def test_an_argument_that_is_no_state_is_refused():
    module = Wrapped(lambda m, x, h, unused: m.gru(x, h), gru=gru()).eval()
    with pytest.raises(UnsupportedError, match=r"is no state: no result of its shape"):
        from_torch(module, (example(), torch.zeros(1, 1, H), torch.zeros(1)))


@pytest.mark.parametrize("nest", [lambda a, b: [a, b], lambda a, b: {"a": a, "b": b}])
def test_states_may_be_nested(nest):
    def forward(m, x, states):
        one, two = states.values() if isinstance(states, dict) else states
        one = m.one(x, one)
        two = m.two(one[0], two)
        return m.out(two[0]), nest(one, two)

    module = Wrapped(forward, one=nn.LSTMCell(I, H), two=nn.LSTMCell(H, H), out=nn.Linear(H, 2)).eval()
    pair = (torch.zeros(1, H), torch.zeros(1, H))
    assert list(from_torch(module, (torch.randn(1, I), nest(pair, pair))).states) == [
        "one.h",
        "one.c",
        "two.h",
        "two.c",
    ]


def test_integer_samples_are_scaled_by_the_model():
    module = Wrapped(lambda m, x: m.gru(x / 32768.0)[0], gru=gru()).eval()
    graph = from_torch(module, torch.randint(-3000, 3000, (1, T, I), dtype=torch.int32))
    xs = torch.randint(-3000, 3000, (1, 9, I), dtype=torch.int32)
    with torch.no_grad():
        np.testing.assert_allclose(Stepper(graph).run(xs[0].float().numpy())[0], module(xs)[0].numpy(), atol=1e-6)


def test_a_logarithm_is_proved_on_the_examples_own_values():
    module = Wrapped(lambda m, x: m.gru(torch.log(x + 1e-6))[0], gru=gru()).eval()
    graph = from_torch(module, torch.rand(1, T, I))
    assert [layer.name for layer in graph.layers][-1] == "gru"


def test_a_module_of_one_length_is_proved_at_its_end():
    module = Wrapped(lambda m, x: m.out(m.gru(x.view(1, T, I))[0][:, -1]), gru=gru(), out=nn.Linear(H, 2)).eval()
    assert from_torch(module, example()).outputs == 2


def test_the_given_axis_wins():
    module = Wrapped(lambda m, x: m.out(x), out=nn.Linear(I, I)).eval()
    assert from_torch(module, torch.randn(T, 1, I), time_axis=0).outputs == I
    with pytest.raises(UnsupportedError, match="time is on axis 2"):
        from_torch(gru().eval(), example(), time_axis=2)


def test_zeros_as_an_example_prove_as_much():
    module = Wrapped(lambda m, x: m.gru(m.own(x))[0], own=WrongCell(False), gru=gru(H)).eval()
    with pytest.raises(ParityError):
        from_torch(module, torch.zeros(1, T, I))


def test_a_rest_of_zeros_is_no_rest():
    module = Wrapped(lambda m, x: m.gru(x, torch.zeros(1, 1, H))[0], gru=gru()).eval()
    assert not from_torch(module, example()).initial_state


def test_what_is_kept_with_the_model_is_kept():
    graph = from_torch(gru(hidden=2).eval(), example(), period_ms=10, labels=("a", "b"))
    assert (graph.period_ms, graph.labels) == (10.0, ("a", "b"))
    with pytest.raises(UsageError, match="labels='ab' is a single string; pass a tuple with a name for each"):
        from_torch(gru(hidden=2).eval(), example(), labels="ab")


def test_names_are_ascii():
    module = Wrapped(lambda m, x: m.größe(x)[0], größe=gru()).eval()
    assert [layer.name for layer in from_torch(module, example()).layers] == ["gr__e"]


def test_a_missing_torch_is_said(monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.startswith("edgernn_export.sources.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgernn\[train\]'"):
        from_torch(None, None)
