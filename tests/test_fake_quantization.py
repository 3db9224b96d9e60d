"""Training with rounded numbers against torch's own fake quantization and observers: values and gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.ao.quantization.observer import MinMaxObserver, PerChannelMinMaxObserver
from torch.nn import functional as F

from edgernn.cells import Dense, Gru, Product
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.range import Range
from edgernn.train.network.fake_quant import rounded_alone
from edgernn.train.network.graph_network import GraphNetwork
from zoo import one, t

ENDS = {8: (-128, 127), 16: (-32768, 32767)}


def of_range(x: torch.Tensor, low: float, high: float, bits: int) -> torch.Tensor:
    """Fake quantization whose scale and zero point torch's observer takes from a range; 16 bits are symmetric."""
    if bits == 8:
        observer = MinMaxObserver(dtype=torch.qint8, qscheme=torch.per_tensor_affine, quant_min=-128, quant_max=127)
    else:
        symmetric = {"qscheme": torch.per_tensor_symmetric, "quant_min": -32767, "quant_max": 32767}
        observer = MinMaxObserver(dtype=torch.qint32, **symmetric)
    observer(torch.tensor([low, high]))
    scale, zero = observer.calculate_qparams()
    return torch.fake_quantize_per_tensor_affine(x, scale, zero.int(), *ENDS[bits])


def of_rows(weight: torch.Tensor) -> torch.Tensor:
    """Fake quantization of each row to 127 steps on either side; the observer's scale as the float16 not below it."""
    symmetric = {"qscheme": torch.per_channel_symmetric, "quant_min": -127, "quant_max": 127}
    observer = PerChannelMinMaxObserver(0, dtype=torch.qint8, **symmetric)
    observer(weight.detach())
    scale, zero = observer.calculate_qparams()
    near = scale.numpy().astype(np.float16)
    above = np.where(near < scale.numpy(), np.nextafter(near, np.float16(np.inf)), near).astype(np.float32)
    return torch.fake_quantize_per_channel_affine(weight, torch.from_numpy(above), zero.int(), 0, -127, 127)


def in_half(bias: torch.Tensor) -> torch.Tensor:
    """A bias as the nearest float16, with the gradient of itself."""
    return bias + (bias.half().float() - bias).detach()


def fixed(x: torch.Tensor, name: str, bits: int) -> torch.Tensor:
    """What TFLite prescribes for results of sigmoid and tanh, whatever their range."""
    scale, zero = {("sigmoid", 8): (1 / 256, -128), ("tanh", 8): (1 / 128, 0)}.get((name, bits), (1 / 32768, 0))
    return torch.fake_quantize_per_tensor_affine(x, scale, zero, *ENDS[bits])


@settings(deadline=None)
@given(rows=st.integers(1, 5), width=st.integers(1, 12), exponent=st.integers(-20, 20), seed=st.integers(0, 999))
def test_a_vector_is_rounded_as_a_channel_of_torchs_and_has_its_gradient(rows, width, exponent, seed):
    values = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)) * 2.0**exponent
    mine, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
    scale = values.abs().amax(1) / 127
    actual = rounded_alone(mine)
    expected = torch.fake_quantize_per_channel_affine(theirs, scale, torch.zeros(rows, dtype=torch.int32), 0, -127, 127)
    sure = ((values / scale[:, None]) % 1 - 0.5).abs() > 1e-3  # else the division falls the other way in float32
    torch.testing.assert_close(actual[sure], expected[sure], rtol=1e-6, atol=0)
    slopes = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed + 1))
    for result in (actual, expected):
        (result * slopes).sum().backward()
    torch.testing.assert_close(mine.grad[sure], theirs.grad[sure])


