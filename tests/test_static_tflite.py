"""Static precisions in TFLite: each operator alone against the integer definition, and what stands in the file."""

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from test_static import every_scheme
from test_static_files import EVERY, quantized

from edgernn.errors import CalibrationError
from edgernn.integer.plan import INTEGER_OPERATIONS, TABLE_OPERATIONS, integer_plan
from edgernn.interpreters.integer import IntegerOps, IntegerStepper
from edgernn.model.range import Range
from edgernn.model.replay import replay
from edgernn.model.tensor import SCHEMES
from edgernn.passes.rounding import rounded
from edgernn_export import export
from edgernn_export.targets.destination import destination_of
from edgernn_export.targets.naming import named_trace
from edgernn_export.targets.tflite.flat import Flat
from edgernn_export.targets.tflite.integers import TfliteIntegerOps
from edgernn_export.targets.tflite.target import render

KERNELS = ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "AUTO")
FEW = (
    "Gru",
    "Lstm",
    "FastGrnn",
    "Rnn relu",
    "Mgu",
    "Embedding",
    "Concat",
    "Dense sigmoid",
    "Conv1d",
    "Scale",
    "LayerNorm",
    "Curves within",
    "Positions",
    "Pool mean",
    "Deadband",
)
"""Graphs with every integer operation, in 8 and 16 bits and with both in one operation."""


def rendered(graph, runtime=None):
    return render(graph, "m", destination_of("m.tflite", runtime))["m.tflite"]


def interpreter(data, kernels):
    loaded = Interpreter(
        model_content=data, num_threads=1, experimental_op_resolver_type=getattr(OpResolverType, kernels)
    )
    loaded.allocate_tensors()
    return loaded


# Operations


def alone(op, named, plan_of_integers):
    """A model of one operation, from integers to integers."""
    flat = Flat()
    operations = TfliteIntegerOps(named, flat, destination_of("m.tflite"), plan_of_integers)
    operations.names = {name: name for name in operations.names}
    operations.integer_values |= {ref.name for ref in op.inputs if ref.name in plan_of_integers.quantization}
    ins = dict.fromkeys(ref.name for ref in op.inputs)
    for ref in op.inputs:
        kind = (
            f"int{plan_of_integers.quantization[ref.name].bits}"
            if ref.name in plan_of_integers.quantization
            else "int32"
        )
        operations.input(ref, (1,) if kind == "int32" else (ref.positions, ref.width), kind)
    replay([op], operations, {ref.name: ref for ref in op.inputs})
    return flat.finish(list(ins), [ref.name for ref in op.outputs], {})


def shape_of(ref):
    """The shape of a value in numpy, which has no axis for a single position."""
    return (ref.positions, ref.width) if ref.positions > 1 else (ref.width,)


def inputs(op, plan_of_integers, random):
    """Random integers for an operation, over their full range."""
    quantization = plan_of_integers.quantization
    return {
        ref.name: random.integers(quantization[ref.name].low, quantization[ref.name].high + 1, shape_of(ref))
        if ref.name in quantization
        else random.integers(0, 9, 1)
        for ref in op.inputs
    }


@pytest.mark.parametrize("kernels", KERNELS)
@every_scheme
def test_an_operator_alone_is_the_definition_but_for_a_step(scheme, kernels):
    """Given equal integers. tanh and sigmoid that make 16 bits come from another table than the definition's: 3 steps."""
    tested, random = set(), np.random.default_rng(4)
    for name in FEW:
        named = named_trace(quantized(name, scheme), tuple(SCHEMES))
        whole = integer_plan(named.graph)
        for op in filter(whole.is_integer, named.trace.operations):
            runs, ops = interpreter(alone(op, named, whole), kernels).get_signature_runner("step"), IntegerOps(whole)
            bits = whole.quantization[op.outputs[0].name].bits
            for _ in range(6):
                arguments = inputs(op, whole, random)
                expected = replay([op], ops, dict(arguments))
                kinds = {
                    v: f"int{whole.quantization[v].bits}" if v in whole.quantization else "int32" for v in arguments
                }
                actual = runs(
                    **{
                        v: q.astype(kinds[v]).reshape((-1, q.shape[-1]) if v in whole.quantization else -1)
                        for v, q in arguments.items()
                    }
                )
                for ref in op.outputs:
                    off = np.abs(actual[ref.name].astype(int).reshape(-1) - expected[ref.name].reshape(-1)).max()
                    assert off <= (3 if op.name in {"sigmoid", "tanh"} and bits == 16 else 1), op
            tested.add(op.name)
    tables = TABLE_OPERATIONS if scheme == "static_wi8_ai8" else ()
    assert tested == {*INTEGER_OPERATIONS, *tables}


# Files


@every_scheme
def test_the_file_has_its_quantization_parameters(scheme):
    """To whoever opens it without edgernn: the steps and zeros of the contract, the same where a state goes in and out."""
    graph = quantized("Lstm", scheme)
    loaded, manifest = interpreter(rendered(graph), "AUTO"), named_trace(graph, tuple(SCHEMES)).manifest
    for detail in (*loaded.get_input_details(), *loaded.get_output_details()):
        qparams = manifest.quantization[detail["name"].removesuffix(".in").removesuffix(".out")]
        assert detail["quantization"] == (qparams.scale, qparams.zero)


VERSIONS = {
    "static_wi8_ai8": {"FULLY_CONNECTED": 4, "ADD": 2, "SUB": 2, "MUL": 3, "LOGISTIC": 2, "TANH": 2, "SPLIT": 2},
    "static_wi8_ai16": {"FULLY_CONNECTED": 7, "ADD": 3, "SUB": 5, "MUL": 4, "LOGISTIC": 3, "TANH": 3, "SPLIT": 4},
}
"""As TensorFlow's op_version.cc gives them, but MUL's 2 for 8 bits, which is for products that do not grow."""


@every_scheme
def test_a_gru_is_integers_alone_in_one_form_for_both_runtimes(scheme):
    data = rendered(quantized("kws", scheme))
    assert data == rendered(quantized("kws", scheme), "tflite-runtime")
    model = schema.ModelT.InitFromPackedBuf(data)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    versions = {names[code.builtinCode]: code.version for code in model.operatorCodes}
    assert versions == VERSIONS[scheme]
    kinds = {tensor.type for tensor in model.subgraphs[0].tensors}
    assert schema.TensorType.FLOAT32 not in kinds


# Steps of unlike size


@every_scheme
def test_ranges_that_no_operator_takes_never_end_the_process(scheme, tmp_path):
    """Kernels abort where scales are too different, and the delegate fails: such operations are computed in float."""
    random, proved = np.random.default_rng(1), 0
    for name in ("Gru", "Lstm", "Rnn relu", "Concat") * 3:
        graph = quantized(name, scheme)
        factors = np.exp(random.uniform(-14, 14, len(graph.ranges)))
        ranges = {
            v: Range(r.low * f, r.high * f) for (v, r), f in zip(graph.ranges.items(), factors.tolist(), strict=True)
        }
        try:
            graph = rounded(replace(EVERY[name], ranges=ranges), scheme)
            IntegerStepper(graph)
        except CalibrationError:
            continue
        export(graph, tmp_path / "m.tflite")
        proved += 1
    assert proved >= 4
