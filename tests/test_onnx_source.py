"""ONNX files of the shapes that people have: sequences, single steps, loops over time, conditions, and damaged files."""

import time

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper

from edgernn.errors import EdgernnError, FileError, ParityError, UnsupportedError, UsageError
from edgernn.files import temporary
from edgernn.interpreters.numpy import Stepper
from edgernn_export import from_file
from edgernn_export.sources.foreign.convert import replay
from edgernn_export.sources.foreign.feedback import fed_back, stem_of
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.onnx import limits, loading
from edgernn_export.sources.onnx.read import read
from onnx_files import (
    BOOL,
    FRAME,
    HIDDEN,
    INT,
    body,
    constant,
    ints,
    lstm,
    node,
    saved,
    stepwise,
    tanh_step,
    value,
    weights,
)

STEPS = 11


def session(path):
    """Without optimizations, which round the inputs of products with integer weights."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def streamed(graph, xs):
    return Stepper(graph).run(np.asarray(xs, np.float64).reshape(len(xs), -1))[0]


def called(path, xs, shape, states, **more):
    """The first output of a single-step file for each frame; states are input -> output, and begin with zeros."""
    run, ys = session(path), []
    shapes = {each.name: each.shape for each in run.get_inputs()}
    held = {name: np.zeros(shapes[name], np.float32) for name in states}
    names = [each.name for each in run.get_outputs()]
    for x in xs:
        results = dict(zip(names, run.run(None, {"x": x.reshape(shape), **held, **more}), strict=True))
        ys.append(results[names[0]].ravel())
        held = {name: results[output] for name, output in states.items()}
    return np.stack(ys)


def frames(count=STEPS, width=FRAME):
    return np.random.default_rng(7).standard_normal((count, width)).astype(np.float32)


@pytest.mark.parametrize("loop", [False, True], ids=["Scan", "Loop"])
def test_a_loop_over_time_streams(loop, tmp_path):
    path = tanh_step(tmp_path / "m.onnx", loop=loop)
    graph = from_file(path)
    xs = frames()
    np.testing.assert_allclose(streamed(graph, xs), session(path).run(None, {"x": xs[None]})[0][0], atol=1e-6)
    assert graph.inputs == FRAME


def test_what_needs_other_frames_beside_a_loop_is_caught(tmp_path):
    """A convolution over time before the loop has no other frames where it is read as one frame."""
    path = tanh_step(tmp_path / "m.onnx", loop=False)
    model = onnx.load(path)
    for each in model.graph.node:
        each.input[:] = ["smooth" if name == "x" else name for name in each.input]
    moves = [node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), node("Conv", ["t", "k"], ["s"], pads=[1, 1], group=FRAME)]
    moves.append(node("Transpose", ["s"], ["smooth"], perm=[0, 2, 1]))
    nodes = [*moves, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.append(constant("k", weights(4)(FRAME, 1, 3)))
    onnx.save(model, path)
    with pytest.raises(ParityError, match="needs others besides the states of its loops"):
        from_file(path)


def wide(p):
    return body([node("Unsqueeze", ["x", f"{p}1"], [f"{p}wide"])], [], [value(f"{p}wide", None)])


def same(p):
    return body([node("Identity", ["x"], [f"{p}same"])], [], [value(f"{p}same", None)])


def detector(path):
    """As a voice-activity detector: a packed state, for each of two rates a branch, and conditions in it."""
    branches = {}
    for rate, window in ((16000, 8), (8000, 4)):
        draw, p = weights(rate), f"r{rate}_"
        arrays = {f"{p}basis": draw(6, 1, window), f"{p}conv": draw(HIDDEN, 3, 3), **lstm(p, draw, HIDDEN, HIDDEN)}
        arrays |= {f"{p}head": draw(HIDDEN, 1), f"{p}pads": ints(0, 0, 0, 0, 0, 2)}
        arrays |= {f"{p}two": np.int64(2)} | {
            f"{p}{name}": ints(number) for name, number in (("0", 0), ("1", 1), ("2", 2), ("3", 3), ("6", 6))
        }
        nodes = [
            node("Shape", ["x"], [f"{p}shape"]),
            node("Size", [f"{p}shape"], [f"{p}rank"]),
            node("Equal", [f"{p}rank", f"{p}two"], [f"{p}flat"]),
            node("If", [f"{p}flat"], [f"{p}u"], then_branch=wide(p), else_branch=same(p)),
            node("Pad", [f"{p}u", f"{p}pads"], [f"{p}padded"], mode="reflect"),
            node("Conv", [f"{p}padded", f"{p}basis"], [f"{p}stft"], strides=[window // 2], name=f"{p}stft"),
            node("Slice", [f"{p}stft", f"{p}0", f"{p}3", f"{p}1"], [f"{p}re"]),
            node("Slice", [f"{p}stft", f"{p}3", f"{p}6", f"{p}1"], [f"{p}im"]),
            node("Mul", [f"{p}re", f"{p}re"], [f"{p}re2"]),
            node("Mul", [f"{p}im", f"{p}im"], [f"{p}im2"]),
            node("Add", [f"{p}re2", f"{p}im2"], [f"{p}power"]),
            node("Conv", [f"{p}power", f"{p}conv"], [f"{p}c"], pads=[1, 1], strides=[4], name=f"{p}conv"),
            node("Relu", [f"{p}c"], [f"{p}r"]),
            node("ReduceMean", [f"{p}r"], [f"{p}f"], axes=[2], keepdims=0),
            node("Unsqueeze", [f"{p}f", f"{p}0"], [f"{p}fx"]),
            node("Slice", ["state", f"{p}0", f"{p}1", f"{p}0"], [f"{p}h"]),
            node("Slice", ["state", f"{p}1", f"{p}2", f"{p}0"], [f"{p}cell"]),
            node(
                "LSTM", [f"{p}fx", f"{p}W", f"{p}R", f"{p}B", "", f"{p}h", f"{p}cell"], ["", f"{p}hn", f"{p}cn"],
                hidden_size=HIDDEN, name=f"{p}lstm",
            ),
            node("Concat", [f"{p}hn", f"{p}cn"], [f"{p}state"], axis=0),
            node("Squeeze", [f"{p}hn", f"{p}0"], [f"{p}hs"]),
            node("MatMul", [f"{p}hs", f"{p}head"], [f"{p}score"]),
            node("Sigmoid", [f"{p}score"], [f"{p}out"]),
        ]  # fmt: skip
        branches[rate] = body(nodes, [], [value(f"{p}out", [1, 1]), value(f"{p}state", [2, 1, HIDDEN])], arrays)
    decide = [node("Equal", ["sr", "r16"], ["fast"])]
    outer = node("If", ["fast"], ["y", "stateN"], name="If_0", then_branch=branches[16000], else_branch=branches[8000])
    inputs = [value("x", [None, None]), value("state", [2, None, HIDDEN]), value("sr", [], INT)]
    outputs = [value("y", [None, 1]), value("stateN", [2, None, HIDDEN])]
    return saved(path, [*decide, outer], inputs, outputs, {"r16": np.int64(16000)})


@pytest.mark.parametrize(("rate", "samples"), [(16000, 32), (8000, 16)])
def test_a_condition_on_a_rate_is_decided_by_a_constant(rate, samples, tmp_path):
    path = detector(tmp_path / "m.onnx")
    graph = from_file(path, constants={"sr": rate}, shapes={"x": (1, samples)})
    run, state, xs = session(path), np.zeros((2, 1, HIDDEN), np.float32), frames(width=samples)
    expected = []
    for x in xs:
        y, state = run.run(None, {"x": x[None], "state": state, "sr": np.array(rate)})
        expected.append(y[0])
    np.testing.assert_allclose(streamed(graph, xs), expected, atol=1e-6)


def test_a_condition_on_data_is_refused(tmp_path):
    with pytest.raises(UnsupportedError, match=r"node 'If_0' \(If\): its condition depends on data.*constants="):
        from_file(detector(tmp_path / "m.onnx"), shapes={"x": (1, 32)})


def packed(path):
    """As a denoiser: two LSTM steps of single operators, whose states are slices of one tensor (1, 2, hidden, 2)."""
    draw, nodes, outs = weights(), [node("Squeeze", ["x", "one"], ["in0"])], []
    arrays = {"zero": ints(0), "one": ints(1), "two": ints(2), "head": draw(HIDDEN, FRAME)}
    for k, width in enumerate((FRAME, HIDDEN)):
        arrays |= {f"W{k}": draw(width, 4 * HIDDEN), f"U{k}": draw(HIDDEN, 4 * HIDDEN), f"b{k}": draw(4 * HIDDEN)}
        arrays |= {f"at{k}": ints(k), f"to{k}": ints(k + 1)}
        nodes += [
            node("Slice", ["input_3", f"at{k}", f"to{k}", "one"], [f"s4{k}"]),
            node("Squeeze", [f"s4{k}", "one"], [f"s{k}"]),
            node("Slice", [f"s{k}", "zero", "one", "two"], [f"h3{k}"]),
            node("Slice", [f"s{k}", "one", "two", "two"], [f"c3{k}"]),
            node("Squeeze", [f"h3{k}", "two"], [f"h{k}"]),
            node("Squeeze", [f"c3{k}", "two"], [f"c{k}"]),
            node("Gemm", [f"in{k}", f"W{k}", f"b{k}"], [f"gx{k}"]),
            node("MatMul", [f"h{k}", f"U{k}"], [f"gh{k}"]),
            node("Add", [f"gx{k}", f"gh{k}"], [f"g{k}"]),
            node("Split", [f"g{k}"], [f"{gate}{k}" for gate in "ifgo"], axis=1),
            *(node("Sigmoid", [f"{gate}{k}"], [f"s{gate}{k}"]) for gate in "ifo"),
            node("Tanh", [f"g{k}_in" if False else f"g{k}"], [f"unused{k}"]),
        ]
        nodes.pop()
        nodes[-4] = node("Split", [f"g{k}"], [f"i{k}", f"f{k}", f"n{k}", f"o{k}"], axis=1)
        nodes += [
            node("Tanh", [f"n{k}"], [f"tn{k}"]),
            node("Mul", [f"sf{k}", f"c{k}"], [f"fc{k}"]),
            node("Mul", [f"si{k}", f"tn{k}"], [f"in_{k}"]),
            node("Add", [f"fc{k}", f"in_{k}"], [f"cn{k}"]),
            node("Tanh", [f"cn{k}"], [f"tc{k}"]),
            node("Mul", [f"so{k}", f"tc{k}"], [f"in{k + 1}"]),
            node("Unsqueeze", [f"in{k + 1}", "two"], [f"hu{k}"]),
            node("Unsqueeze", [f"cn{k}", "two"], [f"cu{k}"]),
            node("Concat", [f"hu{k}", f"cu{k}"], [f"pair{k}"], axis=2),
            node("Unsqueeze", [f"pair{k}", "one"], [f"pair4{k}"]),
        ]
        outs.append(f"pair4{k}")
    nodes += [node("Concat", outs, ["Identity_1"], axis=1), node("MatMul", ["in2", "head"], ["m"])]
    nodes += [node("Sigmoid", ["m"], ["ms"]), node("Unsqueeze", ["ms", "one"], ["Identity"])]
    shape = [1, 2, HIDDEN, 2]
    inputs, outputs = {"x": [1, 1, FRAME], "input_3": shape}, {"Identity": [1, 1, FRAME], "Identity_1": shape}
    return saved(path, nodes, inputs, outputs, arrays)


def test_a_packed_state_streams(tmp_path):
    path = packed(tmp_path / "m.onnx")
    graph, xs = from_file(path), frames()
    np.testing.assert_allclose(
        streamed(graph, xs), called(path, xs, (1, 1, FRAME), {"input_3": "Identity_1"}), atol=1e-6
    )


BANDS, CHANNELS = 9, 2


def caches(path):
    """As a denoiser with caches: a convolution over time x frequency, a GRU over frequency, and one over time."""
    draw = weights()
    arrays = {"k0": draw(CHANNELS, 2, 1, 3), "k1": draw(CHANNELS, 1, 3, 3), "slope": draw(CHANNELS, 1, 1)}
    arrays |= {"Wi": draw(2, 9, CHANNELS), "Ri": draw(2, 9, 3), "Bi": draw(2, 18), "Di": draw(6, CHANNELS)}
    arrays |= {"Wt": draw(1, 9, CHANNELS), "Rt": draw(1, 9, 3), "Bt": draw(1, 18), "Dt": draw(3, CHANNELS)}
    arrays |= {"scale": draw(5, CHANNELS), "shift": draw(5, CHANNELS), "k2": draw(CHANNELS, 2, 1, 3)}
    arrays |= {"zero": np.int64(0), "zeros": ints(0), "one": ints(1), "two": ints(2), "three": ints(3)}
    arrays |= {"parts": ints(1, 5, CHANNELS), "merged": ints(5, 1, 6), "spread": ints(1, 1, 5, CHANNELS)}
    nodes = [
        node("Transpose", ["x"], ["x0"], perm=[0, 3, 2, 1]),
        node("Conv", ["x0", "k0"], ["e0"], strides=[1, 2], pads=[0, 1, 0, 1], name="encoder"),
        node("PRelu", ["e0", "slope"], ["e1"]),
        node("Gather", ["conv_cache", "zero"], ["past"]),
        node("Concat", ["past", "e1"], ["window"], axis=2),
        node("Slice", ["window", "one", "three", "two"], ["kept"]),
        node("Unsqueeze", ["kept", "zeros"], ["conv_cache_out"]),
        node("Conv", ["window", "k1"], ["e2"], pads=[0, 1, 0, 1], group=CHANNELS, name="depthwise"),
        node("Transpose", ["e2"], ["e3"], perm=[0, 2, 3, 1]),
        node("Reshape", ["e3", "parts"], ["e4"]),
        node("Transpose", ["e4"], ["e5"], perm=[1, 0, 2]),
        node(
            "GRU", ["e5", "Wi", "Ri", "Bi"], ["intra"], hidden_size=3, direction="bidirectional", linear_before_reset=1,
            name="intra",
        ),
        node("Transpose", ["intra"], ["i0"], perm=[0, 2, 1, 3]),
        node("Reshape", ["i0", "merged"], ["i1"]),
        node("Transpose", ["i1"], ["i2"], perm=[1, 0, 2]),
        node("MatMul", ["i2", "Di"], ["i3"]),
        node("LayerNormalization", ["i3", "scale", "shift"], ["i4"], axis=-2),
        node("Add", ["e4", "i4"], ["r"]),
        node("Squeeze", ["inter_cache", "zeros"], ["before"]),
        node("GRU", ["r", "Wt", "Rt", "Bt", "", "before"], ["t", "after"], hidden_size=3, linear_before_reset=1, name="inter"),
        node("Unsqueeze", ["after", "zeros"], ["inter_cache_out"]),
        node("Squeeze", ["t", "one"], ["t0"]),
        node("MatMul", ["t0", "Dt"], ["t1"]),
        node("Add", ["t1", "r"], ["t2"]),
        node("Reshape", ["t2", "spread"], ["t3"]),
        node("Transpose", ["t3"], ["t4"], perm=[0, 3, 1, 2]),
        node("ConvTranspose", ["t4", "k2"], ["d"], strides=[1, 2], pads=[0, 1, 0, 1], name="decoder"),
        node("Tanh", ["d"], ["mask"]),
        node("Transpose", ["mask"], ["m"], perm=[0, 3, 2, 1]),
        node("Mul", ["m", "x"], ["y"]),
    ]  # fmt: skip
    states = {"conv_cache": [1, 1, CHANNELS, 2, 5], "inter_cache": [1, 1, 5, 3]}
    inputs = {"x": [1, BANDS, 1, 2], **states}
    outputs = {"y": [1, BANDS, 1, 2], **{f"{name}_out": shape for name, shape in states.items()}}
    return saved(path, nodes, inputs, outputs, arrays)


def test_caches_stream_beside_a_recurrence_over_frequency(tmp_path):
    path = caches(tmp_path / "m.onnx")
    graph, xs = from_file(path), frames(width=BANDS * 2)
    states = {name: f"{name}_out" for name in ("conv_cache", "inter_cache")}
    np.testing.assert_allclose(streamed(graph, xs), called(path, xs, (1, BANDS, 1, 2), states), atol=1e-5)


@pytest.mark.parametrize(
    "names", [("h0", "c0"), ("h_in", "c_in"), ("lstm.h", "lstm.c"), ("a", "b")], ids=lambda n: n[0]
)
def test_states_are_matched_by_name_or_by_order(names, tmp_path):
    """The outputs are in the other order where names tell which is which."""
    plain = names == ("a", "b")
    outputs = ("y", "s1", "s2") if plain else ("y", "hn", "cn")
    outputs = ("y", "lstm.h.out", "lstm.c.out") if names[0] == "lstm.h" else outputs
    path = stepwise(tmp_path / "m.onnx", outputs, names)
    if not plain:
        model = onnx.load(path)
        order = [model.graph.output[i] for i in (0, 2, 1)]
        del model.graph.output[:]
        model.graph.output.extend(order)
        onnx.save(model, path)
    xs = frames()
    expected = called(path, xs, (1, 1, FRAME), dict(zip(names, outputs[1:], strict=True)))
    np.testing.assert_allclose(streamed(from_file(path), xs), expected, atol=1e-6)


STEMS = [
    *(
        ("state", "stateN"),
        ("h0", "hn"),
        ("h_in", "h_out"),
        ("lstm.h.in", "lstm.h.out"),
        ("conv_cache", "conv_cache_out"),
    ),
    *(("prev_state", "new_state"), ("input_states_1", "output_states_1"), ("hidden_in", "hidden")),
]


@pytest.mark.parametrize(("one", "other"), STEMS)
def test_names_of_a_state_are_alike(one, other):
    assert any(stem_of(one, ends) == stem_of(other, ends) for ends in (False, True))


ROLES = [
    ({}, {"x": (1,), "h": (3,)}, {"y": (1,), "z": (2,)}, UnsupportedError, r"input 'h' \(3,\) is neither a frame nor a state"),
    ({}, {"x": (1,), "h": (3,)}, {"y": (1,), "a": (3,), "b": (3,)}, UnsupportedError, "state 'h' .* could be 'a' or 'b'"),
    ({"h": "q"}, {"x": (1,), "h": (3,)}, {"y": (1,)}, UsageError, "names output 'q'"),
    ({"q": "y"}, {"x": (1,), "h": (3,)}, {"y": (1,)}, UsageError, "names input 'q'"),
    ({"h": "y"}, {"x": (1,), "h": (3,)}, {"y": (1,)}, UsageError, "expected equal shapes"),
    ({"a": "y", "b": "y"}, {"x": (1,), "a": (1,), "b": (1,)}, {"y": (1,)}, UsageError, "'y' back twice"),
]  # fmt: skip


@pytest.mark.parametrize("case", ROLES, ids=range(len(ROLES)))
def test_what_is_no_state_is_refused(case):
    stated, inputs, outputs, error, message = case
    with pytest.raises(error, match=message):
        fed_back(inputs, outputs, dict.fromkeys(outputs, frozenset(inputs)), stated, ())


def test_an_option_names_the_output_of_a_state(tmp_path):
    extra = [node("Neg", ["hn"], ["other"])]
    path = stepwise(tmp_path / "m.onnx", ("y", "hn", "cn", "other"), ("a", "b"), extra)
    with pytest.raises(UnsupportedError, match=r"state 'a' .* could be .*--state"):
        from_file(path)
    xs = frames()
    expected = called(path, xs, (1, 1, FRAME), {"a": "other", "b": "cn"})
    graph = from_file(path, states={"a": "other", "b": "cn"}, outputs=("y",))
    np.testing.assert_allclose(streamed(graph, xs), expected, atol=1e-6)


OPTIONS = [
    ({"states": {"h1": "hn"}}, "names input 'h1', which the file lacks"),
    ({"inputs": ("z",)}, "has no input 'z'"),
    ({"outputs": ("z",)}, "has no output 'z'"),
    ({"constants": {"sr": 1}}, "has no input 'sr'"),
    ({"shapes": {"z": (1,)}}, "has no input 'z'"),
    ({"shapes": {"x": (1, 2)}}, r"expected whole numbers that fit \(1, 1, 5\)"),
]


@pytest.mark.parametrize(
    ("options", "message"), OPTIONS, ids=lambda each: next(iter(each)) if isinstance(each, dict) else ""
)
def test_a_wrong_option_is_named(options, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        from_file(stepwise(tmp_path / "m.onnx"), **options)


def test_a_state_that_changes_nothing_is_refused(tmp_path):
    extra = [
        node("Mul", ["h", "zero"], ["nothing"]),
        node("Add", ["nothing", "x"], ["y"]),
        node("Identity", ["h"], ["hn"]),
    ]
    shapes = {"x": [1, FRAME], "h": [1, FRAME]}
    saved(tmp_path / "m.onnx", extra, shapes, {"y": [1, FRAME], "hn": [1, FRAME]}, {"zero": np.float32(0)})
    with pytest.raises(UnsupportedError, match="state 'h'"):
        from_file(tmp_path / "m.onnx")


@pytest.mark.parametrize("layout", [["batch", "time", FRAME], [None, None, FRAME], ["N", "T", FRAME], [1, "L", FRAME]])
def test_open_sizes_are_a_batch_and_time(layout, tmp_path):
    arrays = {"W": weights(1)(1, 12, FRAME), "R": weights(2)(1, 12, HIDDEN)}
    nodes = [node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), node("GRU", ["t", "W", "R"], ["Y"], hidden_size=HIDDEN)]
    path = saved(tmp_path / "m.onnx", nodes, {"x": layout}, {"Y": [None, 1, None, HIDDEN]}, arrays)
    model = read(str(path), ImportOptions())
    replay(model)
    assert model.example[0].shape == (1, 16, FRAME)
    assert model.time_axis == 1


def test_time_may_be_the_first_open_size(tmp_path):
    arrays = {"W": weights(1)(1, 12, FRAME), "R": weights(2)(1, 12, HIDDEN)}
    nodes = [node("GRU", ["x", "W", "R"], ["Y"], hidden_size=HIDDEN)]
    path = saved(tmp_path / "m.onnx", nodes, {"x": [None, None, FRAME]}, {"Y": [None, 1, None, HIDDEN]}, arrays)
    assert read(str(path), ImportOptions()).time_axis == 0


def test_open_sizes_of_a_step_are_a_batch(tmp_path):
    """Of single operators that would broadcast; the state is known by its name."""
    draw = weights()
    nodes = [node("MatMul", ["x", "W"], ["a"]), node("MatMul", ["state", "U"], ["b"]), node("Add", ["a", "b"], ["c"])]
    nodes += [node("Tanh", ["c"], ["new_state"]), node("MatMul", ["new_state", "D"], ["y"])]
    inputs = {"x": [None, None, FRAME], "state": [1, None, HIDDEN]}
    outputs = {"y": [None, None, 2], "new_state": [1, None, HIDDEN]}
    arrays = {"W": draw(FRAME, HIDDEN), "U": draw(HIDDEN, HIDDEN), "D": draw(HIDDEN, 2)}
    model = read(str(saved(tmp_path / "m.onnx", nodes, inputs, outputs, arrays)), ImportOptions())
    assert [each.shape for each in model.example] == [(1, 1, FRAME), (1, 1, HIDDEN)]
    assert model.one_frame


def test_functions_of_the_file_are_inlined(tmp_path):
    opsets = [helper.make_opsetid("", 17)]
    twice = helper.make_function("own", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], opsets)
    nodes = [node("Twice", ["x"], ["d"], domain="own"), node("GRU", ["d", "W", "R"], ["Y"], hidden_size=HIDDEN)]
    arrays = {"W": weights(1)(1, 12, FRAME), "R": weights(2)(1, 12, HIDDEN)}
    path = saved(
        tmp_path / "m.onnx", nodes, {"x": ["time", 1, FRAME]}, {"Y": [None, 1, 1, HIDDEN]}, arrays, functions=[twice],
        domains=["own"],
    )  # fmt: skip
    replay(read(str(path), ImportOptions()))


def gate(x="x", y="y"):
    return node("Tanh", [x], [y], name="gate")


SMALL = {"x": [1, "time", 3]}
HUGE = np.array([1 << 20, 1 << 20], np.int64)


def deep(depth):
    """A graph with conditions inside one another."""
    leaf = inner = body([node("Identity", ["x"], ["d"])], [], [value("d", None)])
    for _ in range(depth):
        inner = body([node("If", ["yes"], ["d"], then_branch=inner, else_branch=leaf)], [], [value("d", None)])
    return [node("If", ["yes"], ["y"], then_branch=inner, else_branch=leaf)]


def grown(count):
    """Constants of 32 MB each."""
    nodes = [node("ConstantOfShape", ["n"], [f"c{i}"], name=f"f{i}") for i in range(count)]
    return [*nodes, node("Add", ["x", "c0"], ["y"])]


BAD = {
    "an unknown operator": ([node("Frobnicate", ["x"], ["y"], name="f")], {}, UnsupportedError, r"node 'f' \(Frobnicate\): the operator is not supported.*edgernn adopt"),
    "another domain": ([node("FusedGru", ["x"], ["y"], name="f", domain="com.acme")], {}, UnsupportedError, r"node 'f' \(FusedGru\): it is an operator of 'com.acme'.*edgernn adopt"),
    "a cycle": ([node("Add", ["x", "y"], ["a"], name="first"), gate("a")], {}, FileError, r"node 'first' \(Add\) reads 'y', which nothing computes before it"),
    "an absent output": ([gate("x", "z")], {}, FileError, "nothing computes output 'y'"),
    "an output without data": ([node("Identity", ["c"], ["y"])], {"c": np.float32(1)}, UnsupportedError, "no output .* depends on an input"),
    "a huge constant": ([node("ConstantOfShape", ["n"], ["c"], name="f"), node("Add", ["x", "c"], ["y"])], {"n": HUGE}, UnsupportedError, r"'f'.*1.1e\+12 elements"),
    "many large constants": (grown(20), {"n": ints(1 << 23)}, UnsupportedError, "'f2'.*take more than"),
    "a huge expansion": ([node("Expand", ["x", "n"], ["y"], name="f")], {"n": HUGE}, UnsupportedError, "'f'.*elements"),
    "a huge repetition": ([node("Tile", ["x", "n"], ["y"], name="f")], {"n": ints(1, 1 << 20, 1 << 20)}, UnsupportedError, "'f'.*elements"),
    "huge padding": ([node("Pad", ["x", "n"], ["y"], name="f")], {"n": ints(0, 0, 1 << 40, 0, 0, 0)}, UnsupportedError, "'f'.*elements"),
    "a huge range": ([node("Range", ["a", "b", "c"], ["r"], name="f"), node("Add", ["x", "r"], ["y"])], {"a": np.float32(0), "b": np.float32(1e30), "c": np.float32(1)}, UnsupportedError, "'f'.*elements"),
    "random numbers": ([node("RandomNormal", [], ["r"], name="f", shape=[3]), node("Add", ["x", "r"], ["y"])], {}, UnsupportedError, "'f'.*random numbers"),
    "conditions inside one another": (deep(20), {"yes": np.bool_(True)}, FileError, "graphs inside one another"),
    "shapes that depend on data": ([node("Reshape", ["x", "s"], ["y"], name="f"), node("Cast", ["x"], ["s"], to=INT)][::-1], {}, UnsupportedError, "'f'.*its operand 1 depends on data"),
    "half precision": ([node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16, name="f"), node("Cast", ["h"], ["y"], to=1)], {}, UnsupportedError, "'f'.*rounds to 16 bits"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_model_is_refused(name, tmp_path):
    nodes, arrays, error, message = BAD[name]
    saved(tmp_path / "m.onnx", nodes, SMALL, {"y": None}, arrays, domains=["com.acme"])
    start = time.process_time()
    with pytest.raises(error, match=message):
        from_file(tmp_path / "m.onnx")
    assert time.process_time() - start < 2


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_inputs_of_half_precision_are_refused(kind, tmp_path):
    saved(tmp_path / "m.onnx", [gate()], [value("x", [1, "time", 3], kind)], [value("y", None, kind)])
    with pytest.raises(UnsupportedError, match=r"input 'x'.*float16.*export the model in float32"):
        from_file(tmp_path / "m.onnx")


def test_bytes_that_are_no_model_are_refused(tmp_path):
    path = saved(tmp_path / "m.onnx", [gate()], SMALL, {"y": None})
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [b"", b"\xff" * 100, b"\x08", rng.bytes(1000), *(data[:length] for length in range(1, len(data), 7))]
    for each in damaged:
        path.write_bytes(each)
        with pytest.raises(FileError, match="export it again"):
            read(str(path), ImportOptions())


def test_a_changed_byte_ends_in_a_typed_error_or_a_model(tmp_path):
    path = stepwise(tmp_path / "m.onnx")
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            replay(read(str(path), ImportOptions()))
        except EdgernnError as error:
            assert str(error)  # noqa: PT017 - any of several types is right


def test_a_million_nodes_are_refused_at_once(tmp_path):
    one = onnx.GraphProto(node=[onnx.NodeProto(op_type="A")]).SerializeToString()
    nested = onnx.NodeProto(attribute=[onnx.AttributeProto(name="b", g=onnx.GraphProto.FromString(one * 1000))])
    graphs = {"flat": one * 1_000_000, "nested": onnx.GraphProto(node=[nested]).SerializeToString() * 1000}
    for graph in graphs.values():
        length = helper.make_tensor("n", INT, [1], [0]).ByteSize()
        model = onnx.ModelProto(ir_version=8).SerializeToString() + b"\x3a" + _varint(len(graph)) + graph
        assert length
        (tmp_path / "m.onnx").write_bytes(model)
        start = time.process_time()
        with pytest.raises(FileError, match=f"more than {limits.NODES} nodes"):
            read(str(tmp_path / "m.onnx"), ImportOptions())
        assert time.process_time() - start < 2


def _varint(number):
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def test_a_declared_size_is_checked_against_the_bytes(tmp_path):
    path = saved(
        tmp_path / "m.onnx", [node("Add", ["x", "c"], ["y"])], SMALL, {"y": None}, {"c": np.ones(4, np.float32)}
    )
    model = onnx.load(path)
    for dims in ([1 << 40], [1 << 20, 1 << 20, 1 << 20], [-4], [5], [0]):
        model.graph.initializer[0].dims[:] = dims
        onnx.save(model, path)
        with pytest.raises(FileError, match="constant 'c'"):
            read(str(path), ImportOptions())


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "weights.bin"])
def test_weights_in_other_files_are_not_read(location, tmp_path):
    path = saved(
        tmp_path / "m.onnx", [node("Add", ["x", "c"], ["y"])], SMALL, {"y": None}, {"c": np.ones(3, np.float32)}
    )
    model = onnx.load(path)
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path.write_bytes(model.SerializeToString())
    (tmp_path / "weights.bin").write_bytes(bytes(12))
    with pytest.raises(FileError, match=f"in another file, {location!r}"):
        read(str(path), ImportOptions())


def test_a_function_that_calls_itself_is_refused(tmp_path):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for calls in ([("F", "F")], [("F", "G"), ("G", "F")]):
        functions = [
            helper.make_function("own", name, ["a"], ["b"], [node(inner, ["a"], ["b"], domain="own")], opsets)
            for name, inner in calls
        ]
        nodes = [node("F", ["x"], ["y"], domain="own")]
        saved(tmp_path / "m.onnx", nodes, SMALL, {"y": None}, functions=functions, domains=["own"])
        with pytest.raises(FileError, match=r"calls itself|cannot be inlined"):
            read(str(tmp_path / "m.onnx"), ImportOptions())


@pytest.mark.parametrize("opset", [loading.OLDEST - 1, loading.NEWEST + 1])
def test_an_unknown_operator_set_is_refused(opset, tmp_path):
    saved(tmp_path / "m.onnx", [gate()], SMALL, {"y": None}, opset=opset)
    with pytest.raises(UnsupportedError, match=f"operator set {opset}"):
        read(str(tmp_path / "m.onnx"), ImportOptions())


def test_an_error_of_the_conversion_names_the_node(tmp_path):
    """ReduceMean over time has no value per frame."""
    nodes = [node("ReduceMean", ["x"], ["m"], axes=[1], name="pooling/mean"), node("Sub", ["x", "m"], ["y"])]
    saved(tmp_path / "m.onnx", nodes, {"x": [1, "time", 3]}, {"y": [1, "time", 3]})
    with pytest.raises(UnsupportedError, match="'pooling/mean' uses 'mean', which cannot stream"):
        from_file(tmp_path / "m.onnx")


@pytest.mark.parametrize("per_row", [False, True], ids=["one scale", "a scale per row"])
def test_integer_weights_stay_integers(per_row, tmp_path):
    """DequantizeLinear of constants has the arithmetic of weight_only_wi8_afp32; gates come in another order."""
    rng = np.random.default_rng(0)
    arrays, nodes = {"one": ints(1)}, []
    for name, shape, axis in (("W", (1, 12, FRAME), 1), ("R", (1, 12, HIDDEN), 1), ("D", (HIDDEN, 3), 1)):
        scale = rng.uniform(0.005, 0.01, shape[axis] if per_row else ()).astype(np.float32)
        zero = np.full_like(scale, 128 if name == "D" else 0, dtype=np.uint8 if name == "D" else np.int8)
        integers = rng.integers(-127, 128, shape) + int(zero.max())
        arrays |= {f"{name}q": integers.astype(zero.dtype), f"{name}s": scale, f"{name}z": zero}
        nodes.append(node("DequantizeLinear", [f"{name}q", f"{name}s", f"{name}z"], [name], axis=axis))
    nodes += [node("GRU", ["x", "W", "R"], ["Y"], hidden_size=HIDDEN, linear_before_reset=1)]
    nodes += [node("Squeeze", ["Y", "one"], ["s"]), node("MatMul", ["s", "D"], ["y"])]
    path = saved(tmp_path / "m.onnx", nodes, {"x": ["time", 1, FRAME]}, {"y": ["time", 1, 3]}, arrays)
    graph, xs = from_file(path), frames()
    np.testing.assert_allclose(streamed(graph, xs), session(path).run(None, {"x": xs[:, None]})[0][:, 0], atol=1e-5)
    assert {tensor.scheme for tensor in graph.tensors.values()} == {"weight_only_wi8_afp32"}


def test_rounding_of_activations_is_refused(tmp_path):
    arrays = {"s": np.float32(0.01), "z": np.int8(0)}
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["q"], name="f"), node("DequantizeLinear", ["q", "s", "z"], ["y"])]
    saved(tmp_path / "m.onnx", nodes, SMALL, {"y": None}, arrays)
    with pytest.raises(UnsupportedError, match=r"node 'f' \(QuantizeLinear\).*rounds.*edgernn adopt"):
        from_file(tmp_path / "m.onnx")


def test_lists_of_tensors_leave_nothing_behind(tmp_path):
    """As scripted modules are exported: a frame is split into a list, whose elements a loop joins again."""
    i, on, many = value("i", [], INT), value("on", [], BOOL), helper.make_tensor_sequence_value_info("l", 1, None)
    step = [
        node("SequenceAt", ["parts", "i"], ["part"]),
        node("SequenceInsert", ["l", "part"], ["longer"]),
        node("Identity", ["on"], ["still"]),
    ]
    after = helper.make_tensor_sequence_value_info("longer", 1, None)
    loop = body(step, [i, on, many], [value("still", [], BOOL), after])
    nodes = [
        node("SplitToSequence", ["x", "one"], ["parts"], axis=2),
        node("SequenceLength", ["parts"], ["count"]),
        node("SequenceEmpty", [], ["none"]),
        node("Loop", ["count", "yes", "none"], ["list"], body=loop),
        node("SequenceErase", ["list", "zero"], ["fewer"]),
        node("ConcatFromSequence", ["fewer"], ["xs"], axis=2),
        node("GRU", ["xs", "W", "R"], ["y"], hidden_size=HIDDEN),
    ]
    arrays = {"one": np.int64(1), "yes": np.bool_(True), "zero": np.int64(0)}
    arrays |= {"W": weights(1)(1, 12, FRAME - 1), "R": weights(2)(1, 12, HIDDEN)}
    path = saved(tmp_path / "m.onnx", nodes, {"x": ["time", 1, FRAME]}, {"y": ["time", 1, 1, HIDDEN]}, arrays)
    xs = frames()
    (expected,) = session(path).run(None, {"x": xs[:, None]})
    np.testing.assert_allclose(streamed(from_file(path), xs), expected[:, 0, 0], atol=1e-6)


def recurrence(kind, gates, **attributes):
    def layer(x, y, width, draw):
        hidden = int(draw(1)[0] > 0) + 3
        arrays = {f"{y}W": draw(1, gates * hidden, width), f"{y}R": draw(1, gates * hidden, hidden)}
        arrays |= {f"{y}B": draw(1, 2 * gates * hidden), f"{y}1": ints(1)}
        names = [x, f"{y}W", f"{y}R", f"{y}B"]
        nodes = [
            node(kind, names, [f"{y}Y"], hidden_size=hidden, **attributes),
            node("Squeeze", [f"{y}Y", f"{y}1"], [y]),
        ]
        return nodes, arrays, hidden

    return layer


def product(x, y, width, draw):
    return [node("MatMul", [x, f"{y}W"], [y])], {f"{y}W": draw(width, 4)}, 4


def residual(x, y, width, _):
    return [node("Tanh", [x], [f"{y}t"]), node("Add", [x, f"{y}t"], [y])], {}, width


def norm(x, y, width, draw):
    arrays = {f"{y}S": draw(width), f"{y}B": draw(width)}
    return [node("LayerNormalization", [x, f"{y}S", f"{y}B"], [y])], arrays, width


def halves(x, y, width, _):
    """Two parts of the features, exchanged."""
    parts = [f"{y}a", f"{y}b"]
    return (
        [node("Split", [x, f"{y}s"], parts, axis=2), node("Concat", parts[::-1], [y], axis=2)],
        {f"{y}s": ints(1, width - 1)},
        width,
    )


def convolution(x, y, width, draw):
    nodes = [
        node("Transpose", [x], [f"{y}t"], perm=[1, 2, 0]),
        node("Conv", [f"{y}t", f"{y}W"], [f"{y}c"], pads=[4, 0], dilations=[2]),
        node("Transpose", [f"{y}c"], [y], perm=[2, 0, 1]),
    ]
    return nodes, {f"{y}W": draw(4, width, 3)}, 4


LAYERS = {
    "RNN": recurrence("RNN", 1),
    "GRU": recurrence("GRU", 3),
    "GRU of torch": recurrence("GRU", 3, linear_before_reset=1),
    "LSTM": recurrence("LSTM", 4),
    **{each.__name__: each for each in (product, residual, norm, halves, convolution)},
}


@settings(max_examples=25, deadline=None)
@given(kinds=st.lists(st.sampled_from([*LAYERS]), min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_any_stack_of_layers_streams(kinds, seed):
    draw, nodes, arrays, x, width = weights(seed), [], {}, "x", FRAME
    for k, kind in enumerate(kinds):
        more, own, width = LAYERS[kind](x, f"v{k}_", width, draw)
        nodes, arrays, x = [*nodes, *more], arrays | own, f"v{k}_"
    with temporary.directory() as folder:
        nodes.append(node("Mul", [x, "half"], ["y"]))
        outputs = {"y": ["time", 1, width]}
        path = saved(folder / "m.onnx", nodes, {"x": ["time", 1, FRAME]}, outputs, arrays | {"half": np.float32(0.5)})
        (expected,) = session(path).run(None, {"x": frames()[:, None]})
        np.testing.assert_allclose(streamed(from_file(path), frames()), expected[:, 0], atol=1e-5, rtol=1e-4)
