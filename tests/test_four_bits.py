"""Weights of four bits: rounded as numpy rounds, packed two in a byte, the same in every file and on every runtime."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.numpy
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from onnx.reference import ReferenceEvaluator
from test_parity import FREE_RUNNING, written
from test_precisions import every_place, render

import edgernn
from edgernn.cells import Dense
from edgernn.errors import GraphError
from edgernn.interpreters.count import count
from edgernn.interpreters.numpy import Stepper
from edgernn.model import int4
from edgernn.model.tensor import FOUR_BITS, SCHEMES, Tensor
from edgernn.passes.quantize import quantize
from edgernn.passes.rounding import rounded, smaller
from edgernn_export.proof.floats import prove
from zoo import frames, keyword_spotter, one

WHOLE = hnp.arrays(np.int8, st.tuples(st.integers(1, 9), st.integers(1, 40)), elements=st.integers(-7, 7))
MATRICES = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 9), st.integers(1, 70)), elements=st.floats(-100, 100, width=32)
)
random = np.random.default_rng(4)


def with_outliers(rows, inputs):
    """A matrix with one weight in each row twenty times as large as all others, which then lose their bits to it."""
    weight = random.standard_normal((rows, inputs)) / np.sqrt(inputs)
    weight[np.arange(rows), random.integers(0, inputs, rows)] *= 20
    return Tensor(weight.astype(np.float32))


def grouped(hidden=96, inputs=160):
    """A keyword spotter in which every matrix has a scale for each group."""
    graph = keyword_spotter(hidden, inputs)
    gru, out = graph.layers
    w, u = with_outliers(3 * hidden, inputs), with_outliers(3 * hidden, hidden)
    head = with_outliers(graph.outputs, hidden)
    layers = (replace(gru, cell=replace(gru.cell, w=w, u=u)), replace(out, cell=replace(out.cell, w=head)))
    return rounded(replace(graph, layers=layers), FOUR_BITS)


FORMS = {"groups": grouped(), "odd rows": quantize(keyword_spotter(17, 5), FOUR_BITS)}


@given(whole=WHOLE)
def test_two_integers_in_a_byte_come_out_again(whole):
    packed = int4.pack(whole)
    assert packed.dtype == np.uint8
    assert packed.shape == (len(whole), -(-whole.shape[1] // 2))
    np.testing.assert_array_equal(int4.unpack(packed), whole)


@settings(deadline=None)
@given(whole=WHOLE)
def test_they_stand_as_in_onnx(whole):
    """The halves of a byte, and their signs, are those of the standard's own INT4, which has no rows."""
    flat = whole.reshape(1, -1)
    stored = onnx.helper.make_tensor("w", onnx.TensorProto.INT4, flat.shape, flat.reshape(-1))
    expected = np.frombuffer(stored.raw_data or bytes(stored.int32_data), np.uint8)
    packed = int4.pack(flat)[0]
    packed[-1] &= 15 if flat.size % 2 else 255
    np.testing.assert_array_equal(packed, expected)


