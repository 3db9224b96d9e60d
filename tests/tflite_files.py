"""TFLite files for tests, by the object API of the schema."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn_export.targets.tflite.flat import Flat

TANH = schema.ActivationFunctionType.TANH


def w(*shape):
    return np.random.default_rng(sum(shape)).uniform(-0.6, 0.6, shape).astype(np.float32)


def options(kind, **values):
    made = getattr(schema, f"{kind}OptionsT")()
    for name, value in values.items():
        assert hasattr(made, name), name
        setattr(made, name, value)
    return made


class Build:
    """A file under construction; each method returns the index of a tensor."""

    def __init__(self):
        self.flat, self.count = Flat(), 0

    def input(self, *shape, name="x", dtype="float32", open_axes=()):
        index = self.flat.tensor(name, shape, dtype)
        if open_axes:
            self.flat._tensors[index].shapeSignature = [-1 if i in open_axes else n for i, n in enumerate(shape)]
        return index

    def variable(self, *shape, name):
        index = self.flat.tensor(name, shape)
        self.flat._tensors[index].isVariable = True
        return index

    def const(self, data, scale=None):
        self.count += 1
        data = np.asarray(data)
        data = data.astype(np.int32) if data.dtype == np.int64 else data
        return self.flat.constant(f"constant{self.count}", data, scale)

    def op(self, kind, ins, shape, opts=None, name="", version=1, dtype="float32"):
        """An operator with one result; with a list of shapes, with several."""
        several = isinstance(shape, list)
        outs = []
        for each in shape if several else [shape]:
            self.count += 1
            outs.append(self.flat.tensor(name or f"t{self.count}", each, dtype))
        self.flat.operator(kind, ins, outs, opts, version)
        return outs if several else outs[0]

    def data(self, inputs=("x",), outputs=("y",)):
        return self.flat.finish(inputs, outputs, {})


def lstm(
    time=1,
    inputs=3,
    hidden=4,
    kind="UNIDIRECTIONAL_SEQUENCE_LSTM",
    peephole=False,
    coupled=False,
    projected=0,
    clip=0.0,
    time_first=False,
    open_time=False,
    scale=None,
):
    b = Build()

    def weights(array):
        if scale is None:
            return b.const(array)
        return b.const(np.clip(np.round(array / scale), -127, 127).astype(np.int8), np.array([scale], np.float32))

    shape = (1, inputs) if kind == "LSTM" else (time, 1, inputs) if time_first else (1, time, inputs)
    x = b.input(*shape, open_axes=(1,) if open_time else ())
    outputs = projected or hidden
    first = [-1] if coupled else [weights(w(hidden, inputs))]
    ws = [*first, *(weights(w(hidden, inputs) * (i + 2) / 3) for i in range(3))]
    us = [
        *([-1] if coupled else [weights(-w(hidden, outputs))]),
        *(weights(w(hidden, outputs) * (3 - i) / 2) for i in range(3)),
    ]
    ps = [-1 if not peephole or (coupled and i == 0) else b.const(w(hidden) * (i + 1)) for i in range(3)]
    bs = [*([-1] if coupled else [b.const(w(hidden))]), *(b.const(w(hidden) + i) for i in range(3))]
    proj = [b.const(w(projected, hidden)), -1] if projected else [-1, -1]
    states = [b.variable(1, outputs, name="h"), b.variable(1, hidden, name="c")]
    opts = {"fusedActivationFunction": TANH, "cellClip": clip}
    opts = (
        options("LSTM", **opts)
        if kind == "LSTM"
        else options("UnidirectionalSequenceLSTM", **opts, timeMajor=time_first)
    )
    ins = [x, *ws, *us, *ps, *bs, *proj, *states, *([-1] * 4)]
    y = b.op(kind, ins, (*shape[:-1], outputs), opts)
    b.op(
        "FULLY_CONNECTED",
        [y, b.const(w(2, outputs)), b.const(w(2))],
        (*shape[:-1], 2),
        options("FullyConnected", keepNumDims=True),
        "y",
    )
    return b.data()


def rnn(time=1, kind="UNIDIRECTIONAL_SEQUENCE_RNN", activation=TANH):
    b = Build()
    shape = (1, 3) if kind == "RNN" else (1, time, 3)
    x, h = b.input(*shape), b.variable(1, 4, name="h")
    opts = options("RNN" if kind == "RNN" else "SequenceRNN", fusedActivationFunction=activation)
    b.op(kind, [x, b.const(w(4, 3)), b.const(w(4, 4)), b.const(w(4)), h], (*shape[:-1], 4), opts, "y")
    return b.data()


def svdf(rank=2, units=3, memory=5, bias=True):
    b = Build()
    x, state = b.input(1, 4), b.variable(1, rank * units * memory, name="activations")
    ins = [x, b.const(w(rank * units, 4)), b.const(w(rank * units, memory)), b.const(w(units)) if bias else -1, state]
    opts = options("SVDF", rank=rank, fusedActivationFunction=schema.ActivationFunctionType.RELU)
    y = b.op("SVDF", ins, (1, units), opts)
    b.op("FULLY_CONNECTED", [y, b.const(w(2, units)), b.const(w(2))], (1, 2), options("FullyConnected"), "y")
    return b.data()


def gru_step(b, x, h, hidden=4, inputs=3, half=False, scale=None):
    """A GRU in torch's form, decomposed; its result is the next state."""

    def weight(*shape, by=1.0):
        if scale is not None:
            integers = np.clip(np.round(w(*shape) * by / scale), -127, 127).astype(np.int8)
            return b.const(integers, np.full(shape[0], scale, np.float32))
        if half:
            return b.op("DEQUANTIZE", [b.const((w(*shape) * by).astype(np.float16))], shape, options("Dequantize"))
        return b.const(w(*shape) * np.float32(by))

    fully = options("FullyConnected")
    version = 12 if scale is not None else 1
    a = b.op(
        "FULLY_CONNECTED",
        [x, weight(3 * hidden, inputs), b.const(w(3 * hidden))],
        (1, 3 * hidden),
        fully,
        version=version,
    )
    u = b.op(
        "FULLY_CONNECTED",
        [h, weight(3 * hidden, hidden, by=2), b.const(-w(3 * hidden))],
        (1, 3 * hidden),
        fully,
        version=version,
    )
    one = (1, hidden)
    axis = b.const(np.array(1, np.int32))
    ar, az, an = b.op("SPLIT", [axis, a], [one] * 3, options("Split", numSplits=3))
    ur, uz, un = b.op("SPLIT", [axis, u], [one] * 3, options("Split", numSplits=3))
    r = b.op("LOGISTIC", [b.op("ADD", [ar, ur], one, options("Add"))], one)
    z = b.op("LOGISTIC", [b.op("ADD", [az, uz], one, options("Add"))], one)
    n = b.op("TANH", [b.op("ADD", [an, b.op("MUL", [r, un], one, options("Mul"))], one, options("Add"))], one)
    back = b.op("MUL", [z, b.op("SUB", [h, n], one, options("Sub"))], one, options("Mul"))
    return b.op("ADD", [n, back], one, options("Add"), "h_out")


