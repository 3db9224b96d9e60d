"""Small files of the shapes that public models have, written as other tools write them: ONNX and TFLite, states outside."""

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

from edgernn.integer.plan import QuantizationParameters
from edgernn_export.targets.tflite.flat import Flat

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
HIDDEN, CONTEXT, SAMPLES = 16, 8, 64


def random(*shape, seed=0, size=0.3):
    return (np.random.default_rng(seed).standard_normal(shape) * size).astype(np.float32)


def model(nodes, inputs, outputs, constants, opset=17):
    """The bytes of an ONNX file; inputs and outputs are (name, dtype, shape)."""
    values = [[helper.make_tensor_value_info(*each) for each in ends] for ends in (inputs, outputs)]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    made = helper.make_model(
        helper.make_graph(nodes, "g", *values, tensors),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,
    )
    onnx.checker.check_model(made)
    return made.SerializeToString()


def voice_activity():
    """(batch, context + samples), state (2, batch, 16) and a rate, which chooses one of two LSTMs."""

    def branch(p, size):
        names = ("f", "w", "r", "b", "q", "two", "axis")
        weights = [
            random(CONTEXT + SAMPLES, HIDDEN, seed=1, size=size),
            random(1, 4 * HIDDEN, HIDDEN, seed=2),
            random(1, 4 * HIDDEN, HIDDEN, seed=3),
            random(1, 8 * HIDDEN, seed=4),
            random(HIDDEN, 1, seed=5, size=1),
            np.array([1, 1]),
            np.array([0]),
        ]
        node = helper.make_node
        nodes = [
            node("MatMul", ["input", f"{p}f"], [f"{p}x"]),
            node("Unsqueeze", [f"{p}x", f"{p}axis"], [f"{p}x3"]),
            node("Split", ["state", f"{p}two"], [f"{p}h", f"{p}c"], axis=0),
            node(
                "LSTM",
                [f"{p}x3", f"{p}w", f"{p}r", f"{p}b", "", f"{p}h", f"{p}c"],
                ["", f"{p}hn", f"{p}cn"],
                hidden_size=HIDDEN,
            ),
            node("Concat", [f"{p}hn", f"{p}cn"], [f"{p}stateN"], axis=0),
            node("Squeeze", [f"{p}hn", f"{p}axis"], [f"{p}hs"]),
            node("MatMul", [f"{p}hs", f"{p}q"], [f"{p}logit"]),
            node("Sigmoid", [f"{p}logit"], [f"{p}output"]),
        ]
        results = [helper.make_tensor_value_info(f"{p}{name}", FLOAT, None) for name in ("output", "stateN")]
        constants = [numpy_helper.from_array(a, f"{p}{name}") for name, a in zip(names, weights, strict=True)]
        return helper.make_graph(nodes, p, [], results, constants)

    nodes = [
        helper.make_node("Equal", ["sr", "rate"], ["wide"]),
        helper.make_node(
            "If", ["wide"], ["output", "stateN"], then_branch=branch("a", 0.3), else_branch=branch("b", 1)
        ),
    ]
    inputs = [("input", FLOAT, ["batch", None]), ("state", FLOAT, [2, "batch", HIDDEN]), ("sr", INT64, [])]
    outputs = [("output", FLOAT, ["batch", 1]), ("stateN", FLOAT, [None, None, None])]
    return model(nodes, inputs, outputs, {"rate": np.array(16000)}, 16)


def denoiser(name="state", state_out=None):
    """Bins (1, 1, 20) and a packed state (1, 2, 16, 2); without names that tell which is which."""
    node, width = helper.make_node, 2 * HIDDEN * 2
    nodes = [
        node("Reshape", [name, "flat"], ["s"]),
        node("Reshape", ["bins", "row"], ["x"]),
        node("Concat", ["x", "s"], ["both"], axis=1),
        node("MatMul", ["both", "w"], ["pre"]),
        node("Tanh", ["pre"], ["new"]),
        node("Reshape", ["new", "shape"], [state_out or "1"]),
        node("MatMul", ["new", "v"], ["logits"]),
        node("Sigmoid", ["logits"], ["mask"]),
        node("Reshape", ["mask", "out"], ["0"]),
    ]
    constants = {
        "flat": np.array([1, width]),
        "row": np.array([1, 20]),
        "shape": np.array([1, 2, HIDDEN, 2]),
        "out": np.array([1, 1, 20]),
        "w": random(20 + width, width, seed=1),
        "v": random(width, 20, seed=2),
    }
    inputs = [("bins", FLOAT, [1, 1, 20]), (name, FLOAT, [1, 2, HIDDEN, 2])]
    return model(nodes, inputs, [("0", FLOAT, [1, 1, 20]), (state_out or "1", FLOAT, [1, 2, HIDDEN, 2])], constants)


