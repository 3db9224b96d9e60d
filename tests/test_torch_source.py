"""Every module is converted as torch computes it, or refused for its true reason; it is never altered, and nothing is printed."""

import io
import logging
import random
import sys
import threading
import warnings
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import Phase, assume, given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from programs import OTHERS, STREAMS, Program, answers
from torch import nn
from torch.ao import quantization as ao
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize
from torch.utils import _pytree as pytree

from edgernn.errors import EdgernnError, ParityError, UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.timing import in_steps
from edgernn_export import from_torch
from edgernn_export.sources.torch.operations.linear import blocks
from edgernn_export.sources.torch.trace.exported import exported

I, H, T = 6, 8, 20


class Wrapped(nn.Module):
    """Parts by name, and a forward given as a function of the module and its input."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.does = forward
        for name, part in parts.items():
            setattr(self, name, part() if callable(part) and not isinstance(part, nn.Module) else part)

    def forward(self, *args):
        return self.does(self, *args)


def of(forward, **parts):
    return lambda: Wrapped(forward, **parts)


def gru(inputs=I, hidden=H, **options):
    return lambda: nn.GRU(inputs, hidden, batch_first=True, **options)


def lstm():
    return nn.LSTM(I, H, batch_first=True)


def example(steps=T):
    return torch.randn(1, steps, I, generator=torch.Generator().manual_seed(3))


def tensors_of(module):
    """Every tensor of a module, wherever it is kept, by its path."""
    tensors = {}
    for path, inner in module.named_modules():
        for key, value in vars(inner).items():
            for i, leaf in enumerate(pytree.tree_leaves(value)):
                if isinstance(leaf, torch.Tensor):
                    tensors[f"{path}.{key}.{i}"] = leaf
    return tensors


@contextmanager
def untouched(module):
    """The module's tensors are the same objects with the same values after, its classes the same, torch as it was."""
    before, kinds = tensors_of(module), [type(inner) for inner in module.modules()]
    values = {path: tensor.detach().clone() for path, tensor in before.items() if not tensor.is_meta}
    shared = torch.get_default_dtype(), torch.get_rng_state(), sys.stderr
    yield
    after = tensors_of(module)
    assert after.keys() == before.keys()
    for path, tensor in after.items():
        assert tensor is before[path], path
        assert path not in values or torch.equal(tensor, values[path]), path
    assert [type(inner) for inner in module.modules()] == kinds
    for inner in filter(parametrize.is_parametrized, module.modules()):
        assert all(isinstance(getattr(type(inner), name, None), property) for name in inner.parametrizations)
    assert torch.get_default_dtype() == shared[0]
    assert torch.equal(torch.get_rng_state(), shared[1])
    assert sys.stderr is shared[2]


@pytest.fixture
def silent(capfd):
    """Nothing is written to stdout or stderr, not even by torch's log, whose handlers keep the stream they began with."""
    log, torchs = io.StringIO(), logging.getLogger("torch")
    handler = logging.StreamHandler(log)
    torchs.addHandler(handler)
    capfd.readouterr()
    yield
    torchs.removeHandler(handler)
    assert (*capfd.readouterr(), log.getvalue()) == ("", "", "")
    assert not handler.filters


def normed(forward, *names, norm=parametrizations.weight_norm, **parts):
    """Weights of parts, named as "part.weight", made by a parametrization."""

    def make():
        module = Wrapped(forward, **parts)
        for name in names:
            part, weight = name.split(".")
            norm(getattr(module, part), weight)
        return module

    return make


class Symmetric(nn.Module):
    """A parametrization with a tensor that is a plain attribute, and a decision that torch.export cannot follow."""

    def __init__(self):
        super().__init__()
        self.half = torch.tensor(0.5)

    def forward(self, w):
        return (w + w.T) * self.half if w.abs().max() < 9 else w


def symmetric(layer, name):
    parametrize.register_parametrization(layer, name, Symmetric())


def spectral(layer, name):
    parametrizations.spectral_norm(layer, name, n_power_iterations=3)


def older_weight_norm():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(lstm(), "weight_hh_l0")


def written_in_parts(m, x):
    y = m.gru(x)[0]
    z = torch.empty(y.shape)
    z[..., :3], z[..., 3:] = torch.tanh(y[..., :3]), y[..., 3:]
    return z


