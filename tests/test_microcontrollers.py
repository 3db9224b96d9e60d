"""The instructions of a step on a Cortex-M that qemu emulates: with the kernels and in portable C, as the bench counts."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

import edgernn
from edgernn.interpreters.count import count
from ways import needs

BENCH = Path(__file__).parent.parent / "bench"
PARTS = {"cortex-m4": 0.5, "cortex-m55": 0.25}


@pytest.fixture(scope="module")
def bench():
    """The module that counts, which imports others of its folder."""
    before = list(sys.path)
    spec = spec_from_file_location("microcontrollers", BENCH / "microcontrollers.py")
    module = module_from_spec(spec)
    sys.path.insert(0, str(BENCH))
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@needs("arm-none-eabi-gcc", "qemu-system-arm")
@pytest.mark.parametrize("processor", PARTS)
def test_kernels_take_a_part_of_the_portable_instructions_and_have_the_bits_of_numpy(processor, bench):
    frames = np.random.default_rng(1).standard_normal((100, bench.INPUTS)).astype(np.float32)
    quantized = edgernn.quantize(edgernn.calibrate(bench.graph("gru", 32), [frames]), "static_wi8_ai8")
    row = bench.measured(quantized, frames[:3], processor, "-O2")
    assert row["part"] <= row["at_most"] == PARTS[processor]
    products = count(quantized).weight_bytes  # of a byte each
    assert row["portable"] > products  # portable C has an instruction for each, Helium one for sixteen
    assert row["kernels"] > products / 16
