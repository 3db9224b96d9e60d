"""TFLite files become graphs: compared with LiteRT step by step, and with plain formulas; damaged files are refused."""

from contextlib import suppress

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings, strategies as st

import tflite_files as files
from edgernn.errors import EdgernnError, FileError, UnsupportedError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import from_file
from edgernn_export.sources.foreign.convert import graph_of, replay
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.tflite.loading import parsed
from edgernn_export.sources.tflite.operations.table import OPERATIONS
from edgernn_export.sources.tflite.read import flows_of, read
from edgernn_export.translate import render
from fuzz import flipped
from tflite_files import Build, options, w
from zoo import GRAPHS, frames

RELU = schema.ActivationFunctionType.RELU
MODELS = {
    "lstm": files.lstm,
    "lstm over a sequence": lambda: files.lstm(12),
    "lstm of open length": lambda: files.lstm(open_time=True),
    "lstm time first": lambda: files.lstm(12, time_first=True),
    "lstm peephole": lambda: files.lstm(peephole=True),
    "lstm bound": lambda: files.lstm(12, clip=0.3),
    "lstm bound peephole": lambda: files.lstm(clip=0.3, peephole=True),
    "lstm coupled": lambda: files.lstm(coupled=True),
    "lstm coupled peephole": lambda: files.lstm(12, coupled=True, peephole=True),
    "lstm projected": lambda: files.lstm(projected=2),
    "lstm of one frame": lambda: files.lstm(kind="LSTM"),
    "rnn": files.rnn,
    "rnn relu over a sequence": lambda: files.rnn(9, activation=RELU),
    "rnn of one frame": lambda: files.rnn(kind="RNN"),
    "svdf": files.svdf,
    "svdf of rank 1": lambda: files.svdf(rank=1, bias=False),
    "step": files.stepwise,
    "step in float16": lambda: files.stepwise(half=True),
    "variables": files.resources,
    "convolutions": files.convolutions,
    "embedding": files.embedded,
}


def written(tmp_path, data):
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    return path


def own_answers(data, steps=20, whole=False):
    """Frames, and what LiteRT answers: by steps where the model takes one frame, else for the whole sequence."""
    interpreter = Interpreter(model_content=data, num_threads=1)
    ins = {each["name"]: each for each in interpreter.get_input_details()}
    shape = list(map(int, ins["x"]["shape_signature"]))
    time = next((axis for axis, n in enumerate(shape) if axis < 2 < len(shape) and n != 1), None)
    if time is not None:
        shape[time] = steps if shape[time] == -1 else shape[time]
        interpreter.resize_tensor_input(ins["x"]["index"], shape)
    interpreter.allocate_tensors()
    outs = {each["name"]: each["index"] for each in interpreter.get_output_details()}
    if ins["x"]["dtype"] == np.int32:
        xs = np.random.default_rng(1).integers(0, 7, (steps, 1), np.int32)
    else:
        xs = (
            np.random.default_rng(1)
            .standard_normal((shape[time] if time is not None else steps, shape[-1]))
            .astype(np.float32)
        )
    answers, state = [], np.zeros((1, 4), np.float32)
    for chunk in [xs] if time is not None else xs[:, None]:
        interpreter.set_tensor(ins["x"]["index"], chunk.reshape(shape))
        if "h_in" in ins:
            interpreter.set_tensor(ins["h_in"]["index"], state)
        interpreter.invoke()
        state = interpreter.get_tensor(outs["h_out"]) if "h_out" in outs else state
        answers.append(interpreter.get_tensor(outs["y"]).reshape(1 if whole else len(chunk), -1))
    return xs, np.concatenate(answers)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_streams_as_on_litert(name, tmp_path):
    data = MODELS[name]()
    graph = from_file(written(tmp_path, data), period_ms=10.0)
    assert graph.period_ms == 10
    xs, expected = own_answers(data)
    np.testing.assert_allclose(Stepper(graph).run(xs)[0], expected, atol=2e-5)


def test_a_packed_state(tmp_path):
    """Names that say nothing, and a state of four axes."""
    data = files.packed()
    graph = from_file(written(tmp_path, data))
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    (x, before), (y, after) = interpreter.get_input_details(), interpreter.get_output_details()
    xs, answers, state = frames(graph, 20), [], np.zeros((1, 2, 4, 2), np.float32)
    for each in xs:
        interpreter.set_tensor(x["index"], each[None, None])
        interpreter.set_tensor(before["index"], state)
        interpreter.invoke()
        state = interpreter.get_tensor(after["index"])
        answers.append(interpreter.get_tensor(y["index"])[0, 0])
    np.testing.assert_allclose(Stepper(graph).run(xs)[0], answers, atol=2e-5)


