"""Weights as JSON: RTNeural's files and their own csv, amplifier trainers, `.nam`, and files whose sizes disagree."""

import json
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

import edgernn
import fuzz
from edgernn.errors import EdgernnError, FileError, UnsupportedError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import export, from_file
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.json.read import read
from edgernn_export.targets import TARGETS

MODELS = Path(__file__).parent.parent.parent / "shared/data/models"
NEURALSEED = sorted((MODELS / "neuralseed").glob("*.json"))

beside = pytest.mark.skipif(not NEURALSEED, reason="the models are not beside this project")
random = np.random.default_rng(0)


def w(*shape):
    return np.random.default_rng(sum(shape)).uniform(-0.6, 0.6, shape).astype(np.float32)


def written(tmp_path, content, name="m.json"):
    path = tmp_path / name
    path.write_text(json.dumps(content, default=lambda array: array.tolist()))
    return path


def streamed(graph, xs):
    return Stepper(graph).run(xs.astype(np.float32))[0]


@beside
@pytest.mark.parametrize("name", ["gru_1d", "lstm_torch"])
def test_rtneurals_models_answer_as_its_csv_on_every_runtime(name, tmp_path):
    folder = MODELS / "rtneural"
    xs, ys = (np.loadtxt(folder / f"{name}_{side}_python.csv", ndmin=2).reshape(-1, 1) for side in "xy")
    graph = from_file(folder / f"{name}.json")
    np.testing.assert_allclose(streamed(graph, xs), ys, atol=1e-6)
    for suffix in (".onnx", ".tflite", ".so"):
        export(graph, tmp_path / f"m{suffix}")
        actual = edgernn.open(tmp_path / f"m{suffix}").stream().run(xs.astype(np.float32))
        np.testing.assert_allclose(actual, ys, atol=1e-5)


def by_hand(path, xs):
    """What torch answers: the sum of the linear layer and the first input."""
    content = json.loads(path.read_text())
    data = content["model_data"]
    weights = {name: torch.tensor(values) for name, values in content["state_dict"].items()}
    rec = getattr(nn, data["unit_type"])(data["input_size"], data["hidden_size"], batch_first=True)
    lin = nn.Linear(data["hidden_size"], data["output_size"])
    for module, prefix in ((rec, "rec."), (lin, "lin.")):
        module.load_state_dict({name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)})
    x = torch.from_numpy(xs)[None]
    with torch.no_grad():
        return (lin(rec(x)[0]) + x[..., : data["skip"]])[0].numpy()


@beside
@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".so"])
def test_amplifiers_run_on_every_runtime_as_torch(suffix, tmp_path):
    xs = random.standard_normal((200, 1)).astype(np.float32)
    for path in NEURALSEED:
        export(from_file(path), tmp_path / f"{path.stem}{suffix}")
        actual = edgernn.open(tmp_path / f"{path.stem}{suffix}").stream().run(xs)
        np.testing.assert_allclose(actual, by_hand(path, xs), atol=1e-5)


def test_every_target_writes_them(tmp_path):
    graph = from_file(written(tmp_path, trained()))
    for suffix in TARGETS:
        export(graph, tmp_path / f"m{suffix}")


def trained(kind="LSTM", inputs=2, hidden=5, skip=1, bias=True):
    """What an amplifier trainer saves; the second input is a knob."""
    rows = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind] * hidden
    state = {
        "rec.weight_ih_l0": w(rows, inputs),
        "rec.weight_hh_l0": w(rows, hidden),
        "rec.bias_ih_l0": w(rows),
        "rec.bias_hh_l0": -w(rows) / 2,
        "lin.weight": w(1, hidden),
        **({"lin.bias": w(1)} if bias else {}),
    }
    data = {"model": "SimpleRNN", "unit_type": kind, "input_size": inputs, "hidden_size": hidden, "num_layers": 1}
    return {
        "model_data": {**data, "output_size": 1, "skip": skip, "bias_fl": bias, "samplerate": 44100},
        "state_dict": state,
    }


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_conditioned_amplifiers(kind, skip, tmp_path):
    content = trained(kind, skip=skip, bias=bool(skip))
    graph = from_file(written(tmp_path, content))
    assert (graph.inputs, graph.outputs) == (2, 1)
    assert graph.period_ms == pytest.approx(1000 / 44100)
    rec = getattr(nn, kind)(2, 5, batch_first=True)
    with torch.no_grad():
        for parameter, array in zip(rec.parameters(), content["state_dict"].values(), strict=False):
            parameter.copy_(torch.from_numpy(array))
    xs = random.standard_normal((50, 2)).astype(np.float32)
    state = content["state_dict"]
    y = rec(torch.from_numpy(xs)[None])[0].detach().numpy()[0] @ state["lin.weight"].T + state.get("lin.bias", 0)
    np.testing.assert_allclose(streamed(graph, xs), y + skip * xs[:, :1], atol=2e-6)