def written_in_strides(m, x):
    y = m.gru(x)[0]
    z = torch.zeros(1, x.shape[1], 2 * H)
    z[..., ::2] = y
    z[..., 1] = 0.25
    z.transpose(1, 2)[:, [3, 5]] = y[..., :2].transpose(1, 2) + z[..., 1:2].transpose(1, 2)
    return z.view(1, x.shape[1], 2, H).flatten(2)


def written_after_a_view(m, x):
    y = m.gru(x)[0]
    last = y[:, -1]
    y.mul_(2)
    return last


def grouped(x, groups, w):
    return torch.einsum("btgi,gio->btgo", x.unflatten(-1, (groups, -1)), w).flatten(2)


CONVERTED = {
    "plain tensor": of(lambda m, x: m.gru(x - m.mean)[0], gru=gru(), mean=torch.tensor(0.3)),
    "plain tensors in a list and a dictionary": of(
        lambda m, x: m.gru(x, m.initial_state[0])[0] * m.by["scale"],
        gru=gru(), initial_state=lambda: [torch.randn(1, 1, H)], by=lambda: {"scale": torch.tensor(2.0), "other": 3},
    ),
    "plain tensor computed from a weight": of(
        lambda m, x: m.gru(x * m.by)[0], gru=gru(), by=lambda: nn.Parameter(torch.ones(I)) * 2
    ),
    "generator for nothing": of(lambda m, x: m.gru(x)[0], gru=gru(), random=torch.Generator),
    "weight norm of an LSTM": normed(lambda m, x: m.lstm(x)[0], "lstm.weight_ih_l0", "lstm.weight_hh_l0", lstm=lstm),
    "weight norm of a linear layer and a convolution": normed(
        lambda m, x: m.out(m.conv(F.pad(x.mT, (2, 0))).mT), "out.weight", "conv.weight",
        out=lambda: nn.Linear(H, 3), conv=lambda: nn.Conv1d(I, H, 3),
    ),
    "spectral norm of a GRU": normed(lambda m, x: m.gru(x)[0], "gru.weight_hh_l0", norm=spectral, gru=gru()),
    "parametrization of one's own": normed(
        lambda m, x: m.out(m.gru(x)[0]), "out.weight", norm=symmetric, gru=gru(), out=lambda: nn.Linear(H, H)
    ),
    "two parametrizations of one weight": normed(
        lambda m, x: m.out(m.gru(x)[0]), "out.weight", "out.weight", norm=symmetric, gru=gru(), out=lambda: nn.Linear(H, H)
    ),
    "weight norm of before": of(lambda m, x: m.lstm(x)[0], lstm=older_weight_norm),
    "grouped einsum": of(lambda m, x: grouped(m.gru(x)[0], 4, m.w), gru=gru(), w=lambda: torch.randn(4, 2, 3)),
    "grouped einsum, letters exchanged": of(
        lambda m, x: m.gru(torch.einsum("gio,tgib->tbog", m.w, x.mT.unflatten(1, (3, 2)).permute(3, 1, 2, 0)).movedim(1, 0).flatten(2))[0],
        gru=gru(4 * 3), w=lambda: torch.randn(3, 2, 4),
    ),
    "einsum of the last step": of(
        lambda m, x: torch.einsum("bi,io->bo", m.gru(x)[0][:, -1], m.w), gru=gru(), w=lambda: torch.randn(H, 3)
    ),
    "wide einsum in blocks": of(
        lambda m, x: grouped(m.gru(x)[0], 4, m.w), gru=gru(I, 256), w=lambda: torch.randn(4, 64, 32) / 8
    ),
    "products of three axes": of(
        lambda m, x: torch.bmm(m.gru(x)[0].view(-1, 1, H), m.w.expand(x.shape[1], -1, -1)).view(1, -1, 3),
        gru=gru(), w=lambda: torch.randn(1, H, 3),
    ),
    "matrix on the left": of(lambda m, x: (m.w @ m.gru(x)[0].mT).mT, gru=gru(), w=lambda: torch.randn(5, H)),
    "variance": of(lambda m, x: m.gru(x * x.var(-1, keepdim=True))[0] + x.var(2).unsqueeze(-1), gru=gru()),
    "written in parts": of(written_in_parts, gru=gru()),
    "written in strides, a constant and at places": of(written_in_strides, gru=gru()),
    "written after a view": of(written_after_a_view, gru=gru()),
    "attributes written for a debugger": of(
        lambda m, x: (setattr(m, "seen", x.shape), m.gru(x)[0])[1], gru=gru(), seen=None
    ),
    "hidden state detached": of(lambda m, x: (m.gru(x)[0], m.gru(x)[1].detach()), gru=gru()),
}  # fmt: skip
"""What is converted: name -> how the module is made."""