@settings(deadline=None)
@given(weight=MATRICES)
def test_a_matrix_is_rounded_by_the_definition(weight):
    """Seven steps to the largest of each row or group, and every weight to half a step of what it was."""
    tensor = smaller(Tensor(weight), FOUR_BITS)
    groups = tensor.scale.reshape(len(weight), -1)
    cut = weight.reshape(*groups.shape, -1).astype(float)
    np.testing.assert_allclose(groups, np.abs(cut).max(axis=2) / 7, rtol=2.0**-10, atol=1e-44)  # 11 bits
    dense = tensor.dense(float).reshape(cut.shape)
    assert (np.abs(dense - cut) <= groups[..., None] * 0.5001 + 1e-37).all()
    assert tensor.shape == weight.shape
    assert tensor.size == weight.size
    assert tensor.nbytes == len(weight) * -(-weight.shape[1] // 2) + 4 * groups.size


def test_a_tie_goes_to_the_even_side():
    weight = np.array([[7, 0.5, 1.5, 2.5, -0.5, -1.5, 3.4, -3.6]], np.float32) / 4
    np.testing.assert_array_equal(smaller(Tensor(weight), FOUR_BITS).integers, [[7, 0, 2, 2, 0, -2, 3, -4]])


def test_groups_are_taken_where_they_halve_the_error():
    rows = random.standard_normal((48, 64)).astype(np.float32)
    assert smaller(Tensor(rows), FOUR_BITS).scale.shape == (48,)
    loud = with_outliers(48, 96)
    tensor = smaller(loud, FOUR_BITS)
    assert tensor.scale.shape == (48, 3)
    whole = np.rint(loud.stored / np.abs(loud.stored).max(axis=1, keepdims=True) * 7)
    one_scale = whole * np.abs(loud.stored).max(axis=1, keepdims=True) / 7
    errors = [np.square(dense - loud.stored).sum() for dense in (tensor.dense(), one_scale)]
    assert errors[0] < 0.5 * errors[1]
    assert smaller(with_outliers(48, 32), FOUR_BITS).scale.shape == (48,)  # one group is a row
    ragged = Tensor(np.concatenate([loud.stored, rows[:, :1] / 1e6], axis=1))
    assert smaller(ragged, FOUR_BITS).scale.shape == (48,)  # 97 inputs are not whole groups
    zeros = Tensor(np.zeros((3, 96), np.float32))
    assert smaller(zeros, FOUR_BITS).scale.shape == (3,)
    assert not smaller(zeros, FOUR_BITS).dense().any()


def test_equal_tensors_are_those_with_equal_weights_and_scales():
    tensor = smaller(with_outliers(5, 96), FOUR_BITS)
    assert tensor == Tensor(int4.pack(tensor.integers), tensor.scale, FOUR_BITS)
    other = tensor.stored.copy()
    other[2, 3] ^= 0x10
    assert tensor != Tensor(other, tensor.scale, FOUR_BITS)
    assert tensor != Tensor(tensor.stored, tensor.scale[:, ::-1], FOUR_BITS)
    assert tensor != Tensor(tensor.stored, tensor.scale[:, 0], FOUR_BITS)
    assert tensor.astype("float64") is tensor


@pytest.mark.parametrize("scheme", [scheme for scheme, dtype in SCHEMES.items() if dtype == "int8"])
def test_a_weight_that_cannot_be_negated_is_refused(scheme):
    """Kernels give a weight the sign of an activation, as symmetric quantization lets them."""
    Tensor(np.array([[-127, 127]], np.int8), [1], scheme)
    with pytest.raises(GraphError, match=f"a weight of -128 arrived for {scheme}; expected -127 to 127"):
        Tensor(np.array([[0, -128]], np.int8), [1], scheme)


@pytest.mark.parametrize(
    ("stored", "scale", "words"),
    [
        (np.full((2, 3), 0x88, np.uint8), [1, 1], "a weight of -8 arrived"),
        (np.array([[0x81], [0x11]], np.uint8), [1, 1], "a weight of -8 arrived"),
        (np.zeros((2, 3), np.int8), [1, 1], "a tensor of dtype int8 arrived for weight_only_wi4_afp32; expected uint8"),
        (np.zeros((2, 3), np.uint8), None, "arrived without a scale"),
        (np.zeros((2, 3), np.uint8), [1], "expected one per row, or one per 32 inputs"),
        (np.zeros((2, 32), np.uint8), np.ones((2, 3)), "expected one per row, or one per 32 inputs"),
        (np.zeros((2, 16), np.uint8), np.ones((2, 1)), "expected one per row, or one per 32 inputs"),
        (np.zeros((2, 33), np.uint8), np.ones((2, 2)), "expected one per row, or one per 32 inputs"),
        (np.zeros((2, 32), np.uint8), [[1, -1], [1, 1]], "not negative"),
        (np.zeros((2, 32), np.uint8), [[1, np.nan], [1, 1]], "not negative"),
        (np.zeros(4, np.uint8), [1, 1, 1, 1], "a scale of shape"),
    ],
)
def test_what_is_no_such_tensor_is_refused(stored, scale, words):
    with pytest.raises(GraphError, match=words):
        Tensor(stored, scale, FOUR_BITS)


@pytest.mark.parametrize("graph", FORMS.values(), ids=FORMS)
def test_the_safetensors_library_reads_the_bytes(graph, tmp_path):
    edgernn.save(graph, tmp_path / "m.rnn")
    arrays = safetensors.numpy.load_file(tmp_path / "m.rnn")
    again = edgernn.load(tmp_path / "m.rnn")
    assert again.layers == graph.layers
    for name, tensor in graph.tensors.items():
        np.testing.assert_array_equal(arrays[name], tensor.stored)
        if tensor.scheme:
            assert arrays[name].dtype == np.uint8
            np.testing.assert_array_equal(arrays[f"{name}.scale"], tensor.scale)
            low, high = arrays[name].view(np.int8) << 4 >> 4, arrays[name].view(np.int8) >> 4
            both = np.stack([low, high], axis=2).reshape(len(low), -1)[:, : tensor.shape[1]]
            np.testing.assert_array_equal(both, tensor.integers)


@every_place
def test_a_scale_for_each_group_is_the_same_on_every_runtime(suffix, runtime, tmp_path):
    """In every matrix, and free running; a scale that met another group would be many times too large."""
    graph = grouped()
    assert {tensor.scale.ndim for tensor in graph.tensors.values() if tensor.scheme} == {2}
    program = written(graph, tmp_path / f"m{suffix}", runtime)
    xs = frames(graph, 64)
    np.testing.assert_allclose(program.stream().run(xs), Stepper(graph).run(xs)[0], atol=FREE_RUNNING)
    prove(graph, program)


@every_place
@pytest.mark.parametrize("inputs", [1, 2, 3, 31, 32, 33, 64])
def test_rows_of_any_length(inputs, suffix, runtime, tmp_path):
    """Rows that end in half a byte, and rows of one group."""
    graph = quantize(one(Dense(Tensor(random.standard_normal((19, inputs)).astype(np.float32))), inputs), FOUR_BITS)
    program = written(graph, tmp_path / f"m{suffix}", runtime)
    xs = frames(graph, 4)
    expected = xs @ graph.layers[0].cell.w.dense(np.float64).T
    np.testing.assert_allclose(program.stream().run(xs), expected, atol=FREE_RUNNING)


@pytest.mark.parametrize("graph", FORMS.values(), ids=FORMS)
def test_the_onnx_standard_itself_unpacks_the_same(graph):
    evaluate = ReferenceEvaluator(onnx.load_from_string(render(graph, ".onnx")))
    xs = frames(graph, 8)
    state = np.zeros((1, graph.states["gru.h"]), np.float32)
    for x, expected in zip(xs, Stepper(graph).run(xs)[0], strict=True):
        y, state = evaluate.run(["y", "gru.h.out"], {"x": x[None], "gru.h.in": state})
        np.testing.assert_allclose(y[0], expected, atol=FREE_RUNNING)


@pytest.mark.parametrize("form", FORMS)
def test_onnx_runtime_unpacks_when_the_file_is_loaded(form, tmp_path):
    """What is left to do in a step: affines, the gates, and nothing of the unpacking."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "seen.onnx")
    options.log_severity_level = 3  # it warns that this file is for this machine alone
    data = render(FORMS[form], ".onnx")
    assert {"Div", "Mod", "Reshape"} <= {node.op_type for node in onnx.load_from_string(data).graph.node}
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "seen.onnx").graph.node]
    assert kinds.count("Gemm") + kinds.count("FusedGemm") == 7  # two for each gate, one for the last layer
    assert not {"Cast", "Div", "Mod", "Reshape", "Slice"} & set(kinds)


@pytest.mark.parametrize(("runtime", "kind"), [("ai-edge-litert", "INT4"), ("tflite-runtime", "INT8")])
def test_a_tflite_file_holds_the_integers(runtime, kind):
    """As the schema's own reader sees them: numbers of four bits, or of eight where the runtime knows no others."""
    graph = grouped()
    model = schema.ModelT.InitFromPackedBuf(render(graph, ".tflite", runtime))
    for stored in model.subgraphs[0].tensors:
        name = stored.name.decode()
        if name in graph.tensors and graph.tensors[name].scheme:
            tensor = graph.tensors[name]
            assert stored.type == getattr(schema.TensorType, kind)
            data = np.asarray(model.buffers[stored.buffer].data, np.uint8)
            assert data.size * (2 if kind == "INT4" else 1) == tensor.size
            np.testing.assert_array_equal(stored.quantization.scale, tensor.scale.reshape(-1))


def test_a_model_of_four_bits_counts_its_true_bytes():
    plain, graph = keyword_spotter(64, 40, 12), quantize(keyword_spotter(64, 40, 12), FOUR_BITS)
    small, whole = count(graph), count(plain)
    matrices, rows = 192 * (40 + 64) + 12 * 64, 2 * 192 + 12
    assert (small.parameters, small.macs) == (whole.parameters, whole.macs)
    assert small.weight_bytes == matrices // 2 + 4 * rows + 4 * (2 * 192 + 12)