def keras_layer(kind, inputs, outputs, *weights, **settings):
    del inputs
    return {"type": kind, "activation": "", "shape": [None, None, outputs], "weights": list(weights), **settings}


def rtneural(inputs, *layers, **settings):
    return {"in_shape": [None, None, inputs], "layers": list(layers), **settings}


CONV2D = {
    "kernel_size_time": 3,
    "kernel_size_feature": 3,
    "dilation": 2,
    "strides": 2,
    "num_filters_in": 2,
    "num_features_in": 6,
    "num_filters_out": 3,
}
RTNEURAL = {
    "lstm": rtneural(2, keras_layer("lstm", 2, 4, w(2, 16), w(4, 16), w(16), activation="tanh"), keras_layer("dense", 4, 1, w(4, 1), w(1))),
    "gru": rtneural(2, keras_layer("gru", 2, 4, w(2, 12), w(4, 12), w(2, 12))),
    "gru before": rtneural(2, keras_layer("gru", 2, 4, w(2, 12), w(4, 12), w(12))),
    "dense": rtneural(3, *(keras_layer("time-distributed-dense", 3, 3, w(3, 3), w(3), activation=kind) for kind in ("tanh", "relu", "sigmoid", "elu", "softmax", "linear"))),
    "conv1d": rtneural(2, keras_layer("conv1d", 2, 4, w(3, 2, 4), w(4), kernel_size=[3], dilation=[2], activation="tanh")),
    "conv1d groups": rtneural(4, keras_layer("conv1d", 4, 6, w(2, 2, 6), w(6), kernel_size=2, dilation=3, groups=2)),
    "conv2d valid": rtneural(12, keras_layer("conv2d", 12, 6, w(3, 3, 2, 3), w(3), padding="valid", **CONV2D)),
    "conv2d same": rtneural(12, keras_layer("conv2d", 12, 9, w(3, 3, 2, 3), w(3), padding="same", **CONV2D)),
    "norms": rtneural(4, keras_layer("batchnorm", 4, 4, w(4), w(4) + 1, -w(4), w(4) + 1, epsilon=0.01), keras_layer("prelu", 4, 4, w(1, 4)), keras_layer("batchnorm2d", 4, 4, w(2), w(2) + 1, epsilon=0.1, num_filters_in=2, num_features_in=2), keras_layer("activation", 4, 4, activation="tanh")),
    "aida": rtneural(1, keras_layer("lstm", 1, 3, w(1, 12), w(3, 12), w(12)), keras_layer("dense", 3, 1, w(3, 1), w(1)), in_skip=1, in_gain=-6.0, out_gain=3.0, samplerate="48000"),
}  # fmt: skip


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def keras_lstm(weights, xs):
    """Keras' formula, gates i f c o."""
    (kernel, recurrent, bias), h, c, ys = weights, 0, 0, []
    h = c = np.zeros(len(recurrent))
    for x in xs:
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        ys.append(h)
    return np.array(ys)


def keras_gru(weights, xs):
    """Keras' formula, gates z r h; a bias of one row is that of reset_after=False."""
    (kernel, recurrent, bias), ys = weights, []
    h, n = np.zeros(len(recurrent)), len(recurrent)
    for x in xs:
        first, second = bias if bias.ndim == 2 else (bias, np.zeros(3 * n))
        (xz, xr, xh), (hz, hr, hh) = np.split(x @ kernel + first, 3), np.split(h @ recurrent + second, 3)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        new = np.tanh(xh + (r * hh if bias.ndim == 2 else (r * h) @ recurrent[:, 2 * n :]))
        h = z * h + (1 - z) * new
        ys.append(h)
    return np.array(ys)


