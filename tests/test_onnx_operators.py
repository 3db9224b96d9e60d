"""Operators of ONNX as they are read: against ONNX Runtime, onnx's own cases, and formulas in float64."""

from importlib import import_module
from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from onnx.backend.test.case import node as cases

from edgernn.errors import ParityError, UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import from_file
from edgernn_export.sources.foreign.convert import replay
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.onnx import reading
from edgernn_export.sources.onnx.operations import recurrent, ways
from edgernn_export.sources.onnx.read import read
from onnx_files import node, saved, weights

STEPS, INPUTS, HIDDEN = 9, 3, 4
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "Tanh": np.tanh,
    "Sigmoid": sigmoid,
    "Relu": lambda x: np.maximum(x, 0),
    "HardSigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "Softsign": lambda x: x / (1 + abs(x)),
}
USUAL = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


def formula(kind, arrays, xs, attributes):
    """The equations of the operator in ONNX's documentation, in float64: the output of every step."""
    w, r = (arrays[name][0].astype(np.float64) for name in "WR")
    b = arrays["B"][0].astype(np.float64) if "B" in arrays else np.zeros(2 * len(w))
    p = arrays["P"][0].astype(np.float64) if "P" in arrays else np.zeros(3 * HIDDEN)
    h, c = (arrays[name][0].astype(np.float64) if name in arrays else np.zeros((1, HIDDEN)) for name in ("h0", "c0"))
    clip = attributes.get("clip", np.inf)
    names = attributes.get("activations", USUAL[kind])
    f = [lambda x, name=name: ACTIVATIONS[name](np.clip(x, -clip, clip)) for name in names]
    wb, rb = np.split(b, 2)
    ws, rs, wbs, rbs = (np.split(each, GATES[kind]) for each in (w, r, wb, rb))
    outputs = []
    for x in xs.astype(np.float64):

        def gate(k, h, x=x):
            return x @ ws[k].T + h @ rs[k].T + wbs[k] + rbs[k]

        if kind == "RNN":
            h = f[0](gate(0, h))
        elif kind == "GRU":
            z, reset = f[0](gate(0, h)), f[0](gate(1, h))
            if attributes.get("linear_before_reset"):
                n = f[1](x @ ws[2].T + wbs[2] + reset * (h @ rs[2].T + rbs[2]))
            else:
                n = f[1](x @ ws[2].T + wbs[2] + (reset * h) @ rs[2].T + rbs[2])
            h = (1 - z) * n + z * h
        else:
            pi, po, pf = np.split(p, 3)
            i = f[0](gate(0, h) + pi * c)
            forget = 1 - i if attributes.get("input_forget") else f[0](gate(2, h) + pf * c)
            c = forget * c + i * f[1](gate(3, h))
            h = f[0](gate(1, h) + po * c) * ACTIVATIONS[names[2]](c)  # ONNX Runtime does not clip the cell
        outputs.append(h)
    return np.stack(outputs)


def operands(kind, options):
    draw = weights(len(options))
    arrays = {"W": draw(1, GATES[kind] * HIDDEN, INPUTS), "R": draw(1, GATES[kind] * HIDDEN, HIDDEN)}
    arrays |= {"B": draw(1, 2 * GATES[kind] * HIDDEN)} if "bias" in options else {}
    arrays |= {"h0": draw(1, 1, HIDDEN)} if "initial" in options else {}
    arrays |= {"c0": draw(1, 1, HIDDEN)} if "initial" in options and kind == "LSTM" else {}
    return arrays | ({"P": draw(1, 3 * HIDDEN)} if "peephole" in options else {})


def operator(path, kind, options, attributes, time="time"):
    """A file with one recurrent operator over a sequence, and its constants."""
    arrays = operands(kind, options)
    names = ["W", "R", "B", "", "h0", *(["c0", "P"] if kind == "LSTM" else [])]
    inputs = ["x", *(name if name in arrays else "" for name in names)]
    made = node(kind, inputs, ["y"], name="cell", hidden_size=HIDDEN, **attributes)
    saved(path, [made], {"x": [time, 1, INPUTS]}, {"y": [time, 1, 1, HIDDEN]}, arrays)
    return arrays


def runtime(path, xs):
    (ys,) = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": xs})
    return ys