@pytest.mark.parametrize("name", CONVERTED)
def test_a_module_is_converted_and_left_as_it_was(name, silent):
    torch.manual_seed(5)
    module = CONVERTED[name]().eval()
    with torch.no_grad():
        before = pytree.tree_leaves(module(example()))[0]
    with untouched(module):
        graph = from_torch(module, example())
    with torch.no_grad():
        assert torch.equal(pytree.tree_leaves(module(example()))[0], before)
        answer = pytree.tree_leaves(module(example(50)))[0]
    expected = answer[0] if answer.dim() == 3 else answer
    actual = Stepper(graph).run(example(50)[0].numpy())[0]
    np.testing.assert_allclose(actual[-len(expected) :], expected, atol=1e-5, rtol=1e-5)


def quietly(make):
    """A module of torch's own quantization, which warns that it is to go."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def network():
    return Wrapped(lambda m, x: m.out(m.lstm(x)[0]), lstm=lstm, out=nn.Linear(H, 2)).eval()


def prepared():
    module = nn.Sequential(nn.Linear(I, H), nn.ReLU()).eval()
    module.qconfig = ao.get_default_qconfig("fbgemm")
    return ao.prepare(module)


def static():
    module = prepared()
    module(example())
    return ao.convert(module)


def qat():
    module = nn.Sequential(nn.Linear(I, H), nn.ReLU()).train()
    module.qconfig = ao.get_default_qat_qconfig("fbgemm")
    return ao.prepare_qat(module).eval()


def scaled_weights(layer, by):
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(by)
    return layer


def counts(m, x):
    m.calls += 1
    return m.gru(x)[0] * m.calls


def grows(m, x):
    m.calls += 1
    return (m.gru(x)[0],) * m.calls


def keeps_in_a_buffer(m, x):
    y = m.gru(x)[0]
    m.seen.copy_(m.seen + y[0, -1])
    return y + m.seen


def python_random(m, x):
    return m.gru(x)[0] * random.random()


def tires(m, x):
    m.calls += 1
    if m.calls > 2:
        raise RuntimeError("no more")
    return m.gru(x)[0][:, -1]


def seeded(m, x):
    return m.gru(x + torch.randn(I, generator=torch.Generator().manual_seed(0)))[0]


def packed(m, x):
    sequence = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([x.shape[1]]), batch_first=True)
    return nn.utils.rnn.pad_packed_sequence(m.gru(sequence)[0], batch_first=True)[0]


def written_in_part(m, x):
    y = m.gru(x)[0]
    z = torch.empty(y.shape)
    z[..., :3] = y[..., :3]
    return z


def written_at_steps(m, x):
    y = m.gru(x)[0].clone()
    y[:, 0] = 0.0
    return y


def written_at_values(m, x):
    y = m.gru(x)[0].clone()
    y[y > 0.1] = 0.0
    return y


TRUE_REASONS = {
    "generator": (of(seeded, gru=gru()), r"own forward uses 'randn'.*draws random numbers, so no two runs agree"),
    "generator kept": (
        of(lambda m, x: m.gru(x + torch.randn(I, generator=m.random))[0], gru=gru(), random=torch.Generator),
        r"draws random numbers \('randn'\)",
    ),
    "dropout in use": (of(lambda m, x: F.dropout(m.gru(x)[0]), gru=gru()), r"draws random numbers \('bernoulli'\).*training=self.training"),
    "random of Python": (of(python_random, gru=gru()), r"draws random numbers \(random or numpy.random\)"),
    "sampling": (
        of(lambda m, x: (torch.manual_seed(0), torch.bernoulli(m.gru(x)[0].sigmoid()))[1], gru=gru()),
        r"uses 'bernoulli'.*draws random numbers.*after the step",
    ),
    "counter": (of(counts, gru=gru(), calls=0), r"keeps state of its own from call to call, in 'calls'"),
    "more and more outputs": (of(grows, gru=gru(), calls=0), r"keeps state of its own from call to call, in 'calls'"),
    "buffer": (of(keeps_in_a_buffer, gru=gru(), seen=lambda: nn.Buffer(torch.zeros(H))), r"'gru'.*its state is not passed in by the caller"),
    "quantized by torch": (
        lambda: quietly(lambda: ao.quantize_dynamic(network(), {nn.LSTM, nn.Linear})),
        r"module 'lstm' \(LSTM\) is quantized by torch.*convert the float model.*edgernn.passes.quantize",
    ),
    "quantized by torch with ranges": (lambda: quietly(static), r"module '0' \(Linear\) is quantized by torch"),
    "prepared for quantization": (lambda: quietly(prepared), r"\(HistogramObserver\) is quantized by torch, or prepared for it"),
    "trained as quantized": (lambda: quietly(qat), r"module '0' \(Linear\) is quantized by torch, or prepared for it"),
    "part in TorchScript": (
        lambda: Wrapped(lambda m, x: m.inner(x), inner=quietly(lambda: torch.jit.script(network().lstm))), r"module 'inner' is compiled to TorchScript"
    ),
    "without values": (lambda: nn.GRU(I, H, batch_first=True, device="meta"), r"weights on the device 'meta'"),
    "overflow": (
        lambda: scaled_weights(nn.RNN(I, H, batch_first=True, nonlinearity="relu"), 1e5),
        r"states overflow on a random sequence.*leave float32 at step \d+, are [\d.]+e\+30\d at step \d+, and leave float64 at step \d+",
    ),
    "logarithm of nothing": (of(lambda m, x: m.gru(torch.log(x * 0))[0], gru=gru()), r"states are not finite from step 0 on.*logarithm of zero"),
    "nothing finite": (of(lambda m, x: torch.log(m.gru(x)[0] * 0), gru=gru()), r"no output of the module is finite"),
    "chaos": (
        lambda: scaled_weights(nn.GRU(I, 32, batch_first=True), 30),
        r"differs from the module by .*, and by .* from itself.*amplifies rounding",
    ),
    "decides by values": (
        of(lambda m, x: torch.distributions.Categorical(logits=m.gru(x)[0]).logits, gru=gru()),
        r"cannot follow Wrapped at test_torch_source.py:\d+ \(.*Categorical.*\): what it does depends on the values",
    ),
    "packs": (of(packed, gru=gru()), r"cannot follow Wrapped at .*pack_padded_sequence.*: it packs sequences by their lengths"),
    "leaves torch": (
        of(lambda m, x: torch.from_numpy(m.gru(x)[0].detach().numpy()), gru=gru()), r"cannot follow Wrapped at .*numpy"
    ),
    "answers with no tensor": (of(lambda m, x: {1, 2}, gru=gru()), r"returns a set.*return a tensor"),
    "tires": (of(tires, gru=gru(), calls=0), r"does not run on random values of shape \(1, \d+, 6\): no more"),
    "deviation over time": (of(lambda m, x: m.gru(x / x.std(1, keepdim=True))[0], gru=gru()), r"uses 'std'.*needs the whole sequence at once"),
    "largest feature": (of(lambda m, x: m.gru(x - x.argmax(-1, True))[0], gru=gru()), r"uses 'argmax'.*position of the largest"),
    "running sum": (of(lambda m, x: m.gru(x.cumsum(1))[0], gru=gru()), r"uses 'gru'.*a running sum over time .torch.cumsum., which grows without bound"),
    "einsum over time": (of(lambda m, x: torch.einsum("bti,bsi->bts", m.gru(x)[0], m.gru(x)[0]), gru=gru()), r"'einsum'.*attention over the whole"),
    "einsum of values": (of(lambda m, x: torch.einsum("bti,bti,bti->bt", *[m.gru(x)[0]] * 3), gru=gru()), r"'einsum'.*values of the stream as matrices; write.*\(a \* b\)"),
    "einsum that mixes times": (
        of(lambda m, x: torch.einsum("bti,ts->bsi", m.gru(x)[0], m.w), gru=gru(), w=lambda: torch.randn(T, T)), r"'einsum'.*mixes frames of different steps"
    ),
    "einsum that changes": (
        of(lambda m, x: torch.einsum("bti,ti->bti", m.gru(x)[0], m.w), gru=gru(), w=lambda: torch.randn(T, H)), r"'einsum'.*constant changes over time"
    ),
    "parts never written": (of(written_in_part, gru=gru()), r"\d of 8 elements of a frame are never written|reads elements of torch.empty that it never writes"),
    "steps written": (of(written_at_steps, gru=gru()), r"'select_scatter'.*writes at some steps of a sequence"),
    "places written that are values": (of(written_at_values, gru=gru()), r"'index_put'.*writes to places that are computed"),
    "integers made": (of(lambda m, x: m.gru(x.long().float())[0], gru=gru()), r"casts torch.float64 to torch.int64"),
    "moving window": (of(lambda m, x: m.gru(x)[0][:, -3:], gru=gru()), r"takes the newest 3 frames of a sequence of any length"),
    "repeated end": (of(lambda m, x: m.gru(x)[0][:, -1:].repeat(1, T, 1), gru=gru()), r"'repeat'.*repeats the last step of the sequence as all of its frames.*convert encoder and decoder apart"),
}  # fmt: skip
"""What is refused: name -> how the module is made, and the reason."""


@pytest.mark.parametrize("name", TRUE_REASONS)
def test_a_refusal_names_the_true_reason(name, silent):
    make, words = TRUE_REASONS[name]
    torch.manual_seed(5)
    module = make().eval()
    with untouched(module), pytest.raises((UnsupportedError, ParityError), match=words):
        from_torch(module, example(), time_axis=1)


def spectrum(m, x):
    return m.gru(torch.stft(x, 16, 8, return_complex=True).abs().mT)[0]


EXAMPLES = {
    "frames made by a transform": (of(spectrum, gru=gru(9)), torch.randn(1, 200), r"torch.stft reflects samples on both sides.*center=False"),
    "complex": (gru(), torch.randn(1, T, I, dtype=torch.complex64), r"a tensor of torch.complex64.*real and imaginary parts side by side.*view_as_real"),
    "without values": (gru(), torch.empty(1, T, I, device="meta"), r"on meta.*with values"),
    "sparse": (gru(), torch.ones(1, T, I).to_sparse(), r"torch.sparse_coo\); expected real numbers, dense"),
    "state not returned": (of(lambda m, x, h: m.out(m.gru(x, h)[0]), gru=gru(), out=nn.Linear(H, 2)), (example(), torch.zeros(1, 1, H)), r"argument 'args_1' \(1, 1, 8\) is no state: no result of its shape"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_refused_example_names_the_true_reason(name, silent):
    make, xs, words = EXAMPLES[name]
    module = make().eval()
    with untouched(module), pytest.raises(UnsupportedError, match=words):
        from_torch(module, xs)


@pytest.mark.parametrize(("width", "groups", "denses"), [(16, 4, 1), (64, 4, 1), (256, 4, 4), (256, 8, 1), (512, 8, 8)])
def test_a_grouped_product_is_split_where_zeros_cost_more_than_layers(width, groups, denses):
    module = Wrapped(
        lambda m, x: grouped(m.rnn(x)[0], groups, m.w),
        rnn=lambda: nn.RNN(2, width, batch_first=True),
        w=lambda: torch.randn(groups, width // groups, width // groups),
    ).eval()
    kinds = [type(layer.cell).__name__ for layer in from_torch(module, torch.randn(1, 5, 2)).layers]
    assert kinds.count("Dense") == denses


@given(st.data())
def test_blocks_and_zeros_make_the_matrix(data):
    shapes = data.draw(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4))
    rows, columns = (sum(part) for part in zip(*shapes, strict=True))
    entries = st.sampled_from([0.0, 0.0, 1.0, 2.0])
    matrix = data.draw(arrays(np.float64, (rows, columns), elements=entries))
    if data.draw(st.booleans()):  # zeros beside the blocks
        at = np.cumsum([(0, 0), *shapes], axis=0)
        inside = np.zeros_like(matrix, bool)
        for (a, b), (c, d) in pairwise(at):
            inside[a:c, b:d] = True
        matrix = np.where(inside, matrix + 1, 0.0)
        assert len(blocks(matrix)) == len(shapes)
    joined = np.zeros_like(matrix)
    for part in blocks(matrix):
        assert matrix[part].size
        joined[part] = matrix[part]
    np.testing.assert_array_equal(joined, matrix)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_following_a_module_takes_as_long_for_a_long_example(kind):
    module = kind(2, 3, batch_first=True).eval().double()

    def calls(steps):
        count = 0

        def profile(_frame, event, _arg):
            nonlocal count
            count += event == "call"

        sys.setprofile(profile)
        try:
            exported(module, (torch.randn(1, steps, 2).double(),))
        finally:
            sys.setprofile(None)
        return count

    calls(5)  # what is made once
    assert calls(500) < 1.1 * calls(20)


def test_threads_that_convert_leave_the_process_as_it_was(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    torch.manual_seed(0)
    modules, graphs = [nn.GRU(I, H, batch_first=True).eval() for _ in range(3)], {}
    decides, done = TRUE_REASONS["decides by values"][0]().eval(), threading.Event()

    def convert(i):
        graphs[i] = from_torch(modules[i], example())
        with pytest.raises(UnsupportedError):
            from_torch(decides, example())

    def write():
        while not done.wait(0.001):
            sys.stderr.write("mine ")

    threads = [threading.Thread(target=convert, args=(i,)) for i in range(3)]
    other = threading.Thread(target=write)
    other.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    other.join()
    assert sys.stderr is written
    assert torch.get_default_dtype() == torch.float32
    assert set(written.getvalue().split()) == {"mine"}
    for i, module in enumerate(modules):
        with torch.no_grad():
            expected = module(example())[0][0].numpy()
        np.testing.assert_allclose(Stepper(graphs[i]).run(example()[0].numpy())[0], expected, atol=1e-6)


def lists(most):
    """Operations in a row, of which at most one need not be convertible."""
    streams = st.lists(st.sampled_from(list(STREAMS)), max_size=most)
    return st.one_of(
        streams, st.tuples(streams, st.sampled_from(list(OTHERS)), streams).map(lambda t: [*t[0], t[1], *t[2]])
    )


def converted(module):
    """The graph, or the words of an error of ours; no other error is expected."""
    try:
        return from_torch(module, example(9)), ""
    except EdgernnError as error:
        return None, str(error)


@settings(max_examples=30, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(names=lists(4), seed=st.integers(0, 2**16))
def test_any_program_matches_torch_or_is_refused(names, seed):
    torch.manual_seed(seed)
    try:
        module = Program(names, I)
    except (RuntimeError, IndexError):  # no module of torch either
        assume(False)
    with untouched(module):
        graph, why = converted(module)
    if graph is None:
        assert set(names) & {*OTHERS, "last"}, why
        assert "arguments are not supported" not in why
        return
    xs = example(16).double()
    actual = Stepper(graph).run(in_steps(xs[0].numpy(), graph.frames_per_step))[0]
    for t, expected in answers(module.double(), xs, graph.outputs, graph.frames_per_step).items():
        np.testing.assert_allclose(actual[t], expected.reshape(-1).numpy(), atol=1e-4, rtol=1e-4)


class Plain(nn.Module):
    """A module without anything that TorchScript does not know."""

    def __init__(self):
        super().__init__()
        self.lstm, self.out = lstm(), nn.Linear(H, 2)

    def forward(self, x):
        return self.out(self.lstm(x)[0])


@pytest.mark.parametrize(
    "compiled", [torch.jit.script, lambda module: torch.jit.trace(module, example())], ids=["scripted", "traced"]
)
def test_torchscript_converts(compiled):
    module = Plain().eval()
    graph = from_torch(quietly(lambda: compiled(module)), example())
    x = torch.randn(1, 100, I)
    with torch.no_grad():
        expected = module(x).numpy()
    ys = Stepper(graph).run(x[0].numpy())[0]
    np.testing.assert_allclose(ys[-1] if expected.ndim == 2 else ys, expected[0], atol=1e-5)


def test_torchscript_that_torch_does_not_convert():
    module = quietly(lambda: torch.jit.script(Plain().eval()))
    with pytest.raises(
        UnsupportedError, match=r"compiled to TorchScript, which torch does not convert.*convert the nn\.Module"
    ):
        from_torch(module, (example(), example(), example()))
    with pytest.raises(UnsupportedError, match="training mode"):
        from_torch(module.train(), example())
