"""The cells against torch, and the artifacts against ONNX Runtime's own recurrent operators: two oracles that are not ours."""

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

import edgernn
from edgernn.cells import FastGrnn, GruResetBefore, LayerNormGru, LayerNormLstm, LstmPeephole, Mgu
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn_export import export, from_torch

STEPS, INPUTS, HIDDEN = 40, 5, 7


def sequence(steps=STEPS, inputs=INPUTS, seed=0):
    return torch.randn(1, steps, inputs, generator=torch.Generator().manual_seed(seed))


RECURRENT = {
    "gru": lambda: nn.GRU(INPUTS, HIDDEN, batch_first=True),
    "gru stacked": lambda: nn.GRU(INPUTS, HIDDEN, 3, batch_first=True, dropout=0.3),
    "gru no bias": lambda: nn.GRU(INPUTS, HIDDEN, bias=False, batch_first=True),
    "lstm": lambda: nn.LSTM(INPUTS, HIDDEN, batch_first=True),
    "lstm stacked": lambda: nn.LSTM(INPUTS, HIDDEN, 2, batch_first=True),
    "lstm no bias": lambda: nn.LSTM(INPUTS, HIDDEN, bias=False, batch_first=True),
    "lstm projected": lambda: nn.LSTM(INPUTS, HIDDEN, 2, batch_first=True, proj_size=3),
    "lstm projected no bias": lambda: nn.LSTM(INPUTS, HIDDEN, batch_first=True, proj_size=3, bias=False),
    "rnn tanh": lambda: nn.RNN(INPUTS, HIDDEN, batch_first=True),
    "rnn relu": lambda: nn.RNN(INPUTS, HIDDEN, batch_first=True, nonlinearity="relu"),
    "rnn stacked no bias": lambda: nn.RNN(INPUTS, HIDDEN, 2, batch_first=True, bias=False),
}


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_recurrent_layer_is_torchs(kind):
    torch.manual_seed(1)
    module = RECURRENT[kind]().double().eval()
    graph = from_torch(module, sequence())
    xs = sequence(seed=5).double()
    with torch.no_grad():
        expected = module(xs)[0][0].numpy()
    actual, _ = Stepper(graph).run(xs[0].numpy())
    np.testing.assert_allclose(actual, expected, atol=2e-6)  # the graph's weights are float32, torch's float64


CELLS = {
    "gru": (nn.GRUCell(INPUTS, HIDDEN), 1),
    "gru no bias": (nn.GRUCell(INPUTS, HIDDEN, bias=False), 1),
    "lstm": (nn.LSTMCell(INPUTS, HIDDEN), 2),
    "rnn tanh": (nn.RNNCell(INPUTS, HIDDEN), 1),
    "rnn relu": (nn.RNNCell(INPUTS, HIDDEN, nonlinearity="relu"), 1),
}


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_class_is_one_step(kind, batched):
    module, states = CELLS[kind]
    module = module.eval()
    shape = (1,) if batched else ()
    zero = torch.zeros(*shape, HIDDEN)
    state = zero if states == 1 else (zero, zero)
    graph = from_torch(module, (torch.randn(*shape, INPUTS), state))
    xs = sequence()[0]
    actual, _ = Stepper(graph).run(xs.numpy())
    for x, y in zip(xs, actual, strict=True):
        with torch.no_grad():
            state = module(x.reshape(*shape, INPUTS), state)
        h = state if states == 1 else state[0]
        np.testing.assert_allclose(y, h.numpy().reshape(-1), atol=1e-6)


