"""Exponentials, roots, quotients and maxima, alone and composed as people write them, against torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn import functional as F

import edgernn
from edgernn.cells import Activation, Maximum, Quotient
from edgernn.errors import GraphError, UnsupportedError
from edgernn.integer.overflow import FINITE, LEAST, limit
from edgernn.integer.plan import integer_plan
from edgernn.interpreters.numpy import SameOps, Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export, from_torch
from edgernn_export.sources.torch.proof.sequences import TOLERANCE
from zoo import GRAPHS, frames, one

WIDTH, STEPS = 6, 40


class Written(nn.Module):
    """A function of the output of a recurrent layer, and of two parts of its input."""

    def __init__(self, function):
        super().__init__()
        self.gru = nn.GRU(WIDTH, 4, batch_first=True)
        self.gain = nn.Parameter(torch.rand(4) + 0.5)
        self.does = function

    def forward(self, x):
        return self.does(3 * self.gru(x)[0], x[..., :4], self.gain)


def written(function):
    torch.manual_seed(3)
    return Written(function).eval()


def norm(a, **options):
    return torch.linalg.vector_norm(a, dim=-1, keepdim=True, **options)


FUNCTIONS = {
    "divide": lambda a, b, g: a / (b * b + g),
    "divide into a constant": lambda a, b, g: g / (1 + b.abs()) + 2 / (a * a + 1),
    "reciprocal": lambda a, b, g: torch.reciprocal(b.square() + 0.5),
    "exp": lambda a, b, g: torch.exp(a) + torch.expm1(b) - torch.exp2(-b),
    "sqrt": lambda a, b, g: torch.sqrt(a.abs()) * torch.rsqrt(b**2 + 1e-3),
    "logarithms": lambda a, b, g: torch.log1p(a.abs()) + torch.log2(b.abs() + 1) - torch.log10(b * b + 2),
    "maximum": lambda a, b, g: torch.maximum(a, b) - torch.minimum(b, a) + torch.maximum(a, g) * torch.minimum(g, b),
    "powers": lambda a, b, g: a**3 - b.pow(4) + (a * a + 1) ** -0.5 + (b.abs() + 1) ** 1.5 + (b.abs() + 1) ** -2 + a**0,
    "power of a constant": lambda a, b, g: 2.0**a + g**b,
    "other powers": lambda a, b, g: (
        (a * a + 1) ** 0.3 + (a * a + 1) ** -0.7 + b.abs().float_power(2) + (a * a + 1) ** g
    ),
    "shrinkage": lambda a, b, g: F.softshrink(a, 0.3) + F.hardshrink(b, 0.4) + F.threshold(a, 0.1, 20.0) + b.sign(),
    "rectified": lambda a, b, g: F.rrelu(a) + F.leaky_relu(b, 0.2) + F.prelu(a.mT, g).mT + F.silu(b) + F.logsigmoid(a),
    "blends": lambda a, b, g: torch.lerp(a, b, 0.3) + torch.lerp(a, g, b) + torch.lerp(a, b, g),
    "sums of products": lambda a, b, g: torch.addcmul(a, b, g, value=0.3) + torch.addcdiv(a, b, a * a + 1, value=-2),
    "bounds": lambda a, b, g: (
        a.clamp(-g, g) + b.clamp(min=a) + a.clip(b - 1, 0.5 + g) + b.clamp_max(0.3) + a.clip(-1, 1)
    ),
    "gated": lambda a, b, g: F.glu(a, -1) + F.glu(b, -1),
    "softened": lambda a, b, g: F.softmin(a, -1) + F.log_softmax(b, -1) + torch.logsumexp(a, -1, keepdim=True),
    "elu": lambda a, b, g: F.elu(a) + F.elu(b, 0.3) - F.selu(a) + F.celu(b, 0.7),
    "gelu": lambda a, b, g: F.gelu(a) - F.gelu(b, approximate="tanh"),
    "erf": lambda a, b, g: torch.erf(a) * torch.erf(b),
    "softplus": lambda a, b, g: F.softplus(a) - F.softplus(b, 3.0) + F.logsigmoid(a) + F.mish(b),
    "softsign": lambda a, b, g: F.softsign(a) - F.tanhshrink(b),
    "hard forms": lambda a, b, g: F.hardtanh(a) + F.hardsigmoid(b) - F.hardswish(a) + F.relu6(b),
    "masks": lambda a, b, g: a * (a > 0.1) + b * (b <= 0.2) - torch.where(a < b, a, 2 * b) + (b >= a).to(a.dtype),
    "masks of masks": lambda a, b, g: ((a > 0) & ~(b > 0)) * a + ((a < 0) | (b < 0)) * b,
    "filled": lambda a, b, g: a.masked_fill(b < 0, -1.5) + torch.where(b > 0, 1.0, -1.0),
    "layer norm by hand": lambda a, b, g: (
        (a - a.mean(-1, True)) / torch.sqrt(a.var(-1, keepdim=True, correction=0) + 1e-7) * g
    ),
    "rms norm": lambda a, b, g: F.rms_norm(a, (4,), g, 1e-6) + F.rms_norm(b, (4,)),
    "rms norm by hand": lambda a, b, g: a * torch.rsqrt(a.square().mean(-1, keepdim=True) + 1e-6) * g,
    "normalize": lambda a, b, g: F.normalize(a, dim=-1) + b / b.norm(dim=-1, keepdim=True),
    "norms": lambda a, b, g: norm(a) + norm(b, ord=1) - norm(a, ord=float("inf")),
    "extremes": lambda a, b, g: (a - a.amax(-1, True)) / (b.max(-1, True).values - b.amin(-1, True) + 1),
    "deviation": lambda a, b, g: a / (b.std(-1, keepdim=True) + 0.1) + b.std(-1, keepdim=True, correction=0),
    "expanded": lambda a, b, g: a * b.mean(-1, keepdim=True).expand_as(b),
    "spectrum": lambda a, b, g: torch.sqrt(a[..., :2] ** 2 + b[..., 2:] ** 2 + 1e-12),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_composition_is_torchs(name):
    """from_torch proves it in float64 at 1e-9, before its weights and constants become float32; this is on other frames."""
    assert TOLERANCE == 1e-9
    module, xs = written(FUNCTIONS[name]), torch.randn(1, 100, WIDTH)
    graph = from_torch(module, torch.randn(1, 20, WIDTH))
    with torch.no_grad():
        expected = module.double()(xs.double())[0].numpy()
    actual = Stepper(graph).run(xs[0].double().numpy())[0]
    np.testing.assert_allclose(actual, expected, atol=1e-6 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("suffix", ["so", "onnx", "tflite"])
@pytest.mark.parametrize("name", ["divide", "softplus", "gelu", "masks", "rms norm", "extremes"])
def test_a_composition_is_torchs_on_a_runtime(name, suffix, tmp_path):
    module, xs = written(FUNCTIONS[name]), torch.randn(1, 100, WIDTH)
    export(from_torch(module, xs), tmp_path / f"m.{suffix}")
    with torch.no_grad():
        expected = module(xs)[0].numpy()
    actual = edgernn.open(tmp_path / f"m.{suffix}").stream().run(xs[0].numpy())
    np.testing.assert_allclose(actual, expected, atol=1e-5 * max(1, np.abs(expected).max()))


ONE = {
    "abs": torch.abs,
    "exp": lambda a: torch.exp(torch.tanh(a)),
    "sqrt": lambda a: torch.sqrt(a.abs() + 0.1),
    "log": lambda a: torch.log(a.abs() + 0.1),
    "inverse": lambda a: 1 / (a.abs() + 0.5),
    "elu": F.elu,
    "gelu": F.gelu,
    "mish": F.mish,
    "mean": lambda a: a - a.mean(-1, keepdim=True),
    "largest": lambda a: a - a.amax(-1, keepdim=True),
    "norm": lambda a: F.normalize(a, dim=-1, eps=0.1),
}
TWO = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": lambda a, b: torch.tanh(a) * b,
    "divide": lambda a, b: a / (b.abs() + 0.5),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "where": lambda a, b: torch.where(a > 0.1, a, b),
}
EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "g"]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(sorted(ONE)), inner), st.tuples(st.sampled_from(sorted(TWO)), inner, inner)
    ),
    max_leaves=6,
)


def computed(expression, values):
    """The value of a tree of operations."""
    if isinstance(expression, str):
        return values[expression]
    name, *operands = expression
    return (ONE | TWO)[name](*(computed(operand, values) for operand in operands))


@settings(max_examples=25, deadline=None)
@given(expression=EXPRESSIONS, suffix=st.sampled_from(["so", "onnx", "tflite"]))
def test_a_random_expression_is_torchs(expression, suffix, tmp_path_factory):
    """from_torch proves it in float64 at 1e-9, export on the runtime; this compares with torch's float32 once more."""
    module, xs = (
        written(lambda a, b, g: a * computed(expression, {"a": a, "b": b, "g": b * g})),
        torch.randn(1, 30, WIDTH),
    )
    graph, path = from_torch(module, xs), tmp_path_factory.mktemp("expression") / f"m.{suffix}"
    export(graph, path)
    exact = Stepper(graph.astype("float64")).run(xs[0].double().numpy())[0]
    actual = edgernn.open(path).stream().run(xs[0].numpy())
    np.testing.assert_allclose(actual, exact, atol=1e-4 * max(1, np.abs(exact).max()))


