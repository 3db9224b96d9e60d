"""The synthetic motor shakes as its docstring says, by scipy's spectra."""

import numpy as np
import pytest
from scipy.signal import find_peaks, hilbert, periodogram

from edgernn.train.motor import BALL_TO_PITCH, BALLS, CONDITIONS, FRAME, RATE_HZ, record

SECONDS = 8.0


@pytest.fixture(scope="module")
def shaken():
    """Condition -> signals, three of each."""
    made = record(15, SECONDS, seed=5)
    signals = made.frames.reshape(15, -1)
    return {name: signals[made.conditions == i] for i, name in enumerate(CONDITIONS)}


def lines(signal):
    """The turning frequency, and the amplitude at each order of it."""
    hz, power = periodogram(signal, RATE_HZ, "hann", scaling="spectrum")
    turns = (hz > 23) & (hz < 31)
    f = hz[turns][power[turns].argmax()]

    def order(k):
        near = np.abs(hz - k * f) < 0.6
        return np.sqrt(2 * power[near].max())

    return f, order


def test_frames_are_consecutive_samples():
    made = record(5, 1.0, seed=0)
    assert made.frames.shape == (5, RATE_HZ // FRAME, FRAME)
    assert made.frames.dtype == np.float32
    np.testing.assert_array_equal(made.conditions, range(5))


def test_the_same_seed_makes_the_same_motor():
    np.testing.assert_array_equal(record(5, 0.5, seed=3).frames, record(5, 0.5, seed=3).frames)
    assert not np.array_equal(record(5, 0.5, seed=3).frames, record(5, 0.5, seed=4).frames)


def test_imbalance_is_a_line_at_the_turning_frequency(shaken):
    for sick, well in zip(shaken["imbalance"], shaken["healthy"], strict=True):
        assert lines(sick)[1](1) > 2 * lines(well)[1](1)


def test_misalignment_stands_out_at_twice_the_turning_frequency(shaken):
    for signal in shaken["misalignment"]:
        _, order = lines(signal)
        assert order(2) > order(1)
        assert order(3) > 0.05


def test_looseness_is_a_ladder_with_half_an_order(shaken):
    for signal in shaken["looseness"]:
        _, order = lines(signal)
        assert order(0.5) > 0.05
        assert min(order(k) for k in range(1, 9)) > 0.05


def test_a_bearing_is_struck_at_the_ball_pass_frequency(shaken):
    """The envelope of the signal above 300 Hz repeats at BPFO."""
    for signal in shaken["bearing"]:
        spectrum = np.fft.rfft(signal)
        spectrum[: int(300 * SECONDS)] = 0
        envelope = np.abs(hilbert(np.fft.irfft(spectrum)))
        hz, power = periodogram(envelope - envelope.mean(), RATE_HZ, "hann", scaling="spectrum")
        band = (hz > 60) & (hz < 130)
        peaks, _ = find_peaks(power[band])
        struck = hz[band][peaks[power[band][peaks].argmax()]]
        f, _ = lines(signal)
        assert struck == pytest.approx(BALLS / 2 * f * (1 - BALL_TO_PITCH), rel=0.02)
