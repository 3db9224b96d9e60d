"""Gains of bands against scipy and numpy: a mask of 1 restores the samples, every other one is that of the textbook."""

import numpy as np
import pytest
import scipy.signal

from edgernn.cells import BandMask, Istft, LogBands, LogMel, Stft
from edgernn.errors import GraphError
from edgernn.interpreters.numpy import NumpyOps, Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor

RATE = 8000
SIZES = [(256, 128, 48), (256, 64, 40), (240, 80, 30), (200, 100, 24), (210, 70, 24)]


def root_hann(window):
    return Tensor(np.sqrt(np.hanning(window + 1)[:-1]).astype(np.float32))


def stepped(window, hop, bands, gains, x):
    """(steps, hop) -> (steps, hop): the three cells by numpy in float64, without a graph."""
    width, ops = 2 * (window // 2 + 1), NumpyOps("float64")
    stft, istft = Stft(hop, window, root_hann(window)), Istft(width, hop, window, root_hann(window))
    mask, past, tail, results = BandMask(width, RATE, bands), np.zeros(window - hop), np.zeros(window - hop), []
    for frame in x:
        spectrum, (past,) = stft.step(ops, frame, (past,))
        y, (tail,) = istft.step(ops, mask.join(ops, gains, spectrum), (tail,))
        results.append(y)
    return np.stack(results)


@pytest.mark.parametrize(("window", "hop", "bands"), SIZES)
def test_gains_of_one_restore_the_samples_one_window_less_one_hop_later(window, hop, bands):
    x = np.random.default_rng(hop).standard_normal((30, hop))
    late = window // hop - 1
    y = stepped(window, hop, bands, np.ones(bands), x)
    assert np.abs(y[late:] - x[: len(x) - late]).max() < 1e-6


@pytest.mark.parametrize(("window", "hop", "bands"), SIZES)
def test_any_gains_are_those_of_scipy(window, hop, bands):
    random = np.random.default_rng(hop)
    x, gains = random.standard_normal((30, hop)), random.uniform(0, 1, bands)
    shape = {"window": root_hann(window).dense(np.float64), "nperseg": window, "noverlap": window - hop}
    _, _, spectrum = scipy.signal.stft(x.ravel(), boundary=None, padded=False, **shape)
    # Between the centres of two bands the gain is that of a line, outside of them that of the nearest.
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), bands + 2)[1:-1]
    by_bin = np.interp(np.linspace(0, RATE / 2, window // 2 + 1), 700 * (10 ** (mel / 2595) - 1), gains)
    with pytest.warns(UserWarning, match="NOLA"):  # no window but its zero lies over the first sample
        _, expected = scipy.signal.istft(spectrum * by_bin[:, None], boundary=False, **shape)
    late = window - hop
    actual = stepped(window, hop, bands, gains, x).ravel()[late:]
    inner = slice(window, -window)  # scipy divides the ends by the fewer windows over them
    assert np.abs(actual[: len(expected)][inner] - expected[: len(actual)][inner]).max() < 1e-5


@pytest.mark.parametrize(("window", "hop", "bands"), SIZES)
def test_log_bands_of_a_spectrum_are_a_log_mel(window, hop, bands):
    x = np.random.default_rng(1).standard_normal((9, hop)).astype(np.float32)
    taper = Tensor(np.hanning(window).astype(np.float32))
    width = 2 * (window // 2 + 1)
    apart = Graph((Layer("stft", Stft(hop, window, taper)), Layer("bands", LogBands(width, RATE, bands))), hop)
    whole = Graph((Layer("mel", LogMel(hop, RATE, window, bands, window)),), hop)
    assert np.allclose(Stepper(apart).run(x)[0], Stepper(whole).run(x)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LogBands(13, 8000, 2), "2 bands of a spectrum of 13 values at 8000 Hz arrived; expected an even"),
        (lambda: LogBands(14, 8000, 8), "at most a band for each bin"),
        (lambda: LogBands(14, 0, 2), "at 0 Hz arrived; .* a rate above 0"),
        (lambda: LogBands(66, 8000, 33), "mel band 0 of 33 contains none of 33 bins; ask for fewer bands"),
        (lambda: LogBands(14, 8000, 2, 0.0), "LogBands has a floor of 0; expected a finite number above 0"),
        (lambda: BandMask(13, 8000, 2), "2 bands of a spectrum of 13 values"),
        (
            lambda: Graph((Layer("a", Stft(2, 4, Tensor(np.ones(4)))), Layer("m", BandMask(6, 8, 2), ("a", "a"))), 2),
            "BandMask|6",
        ),
        (
            lambda: Graph((Layer("m", BandMask(14, 800, 4), ("x", "x", "x")),), 14),
            "BandMask joins 3 inputs; expected two, the gains and the spectrum",
        ),
    ],
)
def test_bad_sizes_are_refused(build, message):
    with pytest.raises(GraphError, match=message):
        build()