def echo(extra=()):
    """Two inputs, two states of one shape, two outputs, by names."""
    node = helper.make_node
    nodes = [
        node("Concat", ["mic", "far", "h0"], ["all"], axis=1),
        node("MatMul", ["all", "w"], ["pre"]),
        node("Tanh", ["pre"], ["hn"]),
        node("Sub", ["hn", "c0"], ["gain"]),
        node("Mul", ["gain", "half"], ["cn"]),
        node("MatMul", ["hn", "v"], ["voice"]),
        *extra,
    ]
    constants = {"w": random(5 + 3 + 4, 4, seed=1), "half": np.float32(0.5), "v": random(4, 2, seed=2)}
    inputs = [("mic", FLOAT, [1, 5]), ("far", FLOAT, [1, 3]), ("c0", FLOAT, [1, 4]), ("h0", FLOAT, [1, 4])]
    outputs = [("hn", FLOAT, [1, 4]), ("voice", FLOAT, [1, 2]), ("gain", FLOAT, [1, 4]), ("cn", FLOAT, [1, 4])]
    return model(nodes, inputs, outputs, constants)


def cell():
    """A GRU of one step: its only output is its state."""
    constants = {"w": random(1, 12, 3, seed=1), "r": random(1, 12, 4, seed=2), "axis": np.array([0])}
    nodes = [
        helper.make_node("Unsqueeze", ["x", "axis"], ["x3"]),
        helper.make_node("Unsqueeze", ["h", "axis"], ["h3"]),
        helper.make_node("GRU", ["x3", "w", "r", "", "", "h3"], ["", "hn3"], hidden_size=4),
        helper.make_node("Squeeze", ["hn3", "axis"], ["hn"]),
    ]
    return model(nodes, [("x", FLOAT, [1, 3]), ("h", FLOAT, [1, 4])], [("hn", FLOAT, [1, 4])], constants)


def sequences():
    """An LSTM over any number of frames, with its states outside."""
    constants = {"w": random(1, 16, 3, seed=1), "r": random(1, 16, 4, seed=2)}
    node = helper.make_node("LSTM", ["x", "w", "r", "", "", "h0", "c0"], ["y", "hn", "cn"], hidden_size=4)
    states = [(name, FLOAT, [1, 1, 4]) for name in ("h0", "c0")]
    outputs = [("y", FLOAT, ["time", 1, 1, 4]), ("hn", FLOAT, [1, 1, 4]), ("cn", FLOAT, [1, 1, 4])]
    return model([node], [("x", FLOAT, ["time", 1, 3]), *states], outputs, constants)


def wide(size=150_000):
    """A state of many numbers, of which each step forgets a part."""
    nodes = [
        helper.make_node("Mul", ["state", "half"], ["less"]),
        helper.make_node("Add", ["less", "x"], ["state_out"]),
        helper.make_node("ReduceMean", ["state_out"], ["y"], axes=[1]),
    ]
    state = [(name, FLOAT, [1, size]) for name in ("state", "state_out")]
    constants = {"half": np.float32(0.5)}
    return model(nodes, [("x", FLOAT, [1, 1]), state[0]], [("y", FLOAT, [1, 1]), state[1]], constants)


def forgetting(steps="time"):
    """An LSTM over time without initial states."""
    constants = {"w": random(1, 16, 3, seed=1), "r": random(1, 16, 4, seed=2)}
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=4)
    return model([node], [("x", FLOAT, [steps, 1, 3])], [("y", FLOAT, [steps, 1, 1, 4])], constants)


def tflite_denoiser():
    """The denoiser in TFLite, with the names that TensorFlow's converter writes."""
    flat, width = Flat(), 2 * HIDDEN * 2
    x, s = "serving_default_bins:0", "serving_default_state:0"
    flat.tensor(s, (1, 2, HIDDEN, 2))
    flat.tensor(x, (1, 1, 20))
    _reshape(flat, s, "s", (1, width))
    _reshape(flat, x, "x", (1, 20))
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    flat.operator("CONCATENATION", [flat.index["x"], flat.index["s"]], [flat.tensor("both", (1, 20 + width))], options)
    _connected(flat, "both", "pre", random(width, 20 + width, seed=1))
    flat.operator("TANH", [flat.index["pre"]], [flat.tensor("new", (1, width))])
    _connected(flat, "new", "logits", random(20, width, seed=2))
    flat.operator("LOGISTIC", [flat.index["logits"]], [flat.tensor("mask", (1, 20))])
    _reshape(flat, "new", "Identity_1", (1, 2, HIDDEN, 2))
    _reshape(flat, "mask", "Identity", (1, 1, 20))
    return flat.finish([s, x], ["Identity", "Identity_1"], {})


def tflite_mixer():
    """Two inputs, the first with two numbers of context, a gain that never changes, and a state."""
    flat = Flat()
    for name, shape in (("near", (1, 6)), ("gain", (1,)), ("h_in", (1, 6)), ("far", (1, 6))):
        flat.tensor(name, shape)
    flat.operator(
        "MUL", [flat.index["near"], flat.index["gain"]], [flat.tensor("louder", (1, 6))], schema.MulOptionsT()
    )
    flat.operator("ADD", [flat.index["louder"], flat.index["far"]], [flat.tensor("mix", (1, 6))], schema.AddOptionsT())
    flat.operator("SUB", [flat.index["mix"], flat.index["h_in"]], [flat.tensor("change", (1, 6))], schema.SubOptionsT())
    flat.operator("TANH", [flat.index["change"]], [flat.tensor("h_out", (1, 6))])
    return flat.finish(["near", "gain", "h_in", "far"], ["h_out", "change"], {})