VARIANTS = [
    *(("RNN", {}), ("RNN", {"activations": ["Relu"]}), ("RNN", {"activations": ["Softsign"]}), ("RNN", {"clip": 0.4})),
    *(("GRU", {"linear_before_reset": reset}) for reset in (0, 1)),
    *(("GRU", {"linear_before_reset": reset, "clip": 0.4}) for reset in (0, 1)),
    ("GRU", {"activations": ["HardSigmoid", "Relu"], "linear_before_reset": 1}),
    *(("LSTM", {}), ("LSTM", {"clip": 0.4}), ("LSTM", {"input_forget": 1})),
    ("LSTM", {"activations": ["HardSigmoid", "Softsign", "Relu"]}),
]
GIVEN = [(), ("bias",), ("bias", "initial")]
PEEPHOLES = [("bias", "peephole"), ("bias", "initial", "peephole")]
RECURRENT = [
    *((kind, attributes, options) for (kind, attributes), options in product(VARIANTS, GIVEN)),
    *((kind, attributes, options) for (kind, attributes), options in product(VARIANTS, PEEPHOLES) if kind == "LSTM"),
]


def label(case):
    kind, attributes, options = case
    return "-".join([kind, *(f"{name}={each}" for name, each in attributes.items()), *options])


@pytest.mark.parametrize("case", RECURRENT, ids=label)
def test_a_recurrent_operator_is_that_of_the_runtime_and_of_the_formula(case, tmp_path):
    kind, attributes, options = case
    arrays = operator(tmp_path / "m.onnx", kind, options, attributes)
    xs = np.random.default_rng(5).standard_normal((STEPS, 1, INPUTS)).astype(np.float32)
    expected = formula(kind, arrays, xs, attributes)
    np.testing.assert_allclose(runtime(tmp_path / "m.onnx", xs)[:, 0], expected, atol=1e-5)
    model = read(str(tmp_path / "m.onnx"), ImportOptions())
    replay(model)
    if not model.states:
        (ys,) = model.run([np.concatenate([xs, np.zeros((7, 1, INPUTS), np.float32)])]).values()
        np.testing.assert_allclose(ys[:STEPS, 0], expected, atol=1e-5)


STREAMED = [
    ("RNN", {}, ("bias", "initial")),
    ("RNN", {"activations": ["Softsign"]}, ("bias", "initial")),
    ("GRU", {"linear_before_reset": 0}, ("bias", "initial")),
    ("GRU", {"linear_before_reset": 1}, ("bias", "initial")),
    ("GRU", {"linear_before_reset": 1, "clip": 0.4}, ("bias",)),
    ("LSTM", {}, ("bias", "initial")),
    ("LSTM", {}, ("bias", "initial", "peephole")),
]


@pytest.mark.parametrize("case", STREAMED, ids=label)
def test_a_recurrent_operator_streams(case, tmp_path):
    kind, attributes, options = case
    arrays = operator(tmp_path / "m.onnx", kind, options, attributes)
    xs = np.random.default_rng(5).standard_normal((STEPS, INPUTS))
    ys, _ = Stepper(from_file(tmp_path / "m.onnx")).run(xs)
    np.testing.assert_allclose(ys, formula(kind, arrays, xs[:, None], attributes)[:, 0], atol=1e-6)


def swapped(one, other):
    """A mutation of the reader: two gates of LSTM or GRU are exchanged."""

    def mutate(patch):
        for kind in ("LSTM", "GRU"):
            each = ways.KINDS[kind]
            order = list(each.order)
            if max(one, other) < len(order):
                order[one], order[other] = order[other], order[one]
            changed = ways.Kind(each.operation, tuple(order), each.activations, each.states)
            patch.setitem(ways.KINDS, kind, changed)

    return mutate


def without_initial_state(patch):
    usual = recurrent.Recurrent._from
    patch.setattr(recurrent.Recurrent, "_from", lambda self, x, _, batch: usual(self, x, [], batch))


def without_bias(patch):
    usual = recurrent.ways_of
    patch.setattr(recurrent, "ways_of", lambda call, arrays: usual(call, [*arrays[:2], None, *arrays[3:]]))


def other_reset(patch):
    usual = reading.attributes_of

    def flipped(name, each):
        attributes = dict(usual(name, each))
        return attributes | {"linear_before_reset": 1 - attributes.get("linear_before_reset", 0)}

    patch.setattr(reading, "attributes_of", flipped)