REFUSED = {
    "low threshold": (lambda a, b, g: F.softplus(a, threshold=5.0), r"'softplus'.*its threshold is 5; expected 20"),
    "large power": (lambda a, b, g: a**18, r"'pow'.*its exponents are whole numbers, above 16.*torch.exp"),
    "power of a value": (lambda a, b, g: (a * a + 1) ** b, r"'pow'.*its exponent is a value.*torch.exp"),
    "power of a constant below 0": (lambda a, b, g: (-2.0) ** b, r"'pow'.*its base is not above 0"),
    "rounded quotient": (lambda a, b, g: torch.div(a, b * b + 1, rounding_mode="floor"), r"'div'.*it rounds the quotient"),
    "position": (lambda a, b, g: a * a.max(-1, True).indices, r"'max'.*position of the largest"),
    "argmax": (lambda a, b, g: a * a.argmax(-1, True), r"'argmax'.*position of the largest"),
    "equal": (lambda a, b, g: a * (a == b), r"'eq'.*no operation tells equal values"),
    "filled with infinity": (lambda a, b, g: a.masked_fill(b > 0, float("-inf")).softmax(-1), r"a constant is not finite"),
    "order 3": (lambda a, b, g: norm(a, ord=3), r"'linalg_vector_norm'.*its order is 3"),
    "norm over time": (lambda a, b, g: a / a.norm(dim=1, keepdim=True), r"needs the whole sequence"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_composed_is_refused_with_the_reason(name):
    function, reason = REFUSED[name]
    with pytest.raises(UnsupportedError, match=reason):
        from_torch(written(function), torch.randn(1, 20, WIDTH))


def test_a_quotient_has_two_inputs():
    with pytest.raises(GraphError, match="Quotient joins 3 inputs; expected two"):
        _ = Graph((Layer("q", Quotient(), ("x", "x", "x")),), 3).trace


SPECIAL = np.array([0, 1, -1, -0.0, 200, -200], np.float32)


@pytest.mark.parametrize("suffix", ["so", "onnx", "tflite"])
@pytest.mark.parametrize("function", ["sqrt", "exp", "reciprocal", "log"])
def test_results_that_are_not_finite_leave_the_stream_as_they_are(function, suffix, tmp_path):
    """The stream goes on: infinities and NaN are IEEE 754's, and the next frame has its own answer."""
    graph = one(Activation(function), len(SPECIAL))
    export(graph, tmp_path / f"m.{suffix}")
    stream = edgernn.open(tmp_path / f"m.{suffix}").stream()
    with np.errstate(all="ignore"):
        exact = {"sqrt": np.sqrt, "exp": np.exp, "reciprocal": np.reciprocal, "log": np.log}[function](SPECIAL)
    for _ in range(2):
        np.testing.assert_allclose(stream.step(SPECIAL), exact, rtol=1e-5, atol=1e-37)
    assert np.isfinite(stream.step(np.full(len(SPECIAL), 0.5, np.float32))).all()


def test_the_larger_of_nan_and_a_number_is_nan(tmp_path):
    layers = (Layer("log", Activation("log")), Layer("m", Maximum(), ("log", "x")), Layer("w", Maximum(), ("x", "log")))
    for graph in (Graph(layers[:2], 6), Graph((layers[0], layers[2]), 6)):
        export(graph, tmp_path / "m.so")
        actual = edgernn.open(tmp_path / "m.so").stream().step(SPECIAL)
        np.testing.assert_array_equal(np.isnan(actual), SPECIAL < 0)


def test_the_exponential_of_every_machine_is_within_two_parts_in_ten_million():
    x = np.concatenate([np.linspace(-103, 88.7, 200_000), [-np.inf, np.inf, np.nan, 0.0]]).astype(np.float32)
    actual, exact = SameOps().exp(x).astype(float), np.exp(x.astype(float))
    normal = exact > np.finfo(np.float32).tiny
    normal &= np.isfinite(exact)
    assert np.abs(actual[normal] / exact[normal] - 1).max() < 2e-7
    np.testing.assert_array_equal(actual[-4:], [0, np.inf, np.nan, 1])


def test_exp_and_sqrt_are_tables_in_8_bits_and_float_in_16_and_a_quotient_is_float():
    for name, function in (("Curves within", "exp"), ("Curves within", "sqrt"), ("Quotient", "divide")):
        graph = calibrate(GRAPHS[name], [frames(GRAPHS[name], 200)])
        for scheme, tables in (("static_wi8_ai8", True), ("static_wi8_ai16", False)):
            plan = integer_plan(quantize(graph, scheme))
            each = [op for op in plan.trace.operations if op.name == function]
            assert each
            assert all(plan.is_integer(op) == (tables and function != "divide") for op in each)


def test_an_exponential_of_what_is_below_0_has_no_limit_and_one_without_bounds_has_the_least():
    assert limit(one(Activation("elu"), 3)) > 2.0**80
    assert limit(one(Activation("sqrt"), 3)) == FINITE
    assert limit(one(Activation("exp"), 3)) == LEAST
    assert limit(one(Activation("reciprocal"), 3)) == LEAST