@pytest.mark.parametrize("name", RTNEURAL)
def test_rtneurals_layers_import(name, tmp_path):
    """Each is replayed against the reference formula; those with gates and gains against a third one here."""
    content = RTNEURAL[name]
    xs = random.standard_normal((30, content["in_shape"][-1]))
    graph = from_file(written(tmp_path, content))
    actual, layers = streamed(graph, xs), content["layers"]
    if name == "lstm":
        expected = keras_lstm(layers[0]["weights"], xs) @ layers[1]["weights"][0] + layers[1]["weights"][1]
    elif name.startswith("gru"):
        expected = keras_gru(layers[0]["weights"], xs)
    elif name == "aida":
        loud = xs * 10 ** (-6 / 20)
        y = keras_lstm(layers[0]["weights"], loud) @ layers[1]["weights"][0] + layers[1]["weights"][1]
        expected = (y + loud) * 10 ** (3 / 20)
        assert graph.period_ms == pytest.approx(1000 / 48000)
    elif name == "conv1d":
        convolution = nn.Conv1d(2, 4, 3, dilation=2)
        convolution.load_state_dict(
            {
                "weight": torch.from_numpy(layers[0]["weights"][0].transpose(2, 1, 0).copy()),
                "bias": torch.from_numpy(w(4)),
            }
        )
        padded = torch.nn.functional.pad(torch.from_numpy(xs.astype(np.float32)).T[None], (4, 0))
        expected = convolution(padded)[0].T.tanh().detach().numpy()
    else:
        return
    np.testing.assert_allclose(actual, expected, atol=2e-6)


def nam(architecture, config, *parts, **members):
    weights = np.concatenate([np.ravel(part) for part in parts]).tolist()
    return {"version": "0.5.4", "architecture": architecture, "config": config, "weights": weights, **members}


def nam_lstm(layers=2, hidden=3, **members):
    parts = []
    for i in range(layers):
        width = hidden if i else 1
        parts += [w(4 * hidden, width + hidden), w(4 * hidden), w(hidden) + i, w(hidden) / 2 - i]
    config = {"input_size": 1, "hidden_size": hidden, "num_layers": layers}
    return nam("LSTM", config, *parts, w(hidden), w(1), **members)


