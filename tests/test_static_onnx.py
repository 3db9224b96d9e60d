"""Static precisions in ONNX: each operation alone against the integer definition, and how ONNX Runtime fuses them."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import test_static
from onnx import helper
from onnx.reference import ReferenceEvaluator
from test_static import every_scheme
from test_static_files import EVERY, KWS, quantized

from edgernn.cells import Gru
from edgernn.errors import UnsupportedError
from edgernn.interpreters.integer import IntegerStepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC, SCHEMES, STATIC
from edgernn.model.window import Stage, Window
from edgernn.passes.quantize import quantize
from edgernn.runtime.backends.onnxruntime import CONFIG
from edgernn.runtime.float_io import integers
from edgernn_export import export
from edgernn_export.proof.integers import error_steps
from edgernn_export.targets.destination import destination_of
from edgernn_export.targets.naming import named_trace
from edgernn_export.targets.onnx.integers import DTYPES
from edgernn_export.targets.onnx.step import TYPES, step
from edgernn_export.targets.onnx.target import OPSET, OPSET_OF_16_BITS, render, serialized
from zoo import frames, t

OPTIONS = {"as edgernn opens it": CONFIG, "as it comes": {}}
"""Float between integers, and the runtime's own kernels of integers where it has them."""

SIGNED = {"session.qdqisint8allowed": "1"}  # what it is anyway on Arm; on x86-64 bytes become unsigned between kernels


def session(data, options, path=None):
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # it warns that an optimized file is for this machine alone
    if path is not None:
        settings.optimized_model_filepath = str(path)
    for key, value in options.items():
        settings.add_session_config_entry(key, value)
    return onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])


# Words


def cut(named, static):
    """A model in which the integers of every result are an output, and those of every argument an input.

    Only the parts of a split may exist as floats alone; then they are taken from the whole value in the model.
    """
    graph = step(named)
    there = {name for node in graph.node for name in node.output}
    results = {
        named.names[ref.name]: ref
        for op in filter(static.is_integer, static.trace.operations)
        for ref in op.outputs
        if op.name != "split" or named.names[ref.name] in there
    }
    for node in graph.node:
        node.output[:] = [f"{name}.made" if name in results else name for name in node.output]
    read = {name for node in graph.node for name in node.input}

    def info(name, ref):
        return helper.make_tensor_value_info(
            name, TYPES[DTYPES[static.quantization[ref.name].bits]], [ref.positions, ref.width]
        )

    ins = [value for value in graph.input if value.name in read] + [
        info(name, results[name]) for name in results if name in read
    ]
    outs = [info(f"{name}.made", ref) for name, ref in results.items()]
    return helper.make_graph(graph.node, "operations", ins, outs, graph.initializer)


@pytest.mark.parametrize("name", EVERY)
@every_scheme
def test_an_operation_alone_is_the_definition_but_for_a_step(name, scheme):
    """Each from the integers of the definition, also where they saturate; in float between them, and by other kernels."""
    graph = quantized(name, scheme)
    stepper, named = IntegerStepper(graph), named_trace(graph, tuple(SCHEMES))
    static, manifest, states = stepper.plan.narrow, named.manifest, stepper.initial_state()
    data = serialized(cut(named, static), named.manifest_json)
    sessions = [session(data, options) for options in OPTIONS.values()]
    asked = {value.name for value in sessions[0].get_inputs()}
    for x in frames(graph, 6, seed=9) * (1 if graph.vocabulary_size else 2):
        values = stepper.values(x, states)
        feed = {"x": integers(manifest, "x", x)[None] if graph.vocabulary_size == 0 else x}
        feed |= {f"{state}.in": integers(manifest, state, states[state])[None] for state in manifest.states}
        feed |= {
            named.names[v]: np.atleast_2d(values[v]).astype(DTYPES[static.quantization[v].bits])
            for v in static.integer_values
        }
        ends = np.cumsum([0, *manifest.named_inputs.values()])
        feed |= {
            f"x.{name}": feed["x"][:, a:b] for name, a, b in zip(manifest.named_inputs, ends, ends[1:], strict=False)
        }
        for each in sessions:
            actual = dict(
                zip(
                    (output.name for output in each.get_outputs()),
                    each.run(None, {key: feed[key] for key in asked}),
                    strict=True,
                )
            )
            for op in filter(static.is_integer, static.trace.operations):
                for ref in op.outputs:
                    if op.name == "split" and f"{named.names[ref.name]}.made" not in actual:
                        continue
                    off = np.abs(actual[f"{named.names[ref.name]}.made"] - np.atleast_2d(values[ref.name]))
                    assert off.max() <= error_steps(op, stepper.plan), op
        _, states = stepper.step(x, states)


# The whole step