def test_an_input_of_one_value_in_every_step(tmp_path):
    data = files.upsampled()
    graph = from_file(written(tmp_path, data), constants={"gain": 2.0})
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(1, np.full((1, 1), 2, np.float32))
    xs, answers = frames(graph, 10), []
    for each in xs:
        interpreter.set_tensor(0, each[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    np.testing.assert_allclose(Stepper(graph).run(xs)[0], answers, atol=2e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("coupled", [False, True])
def test_an_lstm_is_its_formula_in_float64(coupled, tmp_path):
    """Gates i f c o as separate tensors, peepholes of i and f before the step, of o after it, and a bound of the cell."""
    data = files.lstm(coupled=coupled, peephole=True, clip=0.2)
    tensors = {int(key.removeprefix("constant")): value for key, value in files.constants(data).items()}
    p = iter([tensors[key].astype(np.float64) for key in sorted(tensors)])

    def four(first=True):
        return [None if not first else next(p), *(next(p) for _ in range(3))]

    ws, us = four(not coupled), four(not coupled)
    peep = [None if coupled else next(p), next(p), next(p)]
    bs = four(not coupled)
    (weight, bias), h, c, answers = (next(p), next(p)), np.zeros(4), np.zeros(4), []
    xs = np.random.default_rng(2).standard_normal((30, 3))
    for x in xs:
        i, f, g, o = (None if m is None else m @ x + u @ h + b for m, u, b in zip(ws, us, bs, strict=True))
        f = sigmoid(f + peep[1] * c)
        i = 1 - f if coupled else sigmoid(i + peep[0] * c)
        c = np.clip(f * c + i * np.tanh(g), -0.2, 0.2)
        h = sigmoid(o + peep[2] * c) * np.tanh(c)
        answers.append(weight @ h + bias)
    graph = from_file(written(tmp_path, data))
    np.testing.assert_allclose(Stepper(graph.astype("float64")).run(xs)[0], answers, atol=1e-6)


def test_a_variable_begins_with_its_initial_value(tmp_path):
    graph = from_file(written(tmp_path, files.resources()))
    np.testing.assert_array_equal(graph.initial_state["state.past"].stored, w(1, 4)[0])


def test_integer_weights_are_what_they_stand_for(tmp_path):
    """A hybrid model: its runtime rounds each input to 8 bits, so it is near; the weights are the same numbers."""
    data = files.stepwise(scale=0.01)
    graph = from_file(written(tmp_path, data))
    xs, expected = own_answers(data)
    assert 0 < np.abs(Stepper(graph).run(xs)[0] - expected).max() < 0.05
    assert read(str(tmp_path / "m.tflite"), ImportOptions()).runtime == "LiteRT with its weights in float"
    near = from_file(written(tmp_path, files.lstm(12, scale=0.01)))
    exact = from_file(written(tmp_path, files.lstm(12)))
    assert 0 < np.abs(near.layers[0].cell.w.stored - exact.layers[0].cell.w.stored).max() <= 0.00501
    matrix = graph.layers[1].cell.w.stored
    np.testing.assert_allclose(matrix, np.round(w(12, 3) / 0.01) * 0.01, rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "Gru",
        "Lstm projected",
        "Conv1d",
        "Conv2d",
        "Embedding",
        "LogMel",
        "Curves within",
        "Slice of inputs",
        "Pool mean",
    ],
)
def test_what_edgernn_wrote_computes_the_same_when_its_text_is_ignored(name, tmp_path):
    """The operators of the file alone, as if another tool had written it."""
    graph = GRAPHS[name]
    path = written(tmp_path, render(graph, "m.tflite")["m.tflite"])
    several = tuple(f"x.{each}" for each in graph.named_inputs)  # beside one frame, nothing tells that another is one
    again = graph_of(read(str(path), ImportOptions(inputs=several)))
    assert (again.inputs, again.outputs) == (graph.inputs, graph.outputs)
    xs = frames(graph, 40)
    np.testing.assert_allclose(Stepper(again).run(xs)[0], Stepper(graph).run(xs)[0], atol=1e-4)


def unary(kind, opts=None, shape=(1, 3)):
    b = Build()
    x = b.input(1, 3)
    b.op(kind, [x], shape, opts, "y")
    return b.data()


def integers():
    b = Build()
    x = b.flat.tensor("x", (1, 3), "int8")
    b.flat._quantize(x, [0.1], [0])
    y = b.flat.tensor("y", (1, 3), "int8")
    b.flat._quantize(y, [1 / 256], [-128])
    b.flat.operator("LOGISTIC", [x], [y])
    return b.data()


def two_states(names=("a", "b", "p", "q")):
    b = Build()
    x, first, second = b.input(1, 3), b.input(1, 3, name=names[0]), b.input(1, 3, name=names[1])
    new = b.op("TANH", [b.op("ADD", [x, first], (1, 3), options("Add"))], (1, 3), name=names[2])
    other = b.op("ADD", [new, second], (1, 3), options("Add"), names[3])
    b.op("MUL", [new, other], (1, 3), options("Mul"), "y")
    return b.data(("x", *names[:2]), ("y", *names[2:]))


REFUSED = {
    "operator": (lambda: unary("ROUND"), r"ROUND that computes 'y': it is not supported; export the model as ONNX, or run the file as it is, on its own runtime: edgernn adopt"),
    "integers": (integers, r"'m.tflite': input 'x' is int8; the model computes in integers: export it in float, .*adopt"),
    "activation": (lambda: files.rnn(activation=schema.ActivationFunctionType.RELU6), r"UNIDIRECTIONAL_SEQUENCE_RNN that computes 'y': activation 3; expected tanh or relu"),
    "fused": (lambda: files.fused(schema.ActivationFunctionType.SIGN_BIT), r"fused activation 5 is not known"),
    "joined": (files.joined, r"CONCATENATION that computes 'y': a fused activation, which LiteRT ignores; expected none"),
    "unset": (lambda: files.resources(initial=False), r"READ_VARIABLE .* reads a variable that nothing sets before the first call"),
    "constant": (files.constant_output, r"has no output that depends on its inputs"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_names_the_operator_and_adopt(name, tmp_path):
    make, message = REFUSED[name]
    with pytest.raises(UnsupportedError, match=message):
        from_file(written(tmp_path, make()))


def test_states_among_the_inputs(tmp_path):
    """By name where names tell, by order where shapes fit in one way, else as the user says."""
    xs = frames(GRAPHS["Dense"], 20)[:, :3]
    answers = [
        Stepper(from_file(written(tmp_path, two_states(names)), states=states)).run(xs)[0]
        for names, states in (
            (("h_in", "c_in", "h_out", "c_out"), None),
            (("h_in", "c_in", "c_out", "h_out"), {"h_in": "c_out", "c_in": "h_out"}),
            (("a", "b", "p", "q"), {"a": "p", "b": "q"}),
        )
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])
    path = written(tmp_path, two_states())
    with pytest.raises(UsageError, match=r"states= names output 'h', which the file lacks"):
        from_file(path, states={"a": "h"})
    with pytest.raises(UsageError, match=r"states= feeds output 'p' back twice"):
        from_file(path, states={"a": "p", "b": "p"})
    with pytest.raises(UsageError, match=r"has no input 'z'"):
        from_file(path, inputs=("z",))
    with pytest.raises(UsageError, match=r"has no input 'z'"):
        from_file(path, constants={"z": 1.0})


GOOD = {name: MODELS[name]() for name in ("lstm", "step", "variables", "convolutions", "embedding", "svdf")}


@settings(max_examples=250, deadline=None)
@given(random=st.randoms(use_true_random=False), name=st.sampled_from(sorted(GOOD)))
def test_a_damaged_file_is_read_or_refused(random, name):
    """Its structure and every operator; LiteRT would run it in a process of its own."""
    with suppress(EdgernnError):
        flows_of(parsed("m.tflite", flipped(GOOD[name], random)), ImportOptions())


def test_a_file_that_litert_does_not_run_is_refused(tmp_path):
    """LiteRT has no kernel of this version, though the structure is sound."""
    with pytest.raises(FileError, match=r"LiteRT does not run 'm.tflite': .*; export it again"):
        from_file(written(tmp_path, files.fused(0, version=99)))
    for data in (b"", b"TFL3" * 4, GOOD["lstm"][:200], b"\0" * 4 + b"TFL3" + b"\xff" * 100):
        with pytest.raises(FileError, match=r"m\.tflite'"):
            from_file(written(tmp_path, data))


def test_many_operators_are_refused_early(tmp_path):
    with pytest.raises(FileError, match=r"has 4,001 operators; expected at most 4,000"):
        from_file(written(tmp_path, files.many(4_001)))


def test_every_operator_is_litert_s(tmp_path):
    """Each as an output of one file, replayed on random inputs; those with states, constants and indices stand above."""
    model = read(str(written(tmp_path, files.operators())), ImportOptions(outputs=()))
    replay(model)
    shown = {name.rpartition("_")[0].upper() for name in model.outputs}
    elsewhere = {
        "FULLY_CONNECTED",
        "EMBEDDING_LOOKUP",
        "DEQUANTIZE",
        "DENSIFY",
        "CAST",
        "ABS",
        "BROADCAST_TO",
        "SPLIT",
        "SPLIT_V",
        "UNPACK",
    }
    assert set(OPERATIONS) - elsewhere <= shown


def test_a_keyword_spotter_answers_at_its_last_step(tmp_path):
    data = files.keyword()
    graph = from_file(written(tmp_path, data), labels=("yes", "no", "other"))
    assert [type(layer.cell).__name__ for layer in graph.layers[:2]] == ["LstmPeephole", "LstmPeephole"]
    xs, expected = own_answers(data, whole=True)
    np.testing.assert_allclose(Stepper(graph).run(xs)[0][-1], expected[0], atol=2e-6)