def test_an_lstm_of_nam_begins_with_its_learned_state(tmp_path):
    graph = from_file(written(tmp_path, nam_lstm(sample_rate=44100), "amp.nam"))
    assert graph.period_ms == pytest.approx(1000 / 44100)
    np.testing.assert_allclose(graph.initial_state["lstm_l1.h"].stored, w(3) + 1)
    weights, at = np.array(nam_lstm()["weights"]), 0

    def take(*shape):
        nonlocal at
        at += int(np.prod(shape))
        return weights[at - int(np.prod(shape)) : at].reshape(shape)

    ys = xs = random.standard_normal((40, 1))
    for width in (1, 3):
        (wu, b, h, c), answers = (take(12, width + 3), take(12), take(3), take(3)), []
        for x in ys:
            i, f, g, o = np.split(wu @ np.concatenate([x, h]) + b, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            answers.append(h)
        ys = np.array(answers)
    np.testing.assert_allclose(streamed(graph, xs), ys @ take(3, 1) + take(1), atol=2e-6)


def wavenet_array(inputs, channels, head, gated, bias, dilations=(1, 2, 4)):
    wide = channels * (1 + gated)
    parts = [w(channels, inputs)]
    for _ in dilations:
        parts += [w(wide, channels, 3), w(wide), w(wide, 1), w(channels, channels), w(channels)]
    config = {"input_size": inputs, "condition_size": 1, "head_size": head, "channels": channels, "kernel_size": 3}
    options = {"dilations": list(dilations), "activation": "Tanh", "gated": gated, "head_bias": bias}
    return {**config, **options}, [*parts, w(head, channels), *([w(head)] if bias else [])]


def test_the_other_architectures_of_nam(tmp_path):
    """Replayed against the reference formula; a linear one is its impulse response, and each states a period."""
    response = w(6)
    linear = from_file(written(tmp_path, nam("Linear", {"receptive_field": 6, "bias": True}, response, [0.5]), "m.nam"))
    impulse = np.zeros((8, 1))
    impulse[0] = 1
    np.testing.assert_allclose(streamed(linear, impulse)[:, 0], [*(response + 0.5), 0.5, 0.5], atol=1e-6)
    assert linear.period_ms == pytest.approx(1000 / 48000)
    one, two = wavenet_array(1, 4, 2, True, False), wavenet_array(4, 2, 1, False, True)
    two[0].pop("gated")
    later = {"gating_mode": "none", "groups_input": 1, "bottleneck": 2, "conv_pre_film": False, "condition_dsp": None}
    two[0].update(
        later, layer1x1={"active": True, "groups": 1}, head1x1={"active": False, "out_channels": 1, "groups": 1}
    )
    config = {"layers": [one[0], two[0]], "head": None, "head_scale": 0.02}
    content = nam("WaveNet", config, *one[1], *two[1], [0.02])
    assert from_file(written(tmp_path, content, "m.nam")).outputs == 1
    block = [w(4, 4, 2), w(4), w(4) + 1, w(4), w(4), [1e-3]]
    blocks = [w(4, 1, 2), *block[1:], *block]
    config = {"channels": 4, "dilations": [1, 2], "batchnorm": True, "activation": "ReLU"}
    assert from_file(written(tmp_path, nam("ConvNet", config, *blocks, w(4), w(1)), "m.nam")).outputs == 1


def rnnn(x=6, dense=3, vad=2, noise=4, denoise=5, bands=4):
    """A text of rnnoise-nu, its layers small, and their integers."""
    random, lines, layers = np.random.default_rng(5), ["rnnoise-nu model file version 1"], []
    sizes = [(x, dense, 0), (dense, vad, 2), (dense + vad + x, noise, 2), (vad + noise + x, denoise, 0)]
    for i, (inputs, outputs, kind) in enumerate([*sizes, (denoise, bands, 1), (vad, 1, 1)]):
        wide = outputs * (3 if 1 <= i <= 3 else 1)
        arrays = [random.integers(-128, 128, shape) for shape in [(inputs, wide), (outputs, wide), (wide,)]]
        arrays = arrays if wide != outputs else [arrays[0], arrays[2]]
        lines += [f"{inputs} {outputs} {kind}", *(" ".join(map(str, array.ravel())) for array in arrays)]
        layers.append([array / 256 for array in arrays])
    return "\n".join(lines), layers


def test_rnnoises_network(tmp_path):
    text, layers = rnnn()
    path = tmp_path / "voice.rnnn"
    path.write_text(text)
    graph = from_file(path)
    assert (graph.period_ms, graph.named_outputs) == (10, {"gains": 4, "vad": 1})
    xs, states, answers = random.standard_normal((30, 6)), [np.zeros(n) for n in (2, 4, 5)], []

    def gru(i, x, activation):
        (kernel, recurrent, bias), h = layers[i], states[i - 1]
        n = len(h)
        z, r = np.split(sigmoid((x @ kernel + bias)[: 2 * n] + h @ recurrent[:, : 2 * n]), 2)
        new = activation((x @ kernel + bias)[2 * n :] + (r * h) @ recurrent[:, 2 * n :])
        states[i - 1] = z * h + (1 - z) * new
        return states[i - 1]

    for x in xs:
        first = np.tanh(x @ layers[0][0] + layers[0][1])
        vad = gru(1, first, lambda a: np.maximum(a, 0))
        noise = gru(2, np.concatenate([first, vad, x]), lambda a: np.maximum(a, 0))
        denoise = gru(3, np.concatenate([vad, noise, x]), np.tanh)
        answers.append([*sigmoid(denoise @ layers[4][0] + layers[4][1]), *sigmoid(vad @ layers[5][0] + layers[5][1])])
    np.testing.assert_allclose(streamed(graph, xs), answers, atol=2e-6)
    for damaged in (
        text.replace("-", "-1000000"),
        text[: len(text) // 2],
        text.replace("6 3 0", "6 9 0", 1),
        text + " 1",
        "rnnoise-nu model file version 1 x",
    ):
        path.write_text(damaged)
        with pytest.raises(FileError, match=r"'voice.rnnn'"):
            from_file(path)


def later_rnnoise(vad=True, whole=True):
    """A state dict of RNNoise 0.2, its layers small."""
    torch.manual_seed(3)
    layers = {"conv1": nn.Conv1d(6, 4, 3), "conv2": nn.Conv1d(4, 5, 3)}
    layers |= {f"gru{i}": nn.GRU(5, 5, batch_first=True) for i in (1, 2, 3)}
    layers["dense_out"] = nn.Linear(20 if whole else 5, 4)
    if vad:
        layers["vad_dense"] = nn.Linear(20, 1)
    return nn.ModuleDict(layers).eval()


LATER = {name: tensor.numpy() for name, tensor in later_rnnoise().state_dict().items()}


@pytest.mark.parametrize("later", [True, False])
def test_rnnoises_later_network(later, tmp_path):
    net = later_rnnoise(later, later)
    state = {name: tensor.tolist() for name, tensor in net.state_dict().items()}
    graph = from_file(written(tmp_path, {"state_dict": state} if later else state))
    assert graph.period_ms == 10
    xs = random.standard_normal((30, 6)).astype(np.float32)
    with torch.no_grad():
        y = torch.from_numpy(xs).T[None]
        for name in ("conv1", "conv2"):
            y = torch.tanh(net[name](torch.nn.functional.pad(y, (2, 0))))
        parts = [y.transpose(1, 2)]
        for i in (1, 2, 3):
            parts.append(net[f"gru{i}"](parts[-1])[0])
        every = torch.cat(parts, -1)
        outs = [net["dense_out"](every), net["vad_dense"](every)] if later else [net["dense_out"](parts[-1])]
    np.testing.assert_allclose(streamed(graph, xs), torch.sigmoid(torch.cat(outs, -1))[0].numpy(), atol=2e-6)
    state["gru2.bias_hh_l0"] = state["gru2.bias_hh_l0"][:-1]
    with pytest.raises(FileError, match=r"'gru2.bias_hh_l0' has shape \(14,\); expected \(15,\)"):
        from_file(written(tmp_path, state))


def changed(content, **members):
    return {**content, **members}


def without(content, *path):
    content = json.loads(json.dumps(content, default=lambda array: array.tolist()))
    inner = content
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return content


def stated(**data):
    content = trained()
    return {**content, "model_data": {**content["model_data"], **data}}


def replaced(name, value):
    content = trained()
    return {**content, "state_dict": {**content["state_dict"], name: value}}


GRU = RTNEURAL["gru"]["layers"][0]
BAD = {
    "weights": (rtneural(2, changed(GRU, weights=[w(2, 12), w(4, 12)])), r"'layers\[0\].weights' has 2 arrays; expected 3: kernel, recurrent, bias"),
    "kernel": (rtneural(3, GRU), r"'layers\[0\].weights\[0\]' has shape \(2, 12\); expected \(3, 12\)"),
    "shape": (rtneural(2, changed(GRU, shape=[None, None, 5])), r"weights\[0\]' has shape \(2, 12\); expected \(2, 15\)"),
    "in_shape": (changed(RTNEURAL["gru"], in_shape=7), r"'in_shape' is 7; expected a shape"),
    "huge": (rtneural(2, changed(GRU, shape=[None, None, 10**12])), r"'layers\[0\].shape' is 1000000000000; expected a whole number"),
    "ragged": (rtneural(2, changed(GRU, weights=[[[1.0] * 12, [1.0] * 11], w(4, 12), w(2, 12)])), r"holds something else than numbers"),
    "texts": (rtneural(2, changed(GRU, weights=[[["1"] * 12] * 2, w(4, 12), w(2, 12)])), r"holds something else than numbers"),
    "skip": (changed(RTNEURAL["gru"], in_skip=3), r"'in_skip' is 3 of 2 inputs"),
    "rate": (changed(RTNEURAL["gru"], samplerate=-1), r"'samplerate' is -1; expected a rate in Hz"),
    "no weights": (without(RTNEURAL["gru"], "layers", 0, "weights"), r"'layers\[0\].weights' is missing beside 'type'"),
    "hidden": (stated(hidden_size=6), r"'model_data.hidden_size' is 6; expected 5, as in the weights"),
    "inputs": (stated(input_size=1), r"'model_data.input_size' is 1; expected 2"),
    "unit": (stated(unit_type="GRU"), r"'model_data.unit_type' is 'GRU'; expected 'LSTM'"),
    "bias": (stated(bias_fl=False), r"'model_data.bias_fl' is False; expected True"),
    "layers": (stated(num_layers=2), r"'model_data.num_layers' is 2; expected 1"),
    "rec": (replaced("rec.weight_hh_l0", w(19, 5)), r"'state_dict.rec.weight_hh_l0' has shape \(19, 5\); expected 4, 3 or 1 times"),
    "lin": (replaced("lin.weight", w(1, 6)), r"'state_dict.lin.weight' has shape \(1, 6\); expected \(any, 5\)"),
    "rec bias": (without(trained(), "state_dict", "rec.bias_hh_l0"), r"'state_dict.rec.bias_hh_l0' is missing"),
    "infinite": (replaced("lin.bias", [1e39]), r"'state_dict.lin.bias' holds a number that is not finite"),
    "nam short": (changed(nam_lstm(), weights=nam_lstm()["weights"][:-1]), r"'weights' has 159 numbers; expected 160 or more: 'head bias' \(1,\) begins at 159"),
    "nam long": (changed(nam_lstm(), weights=[*nam_lstm()["weights"], 1.0]), r"'weights' has 161 numbers; expected 160 by 'config'"),
}  # fmt: skip
UNKNOWN = {
    "layer": (rtneural(2, keras_layer("lambda", 2, 2)), r"'layers\[0\].type' is 'lambda', which is not known; there are dense, .* as ONNX"),
    "activation": (rtneural(2, changed(GRU, activation="relu")), r"'layers\[0\].activation' is 'relu', which RTNeural does not compute there; expected tanh"),
    "two dense": ({"a.weight": w(2, 3), "a.bias": w(2), "b.weight": w(1, 2)}, r"a layer 'b' behind the linear layer 'a'"),
    "parameter": (replaced("norm.running_mean", w(2)), r"a parameter 'norm.running_mean'"),
    "model": (stated(model="RecNet"), r"'model_data.model' is 'RecNet', whose layers are not known; expected 'SimpleRNN'"),
    "architecture": (changed(nam_lstm(), architecture="SlimmableContainer"), r"'architecture' is 'SlimmableContainer', which is not known; there are LSTM, WaveNet"),
    "option": (nam("ConvNet", {"channels": 1, "groups": 2, "dilations": [1], "batchnorm": False, "activation": "Tanh"}, [1.0]), r"option 'config.groups' is 2, which is not known; expected 1"),
    "nothing": ({"a": 1}, r"has 'a'; expected RTNeural's JSON, a `.nam` file, or a state dict of torch"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*BAD, *UNKNOWN])
def test_sizes_that_disagree_are_refused_with_the_entry(name, tmp_path):
    content, message = (BAD | UNKNOWN)[name]
    with pytest.raises(FileError if name in BAD else UnsupportedError, match=message):
        from_file(written(tmp_path, content))


HOSTILE = {
    "no json": b"\x00\x01",
    "deep": b"[" * 100_000,
    "lists": b'{"in_shape": [' + b"[]," * 3_000_000 + b"[]]}",
    "digits": b'{"in_shape": ' + b"9" * 5000 + b"}",
    "twice": b'{"layers": 1, "layers": 2}',
    "a list": b"[1, 2]",
    "not finite": b'{"in_shape": [1], "layers": [{"type": "dense", "shape": [1, NaN], "weights": []}]}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name, tmp_path):
    path = tmp_path / "m.json"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(FileError, match=r"'m.json'"):
        from_file(path)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_damaged_file_is_read_or_refused(seed):
    damage = Random(seed)
    content = damage.choice([trained(), nam_lstm(), *RTNEURAL.values(), LATER])
    content = json.loads(json.dumps(content, default=lambda array: array.tolist()))
    text = fuzz.text_of(fuzz.several(fuzz.changed, content, damage), damage)
    with TemporaryDirectory() as folder, suppress(EdgernnError):
        path = Path(folder) / "m.json"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        read(str(path), ImportOptions())


def test_a_long_memory_is_refused(tmp_path):
    config = {"channels": 1, "dilations": [4_000_000, 4_000_000], "batchnorm": False, "activation": "Tanh"}
    with pytest.raises(UnsupportedError, match=r"reads 8,000,024 frames of 1 elements at a time; expected 4,194,304"):
        from_file(written(tmp_path, nam("ConvNet", config, np.zeros(8)), "m.nam"))


def test_an_option_that_does_not_apply_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"states= does not apply to 'm.json'; period_ms, labels do"):
        from_file(written(tmp_path, trained()), states={"h": "h_out"})
    graph = from_file(written(tmp_path, trained()), period_ms=0.5, labels=("y",))
    assert (graph.period_ms, graph.labels) == (0.5, ("y",))