def onnx_sequence_model(kind: str, module: nn.Module) -> bytes:
    """The same layer as ONNX's own operator over the whole sequence, weights in ONNX's order of gates."""
    order = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2), "RNN": (0,)}[kind]

    def gates(tensor):
        parts = tensor.detach().reshape(len(order), HIDDEN, -1)
        return parts[list(order)].reshape(len(order) * HIDDEN, -1).numpy()

    weights = {
        "W": gates(module.weight_ih_l0)[None],
        "R": gates(module.weight_hh_l0)[None],
        "B": np.concatenate([gates(module.bias_ih_l0), gates(module.bias_hh_l0)])[None, :, 0],
    }
    extra = {"linear_before_reset": 1} if kind == "GRU" else {}
    node = helper.make_node(kind, ["x", "W", "R", "B"], ["y"], hidden_size=HIDDEN, **extra)
    info = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [STEPS, 1, INPUTS]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [STEPS, 1, 1, HIDDEN]),
    ]
    initializers = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
    graph = helper.make_graph([node], "whole", info[:1], info[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize(("kind", "make"), [("GRU", nn.GRU), ("LSTM", nn.LSTM), ("RNN", nn.RNN)])
def test_a_streamed_artifact_is_the_runtimes_own_operator(kind, make, tmp_path):
    import onnxruntime

    torch.manual_seed(2)
    module = make(INPUTS, HIDDEN, batch_first=True).eval()
    export(from_torch(module, sequence()), tmp_path / "m.onnx")
    xs = sequence()[0].numpy()
    session = onnxruntime.InferenceSession(onnx_sequence_model(kind, module), providers=["CPUExecutionProvider"])
    whole = session.run(None, {"x": xs[:, None]})[0].reshape(STEPS, HIDDEN)
    np.testing.assert_allclose(edgernn.open(tmp_path / "m.onnx").stream().run(xs), whole, atol=2e-6)


def test_the_written_file_passes_the_full_check(tmp_path):
    export(from_torch(nn.LSTM(INPUTS, HIDDEN, batch_first=True).eval(), sequence()), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [opset.version for opset in model.opset_import] == [17]
    assert [node.name for node in model.graph.input] == ["x", "lstm.h.in", "lstm.c.in"]
    assert [node.name for node in model.graph.output] == ["y", "lstm.h.out", "lstm.c.out"]


def weights(**shapes):
    random = torch.Generator().manual_seed(3)
    return {name: torch.randn(shape, generator=random, dtype=torch.float64) for name, shape in shapes.items()}


def fast_grnn(p, x, h):
    """Kusupati et al., section 3.2: h = (zeta (1 - z) + nu) n + z h."""
    a = F.linear(x, p.w) + F.linear(h, p.u)
    z, n = torch.sigmoid(a + p.gate), torch.tanh(a + p.new)
    h = (p.zeta * (1 - z) + p.nu) * n + z * h
    return h, (h,)


def mgu(p, x, h):
    """Zhou et al., equations 7: the candidate reads the gated state; h = (1 - f) h + f n."""
    w_f, w_n = p.w.chunk(2)
    b_f, b_n = p.b.chunk(2)
    f = torch.sigmoid(F.linear(x, w_f, b_f) + F.linear(h, p.u))
    n = torch.tanh(F.linear(x, w_n, b_n) + F.linear(f * h, p.v))
    h = (1 - f) * h + f * n
    return h, (h,)


def layer_norm_gru(p, x, h):
    """torch.nn.GRU's equations with each product normalized."""
    wide = (3 * HIDDEN,)
    xr, xz, xn = F.layer_norm(F.linear(x, p.w), wide, p.gain, p.b, EPS).chunk(3)
    hr, hz, hn = F.layer_norm(F.linear(h, p.u), wide, p.gain_h, p.c, EPS).chunk(3)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    h = (1 - z) * torch.tanh(xn + r * hn) + z * h
    return h, (h,)


def layer_norm_lstm(p, x, h, c):
    """Ba et al., equations 20 to 22; gates in torch's order."""
    wide = (4 * HIDDEN,)
    a = F.layer_norm(F.linear(x, p.w), wide, p.gain, p.b, EPS) + F.layer_norm(
        F.linear(h, p.u), wide, p.gain_h, None, EPS
    )
    i, f, g, o = a.chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(F.layer_norm(c, (HIDDEN,), p.gain_c, p.bias_c, EPS))
    return h, (h, c)


def gru_reset_before(p, x, h):
    """Cho et al., equations 5 to 8: the new state reads the reset one; z and 1 - z as in torch."""
    xr, xz, xn = F.linear(x, p.w, p.b).chunk(3)
    hr, hz = F.linear(h, p.u).chunk(2)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    h = (1 - z) * torch.tanh(xn + F.linear(r * h, p.v)) + z * h
    return h, (h,)


def lstm_peephole(p, x, h, c):
    """Gers and Schmidhuber: the gates i and f see the cell state before the step, o that after it; bound."""
    i, f, g, o = (F.linear(x, p.w, p.b) + F.linear(h, p.u)).chunk(4)
    c = (torch.sigmoid(f + p.f * c) * c + torch.sigmoid(i + p.i * c) * torch.tanh(g)).clamp(-0.25, 0.25)
    h = F.linear(torch.sigmoid(o + p.o * c) * torch.tanh(c), p.p)
    return h, (h, c)


EPS = 1e-3
_G, _L = 3 * HIDDEN, 4 * HIDDEN
FORMULAS = {
    FastGrnn: (fast_grnn, {}, weights(w=(HIDDEN, INPUTS), u=(HIDDEN, HIDDEN), gate=HIDDEN, new=HIDDEN, zeta=HIDDEN, nu=HIDDEN)),
    Mgu: (mgu, {}, weights(w=(2 * HIDDEN, INPUTS), u=(HIDDEN, HIDDEN), v=(HIDDEN, HIDDEN), b=2 * HIDDEN)),
    GruResetBefore: (
        gru_reset_before,
        {},
        weights(w=(_G, INPUTS), u=(2 * HIDDEN, HIDDEN), v=(HIDDEN, HIDDEN), b=_G),
    ),
    LstmPeephole: (
        lstm_peephole,
        {"clip": 0.25},
        weights(w=(_L, INPUTS), u=(_L, 3), i=HIDDEN, f=HIDDEN, o=HIDDEN, b=_L, p=(3, HIDDEN)),
    ),
    LayerNormGru: (layer_norm_gru, {"eps": EPS}, weights(w=(_G, INPUTS), u=(_G, HIDDEN), b=_G, c=_G, gain=_G, gain_h=_G)),
    LayerNormLstm: (
        layer_norm_lstm,
        {"eps": EPS},
        weights(w=(_L, INPUTS), u=(_L, HIDDEN), b=_L, gain=_L, gain_h=_L, gain_c=HIDDEN, bias_c=HIDDEN),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMULAS)
def test_a_cell_that_torch_does_not_have_is_its_papers_formula(kind):
    formula, settings, tensors = FORMULAS[kind]
    cell = kind(**{name: Tensor(tensor.numpy()) for name, tensor in tensors.items()}, **settings)
    xs = sequence()[0].double()
    actual, states = Stepper(Graph((Layer("cell", cell),), INPUTS)).run(xs.numpy())
    p, expected = SimpleNamespace(**tensors), []
    state = tuple(torch.zeros(each.shape, dtype=torch.float64) for each in states.values())
    for x in xs:
        y, state = formula(p, x, *state)
        expected.append(y)
    np.testing.assert_allclose(actual, torch.stack(expected).numpy(), atol=1e-10)
    for mine, theirs in zip(states.values(), state, strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-10)