def stepwise(**kinds):
    """A decomposed step whose state is an input and an output."""
    b = Build()
    x, h = b.input(1, 3), b.input(1, 4, name="h_in")
    new = gru_step(b, x, h, **kinds)
    b.op("FULLY_CONNECTED", [new, b.const(w(2, 4)), b.const(w(2))], (1, 2), options("FullyConnected"), "y")
    return b.data(("x", "h_in"), ("y", "h_out"))


def packed():
    """One frame of a denoiser: two decomposed states side by side in one tensor (1, 2, 4, 2)."""
    b = Build()
    x, state = b.input(1, 1, 3, name="input_2"), b.input(1, 2, 4, 2, name="input_3")
    frame = b.op("RESHAPE", [x, b.const(np.array([1, 3], np.int32))], (1, 3), options("Reshape"))
    parts = []
    for i in range(2):
        places = [b.const(np.array(each, np.int32)) for each in ([0, i, 0, 0], [1, i + 1, 4, 1], [1, 1, 1, 1])]
        cut = options("StridedSlice", shrinkAxisMask=0b1010, beginMask=0b101, endMask=0b101)
        h = b.op("STRIDED_SLICE", [state, *places], (1, 4), cut)
        frame = b.op(
            "TANH",
            [b.op("FULLY_CONNECTED", [frame, b.const(w(4, 3 + i)), b.const(w(4))], (1, 4), options("FullyConnected"))],
            (1, 4),
        )
        frame = b.op(
            "ADD",
            [frame, b.op("MUL", [h, b.const(np.full((1, 4), 0.5, np.float32))], (1, 4), options("Mul"))],
            (1, 4),
            options("Add"),
        )
        parts.append(frame)
    both = b.op("PACK", parts, (1, 2, 4), options("Pack", axis=1, valuesCount=2))
    b.op(
        "PACK",
        [both, b.op("NEG", [both], (1, 2, 4))],
        (1, 2, 4, 2),
        options("Pack", axis=3, valuesCount=2),
        "Identity_1",
    )
    out = b.op("RESHAPE", [frame, b.const(np.array([1, 1, 4], np.int32))], (1, 1, 4), options("Reshape"))
    b.op("L2_NORMALIZATION", [out], (1, 1, 4), options("L2Norm"), "Identity")
    return b.data(("input_2", "input_3"), ("Identity", "Identity_1"))


