"""Integer operations against kernels of integers that others wrote: ONNX Runtime's QLinear operators, TFLite's own.

Each model is one operator, built here and not by our targets, on quantization parameters drawn at random. What TFLite's
kernels compute for the other operations is in test_static_tflite.py, and QDQ nodes in test_static_onnx.py; of these
alone has normalize a judge, since neither runtime normalizes in integers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import TensorProto, helper, numpy_helper

from edgernn.integer.forms import MAKE
from edgernn.integer.plan import QuantizationParameters
from edgernn.model.layer import Layer
from edgernn.model.layer_trace import trace_layer
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import Tensor
from edgernn_export.targets.tflite.flat import Flat

WIDTH = 16
ROWS = 5
DRAWS = 20  # of quantization parameters; of each, this many vectors:
VECTORS = 64


@dataclass(frozen=True)
class Case:
    """An operation of `operands` values, and the node that ONNX Runtime has for it."""

    compute: Callable[..., Any]
    node: str
    operands: int = 1


CASES = {
    "affine": Case(lambda ops, x: ops.affine(WEIGHT, x, BIAS), "QGemm"),
    "add": Case(lambda _, a, b: a + b, "QLinearAdd", 2),
    "multiply": Case(lambda _, a, b: a * b, "QLinearMul", 2),
    "concat": Case(lambda ops, a, b: ops.concat(a, b), "QLinearConcat", 2),
    "sigmoid": Case(lambda ops, x: ops.sigmoid(x), "QLinearSigmoid"),
    "relu": Case(lambda ops, x: ops.relu(x), "QLinearLeakyRelu"),
    "softmax": Case(lambda ops, x: ops.softmax(x), "QLinearSoftmax"),
}
FIXED = {"sigmoid": (1 / 256, -128), "softmax": (1 / 256, -128)}
_random = np.random.default_rng(6)
STORED = _random.integers(-127, 128, (ROWS, WIDTH)).astype(np.int8)
STEPS = _random.uniform(0.001, 0.01, ROWS).astype(np.float32)
WEIGHT = Tensor(STORED, STEPS, "static_wi8_ai8")
BIAS = Tensor(_random.standard_normal(ROWS).astype(np.float32))


def operation(case: Case) -> Op:
    refs = [Ref("ab"[i], WIDTH) for i in range(case.operands)]
    cell = SimpleNamespace(join=case.compute)
    return trace_layer(Layer("l", cell), refs).operations[0]


def drawn(random: np.random.Generator, bits: int = 8, scale: float = 0.0) -> QuantizationParameters:
    """Random parameters; 16 bits are symmetric."""
    step = scale or 10.0 ** random.uniform(-3, 0)
    return QuantizationParameters(float(np.float32(step)), int(random.integers(-128, 128)) if bits == 8 else 0, bits)


def parameters(name: str, op: Op, random: np.random.Generator) -> dict[str, QuantizationParameters]:
    """Parameters of each value of the operation; those of its result saturate now and then."""
    qparams = {ref.name: drawn(random) for ref in op.inputs}
    scales = [each.scale for each in qparams.values()]
    if name in FIXED:
        result = QuantizationParameters(*FIXED[name], 8)
    else:
        size = {"affine": scales[0] * 8, "multiply": np.prod(scales) * 90}.get(name, max(scales))
        result = drawn(random, scale=size * random.uniform(0.6, 2))
    return qparams | {op.outputs[0].name: result}


def vectors(op: Op, qparams: dict[str, QuantizationParameters], random: np.random.Generator) -> list[np.ndarray]:
    """Integers over the whole range of each operand."""
    each = [qparams[ref.name] for ref in op.inputs]
    return [random.integers(one.low, one.high + 1, (VECTORS, WIDTH)) for one in each]


def of_definition(op: Op, qparams: dict[str, QuantizationParameters], xs: list[np.ndarray]) -> np.ndarray:
    return MAKE[op.name](op, SimpleNamespace(quantization=qparams))(*xs)


# ONNX Runtime


def of_onnxruntime(case: Case, op: Op, qparams: dict[str, QuantizationParameters], xs: list[np.ndarray]) -> np.ndarray:
    """The result of one node of the domain com.microsoft."""
    constants: dict[str, np.ndarray] = {}

    def pair(name: str) -> list[str]:
        """The names of a scale and a zero point."""
        constants[f"{name}.scale"] = np.float32(qparams[name].scale)
        constants[f"{name}.zero"] = np.int8(qparams[name].zero)
        return [f"{name}.scale", f"{name}.zero"]

    result = op.outputs[0]
    ins = [[ref.name, *pair(ref.name)] for ref in op.inputs]
    attributes: dict[str, Any] = {}
    if case.node == "QLinearConcat":
        inputs, attributes = [*pair(result.name), *ins[0], *ins[1]], {"axis": 1}
    elif case.node == "QGemm":
        steps = STEPS.astype(np.float64) * qparams["a"].scale
        constants |= {"w": STORED, "w.scale": STEPS, "w.zero": np.zeros(ROWS, np.int8)}
        constants["bias"] = np.rint(BIAS.stored / steps).astype(np.int32)
        inputs, attributes = [*ins[0], "w", "w.scale", "w.zero", "bias", *pair(result.name)], {"transB": 1}
    else:
        inputs = [name for names in ins for name in names] + pair(result.name)
        attributes = {"QLinearSoftmax": {"axis": 1, "opset": 13}, "QLinearLeakyRelu": {"alpha": 0.0}}.get(case.node, {})
    node = helper.make_node(case.node, inputs, ["y"], domain="com.microsoft", **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(ref.name, TensorProto.INT8, [VECTORS, WIDTH]) for ref in op.inputs],
        [helper.make_tensor_value_info("y", TensorProto.INT8, [VECTORS, result.width])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {ref.name: x.astype(np.int8) for ref, x in zip(op.inputs, xs, strict=True)}
    return session.run(None, feeds)[0].astype(int)


@pytest.mark.parametrize("name", CASES)
def test_an_operation_is_onnx_runtimes_own_kernel_of_integers_but_for_a_step(name):
    """It multiplies in float32, where the definition multiplies integers."""
    case, random, off = CASES[name], np.random.default_rng(1), []
    for _ in range(DRAWS):
        op = operation(case)
        qparams = parameters(name, op, random)
        xs = vectors(op, qparams, random)
        off.append(np.abs(of_definition(op, qparams, xs) - of_onnxruntime(case, op, qparams, xs)))
    assert np.max(off) <= 1
    assert np.mean(np.concatenate(off) > 0) < 0.001


# TFLite

OPERATORS = {"softmax": ("SOFTMAX", {8: 2, 16: 3}), "log": ("LOG", {8: 2, 16: 2})}
"""The operations whose kernels our target does not use -> the operator, and its version by bits."""

APART = {("softmax", 8): 1, ("log", 8): 1, ("softmax", 16): 16, ("log", 16): 2}
"""The most steps between the two; TFLite makes those of 16 bits from tables of 513 lines."""


def unary(name: str, bits: int, random: np.random.Generator) -> dict[str, QuantizationParameters]:
    """Random parameters of "a" and of its result; those of a softmax, and of what a logarithm takes, are prescribed."""
    prescribed = QuantizationParameters(1 / 256, -128, 8) if bits == 8 else QuantizationParameters(1 / 32768, 0, 16)
    free = drawn(random, bits, random.uniform(4, 12) / 2**bits)
    return {"a": free, "l/0": prescribed} if name == "softmax" else {"a": prescribed, "l/0": free}


def of_tflite(name: str, qparams: dict[str, QuantizationParameters], x: np.ndarray, kernels: str) -> np.ndarray:
    """The result of a model of one operator."""
    flat, (kind, versions), options = Flat(), OPERATORS[name], None
    if name == "softmax":
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
    ins, outs = [flat.integers("x", x.shape, qparams["a"])], [flat.integers("y", x.shape, qparams["l/0"])]
    flat.operator(kind, ins, outs, options, versions[qparams["a"].bits])
    resolver = getattr(OpResolverType, kernels)
    interpreter = Interpreter(
        model_content=flat.finish(["x"], ["y"], {}), num_threads=1, experimental_op_resolver_type=resolver
    )
    interpreter.allocate_tensors()
    return interpreter.get_signature_runner("step")(x=x.astype(f"int{qparams['a'].bits}"))["y"].astype(int)


@pytest.mark.parametrize("kernels", ["BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", OPERATORS)
def test_an_operation_is_tflites_own_kernel_of_integers(name, bits, kernels):
    op, random, off = operation(Case(lambda ops, x: getattr(ops, name)(x), "")), np.random.default_rng(2), []
    for _ in range(DRAWS):
        qparams = unary(name, bits, random)
        (x,) = vectors(op, qparams, random)
        if name == "log":  # of what is above 0, and in 16 bits beyond the first lines of the table
            x = np.maximum(x, qparams["a"].zero + (1 if bits == 8 else 1 << 13))
        off.append(np.abs(of_definition(op, qparams, [x]) - of_tflite(name, qparams, x, kernels)))
    assert np.max(off) <= APART[name, bits]
    assert np.mean(off) < 0.8
