"""LogMagnitude against torch's vector norm: random vectors, loud and quiet, through every file format."""

import numpy as np
import pytest
import torch
from test_parity import SUFFIXES, written

from edgernn.cells import LogMagnitude
from edgernn.interpreters.numpy import Stepper
from zoo import one

SHAPES = {"an accelerometer": (3, 1e-6), "one axis": (1, 1e-6), "a floor that is heard": (6, 0.1)}
"""A name -> inputs and floor."""


def vectors(inputs: int) -> np.ndarray:
    """Random vectors, (60, inputs), from 1e-4 to 100; the last one is 0."""
    random = np.random.default_rng(5)
    xs = random.standard_normal((60, inputs)) * np.geomspace(1e-4, 100, 60)[:, None]
    xs[-1] = 0
    return xs.astype(np.float32)


def log_magnitude(xs: np.ndarray, floor: float) -> np.ndarray:
    """log(|x|^2 + floor) as torch adds in logarithms, of its own norm; float64."""
    norm = torch.linalg.vector_norm(torch.from_numpy(xs).double(), dim=-1, keepdim=True)
    return torch.logaddexp(2 * torch.log(norm), torch.log(torch.tensor(floor).double())).numpy()


@pytest.mark.parametrize("name", SHAPES)
def test_the_definition_is_the_logarithm_of_torchs_norm(name):
    inputs, floor = SHAPES[name]
    xs = vectors(inputs)
    actual, _ = Stepper(one(LogMagnitude(inputs, floor), inputs)).run(xs)
    np.testing.assert_allclose(actual, log_magnitude(xs, floor), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", SHAPES)
def test_every_format_computes_the_logarithm_of_torchs_norm(name, suffix, tmp_path):
    inputs, floor = SHAPES[name]
    xs = vectors(inputs)
    program = written(one(LogMagnitude(inputs, floor), inputs), tmp_path / f"m{suffix}")
    np.testing.assert_allclose(program.stream().run(xs), log_magnitude(xs, floor), rtol=2e-6, atol=2e-6)
