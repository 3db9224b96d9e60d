"""The roofline on synthetic kernels of known bytes and operations: times by hand, from figures that stand here."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edgernn.cells import Dense, Gru, Lstm
from edgernn.device.board import Device
from edgernn.latency.estimate import estimate
from edgernn.model.tensor import Tensor
from edgernn.passes.quantize import quantize
from zoo import one


@dataclass(frozen=True)
class Core:
    """What a core does in a cycle: multiply-adds of float32 and of int8, and bytes read from L1, L2 and L3."""

    macs: int
    int8_macs: int
    l1: int
    l2: int
    l3: int


CORES = {
    "x86-64-v4-vnni": Core(512 // 32, 512 // 8, 64, 64, 32),  # vpdpbusd
    "x86-64-v3-vnni": Core(256 // 32, 256 // 8, 32, 32, 16),  # vpdpbusd
    "x86-64-v3": Core(256 // 32, 3 * 256 // 8 // 4, 32, 32, 16),  # vpmaddubsw, with three more on three ports
    "x86-64": Core(128 // 32, 4, 16, 16, 8),
    "aarch64-dotprod": Core(128 // 32, 128 // 8, 32, 16, 8),  # sdot
    "aarch64": Core(128 // 32, 128 // 16, 16, 8, 8),  # smlal
    "armv7-neon": Core(128 // 32, 128 // 16, 16, 8, 8),
}
"""Level -> its core, from the width of its vectors."""

CORTEX_A72 = Device("a72", "A72", clock_mhz=1500, level="aarch64", l1d_kib=32, l2_kib=1024, l3_kib=0, mb_per_s=3000)


def zeros(*shape: int) -> Tensor:
    return Tensor(np.zeros(shape, np.float32))


def affine_us(rows: int, columns: int, device: Device, scheme: str = "") -> float:
    graph = one(Dense(zeros(rows, columns)), columns)
    return estimate(quantize(graph, scheme) if scheme else graph, device).parts_us["affine"]


every_level = pytest.mark.parametrize("level", CORES)
sizes = st.integers(1, 300)


@every_level
@settings(deadline=None, max_examples=12)
@given(rows=sizes, columns=sizes, clock_mhz=st.integers(100, 4000), held_in=st.sampled_from(("l1", "l2", "l3")))
def test_a_matrix_in_a_cache_takes_the_longer_of_operations_and_bytes(level, rows, columns, clock_mhz, held_in):
    core, caches = CORES[level], {"l1d_kib": 0, "l2_kib": 0, "l3_kib": 0}
    caches["l1d_kib" if held_in == "l1" else f"{held_in}_kib"] = 4096
    device = Device("core", "A core", clock_mhz=clock_mhz, level=level, mb_per_s=1, **caches)
    macs = rows * columns
    in_float = max(macs / core.macs, 4 * macs / getattr(core, held_in)) / clock_mhz
    assert affine_us(rows, columns, device) == pytest.approx(in_float)
    stored = macs + 4 * rows  # a byte for each weight, a float32 for each row
    in_int8 = max(macs / core.int8_macs, stored / getattr(core, held_in)) / clock_mhz
    assert affine_us(rows, columns, device, "dynamic_wi8_afp32") == pytest.approx(in_int8)


@every_level
@settings(deadline=None, max_examples=12)
@given(rows=sizes, columns=sizes, clock_mhz=st.integers(100, 4000), mb_per_s=st.integers(50, 60_000))
def test_a_matrix_in_memory_takes_its_bytes_over_the_bandwidth_or_its_operations(
    level, rows, columns, clock_mhz, mb_per_s
):
    caches = dict.fromkeys(("l1d_kib", "l2_kib", "l3_kib"), 0)
    device = Device("core", "A core", clock_mhz=clock_mhz, level=level, mb_per_s=mb_per_s, **caches)
    macs = rows * columns
    operations_us = macs / CORES[level].macs / clock_mhz  # a clock of 1 MHz is a cycle in a microsecond
    for scheme, stored in (("", 4 * macs), ("fp16", 2 * macs)):  # and 1 MB/s is a byte in a microsecond
        assert affine_us(rows, columns, device, scheme) == pytest.approx(max(operations_us, stored / mb_per_s))


def test_a_gru_step_by_hand():
    """40 inputs and 32 units on a Cortex-A72: four floats a cycle, 16 bytes a cycle from L1, 20 cycles a division."""
    gru = one(Gru(zeros(96, 40), zeros(96, 32)), 40)
    predicted = estimate(gru, CORTEX_A72)
    assert predicted.fits_in == "L1"
    matrices = 96 * 40 * 4 / 16 + 96 * 32 * 4 / 16  # 960 + 768 cycles; their operations take as many
    vectors = 32 / 4
    sums = (2 + 1 + 1 + 1) * vectors  # into r and z, into n, h - n, and h itself
    products = 2 * vectors  # r * hn and z * (h - n)
    sigmoids, tanh = 2 * (24 + 20) * vectors, (22 + 20) * vectors
    guard = 3 * 40 / 4  # the frame is looked at
    assert predicted.parts_us["affine"] * 1500 == pytest.approx(matrices)
    assert predicted.parts_us["elementwise"] * 1500 == pytest.approx(sums + products + sigmoids + tanh + guard)
    assert predicted.parts_us["overhead"] * 1500 == pytest.approx(50 + 10 * (2 + 5 + 2 + 2 + 1))
    assert predicted.step_us == pytest.approx((1728 + 40 + 16 + 704 + 336 + 30 + 170) / 1500)


def test_an_lstm_step_by_hand_in_int8():
    """16 inputs and 64 units, a byte each: 8 multiply-adds of int8 a cycle, and 16 bytes."""
    predicted = estimate(quantize(one(Lstm(zeros(256, 16), zeros(256, 64), zeros(256)), 16)), CORTEX_A72)
    assert predicted.fits_in == "L1"
    matrices = 256 * 16 / 8 + 256 * 64 / 8  # 512 + 2048 cycles, which is longer than reading them
    vectors = 64 / 4
    sums, products = (4 + 1) * vectors, 3 * vectors  # four gates and c; f * c, i * g, o * tanh(c)
    sigmoids, tanhs = 3 * (24 + 20) * vectors, 2 * (22 + 20) * vectors
    rounded = 8 * (16 / 4 + 64 / 4)  # x and h, once each
    elementwise = sums + products + sigmoids + tanhs + rounded + 3 * 16 / 4
    assert predicted.parts_us["affine"] * 1500 == pytest.approx(matrices)
    assert predicted.parts_us["elementwise"] * 1500 == pytest.approx(elementwise)
    assert predicted.cost.weight_bytes == 256 * 16 + 256 * 64 + 2 * 4 * 256 + 4 * 256  # scales of both, and the biases


@pytest.mark.parametrize(("kib", "fits_in", "bytes_per_cycle"), [(8, "L2", 8), (32, "L1", 16)])
def test_the_cache_that_holds_a_step_gives_its_bytes(kib, fits_in, bytes_per_cycle):
    """64 * 64 weights of four bytes are 16 KiB."""
    device = replace(CORTEX_A72, l1d_kib=kib)
    assert estimate(one(Dense(zeros(64, 64)), 64), device).fits_in == fits_in
    assert affine_us(64, 64, device) * 1500 == pytest.approx(max(64 * 64 / 4, 64 * 64 * 4 / bytes_per_cycle))
