"""Models that other people trained and published, with their own reference outputs, on every backend."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import edgernn
from edgernn.cells import Dense, Gru
from edgernn.device.runtimes import suffixes
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn_export import export, from_torch

ERROR = 1e-5
SUFFIXES = suffixes()
PEDALS = (
    "gru4_ts9_pytorch",
    "gru8_ts9_pytorch",
    "lstm4_ts9_pytorch",
    "lstm8_ts9_pytorch",
    "ts9_gru7_gain10_loss003_TEST",
)


def opened(graph, path):
    if path.suffix == ".rnn":
        edgernn.save(graph, path)
    else:
        export(graph, path)
    return edgernn.open(path)


def signal(path):
    return np.loadtxt(path, dtype=np.float32).reshape(-1, 1)


def keras_gru(layers) -> Graph:
    """A Keras GRU (gates z r h, weights (inputs, 3 * hidden), biases (2, 3 * hidden)) with its dense layers."""

    def gates(array):
        update, reset, new = np.split(np.array(array, np.float32), 3, axis=-1)
        return np.concatenate([reset, update, new], axis=-1)

    kernel, recurrent, biases = map(gates, layers[0]["weights"])
    stack = [Layer("gru", Gru(Tensor(kernel.T), Tensor(recurrent.T), Tensor(biases[0]), Tensor(biases[1])))]
    for i, layer in enumerate(layers[1:]):
        w, b = (np.array(array, np.float32) for array in layer["weights"])
        stack.append(Layer(f"dense{i}", Dense(Tensor(w.T), Tensor(b), layer["activation"] or "linear")))
    return Graph(tuple(stack), 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_keras_gru_gives_its_published_output(data, suffix, tmp_path):
    folder = data / "models/rtneural"
    graph = keras_gru(json.loads((folder / "gru_1d.json").read_text())["layers"])
    actual = opened(graph, tmp_path / f"m{suffix}").stream().run(signal(folder / "gru_1d_x_python.csv"))
    np.testing.assert_allclose(actual, signal(folder / "gru_1d_y_python.csv"), atol=ERROR)


class LstmStack(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 8, batch_first=True)
        self.lstm2 = nn.LSTM(8, 8, num_layers=3, batch_first=True)
        self.dense = nn.Linear(8, 1)

    def forward(self, x):
        return self.dense(self.lstm2(self.lstm(x)[0])[0])


def loaded(module, weights):
    module.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    return module.eval()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_torch_lstm_stack_gives_its_published_output(data, suffix, tmp_path):
    folder = data / "models/rtneural"
    module = loaded(LstmStack(), json.loads((folder / "lstm_torch.json").read_text()))
    graph = from_torch(module, torch.zeros(1, 10, 1))
    actual = opened(graph, tmp_path / f"m{suffix}").stream().run(signal(folder / "lstm_torch_x_python.csv"))
    np.testing.assert_allclose(actual, signal(folder / "lstm_torch_y_python.csv"), atol=ERROR)


class Pedal(nn.Module):
    """A guitar pedal: a recurrent layer, a linear one, and the dry signal beside them."""

    def __init__(self, kind, hidden):
        super().__init__()
        self.rec = {"GRU": nn.GRU, "LSTM": nn.LSTM}[kind](1, hidden, batch_first=True)
        self.lin = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.lin(self.rec(x)[0]) + x


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", PEDALS)
def test_a_guitar_pedal_sounds_as_in_torch(data, name, suffix, tmp_path):
    published = json.loads((data / f"models/neuralseed/{name}.json").read_text())
    module = loaded(
        Pedal(published["model_data"]["unit_type"], published["model_data"]["hidden_size"]), published["state_dict"]
    )
    graph = from_torch(module, torch.zeros(1, 10, 1))
    t = torch.arange(2000) / 44100
    guitar = (0.5 * torch.sin(2 * torch.pi * 196 * t) * torch.exp(-20 * t))[None, :, None]  # an open G string
    with torch.no_grad():
        expected = module(guitar)[0].numpy()
    actual = opened(graph, tmp_path / f"m{suffix}").stream().run(guitar[0].numpy())
    np.testing.assert_allclose(actual, expected, atol=ERROR)