ENTERING, LEAVING = QuantizationParameters(1 / 200, -100, 8), QuantizationParameters(2**-8, -128, 8)
FRAME, ANSWER = QuantizationParameters(0.02, 3, 8), QuantizationParameters(0.03, -5, 8)


def tflite_integers():
    """int8 throughout; the state leaves with another scale than it enters with."""
    flat, mid = Flat(), QuantizationParameters(0.05, 0, 8)
    flat.integers("x", (1, 6), FRAME)
    flat.integers("h", (1, 5), ENTERING)
    for name, source, qparams, width in (("a", "x", FRAME, 6), ("b", "h", ENTERING, 5)):
        _integer_product(flat, source, name, qparams, mid, (5, width))
    flat.operator(
        "ADD", [flat.index["a"], flat.index["b"]], [flat.integers("sum", (1, 5), mid)], schema.AddOptionsT(), 2
    )
    flat.operator("LOGISTIC", [flat.index["sum"]], [flat.integers("h_new", (1, 5), LEAVING)], None, 2)
    _integer_product(flat, "h_new", "y", LEAVING, ANSWER, (3, 5))
    return flat.finish(["x", "h"], ["y", "h_new"], {})


def tflite_hidden():
    """A recurrent operator whose state is a variable of the interpreter."""
    flat = Flat()
    flat.tensor("x", (1, 1, 3))
    weights = [flat.constant("w", random(4, 3, seed=1)), flat.constant("r", random(4, 4, seed=2))]
    state = flat.tensor("h", (1, 4))
    flat._tensors[state].isVariable = True
    options = schema.SequenceRNNOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    ins = [flat.index["x"], *weights, flat.constant("b", np.zeros(4, np.float32)), state]
    flat.operator("UNIDIRECTIONAL_SEQUENCE_RNN", ins, [flat.tensor("y", (1, 1, 4))], options)
    return flat.finish(["x"], ["y"], {})


def tflite_hybrid(rows, version):
    """A step with int8 weights, with a scale for each row or one, in a matrix product labelled with this version."""
    flat, weight = Flat(), random(HIDDEN, 20 + HIDDEN, seed=1)
    flat.tensor("x", (1, 20))
    flat.tensor("h", (1, HIDDEN))
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    flat.operator("CONCATENATION", [0, 1], [flat.tensor("both", (1, 20 + HIDDEN))], options)
    scale = np.abs(weight).max(axis=1 if rows else None, keepdims=True) / 127
    matrix = flat.constant("w", np.rint(weight / scale).astype(np.int8), scale.ravel())
    product = flat.tensor("p", (1, HIDDEN))
    flat.operator(
        "FULLY_CONNECTED", [flat.index["both"], matrix, -1], [product], schema.FullyConnectedOptionsT(), version
    )
    flat.operator("TANH", [product], [flat.tensor("h_out", (1, HIDDEN))])
    flat.operator("LOGISTIC", [product], [flat.tensor("y", (1, HIDDEN))])
    return flat.finish(["x", "h"], ["y", "h_out"], {})


def tflite_dynamic():
    """An output whose size is computed in the call."""
    flat, options = Flat(), schema.ConcatenationOptionsT()
    for name, shape, dtype in (("x", (1, 4), "float32"), ("times", (1,), "int32")):
        flat.tensor(name, shape, dtype)
    options.axis = 0
    one = flat.constant("one", np.array([1], np.int32))
    flat.operator("CONCATENATION", [one, flat.index["times"]], [flat.tensor("sizes", (2,), "int32")], options)
    flat.operator("TILE", [flat.index["x"], flat.index["sizes"]], [flat.tensor("y", (1, 8))])
    return flat.finish(["x", "times"], ["y"], {})


def _reshape(flat, source, result, shape):
    options = schema.ReshapeOptionsT()
    options.newShape = list(shape)
    sizes = flat.constant(f"{result}.shape", np.array(shape, np.int32))
    flat.operator("RESHAPE", [flat.index[source], sizes], [flat.tensor(result, shape)], options)


def _connected(flat, source, result, weight):
    ins = [flat.index[source], flat.constant(f"{result}.w", weight), -1]
    flat.operator("FULLY_CONNECTED", ins, [flat.tensor(result, (1, len(weight)))], schema.FullyConnectedOptionsT())


def _integer_product(flat, source, result, entering, leaving, shape):
    weight = np.random.default_rng(len(result) + shape[1]).integers(-127, 128, shape).astype(np.int8)
    matrix = flat.constant(f"{result}.w", weight, np.array([0.01]))
    bias = flat.constant(f"{result}.bias", np.arange(shape[0], dtype=np.int32), np.array([0.01 * entering.scale]))
    flat.operator(
        "FULLY_CONNECTED",
        [flat.index[source], matrix, bias],
        [flat.integers(result, (1, shape[0]), leaving)],
        schema.FullyConnectedOptionsT(),
        4,
    )
