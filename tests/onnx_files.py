"""ONNX files that tests write, from nodes, inputs, outputs and constants."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node
FRAME, HIDDEN = 5, 4
INT, BOOL = TensorProto.INT64, TensorProto.BOOL


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def constants(arrays):
    return [constant(name, array) for name, array in arrays.items()]


def body(nodes, inputs, outputs, arrays=None):
    """A graph inside a node."""
    return helper.make_graph(nodes, "body", inputs, outputs, constants(arrays or {}))


def saved(path, nodes, inputs, outputs, arrays=None, opset=17, functions=(), domains=()):
    """Write a file; inputs and outputs are name -> shape, or values; arrays are its constants by name."""
    graph = helper.make_graph(nodes, "graph", *map(_values, (inputs, outputs)), constants(arrays or {}))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=list(functions))
    onnx.save(model, path)
    return path


def _values(shapes):
    return [value(name, shape) for name, shape in shapes.items()] if isinstance(shapes, dict) else list(shapes)


def weights(seed=0):
    """A function that draws float32 weights of a shape."""
    rng = np.random.default_rng(seed)
    return lambda *shape: (rng.standard_normal(shape) * 0.5).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def lstm(prefix, draw, width, hidden):
    return {
        f"{prefix}W": draw(1, 4 * hidden, width),
        f"{prefix}R": draw(1, 4 * hidden, hidden),
        f"{prefix}B": draw(1, 8 * hidden),
    }


def tanh_step(path, *, loop):
    """A recurrence written as Scan, or as Loop, over time, from a state that is not zero."""
    draw = weights()
    arrays = {"w": draw(FRAME, HIDDEN), "u": draw(HIDDEN, HIDDEN), "h": draw(1, HIDDEN), "out": draw(HIDDEN, 2)}
    step = [node("MatMul", ["x_t", "w"], ["a"]), node("MatMul", ["h_t", "u"], ["b"]), node("Add", ["a", "b"], ["c"])]
    step += [node("Tanh", ["c"], ["h_new"]), node("Identity", ["h_new"], ["y_t"])]
    carried, emitted = value("h_t", [1, HIDDEN]), [value("h_new", [1, HIDDEN]), value("y_t", [1, HIDDEN])]
    around = [node("Transpose", ["x"], ["xs"], perm=[1, 0, 2])]
    if loop:
        step.insert(0, node("Gather", ["xs", "i"], ["x_t"]))
        step.append(node("Identity", ["on"], ["still"]))
        inner = body(step, [value("i", [], INT), value("on", [], BOOL), carried], [value("still", [], BOOL), *emitted])
        arrays |= {"zero": np.int64(0), "yes": np.bool_(True)}
        around += [node("Shape", ["xs"], ["shape"]), node("Gather", ["shape", "zero"], ["count"])]
        around.append(node("Loop", ["count", "yes", "h"], ["last", "ys"], name="loop", body=inner))
    else:
        inner = body(step, [carried, value("x_t", [1, FRAME])], emitted)
        around.append(node("Scan", ["h", "xs"], ["last", "ys"], name="scan", body=inner, num_scan_inputs=1))
    around += [node("MatMul", ["ys", "out"], ["z"]), node("Transpose", ["z"], ["y"], perm=[1, 0, 2])]
    return saved(path, around, {"x": [1, "time", FRAME]}, {"y": [1, "time", 2]}, arrays)


def stepwise(path, outputs=("y", "hn", "cn"), names=("h0", "c0"), extra=()):
    """One step of an LSTM with its states."""
    arrays = {**lstm("", weights(), FRAME, HIDDEN), "one": ints(1)}
    h, c = names
    nodes = [node("LSTM", ["x", "W", "R", "B", "", h, c], ["Y", *outputs[1:3]], hidden_size=HIDDEN, name="lstm")]
    nodes += [node("Squeeze", ["Y", "one"], [outputs[0]]), *extra]
    state = [1, 1, HIDDEN]
    return saved(path, nodes, {"x": [1, 1, FRAME], h: state, c: state}, dict.fromkeys(outputs, state), arrays)
