"""A step of causal convolutions and a GRU, written by hand for ONNX Runtime with explicit states; how to run it.

The network is that of convolutions.py.
"""

from itertools import cycle

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper


class Written:
    """A graph while it is being written: each method adds something and returns its name."""

    def __init__(self):
        self.nodes, self.weights, self.ins, self.outs = [], [], [], []

    def array(self, name, values, dtype=np.float32):
        """A constant."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def state(self, name, *shape):
        """A state, as the names of its input and its output."""
        self.ins.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        self.outs.append(helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, shape))
        return name, f"{name}_out"

    def node(self, kind, inputs, *outputs, **attributes):
        """An operation, as the name of its last output."""
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[-1]

    def conv(self, x, i, conv, norm):
        """Conv of the past frames and the new one, with the norm folded in, and Relu."""
        past_frames, (frames, bands) = conv.kernel_size[0] - 1, conv.arriving
        past, later = self.state(f"past{i}", 1, conv.in_channels, past_frames, bands)
        seen = self.node("Concat", [past, x], f"frames{i}", axis=2)
        ends = {"from": frames, "to": frames + past_frames, "axis": 2}
        self.node("Slice", [seen, *(self.array(f"{end}{i}", [at], np.int64) for end, at in ends.items())], later)
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        w = self.array(f"w{i}", conv.weight * gain[:, None, None, None])
        b = self.array(f"b{i}", norm.bias - norm.running_mean * gain)
        pads = (0, conv.padding[1], 0, conv.padding[1])
        y = self.node("Conv", [seen, w, b], f"conv{i}", kernel_shape=conv.kernel_size, strides=conv.stride, pads=pads)
        return self.node("Relu", [y], f"relu{i}")

    def gru(self, x, rnn):
        """GRU with its state, which is also its answer."""
        units = rnn.hidden_size
        h, later = self.state("h", 1, 1, units)
        flat = self.node("Reshape", [x, self.array("flat", [1, 1, rnn.input_size], np.int64)], "row")
        gates = (rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0)
        w, u, b, c = (torch.cat([part[units : 2 * units], part[:units], part[2 * units :]]) for part in gates)
        arrays = self.array("W", w[None]), self.array("R", u[None]), self.array("B", torch.cat([b, c])[None])
        self.node("GRU", [flat, *arrays, "", h], "", later, hidden_size=units, linear_before_reset=1)
        return self.node("Reshape", [later, self.array("units", [1, units], np.int64)], "answer")


@torch.no_grad()
def by_hand(net):
    """The bytes of the streaming step as an ONNX graph."""
    written, value = Written(), "x"
    for i, (conv, norm) in enumerate(zip(net.convs, net.norms, strict=True)):
        value = written.conv(value, i, conv, norm)
    answer = written.gru(value, net.rnn)
    out = written.array("out_w", net.out.weight), written.array("out_b", net.out.bias)
    written.node("Gemm", [answer, *out], "y", transB=1)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, *net.convs[0].arriving))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, net.out.out_features))
    graph = helper.make_graph(written.nodes, "step", [x, *written.ins], [y, *written.outs], written.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def session_of(model):
    """A session of one thread, its nodes one after another."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def session_run(model):
    """`session.run` with dictionaries, as users write it."""
    session = session_of(model)
    shape, names = session.get_inputs()[0].shape, [node.name for node in session.get_inputs()]
    feed = {node.name: np.zeros(node.shape, np.float32) for node in session.get_inputs()}

    def step(frame):
        feed["x"] = frame.reshape(shape)
        y, *states = session.run(None, feed)
        feed.update(zip(names[1:], states, strict=True))
        return y[0]

    return step


def bound_call(model):
    """Inputs and outputs bound once; the states swap their places in each step."""
    session = session_of(model)
    (x, *befores), (y, *afters) = session.get_inputs(), session.get_outputs()
    frame_in, answer = np.zeros(x.shape, np.float32), np.zeros(y.shape, np.float32)
    pair = [[np.zeros(node.shape, np.float32) for node in befores] for _ in range(2)]

    def bound(before, after):
        binding = session.io_binding()
        for node, array in zip((x, *befores), (frame_in, *before), strict=True):
            binding.bind_input(node.name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for node, array in zip((y, *afters), (answer, *after), strict=True):
            binding.bind_output(node.name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return binding, before, after  # the binding holds no reference to the arrays

    turns = cycle((bound(*pair), bound(*pair[::-1])))

    def step(frame):
        frame_in.ravel()[:] = frame
        session.run_with_iobinding(next(turns)[0])
        return answer[0]

    return step