def upsampled():
    """A frame of positions, twice as many by a transposed convolution, with a summand that is the same in every step."""
    b = Build()
    x, gain = b.input(1, 4), b.input(1, 1, name="gain")
    image = b.op("RESHAPE", [x, b.const(np.array([1, 1, 4, 1], np.int32))], (1, 1, 4, 1), options("Reshape"))
    opts = options("TransposeConv", padding=schema.Padding.SAME, strideH=1, strideW=2)
    y = b.op(
        "TRANSPOSE_CONV", [b.const(np.array([1, 1, 8, 2], np.int32)), b.const(w(2, 1, 3, 1)), image], (1, 1, 8, 2), opts
    )
    y = b.op("RESHAPE", [y, b.const(np.array([1, 16], np.int32))], (1, 16), options("Reshape"))
    b.op("MUL", [y, gain], (1, 16), options("Mul"), "y")
    return b.data(("x", "gain"))


def resources(initial=True):
    """A decomposed step whose state is a resource variable, set once by another subgraph."""
    b = Build()
    x = b.input(1, 3)
    if initial:
        b.flat.operator("CALL_ONCE", [], [], options("CallOnce", initSubgraphIndex=1))
    handle = b.op("VAR_HANDLE", [], (), options("VarHandle", sharedName=b"state"))
    b.flat._tensors[handle].type = schema.TensorType.RESOURCE
    h = b.op("READ_VARIABLE", [handle], (1, 4), options("ReadVariable"))
    new = gru_step(b, x, h)
    b.flat.operator("ASSIGN_VARIABLE", [handle, new], [], options("AssignVariable"))
    b.op("FULLY_CONNECTED", [new, b.const(w(2, 4)), b.const(w(2))], (1, 2), options("FullyConnected"), "y")
    data = b.data()
    return with_initial(data, w(1, 4)) if initial else data


