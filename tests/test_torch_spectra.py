"""torch.stft and torch.fft in modules: the layers that from_torch makes of them, proved against torch."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import edgernn
from edgernn.cells import Istft, Stft
from edgernn.errors import EdgernnError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import export, from_torch


class Spectral(nn.Module):
    """A function of a module with a window, a GRU over the bins, and a linear layer."""

    def __init__(self, forward, n=16, hop=8, win=None, bins=None):
        super().__init__()
        self.n, self.hop, self.win, self.function = n, hop, win or n, forward
        self.register_buffer("window", torch.hann_window(self.win) + 0.1)
        self.gru, self.gain = nn.GRU(bins or n // 2 + 1, 5, batch_first=True), nn.Linear(n, n // 2 + 1)

    def forward(self, x):
        return self.function(self, x)

    def stft(self, x, **options):
        options = {"center": False, "return_complex": True, "window": self.window, **options}
        return torch.stft(x, self.n, self.hop, self.win, **options)


def magnitudes(m, x, **options):
    return m.gru(m.stft(x, **options).abs().mT)[0]


def energies(m, x):
    z = torch.view_as_real(m.stft(x))
    return m.gru((z[..., 0] ** 2 + z[..., 1] ** 2 + 1e-3).log().mT)[0]


def both(m, x):
    z = m.stft(x)
    return m.gru(torch.cat([z.real, -z.imag], 1).mT)[0]


MODULES = {
    "magnitudes": (partial(Spectral, magnitudes), (8, 0)),
    "a hop that does not divide": (partial(Spectral, magnitudes, 20, 8), (8, 8)),
    "a shorter window": (partial(Spectral, magnitudes, 16, 4, 10), (4, 0)),
    "normalized": (partial(Spectral, partial(magnitudes, normalized=True), 16, 4), (4, 0)),
    "no window": (partial(Spectral, partial(magnitudes, window=None)), (8, 0)),
    "energies": (partial(Spectral, energies), (8, 0)),
    "real and imaginary": (partial(Spectral, both, bins=18), (8, 0)),
    "within a frame": (partial(Spectral, lambda m, x: m.gru(torch.fft.rfft(x).abs())[0]), (1, 0)),
    "of a longer size": (partial(Spectral, lambda m, x: m.gru(torch.fft.rfft(x, 18, norm="ortho").imag[..., 1:])[0]), (1, 0)),
    "masked": (partial(Spectral, lambda m, x: torch.fft.irfft(torch.fft.rfft(x) * m.gain(x).sigmoid())), (1, 0)),
    "masked, orthogonal": (partial(Spectral, lambda m, x: torch.fft.irfft(torch.fft.rfft(x, norm="ortho") * m.gain(x), norm="ortho")), (1, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_a_module_becomes_its_spectra(name, tmp_path):
    make, (frames, delay) = MODULES[name]
    torch.manual_seed(3)
    module, one = make().eval(), frames == 1
    example = torch.randn(1, 12, 16) if one else torch.randn(1, 20 * frames)
    graph = from_torch(module, example, time_axis=1)
    assert (graph.frames_per_step, graph.delay_frames) == (frames, delay)
    assert any(isinstance(layer.cell, Stft) for layer in graph.layers)
    steps = example[0].double().numpy() if one else example.double().numpy().reshape(-1, frames)
    with torch.no_grad():
        expected = module.double()(example.double())[0].numpy()
    answers = Stepper(graph).run(steps)[0]
    first = len(answers) - len(expected)
    np.testing.assert_allclose(answers[first:], expected, atol=1e-6)
    export(graph, tmp_path / "m.onnx")
    streamed = edgernn.open(tmp_path / "m.onnx").stream().run(steps.reshape(len(steps) * frames, -1).astype(np.float32))
    np.testing.assert_allclose(streamed[first:], expected, atol=2e-5)


REFUSED = {
    "centred": (lambda m, x: magnitudes(m, x, center=True), r"torch.stft reflects samples on both sides.*center=False"),
    "inverse": (
        lambda m, x: torch.istft(m.stft(x), m.n, m.hop, window=m.window, center=False),
        r"'istft', which cannot stream: .*the cell edgernn.cells.Istft",
    ),
    "two sides": (lambda m, x: m.gru(m.stft(x, onesided=False).abs()[:, :9].mT)[0], "it is two-sided"),
    "angles": (lambda m, x: m.gru(m.stft(x).angle().mT)[0], "complex numbers become real by abs, real, imag"),
    "a product of spectra": (
        lambda m, x: m.gru((m.stft(x) * m.stft(x)).abs().mT)[0],
        "complex numbers become real by abs",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_stream_says_why(name):
    function, words = REFUSED[name]
    with pytest.raises(EdgernnError, match=words):
        from_torch(Spectral(function).eval(), torch.randn(1, 160), time_axis=1)


def test_a_size_that_is_not_supported_names_the_nearest():
    with pytest.raises(EdgernnError, match=r"an fft of 22 points arrived; .*: the nearest size is 21"):
        from_torch(Spectral(magnitudes, 22, 11).eval(), torch.randn(1, 220))


def test_an_inverse_that_is_no_frame_is_refused():
    for function, words in (
        (lambda m, x: torch.fft.irfft(torch.fft.rfft(x), 12), "it makes 12 numbers of 9 bins; expected 7 bins"),
        (lambda m, x: m.gru(torch.fft.rfft(x, 8).abs())[0], "it leaves out 8 of 16 elements"),
    ):
        with pytest.raises(EdgernnError, match=words):
            from_torch(Spectral(function, bins=5).eval(), torch.randn(1, 12, 16), time_axis=1)


def test_the_inverse_is_a_cell_of_its_own():
    assert Istft(18, 8, 16, edgernn.Tensor(np.hanning(18)[1:-1])).states == {"tail": 8}
