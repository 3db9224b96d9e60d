"""Models of Keras: what is read answers as Keras does, streams, or is refused by name."""

import json
import os

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

import torch  # noqa: E402

import edgernn  # noqa: E402
import random_keras  # noqa: E402
from edgernn.errors import ParityError, UnsupportedError, UsageError  # noqa: E402
from edgernn.interpreters.numpy import Stepper  # noqa: E402
from edgernn.interpreters.window import WindowStepper  # noqa: E402
from edgernn_export import export, from_file, from_torch, window_from_file  # noqa: E402
from edgernn_export.sources.foreign.options import ImportOptions  # noqa: E402
from edgernn_export.sources.keras.layers import recurrent  # noqa: E402
from edgernn_export.sources.keras.read import read  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras, as it saves

L = keras.layers
EXACT = 1e-5


def random_weights(model, seed=0):
    """Give every weight random values, so that no bias is zero and no two gates are alike."""
    values = np.random.default_rng(seed)
    for weight in model.weights:
        spread = values.standard_normal(weight.shape) * 0.4
        weight.assign(np.abs(spread) + 0.5 if "variance" in weight.name else spread)
    return model


def of(shape, *layers):
    """A model of layers in a row, for inputs of this shape."""
    return random_weights(keras.Sequential([keras.Input(shape), *layers]))


def saved(model, tmp_path, suffix=".keras"):
    """The path of a saved model."""
    path = tmp_path / f"m{suffix}"
    model.save(path)
    return str(path)


def assert_alike(model, path):
    """The module answers as Keras does, for its example and for other numbers."""
    foreign = read(path, ImportOptions())
    for seed in (0, 1):
        random = torch.Generator().manual_seed(seed)
        xs = [x if not x.is_floating_point() else torch.randn(x.shape, generator=random) for x in foreign.example]
        ours = list(foreign.run([x.numpy() for x in xs]).values())
        replayed = [] if foreign.original is None else foreign.original([x.numpy() for x in xs])
        assert foreign.original is not None or any(
            word in repr(model.get_config()) for word in ("hard_s", "Sequential'")
        )
        with torch.no_grad():
            theirs = model(list(xs) if len(xs) > 1 else xs[0])
        theirs = list(theirs.values()) if isinstance(theirs, dict) else theirs
        theirs = theirs if isinstance(theirs, list | tuple) else [theirs]
        for a, b in zip(ours, theirs, strict=True):
            assert a.shape == tuple(b.shape)
            assert np.abs(a - b.detach().numpy()).max() <= EXACT * max(1.0, float(b.abs().max()))
        for a, b in zip(ours, replayed or ours, strict=True):
            assert np.abs(a - b).max() <= EXACT * max(1.0, np.abs(b).max())


SEQUENCE, IMAGE = (None, 6), (None, 6, 4)