def with_initial(data, value):
    """The model with a subgraph that sets variable "state"."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = schema.SubGraphT()
    graph.name = b"initial"
    handle, constant = schema.TensorT(), schema.TensorT()
    handle.name, handle.type, handle.shape, handle.buffer = b"handle", schema.TensorType.RESOURCE, [], 0
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(value.tobytes(), np.uint8)
    model.buffers.append(buffer)
    constant.name, constant.shape, constant.buffer = b"value", list(value.shape), len(model.buffers) - 1
    graph.tensors, graph.inputs, graph.outputs = [handle, constant], [], []
    codes = {code.builtinCode: i for i, code in enumerate(model.operatorCodes)}
    graph.operators = []
    for code, ins, outs, opts in (
        (schema.BuiltinOperator.VAR_HANDLE, [], [0], options("VarHandle", sharedName=b"state")),
        (schema.BuiltinOperator.ASSIGN_VARIABLE, [0, 1], [], options("AssignVariable")),
    ):
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs, operator.builtinOptions = codes[code], ins, outs, opts
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(opts).__name__.removesuffix("T"))
        graph.operators.append(operator)
    model.subgraphs.append(graph)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def convolutions(time=12):
    """Causal over time, and over time x frequency, with pooling and reshapes; (batch, time, features)."""
    b = Build()
    x = b.input(1, time, 8)
    image = b.op("EXPAND_DIMS", [x, b.const(np.array(-1, np.int32))], (1, time, 8, 1), options("ExpandDims"))
    padded = b.op(
        "PAD",
        [image, b.const(np.array([[0, 0], [2, 0], [0, 0], [0, 0]], np.int32))],
        (1, time + 2, 8, 1),
        options("Pad"),
    )
    kind = {"padding": schema.Padding.VALID, "strideH": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    relu = schema.ActivationFunctionType.RELU
    conv = options("Conv2D", **kind, strideW=1, fusedActivationFunction=relu)
    y = b.op("CONV_2D", [padded, b.const(w(4, 3, 3, 1)), b.const(w(4))], (1, time, 6, 4), conv)
    pool = options("Pool2D", padding=schema.Padding.VALID, strideH=1, strideW=2, filterHeight=1, filterWidth=2)
    y = b.op("MAX_POOL_2D", [y], (1, time, 3, 4), pool)
    depth = options(
        "DepthwiseConv2D",
        padding=schema.Padding.SAME,
        strideH=1,
        strideW=1,
        depthMultiplier=1,
        dilationHFactor=1,
        dilationWFactor=1,
    )
    y = b.op("DEPTHWISE_CONV_2D", [y, b.const(w(1, 1, 3, 4)), b.const(w(4))], (1, time, 3, 4), depth)
    y = b.op("RESHAPE", [y, b.const(np.array([1, time, 12], np.int32))], (1, time, 12), options("Reshape"))
    b.op(
        "FULLY_CONNECTED",
        [y, b.const(w(2, 12)), b.const(w(2))],
        (1, time, 2),
        options("FullyConnected", keepNumDims=True),
        "y",
    )
    return b.data()


def embedded():
    """A row of a table for each index, then a step with a state."""
    b = Build()
    x, h = b.input(1, dtype="int32"), b.input(1, 4, name="h_in")
    row = b.op("GATHER", [b.const(w(7, 3)), x], (1, 3), options("Gather"))
    new = gru_step(b, row, h)
    b.op("SOFTMAX", [new], (1, 4), options("Softmax", beta=1.0), "y")
    return b.data(("x", "h_in"), ("y", "h_out"))


def constants(data):
    """The constants of a file by name."""
    from edgernn_export.sources.tflite.own import contents

    return {name: array for name, array in contents(data)[1].items() if not name.endswith("scale")}


def fused(activation, version=1):
    b = Build()
    x = b.input(1, 3)
    b.op("ADD", [x, x], (1, 3), options("Add", fusedActivationFunction=activation), "y", version)
    return b.data()


def constant_output():
    b = Build()
    b.input(1, 3)
    b.op("TANH", [b.const(w(1, 3))], (1, 3), name="y")
    return b.data()


def joined():
    b = Build()
    x = b.input(1, 3)
    opts = options("Concatenation", axis=1, fusedActivationFunction=TANH)
    b.op("CONCATENATION", [x, b.const(w(1, 2))], (1, 5), opts, "y")
    return b.data()


def many(count):
    b = Build()
    b.input(1, 3)
    for _ in range(count):
        b.flat.operator("TANH", [0], [0])
    return b.data(("x",), ("x",))


SHAPE = (1, 4, 6, 2)


def operators():
    """One of each operator without states, as outputs of one file; the input is (1, 4, 6, 2)."""
    b, outs = Build(), []

    def out(kind, ins, result, opts=None, version=1):
        outs.append(f"{kind.lower()}_{len(outs)}")
        return b.op(kind, ins, result, opts, outs[-1], version)

    x, other = b.input(*SHAPE), b.const(w(*SHAPE))
    for add in (pointwise, arrangements, products):
        add(b, x, other, out)
    return b.data(("x",), outs)


def ints(b, *numbers):
    return b.const(np.array(numbers, np.int32))


def pointwise(b, x, other, out):
    shape = SHAPE
    size = b.op("ADD", [b.op("ABS", [x], shape), b.const(np.float32([0.1]))], shape, options("Add"))
    for kind in ("LOG", "SQRT", "RSQRT"):
        out(kind, [size], shape)
    out("POW", [size, b.const(np.float32([1.5]))], shape, options("Pow"))
    plain = (
        "NEG",
        "EXP",
        "SQUARE",
        "LOGISTIC",
        "TANH",
        "RELU",
        "RELU6",
        "RELU_N1_TO_1",
        "RELU_0_TO_1",
        "ELU",
        "HARD_SWISH",
        "LOG_SOFTMAX",
    )
    for kind in plain:
        out(kind, [x], shape)
    for approximate in (False, True):
        out("GELU", [x], shape, options("Gelu", approximate=approximate))
    out("LEAKY_RELU", [x], shape, options("LeakyRelu", alpha=0.2))
    out("PRELU", [x, b.const(w(1, 1, 2))], shape)
    out("SOFTMAX", [x], shape, options("Softmax", beta=0.5))
    out("L2_NORMALIZATION", [x], shape, options("L2Norm"))
    kinds = schema.ActivationFunctionType
    for kind, name, activation in (
        ("ADD", "Add", kinds.RELU),
        ("SUB", "Sub", kinds.RELU6),
        ("MUL", "Mul", kinds.RELU_N1_TO_1),
        ("DIV", "Div", kinds.NONE),
    ):
        out(kind, [x, size], shape, options(name, fusedActivationFunction=activation))
    for kind in ("MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"):
        out(kind, [x, other], shape)


def arrangements(b, x, other, out):
    shape = SHAPE

    out("TRANSPOSE", [x, ints(b, 0, 2, 3, 1)], (1, 6, 2, 4), options("Transpose"))
    out("EXPAND_DIMS", [x, ints(b, 1)], (1, 1, 4, 6, 2), options("ExpandDims"))
    out("SQUEEZE", [x], (4, 6, 2), options("Squeeze", squeezeDims=[0]))
    out("RESHAPE", [x, ints(b, 1, -1, 3)], (1, 16, 3), options("Reshape"))
    for k, part in enumerate(b.op("SPLIT", [ints(b, 2), x], [(1, 4, 3, 2)] * 2, options("Split", numSplits=2))):
        out("MUL", [part, b.const(np.float32([k + 2]))], (1, 4, 3, 2), options("Mul"))
    for part, n in zip(
        b.op("SPLIT_V", [x, ints(b, 1, 5), ints(b, 2)], [(1, 4, 1, 2), (1, 4, 5, 2)], options("SplitV", numSplits=2)),
        (1, 5),
        strict=True,
    ):
        out("NEG", [part], (1, 4, n, 2))
    out("SLICE", [x, ints(b, 0, 1, 2, 0), ints(b, 1, 3, -1, 1)], (1, 3, 4, 1), options("Slice"))
    cut = options("StridedSlice", beginMask=1, endMask=5, shrinkAxisMask=8)
    out("STRIDED_SLICE", [x, ints(b, 9, 1, 1, 1), ints(b, 9, 3, 9, 2), ints(b, 1, 1, 2, 1)], (1, 2, 3), cut)
    out("GATHER", [x, ints(b, 2, 0, 2)], (1, 4, 3, 2), options("Gather", axis=2))
    out("CONCATENATION", [x, other], (1, 4, 6, 4), options("Concatenation", axis=-1))
    out("PACK", [x, other], (1, 2, 4, 6, 2), options("Pack", axis=1, valuesCount=2))
    for part in b.op("UNPACK", [x], [(1, 4, 6)] * 2, options("Unpack", axis=3, num=2)):
        out("NEG", [part], (1, 4, 6))
    pads = b.const(np.array([[0, 0], [1, 0], [0, 2], [1, 1]], np.int32))
    out("PAD", [x, pads], (1, 5, 8, 4), options("Pad"))
    out("PADV2", [x, pads, b.const(np.float32(0.5))], (1, 5, 8, 4), options("PadV2"))
    out("TILE", [x, ints(b, 1, 1, 2, 1)], (1, 4, 12, 2), options("Tile"))
    out("REVERSE_V2", [x, ints(b, 2)], shape)
    for kind in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"):
        out(kind, [x, ints(b, 1, 2)], (1, 2), options("Reducer"))
    out("MEAN", [x, ints(b, -1)], (1, 4, 6, 1), options("Reducer", keepDims=True))


def products(b, x, other, out):
    same = {"padding": schema.Padding.SAME, "strideH": 2, "strideW": 1}
    out(
        "CONV_2D",
        [x, b.const(w(3, 3, 2, 2)), b.const(w(3))],
        (1, 2, 6, 3),
        options("Conv2D", **same, dilationHFactor=1, dilationWFactor=1),
    )
    wide = {"padding": schema.Padding.VALID, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 2}
    out("CONV_2D", [x, b.const(w(3, 2, 3, 2)), b.const(w(3))], (1, 3, 2, 3), options("Conv2D", **wide))
    deep = options("DepthwiseConv2D", **same, depthMultiplier=2, dilationHFactor=1, dilationWFactor=1)
    out("DEPTHWISE_CONV_2D", [x, b.const(w(1, 3, 2, 4)), b.const(w(4))], (1, 2, 6, 4), deep)
    for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        pool = options("Pool2D", padding=schema.Padding.VALID, strideH=2, strideW=1, filterHeight=2, filterWidth=3)
        out(kind, [x], (1, 2, 4, 2), pool)
    out("MAX_POOL_2D", [x], (1, 2, 6, 2), options("Pool2D", **same, filterHeight=3, filterWidth=2))
    out("BATCH_MATMUL", [x, other], (1, 4, 6, 6), options("BatchMatMul", adjX=False, adjY=True))
    up = options("TransposeConv", padding=schema.Padding.VALID, strideH=1, strideW=2)
    out("TRANSPOSE_CONV", [ints(b, 1, 4, 13, 3), b.const(w(3, 1, 3, 2)), x], (1, 4, 13, 3), up)


def keyword(time=10, inputs=3, hidden=4):
    """Two layers as Keras' converter writes them, with its bound of 10; the last step, and a class for each word."""
    b = Build()
    y, width = b.input(1, time, inputs), inputs
    for i in range(2):
        ws = [b.const(w(hidden, width) * (k + 1) / 2) for k in range(4)]
        us = [b.const(w(hidden, hidden) * (2 - k) / 2) for k in range(4)]
        bs = [b.const(w(hidden) + k) for k in range(4)]
        states = [b.variable(1, hidden, name=f"h{i}"), b.variable(1, hidden, name=f"c{i}")]
        opts = options("UnidirectionalSequenceLSTM", fusedActivationFunction=TANH, cellClip=10.0, timeMajor=False)
        ins = [y, *ws, *us, -1, -1, -1, *bs, -1, -1, *states, *([-1] * 4)]
        y, width = b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", ins, (1, time, hidden), opts), hidden
    places = [ints(b, 0, -1, 0), ints(b, 0, 0, 0), ints(b, 1, 1, 1)]
    last = b.op(
        "STRIDED_SLICE", [y, *places], (1, hidden), options("StridedSlice", beginMask=5, endMask=7, shrinkAxisMask=2)
    )
    y = b.op("FULLY_CONNECTED", [last, b.const(w(3, hidden)), b.const(w(3))], (1, 3), options("FullyConnected"))
    b.op("SOFTMAX", [y], (1, 3), options("Softmax", beta=1.0), "y")
    return b.data()