@every_scheme
@pytest.mark.parametrize("name", ["kws", "Lstm", "LayerNormGru", "Concat", "Embedding"])
def test_the_onnx_standard_itself_computes_the_same(name, scheme):
    """In the standard's own reference implementation, which shares no kernel with ONNX Runtime."""
    graph = quantized(name, scheme)
    data, random = render(graph, "m", destination_of("m.onnx"))["m.onnx"], np.random.default_rng(3)
    model = onnx.load_from_string(data)
    model.opset_import[0].version = OPSET_OF_16_BITS  # it has no older form of the operators, which mean the same
    evaluate, runs, equal = ReferenceEvaluator(model), session(data, OPTIONS["as edgernn opens it"]), []
    manifest = named_trace(graph, tuple(SCHEMES)).manifest
    for x in frames(graph, 8):
        feed = {"x": x if graph.vocabulary_size else integers(manifest, "x", x)[None]}
        for state, width in manifest.states.items():
            feed[f"{state}.in"] = integers(manifest, state, random.uniform(-1, 1, (1, width)).astype(np.float32))
        for actual, expected in zip(runs.run(None, feed), evaluate.run(None, feed), strict=True):
            assert np.abs(actual.astype(float) - expected).max() <= 2
            equal.append(np.mean(actual == expected))
    assert (
        np.mean(equal) > 0.96
    )  # two floats of 24 bits change one integer of 16 bits in some hundred, in each operation


# Files


@pytest.mark.parametrize(
    ("name", "scheme", "opset"),
    [
        ("kws", "static_wi8_ai8", OPSET),
        ("Lstm", "static_wi8_ai8", OPSET_OF_16_BITS),
        ("kws", "static_wi8_ai16", OPSET_OF_16_BITS),
        ("kws", DYNAMIC, OPSET),
    ],
)
def test_a_file_needs_no_newer_runtime_than_its_integers_do(name, scheme, opset):
    """An LSTM carries 16 bits in either scheme."""
    graph = quantize(KWS) if scheme == DYNAMIC else quantized(name, scheme)
    model = onnx.load_from_string(render(graph, "m", destination_of("m.onnx"))["m.onnx"])
    assert [each.version for each in model.opset_import] == [opset]


def kinds(graph, options, tmp_path):
    """The operators that ONNX Runtime runs, and how many of each."""
    session(render(graph, "m", destination_of("m.onnx"))["m.onnx"], options, tmp_path / "seen.onnx")
    return Counter(node.op_type for node in onnx.load(tmp_path / "seen.onnx").graph.node)


def test_onnx_runtime_has_kernels_of_integers_for_some_words(tmp_path):
    """Unasked, for affine and sigmoid in 8 bits and for nothing in 16; and for nothing as edgernn opens it."""
    small, wide = (quantized("kws", scheme) for scheme in STATIC)
    usual = kinds(small, SIGNED, tmp_path)
    assert (usual["QGemm"], usual["QLinearSigmoid"], usual["Gemm"], usual["Sigmoid"]) == (3, 2, 0, 0)
    for graph, options in ((wide, "as it comes"), (small, "as edgernn opens it"), (wide, "as edgernn opens it")):
        counts = kinds(graph, OPTIONS[options], tmp_path)
        assert (counts["Gemm"], counts["Sigmoid"], counts["Tanh"], counts["Add"]) == (3, 2, 1, 4)
        assert not [kind for kind in counts if kind.startswith("Q") and kind != "QuantizeLinear"]


def test_parts_become_float_once_as_a_whole(tmp_path):
    """Of each split in a GRU, whose parts are all computed with; a node for each part would take longer than its work."""
    graph = quantized("kws", "static_wi8_ai8")
    trace, left = IntegerStepper(graph).trace, kinds(graph, OPTIONS["as edgernn opens it"], tmp_path)
    parts = {ref.name for op in trace.operations if op.name == "split" for ref in op.outputs}
    read = {ref.name for op in trace.operations for ref in op.inputs if op.name != "split"}
    assert left["DequantizeLinear"] == len(read - parts) + sum(op.name == "split" for op in trace.operations)


def test_weights_become_float_once_and_not_at_every_step(tmp_path):
    graph = quantized("kws", "static_wi8_ai8")
    affines = [op for op in IntegerStepper(graph).trace.operations if op.name == "affine"]
    written = onnx.load_from_string(render(graph, "m", destination_of("m.onnx"))["m.onnx"]).graph.node
    all_of_them = sum(node.op_type == "DequantizeLinear" for node in written)
    left = kinds(graph, OPTIONS["as edgernn opens it"], tmp_path)["DequantizeLinear"]
    assert all_of_them - left == sum(1 + (op.args[2] is not None) for op in affines)


@every_scheme
def test_a_window_of_integers_is_refused(scheme, tmp_path):
    """Its passes over time have float inputs and outputs."""
    graph = test_static.quantized(Graph((Layer("gru", Gru(t(12, 6), t(12, 4))),), 6), scheme)
    with pytest.raises(
        UnsupportedError, match=rf"layer 'gru' is quantized as {scheme}, which this target cannot express"
    ):
        export(Window((Stage(graph, graph),)), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