MUTATIONS = {
    **{f"LSTM gates {i} and {j}": ("LSTM", {}, swapped(i, j)) for i in range(4) for j in range(i)},
    **{
        f"GRU gates {i} and {j}": ("GRU", {"linear_before_reset": 1}, swapped(i, j)) for i in range(3) for j in range(i)
    },
    **{f"{kind} initial state": (kind, {}, without_initial_state) for kind in GATES},
    **{f"{kind} bias": (kind, {}, without_bias) for kind in GATES},
    **{f"reset {reset}": ("GRU", {"linear_before_reset": reset}, other_reset) for reset in (0, 1)},
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_wrong_reader_is_caught_by_the_replay(name, tmp_path, monkeypatch):
    kind, attributes, mutate = MUTATIONS[name]
    operator(tmp_path / "m.onnx", kind, ("bias", "initial"), attributes)
    replay(read(str(tmp_path / "m.onnx"), ImportOptions()))
    mutate(monkeypatch)
    with pytest.raises(ParityError, match="ONNX Runtime"):
        replay(read(str(tmp_path / "m.onnx"), ImportOptions()))


def published(kind):
    """onnx's own cases of an operator."""
    import_module(f"onnx.backend.test.case.node.{kind.lower()}")
    return [case for case in cases._NodeTestCases if [each.op_type for each in case.model.graph.node] == [kind]]


REFUSED = {
    "test_gru_seq_length": "sequence_lens",
    "test_rnn_seq_length": "sequence_lens",
    "test_lstm_seq_length": "sequence_lens",
}


@pytest.mark.parametrize("kind", GATES)
def test_the_cases_of_onnx_pass(kind, tmp_path):
    """All operands but the sequence are constants here."""
    for case in published(kind):
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        (ins, outs), *_ = case.data_sets
        arrays = {each.name: array for each, array in zip(model.graph.input, ins, strict=True)}
        for name, array in list(arrays.items())[1:]:
            model.graph.initializer.append(numpy_helper.from_array(array, name))
        onnx.save(model, tmp_path / "m.onnx")
        read_again = read(str(tmp_path / "m.onnx"), ImportOptions())
        results = read_again.run([ins[0]])
        names = [each.name for each in model.graph.output]
        for name, expected in zip(names, outs, strict=True):
            np.testing.assert_allclose(results[name], expected, rtol=1e-4, atol=1e-6, err_msg=case.name)
    assert len(published(kind)) >= 3


def one(operator, *shapes, opset=17, arrays=None, results=1, **attributes):
    """A case: an operator of inputs with these shapes and constants."""
    return operator, shapes, opset, arrays or {}, results, attributes


def ints(*values):
    return np.array(values, np.int64)


draw = weights(3)
X, IMAGE = (2, 6, 4), (1, 4, 7, 6)
OPERATORS = [
    *(one(name, X) for name in ("Abs", "Neg", "Exp", "Erf", "Relu", "Sigmoid", "Tanh", "Softsign", "Softplus", "Sign")),
    *(one(name, X) for name in ("HardSwish", "Identity", "Elu", "Selu", "LeakyRelu", "HardSigmoid", "Celu")),
    *(one("Elu", X, alpha=0.5), one("Selu", X, alpha=1.5, gamma=0.7), one("Celu", X, alpha=2.0)),
    *(one("HardSigmoid", X, alpha=0.3, beta=0.4), one("ThresholdedRelu", X, alpha=0.3), one("Shrink", X, lambd=0.3)),
    *(one("Mish", X, opset=18), one("Gelu", X, opset=20), one("Gelu", X, opset=20, approximate="tanh"), one("LeakyRelu", X, alpha=0.2)),
    *(one("PRelu", X, arrays={"b": draw(4)}), one("PRelu", X, arrays={"b": draw(6, 1)})),
    *(one(name, X, (4,)) for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean")),
    *(one("Pow", X, arrays={"b": np.float32(2)}), one("Mod", X, (4,), fmod=1)),
    *(one("Clip", X, opset=9, min=-0.5, max=0.5), one("Clip", X, arrays={"b": np.float32(-0.2)})),
    *(one("Gemm", (3, 4), arrays={"b": draw(4, 5), "c": draw(5)}), one("Gemm", (4, 3), arrays={"b": draw(4, 5)}, transA=1)),
    one("Gemm", (3, 4), arrays={"b": draw(5, 4), "c": draw(3, 1)}, transB=1, alpha=0.5, beta=2.0),
    *(one("MatMul", X, arrays={"b": draw(4, 5)}), one("MatMul", X, (2, 4, 3))),
    one("Einsum", X, arrays={"b": draw(4, 5)}, equation="bij,jk->bik"),
    one("Conv", X, arrays={"b": draw(8, 6, 3)}, pads=[2, 0]),
    one("Conv", X, arrays={"b": draw(6, 3, 2), "c": draw(6)}, group=2, dilations=[2], strides=[2]),
    *(one("Conv", IMAGE, arrays={"b": draw(5, 4, 3, 2)}, auto_pad=auto) for auto in ("SAME_UPPER", "SAME_LOWER", "VALID")),
    one("Conv", IMAGE, arrays={"b": draw(4, 1, 3, 3), "c": draw(4)}, group=4, pads=[1, 1, 1, 1], strides=[1, 2]),
    one("ConvTranspose", X, arrays={"b": draw(6, 2, 3)}, strides=[2], pads=[1, 1], output_padding=[1]),
    one("ConvTranspose", IMAGE, arrays={"b": draw(4, 2, 1, 3), "c": draw(4)}, strides=[1, 2], pads=[0, 1, 0, 1], group=2),
    *(one("ConvTranspose", X, arrays={"b": draw(6, 2, 4)}, strides=[2], auto_pad=auto) for auto in ("SAME_UPPER", "VALID")),
    one("ConvTranspose", X, arrays={"b": draw(6, 2, 4)}, strides=[2], pads=[2, 0]),
    one("MaxPool", IMAGE, kernel_shape=[2, 3], strides=[1, 2], pads=[1, 1, 0, 1], ceil_mode=1),
    one("MaxPool", X, kernel_shape=[2], dilations=[2]),
    *(one("AveragePool", IMAGE, kernel_shape=[2, 3], pads=[0, 1, 1, 0], count_include_pad=each) for each in (0, 1)),
    *(one("GlobalAveragePool", IMAGE), one("GlobalMaxPool", IMAGE)),
    *(one(f"Reduce{name}", X, axes=[1]) for name in ("Mean", "Max", "Min", "L1", "L2", "SumSquare", "LogSumExp", "Prod")),
    *(one("ReduceSum", X, arrays={"b": ints(1, -1)}, keepdims=each) for each in (0, 1)),
    *(one("ReduceMean", X, keepdims=0), one("ReduceMax", X, arrays={"b": ints(2)}, opset=18)),
    *(one("Softmax", X, opset=opset) for opset in (11, 13)),
    *(one("Softmax", X, axis=1), one("LogSoftmax", X, axis=0, opset=12), one("LogSoftmax", X)),
    one("LayerNormalization", X, arrays={"b": draw(6, 4), "c": draw(6, 4)}, axis=1, epsilon=1e-3),
    one("LayerNormalization", X, arrays={"b": draw(4)}),
    one("BatchNormalization", X, arrays={name: abs(draw(6)) + 0.1 for name in "bcde"}, epsilon=1e-2),
    one("InstanceNormalization", X, arrays={"b": draw(6), "c": draw(6)}),
    one("GroupNormalization", IMAGE, arrays={"b": draw(4), "c": draw(4)}, num_groups=2, opset=21),
    *(one("Reshape", X, arrays={"b": ints(0, -1)}), one("Flatten", X), one("Flatten", X, axis=-1)),
    *(one("Transpose", X), one("Transpose", X, perm=[1, 2, 0]), one("Tile", X, arrays={"b": ints(1, 2, 1)})),
    *(one("Squeeze", (1, 5, 1), axes=[0], opset=11), one("Squeeze", (1, 5, 1)), one("Squeeze", (1, 5, 1), arrays={"b": ints(-1)})),
    *(one("Unsqueeze", X, axes=[0, 2], opset=11), one("Unsqueeze", X, arrays={"b": ints(0, -1)})),
    *(one("Expand", (6, 1), arrays={"b": ints(2, 1, 4)}), one("Concat", X, (2, 3, 4), axis=1)),
    *(one("Split", X, axis=1, split=[2, 4], opset=11, results=2), one("Split", X, arrays={"b": ints(1, 5)}, axis=1, results=2)),
    *(one("Split", X, axis=1, opset=13, results=3), one("Split", X, axis=1, num_outputs=4, opset=18, results=4)),
    *(one("Slice", X, starts=[1, 0], ends=[3, 99], axes=[1, 2], opset=9),),
    one("Slice", X, arrays={"b": ints(-1, 3), "c": ints(-100, 0), "d": ints(1, 2), "e": ints(-2, -1)}),
    one("Slice", X, arrays={"b": ints(1), "c": ints(np.iinfo(np.int64).max), "d": ints(1), "e": ints(2)}),
    *(one("Gather", X, arrays={"b": places}, axis=1) for places in (np.int64(-1), ints(1, 2), ints(4, 0), ints([[1], [3]]))),
    *(one("Pad", X, pads=[0, 1, 0, 0, 0, 2], opset=9), one("Pad", X, arrays={"b": ints(0, 1, 0, 0, -1, 2)})),
    *(one("Pad", X, arrays={"b": ints(0, 0, 1, 0, 0, 2)}, mode=mode) for mode in ("reflect", "edge")),
    one("Pad", X, arrays={"b": ints(1, 2), "c": np.float32(0.5), "d": ints(-1)}, opset=18),
    one("Resize", IMAGE, arrays={"b": draw(0), "c": np.array([1, 1, 2, 3], np.float32)}, mode="nearest"),
    one("Resize", IMAGE, arrays={"b": draw(0), "c": np.array([1, 1, 0.5, 1.7], np.float32)}, mode="nearest"),
    *(one("DepthToSpace", IMAGE, blocksize=2), one("SpaceToDepth", (1, 2, 6, 4), blocksize=2), one("Dropout", X)),
    *(one("CumSum", X, arrays={"b": np.int64(1)}), one("LpNormalization", X, axis=1)),
    one("ScatterND", X, (1, 6, 4), arrays={"b": ints([1])}),
]  # fmt: skip


def file_of(path, case):
    """A file of one operator; constants are its operands "b", "c" and so on, and other inputs come where they are not."""
    operator, shapes, opset, arrays, results, attributes = case
    flowing = iter(f"x{i}" for i in range(len(shapes)))
    names = [next(flowing), *(arrays if operator != "ScatterND" else ["b"])]
    names += list(flowing)
    outputs = [f"y{i}" for i in range(results)]
    inputs = {f"x{i}": shape for i, shape in enumerate(shapes)}
    each = node(operator, names, outputs, name="node", **attributes)
    graph_outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs]
    return saved(path, [each], inputs, graph_outputs, arrays, opset)


@pytest.mark.parametrize("case", OPERATORS, ids=lambda case: f"{case[0]}-{case[2]}-{'-'.join(case[5])}")
def test_an_operator_is_that_of_the_runtime(case, tmp_path):
    file_of(tmp_path / "m.onnx", case)
    names = tuple(f"x{i}" for i in range(len(case[1])))
    model = read(str(tmp_path / "m.onnx"), ImportOptions(inputs=names))
    assert not model.states
    replay(model)
    assert len(list(model.module.children())) == 1


def test_a_look_up_takes_every_row(tmp_path):
    table = weights()(11, 4)
    ids = helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, [1, "time"])
    nodes = [node("Gather", ["table", "ids"], ["e"]), node("GRU", ["t", "W", "R"], ["Y"], hidden_size=HIDDEN)]
    nodes.insert(1, node("Transpose", ["e"], ["t"], perm=[1, 0, 2]))
    arrays = {"table": table, "W": weights(1)(1, 12, 4), "R": weights(2)(1, 12, 4)}
    saved(tmp_path / "m.onnx", nodes, [ids], {"Y": [None, 1, 1, HIDDEN]}, arrays)
    graph = from_file(tmp_path / "m.onnx")
    assert graph.vocabulary_size == 11


@pytest.mark.parametrize("kind", GATES)
def test_what_computes_its_weights_is_refused(kind, tmp_path):
    arrays = operands(kind, ("bias",))
    inputs = {"x": ["time", 1, INPUTS], "w": list(arrays.pop("W").shape)}
    nodes = [node(kind, ["x", "w", "R", "B"], ["y"], name="cell", hidden_size=HIDDEN)]
    saved(tmp_path / "m.onnx", nodes, inputs, {"y": [None, 1, 1, HIDDEN]}, arrays)
    with pytest.raises(UnsupportedError, match=rf"node 'cell' \({kind}\): its operand 1 depends on data"):
        read(str(tmp_path / "m.onnx"), ImportOptions())


def test_the_module_has_a_submodule_for_each_node(tmp_path):
    """So the errors of from_torch name the node."""
    operator(tmp_path / "m.onnx", "GRU", (), {"linear_before_reset": 1})
    model = read(str(tmp_path / "m.onnx"), ImportOptions())
    assert [name for name, _ in model.module.named_children()] == ["cell"]
    assert isinstance(model.module.get_submodule("cell"), torch.nn.Module)
