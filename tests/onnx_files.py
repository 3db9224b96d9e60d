"""ONNX files that tests write, from nodes, inputs, outputs and constants."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node


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