LAYERS = {
    "SimpleRNN": (SEQUENCE, L.SimpleRNN(5, return_sequences=True)),
    "SimpleRNN relu": (SEQUENCE, L.SimpleRNN(5, activation="relu")),
    "LSTM": (SEQUENCE, L.LSTM(5, return_sequences=True)),
    "LSTM last": (SEQUENCE, L.LSTM(5)),
    "LSTM no bias": (SEQUENCE, L.LSTM(5, use_bias=False, return_sequences=True)),
    "LSTM no unit forget": (SEQUENCE, L.LSTM(5, unit_forget_bias=False, return_sequences=True)),
    "GRU": (SEQUENCE, L.GRU(5, return_sequences=True)),
    "GRU no bias": (SEQUENCE, L.GRU(5, use_bias=False, return_sequences=True)),
    "GRU reset before": (SEQUENCE, L.GRU(5, reset_after=False, return_sequences=True)),
    "GRU reset before, no bias": (SEQUENCE, L.GRU(5, reset_after=False, use_bias=False)),
    "RNN of a cell": (SEQUENCE, L.RNN(L.GRUCell(5), return_sequences=True)),
    "RNN of a stack": (SEQUENCE, L.RNN([L.LSTMCell(5), L.SimpleRNNCell(3), L.GRUCell(4)], return_sequences=True)),
    "RNN of a stack, last": (SEQUENCE, L.RNN([L.LSTMCell(5), L.GRUCell(4, reset_after=False)])),
    "Dense": (SEQUENCE, L.Dense(3, activation="softmax")),
    "Dense of an activation layer": (SEQUENCE, L.Dense(3, activation=L.LeakyReLU(negative_slope=0.3))),
    "TimeDistributed Dense": (SEQUENCE, L.TimeDistributed(L.Dense(3, activation="relu"))),
    "TimeDistributed Conv1D": (IMAGE, L.TimeDistributed(L.Conv1D(3, 2, strides=2, padding="same"))),
    "TimeDistributed SeparableConv1D": (IMAGE, L.TimeDistributed(L.SeparableConv1D(3, 2, dilation_rate=2))),
    "TimeDistributed DepthwiseConv1D": (IMAGE, L.TimeDistributed(L.DepthwiseConv1D(2, padding="same"))),
    "TimeDistributed MaxPooling1D": (IMAGE, L.TimeDistributed(L.MaxPooling1D(2, strides=1))),
    "TimeDistributed AveragePooling1D": (IMAGE, L.TimeDistributed(L.AveragePooling1D(2))),
    "TimeDistributed Conv2D": ((None, 5, 6, 2), L.TimeDistributed(L.Conv2D(3, 2))),
    "TimeDistributed Sequential": (IMAGE, L.TimeDistributed(keras.Sequential([L.Conv1D(3, 2), L.Flatten(), L.Dense(3)]))),
    "TimeDistributed Flatten": (IMAGE, L.TimeDistributed(L.Flatten())),
    "TimeDistributed LSTM": (IMAGE, L.TimeDistributed(L.LSTM(3))),
    "TimeDistributed GroupNormalization": (IMAGE, L.TimeDistributed(L.GroupNormalization(2))),
    "LayerNormalization": (SEQUENCE, L.LayerNormalization(epsilon=0.1)),
    "LayerNormalization of two axes": (IMAGE, L.LayerNormalization(axis=[2, 3], scale=False)),
    "BatchNormalization": (SEQUENCE, L.BatchNormalization(epsilon=0.1)),
    "BatchNormalization of an axis": (IMAGE, L.BatchNormalization(axis=2, center=False)),
    "RMSNormalization": (SEQUENCE, L.RMSNormalization(epsilon=0.1)),
    "GroupNormalization": ((6,), L.GroupNormalization(groups=3, epsilon=0.1)),
    "UnitNormalization": (SEQUENCE, L.UnitNormalization()),
    "Normalization": (SEQUENCE, L.Normalization(mean=[0.5] * 6, variance=[2.0] * 6)),
    "Normalization adapted": (SEQUENCE, L.Normalization()),
    "Rescaling": (SEQUENCE, L.Rescaling(0.5, offset=2.0)),
    "Dropout": (SEQUENCE, L.Dropout(0.9)),
    "GaussianNoise": (SEQUENCE, L.GaussianNoise(0.9)),
    "ActivityRegularization": (SEQUENCE, L.ActivityRegularization(0.9)),
    "Conv1D": (SEQUENCE, L.Conv1D(4, 3, activation="tanh")),
    "Conv1D causal": (SEQUENCE, L.Conv1D(4, 3, padding="causal", dilation_rate=2)),
    "Conv1D same": (SEQUENCE, L.Conv1D(4, 4, padding="same")),
    "Conv1D strided": (SEQUENCE, L.Conv1D(4, 4, strides=2, padding="same")),
    "Conv1D in groups": (SEQUENCE, L.Conv1D(4, 3, groups=2)),
    "DepthwiseConv1D": (SEQUENCE, L.DepthwiseConv1D(3, depth_multiplier=2)),
    "SeparableConv1D": (SEQUENCE, L.SeparableConv1D(4, 3, depth_multiplier=2, padding="same")),
    "Conv2D": (IMAGE, L.Conv2D(3, (2, 3), strides=(1, 2), padding="same", activation="relu")),
    "DepthwiseConv2D": (IMAGE, L.DepthwiseConv2D((2, 3), depth_multiplier=2)),
    "SeparableConv2D": (IMAGE, L.SeparableConv2D(3, (2, 3))),
    "MaxPooling1D": (SEQUENCE, L.MaxPooling1D(2)),
    "AveragePooling1D": (SEQUENCE, L.AveragePooling1D(3, strides=1, padding="same")),
    "MaxPooling2D": (IMAGE, L.MaxPooling2D((1, 2))),
    "AveragePooling2D": (IMAGE, L.AveragePooling2D((1, 3), strides=(1, 1), padding="same")),
    "GlobalAveragePooling1D": (IMAGE, L.TimeDistributed(L.GlobalAveragePooling1D())),
    "GlobalMaxPooling1D": (IMAGE, L.TimeDistributed(L.GlobalMaxPooling1D(keepdims=True))),
    "ZeroPadding1D": (SEQUENCE, L.ZeroPadding1D((2, 1))),
    "ZeroPadding2D": (IMAGE, L.ZeroPadding2D(((0, 0), (2, 1)))),
    "Cropping1D": (SEQUENCE, L.Cropping1D((2, 1))),
    "Cropping2D": (IMAGE, L.Cropping2D(((0, 0), (2, 1)))),
    "Permute": (IMAGE, L.Permute((1, 3, 2))),
    "Reshape": (IMAGE, L.Reshape((-1, 24))),
    "RepeatVector": ((6,), L.RepeatVector(3)),
    "PReLU": (SEQUENCE, L.PReLU(shared_axes=[1])),
    "ReLU": (SEQUENCE, L.ReLU(max_value=0.5, negative_slope=0.1)),
    "ELU": (SEQUENCE, L.ELU(alpha=0.3)),
    "Softmax": (SEQUENCE, L.Softmax()),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_answers_as_keras_does(name, tmp_path):
    shape, layer = LAYERS[name]
    model = of(shape, layer)
    for suffix in (".keras", ".h5"):
        assert_alike(model, saved(model, tmp_path, suffix))


FUNCTIONS = (
    "celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "linear",
    "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign",
    "swish", "tanh", "tanh_shrink",
)  # fmt: skip


def test_every_activation_answers_as_keras_does(tmp_path):
    x = keras.Input(SEQUENCE)
    model = keras.Model(x, [L.Activation(name, name=f"a_{name}")(x) for name in FUNCTIONS])
    assert_alike(model, saved(model, tmp_path))


def branches():
    """Nested models, a layer that is used twice, operations between layers, and results by name."""
    x, y = keras.Input((None, 4), name="mic"), keras.Input((None, 3), name="far end")
    inner = keras.Sequential([L.Dense(4, activation="relu"), L.BatchNormalization(), L.Dense(4)], name="inner")
    inner.layers[0].trainable = False
    shared = L.Dense(5, name="shared")
    part = keras.Input((None, 4))
    model = keras.Model(part, [L.Dense(5)(part), L.Dense(2)(part)], name="functional")
    a = inner(x)
    b, c = model(a)
    d = keras.ops.tanh(a * 2.0 + 1.0) - keras.ops.sigmoid(a)
    e = L.Concatenate()([shared(x), shared(a), b, c, d[:, :, 1:3], L.GRU(3, return_sequences=True)(y)])
    return random_weights(keras.Model([x, y], {"gain": L.Dense(2)(e), "voice": L.LSTM(2)(e)}))


def decoder():
    """A decoder: one frame and its states."""
    x, h, c, g = keras.Input((None, 4)), keras.Input((5,), name="h"), keras.Input((5,), name="c"), keras.Input((3,))
    y, h2, c2 = L.LSTM(5, return_sequences=True, return_state=True)(x, initial_state=[h, c])
    z, g2 = L.GRU(3, return_sequences=True, return_state=True, reset_after=False)(y, initial_state=g)
    return random_weights(keras.Model([h, x, c, g], [L.Dense(2)(z), h2, c2, g2]))


def merges():
    x = keras.Input(SEQUENCE)
    a, b = L.Dense(3)(x), L.Dense(3)(x)
    joined = [each()([a, b]) for each in (L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum)]
    last = [L.SimpleRNN(3)(each) for each in (a, b)]
    ends = [L.Dot(axes=1)(last), L.Dot(axes=-1, normalize=True)(last)]
    return random_weights(keras.Model(x, [L.Concatenate()(joined), *ends]))


MODELS = {
    "branches": branches,
    "merges": merges,
    "embedding": lambda: of((None,), L.Embedding(11, 4), L.GRU(3), L.Dense(2)),
    "stateful": lambda: random_weights(
        keras.Sequential([keras.Input((None, 6), batch_size=1), L.LSTM(4, stateful=True)])
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_model_answers_as_keras_does(name, suffix, tmp_path):
    model = MODELS[name]()
    if name == "stateful":
        path = saved(model, tmp_path, suffix)
        x = read(path, ImportOptions()).example[0]
        model.layers[0].reset_state()
        ours = next(iter(read(path, ImportOptions()).run([x.numpy()]).values()))
        assert np.abs(ours - model(x).detach().numpy()).max() <= EXACT
        return
    assert_alike(model, saved(model, tmp_path, suffix))


def test_states_among_the_inputs_are_fed_back(tmp_path):
    model = decoder()
    graph = from_file(saved(model, tmp_path))
    xs = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    zeros = [torch.zeros(1, n) for n in (5, 5, 3)]
    expected = model([zeros[0], torch.from_numpy(xs)[None], zeros[1], zeros[2]])[0].detach().numpy()[0]
    ys, _ = Stepper(graph).run(xs)
    assert np.abs(ys[:, : expected.shape[1]] - expected).max() <= EXACT


def as_keras_2(path, version="2.15.0"):
    """Write an `.h5` of Keras 3 as Keras 2 writes it: calls as lists of tensors, dtypes as words, names with ":0"."""

    def tensor(value):
        return value["config"]["keras_history"] if isinstance(value, dict) else value

    def of_layer(layer):
        config = {
            key: value for key, value in layer["config"].items() if key not in {"optional", "quantization_config"}
        }
        shape = config.pop("batch_shape", None)
        config |= {"dtype": "float32"} | ({"batch_input_shape": shape} if shape else {})
        for key in ("layer", "cell"):
            if key in config:
                config[key] = of_layer(config[key])
        if "layers" in config:
            config["layers"] = [of_layer(each) for each in config["layers"]]
        old = {"class_name": layer["class_name"], "config": config}
        if "inbound_nodes" in layer:
            calls = []
            for node in layer["inbound_nodes"]:
                states = node["kwargs"].get("initial_state") or []
                first = node["args"][0]
                taken = [tensor(each) for each in (first if isinstance(first, list) else [first])]
                calls.append([[*each, {}] for each in taken + [tensor(each) for each in states]])
            old |= {"name": layer["name"], "inbound_nodes": calls}
        for key in ("input_layers", "output_layers"):
            ends = config.get(key)
            if ends and isinstance(ends[0], str):
                config[key] = [ends]
        return old

    with h5py.File(path, "r+") as file:
        config = of_layer(json.loads(file.attrs["model_config"]))
        for name in [name for name in file.attrs if name != "training_config"]:
            del file.attrs[name]
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = version.encode()
        for group in file["model_weights"].values():
            names = [str(name) for name in group.attrs["weight_names"]]
            for name in names:
                group.move(name, f"{name}:0")
            group.attrs["weight_names"] = np.array([f"{name}:0".encode() for name in names] or [], dtype="S")
    return path


def encoder():
    """Branches, states handed from layer to layer, and a model in the model."""
    x = keras.Input((None, 4))
    y, h, c = L.LSTM(3, return_sequences=True, return_state=True)(x)
    z = L.LSTM(3, return_sequences=True)(y, initial_state=[h, c])
    inner = keras.Sequential([L.Dense(3), L.BatchNormalization(), L.TimeDistributed(L.Dense(3))])
    inner.layers[0].trainable = False
    return random_weights(keras.Model(x, L.Add()([z, inner(y), L.DepthwiseConv1D(3)(L.ZeroPadding1D((2, 0))(y))])))


def test_a_file_of_keras_2_is_read(tmp_path):
    model = encoder()
    path = as_keras_2(saved(model, tmp_path, ".h5"))
    assert_alike(model, path)


def test_the_hard_sigmoid_is_that_of_the_keras_that_wrote_the_file(tmp_path):
    """0.2 x + 0.5 of Keras 2, x / 6 + 0.5 of Keras 3, between 0 and 1; by the formula in float64."""
    model = of(SEQUENCE, L.Activation("hard_sigmoid"))
    path = saved(model, tmp_path, ".h5")
    x = np.linspace(-4, 4, 6 * 17).reshape(1, 17, 6).astype(np.float32)
    assert_alike(model, path)
    for slope in (1 / 6, 0.2):
        (y,) = read(path, ImportOptions()).run([x]).values()
        assert np.abs(y - np.clip(slope * x.astype(np.float64) + 0.5, 0, 1)).max() <= 1e-6
        if slope != 0.2:
            as_keras_2(path)


def whole(model, xs):
    """What Keras answers on a whole sequence."""
    with torch.no_grad():
        return model(torch.from_numpy(xs)[None]).numpy()[0]


STEPWISE = {
    "hard sigmoid": lambda: [L.LSTM(4, recurrent_activation="hard_sigmoid", return_sequences=True), L.Dense(2)],
    "linear": lambda: [L.LayerNormalization(), L.SimpleRNN(4, activation="linear")],
    "GRU": lambda: [L.GRU(4, activation="softsign", return_sequences=True), L.GRU(3)],
    "reset before": lambda: [L.GRU(4, recurrent_activation="hard_sigmoid", reset_after=False, use_bias=False)],
    "stack": lambda: [L.RNN([L.LSTMCell(3, activation="relu"), L.GRUCell(4)], return_sequences=True)],
}
"""Layers with activations that no recurrent layer of torch has, which become operations of one step."""


@pytest.mark.parametrize("name", STEPWISE)
def test_other_activations_run_step_by_step(name, tmp_path):
    model = of(SEQUENCE, *STEPWISE[name]())
    graph = from_file(saved(model, tmp_path))
    xs = np.random.default_rng(0).standard_normal((30, 6)).astype(np.float32)
    ys, expected = Stepper(graph).run(xs)[0], whole(model, xs)
    assert np.abs(ys[-len(expected) if expected.ndim > 1 else -1 :] - expected).max() <= EXACT


def test_symbols_stream(tmp_path):
    model = of((None,), L.Embedding(11, 4), L.GRU(3, return_sequences=True), L.Dense(2))
    graph = from_file(saved(model, tmp_path), labels=("no", "yes"))
    assert graph.vocabulary_size == 11
    assert graph.labels == ("no", "yes")
    symbols = np.random.default_rng(0).integers(0, 11, 30)
    expected = whole(model, symbols.astype(np.int64))
    assert np.abs(Stepper(graph).run(symbols[:, None])[0] - expected).max() <= EXACT


@pytest.mark.parametrize("seed", [2, 4, 6, 8, 9, 11, 12, 13, 15, 18, 27, 28])
def test_a_random_model_streams_as_keras_answers(seed, tmp_path):
    assert not random_keras.fault(seed, tmp_path)


def torch_model(kind):
    """The PyTorch model of the mission's text."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = getattr(torch.nn, kind)(10, 50, batch_first=True)
            self.head = torch.nn.Linear(50, 1)

        def forward(self, x):
            return self.head(self.rnn(x)[0][:, -1])

    torch.manual_seed(0)
    return Model().eval()


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM"])
@pytest.mark.parametrize("library", ["keras", "torch"])
def test_the_models_of_the_mission_stream_on_every_runtime(library, kind, tmp_path):
    """RNN(50) and LSTM(50) on 10 features with one output: from Keras and from PyTorch."""
    xs = np.random.default_rng(0).standard_normal((100, 10)).astype(np.float32)
    if library == "keras":
        keras.utils.set_random_seed(0)
        ask = keras.Sequential([keras.Input((None, 10)), getattr(L, kind)(50), L.Dense(1)])
        graph = from_file(saved(ask, tmp_path))
    else:
        ask = torch_model({"SimpleRNN": "RNN"}.get(kind, kind))
        graph = from_torch(ask, torch.randn(1, 16, 10))
    with torch.no_grad():
        expected = ask(torch.from_numpy(xs)[None]).numpy()[0]
    edgernn.save(graph, tmp_path / "m.rnn")
    for suffix in (".onnx", ".tflite", ".so", ".c"):
        export(graph, tmp_path / f"m{suffix}")
    for suffix in (".rnn", ".onnx", ".tflite", ".so"):
        answer = edgernn.open(tmp_path / f"m{suffix}").stream().run(xs)[-1]
        assert np.abs(answer - expected).max() <= EXACT, suffix


WINDOWS = {
    "every frame": lambda: [L.Bidirectional(L.LSTM(4, return_sequences=True)), L.Dropout(0.1), L.Dense(2)],
    "pooled": lambda: [
        L.Dense(3, activation="relu"),
        L.Bidirectional(L.GRU(4, return_sequences=True, reset_after=False), merge_mode="ave"),
        L.Bidirectional(L.RNN(L.LSTMCell(2), return_sequences=True), backward_layer=L.SimpleRNN(2, return_sequences=True, go_backwards=True)),
        L.Dense(2),
        L.GlobalAveragePooling1D(),
    ],
}  # fmt: skip
"""Chains of layers in both directions."""


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_whole_windows_answer_as_keras_does(name, suffix, tmp_path):
    model = of(SEQUENCE, *WINDOWS[name]())
    path = saved(model, tmp_path, suffix)
    window = window_from_file(path, labels=("no", "yes"))
    xs = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
    expected = whole(model, xs)
    assert np.abs(WindowStepper(window).run(xs) - expected).max() <= EXACT
    with pytest.raises(UnsupportedError, match="window_from_file"):
        from_file(path)


def test_windows_that_cannot_be_are_refused(tmp_path):
    for layers, error, message in (
        ([L.LSTM(2)], UsageError, "it can stream: convert it with from_file"),
        ([L.Bidirectional(L.LSTM(2))], UnsupportedError, "set return_sequences=True, with GlobalAveragePooling1D"),
        ([L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode="mul")], UnsupportedError, "merge_mode='mul'"),
    ):
        with pytest.raises(error, match=message):
            window_from_file(saved(of(SEQUENCE, *layers), tmp_path))
    with pytest.raises(UnsupportedError, match="has branches"):
        window_from_file(saved(merges(), tmp_path))
    with pytest.raises(UsageError, match=r"only \.keras, \.h5, \.hdf5 are"):
        window_from_file(tmp_path / "m.onnx")


def test_an_import_is_replayed_by_keras(tmp_path, monkeypatch):
    """A gate order that is wrong is an error before anything is converted; without Keras there is no replay."""
    path = saved(of(SEQUENCE, L.GRU(4)), tmp_path)
    monkeypatch.setattr(recurrent, "_ordered", lambda kind, rows, units: rows)
    with pytest.raises(ParityError, match=r"'gru\w*' is 0?\.?\d.* from Keras in call 0"):
        from_file(path)
    monkeypatch.setattr("edgernn_export.sources.keras.replay._is_on_torch", lambda: False)
    assert read(path, ImportOptions()).original is None


def test_a_mean_over_time_runs_when_asked_for(tmp_path):
    model = of(SEQUENCE, L.Dense(4), L.GlobalAveragePooling1D(), L.Dense(2, activation="softmax"))
    path = saved(model, tmp_path)
    with pytest.raises(UnsupportedError, match=r"running=\(\"mean\",\)"):
        from_file(path)
    xs = np.random.default_rng(0).standard_normal((30, 6)).astype(np.float32)
    ys = Stepper(from_file(path, running=("mean",))).run(xs)[0]
    assert np.abs(ys[-1] - whole(model, xs)).max() <= EXACT


def test_layers_keep_their_names(tmp_path):
    model = of((None, 6), L.LSTM(4, name="encoder", return_sequences=True), L.Dense(2, name="head"))
    assert [layer.name for layer in from_file(saved(model, tmp_path)).layers] == ["encoder", "head"]