def trained(
    network: GraphNetwork, x: torch.Tensor, *states: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The answer of a network, and the gradients of the sum of its squares."""
    y, _ = network.run(x, list(states) or None)
    torch.square(y).sum().backward()
    return y, {name: each.grad for name, each in network.named.items()}


def by_hand(network: GraphNetwork) -> dict[str, torch.Tensor]:
    return {name: each.detach().clone().requires_grad_() for name, each in network.named.items()}


@pytest.mark.parametrize("scheme", ["weight_only_wi8_afp32", "dynamic_wi8_afp32"])
def test_weights_are_rounded_as_torch_rounds_channels(scheme):
    network = GraphNetwork(one(Dense(t(5, 6), t(5))), scheme=scheme)
    mine = by_hand(network)
    x = torch.randn(3, 4, 6)
    y, gradients = trained(network, x)
    read = rounded_alone(x) if scheme == "dynamic_wi8_afp32" else x
    expected = F.linear(read, of_rows(mine["layer.w"]), in_half(mine["layer.b"]))
    torch.testing.assert_close(y, expected)
    torch.square(expected).sum().backward()
    for name, each in mine.items():
        torch.testing.assert_close(gradients[name], each.grad)


BITS = {"static_wi8_ai8": 8, "static_wi8_ai16": 16}


@pytest.mark.parametrize("scheme", BITS)
def test_a_static_layer_is_torchs_fake_quantization_of_each_value(scheme):
    """tanh(W x + b) times itself; the ranges are narrow, so that values beyond them lose their gradient."""
    bits = BITS[scheme]
    layers = (Layer("dense", Dense(t(5, 6), t(5), "tanh")), Layer("square", Product(), ("dense", "dense")))
    ranges = {"x": Range(-1.3, 0.9), "dense/0": Range(-0.7, 1.1), "dense/1": Range(-1, 1), "square/0": Range(0, 0.4)}
    network = GraphNetwork(Graph(layers, 6, ranges=ranges), scheme=scheme)
    mine = by_hand(network)
    x = torch.randn(3, 40, 6)
    y, gradients = trained(network, x)
    product = of_range(
        F.linear(of_range(x, -1.3, 0.9, bits), of_rows(mine["dense.w"]), in_half(mine["dense.b"])), -0.7, 1.1, bits
    )
    tanh = fixed(torch.tanh(product), "tanh", bits)
    expected = of_range(tanh * tanh, 0, 0.4, bits)
    step = 0.4 / (255 if bits == 8 else 32767)
    assert ((y - expected).abs() > step / 2).double().mean() < 0.01  # sums of float32 that fall the other way
    torch.square(expected).sum().backward()
    for name, each in mine.items():
        assert torch.linalg.norm(gradients[name] - each.grad) <= 0.001 * torch.linalg.norm(each.grad), name


@pytest.mark.parametrize("scheme", BITS)
def test_a_static_gru_is_torchs_fake_quantization_of_each_value(scheme):
    """Three steps from a state off its grid: it is rounded as it enters, and gradients go back through time."""
    bits, hidden = BITS[scheme], 4
    graph = one(Gru(t(12, 6), t(12, 4), t(12), t(12)), name="gru")
    names = [ref.name for op in graph.layer_traces["gru"].operations for ref in op.outputs]
    wide = {name: Range(-4, 4) for name in names} | {"x": Range(-3, 3), "gru.h.in": Range(-1, 1)}
    wide[graph.layer_traces["gru"].y.name] = Range(-1, 1)
    network = GraphNetwork(Graph(graph.layers, 6, ranges=wide), scheme=scheme)
    mine = by_hand(network)
    x, start = torch.randn(2, 3, 6), torch.rand(2, hidden)
    y, gradients = trained(network, x, start)

    def value(number: torch.Tensor) -> torch.Tensor:
        return of_range(number, -4, 4, bits)

    h, answers = of_range(start, -1, 1, bits), []
    for frame in x.unbind(1):
        xs = value(F.linear(of_range(frame, -3, 3, bits), of_rows(mine["gru.w"]), in_half(mine["gru.b"])))
        hs = value(F.linear(h, of_rows(mine["gru.u"]), in_half(mine["gru.c"])))
        (xr, xz, xn), (hr, hz, hn) = xs.chunk(3, 1), hs.chunk(3, 1)
        r, z = (fixed(torch.sigmoid(value(a + b)), "sigmoid", bits) for a, b in ((xr, hr), (xz, hz)))
        n = fixed(torch.tanh(value(xn + value(r * hn))), "tanh", bits)
        h = of_range(n + value(z * value(h - n)), -1, 1, bits)
        answers.append(h)
    expected = torch.stack(answers, 1)
    torch.testing.assert_close(y, expected)
    torch.square(expected).sum().backward()
    for name, each in mine.items():
        torch.testing.assert_close(gradients[name], each.grad)
