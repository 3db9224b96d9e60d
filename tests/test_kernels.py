"""The kernels of c_runtime, one by one, on every compiler, instruction set and processor that there is here.

What numpy makes of the cases of a kernel is computed once, for all of these.
"""

import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from scipy.special import expit

from edgernn.cells import Activation, LayerNorm
from edgernn.device import isa
from edgernn.integer.dynamic import quantize_dynamic
from edgernn.integer.fixedpoint import halve, logarithm_table, multiplier, power_table
from edgernn.integer.forms import MAKE, Affine
from edgernn.integer.normalize import WIDEST, Normalized
from edgernn.integer.plan import IntegerPlan, QuantizationParameters
from edgernn.integer.softmax import Logarithm, Softmax
from edgernn.interpreters.numpy import NumpyOps, SameOps
from edgernn.model import int4
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, Tensor
from edgernn.passes.rounding import smaller
from edgernn_export.targets.c.layout import padded
from edgernn_export.targets.c.pack import (
    MAX_DENSITY,
    padded_vector,
    rows_by_column,
    rows_by_group,
    scales_by_group,
    shifted_bias_i8,
    side_by_side,
    sums_i8,
    without_zeros,
)
from ways import COMPILERS, EVERY_KERNEL_WAY, RUNTIME, STRICT, WAYS

QUANTIZE, DENSE_I8, SPARSE_I8, FLOAT, HALF, WEIGHT_ONLY, FOUR, SPARSE_F32, SQUASH, FIXED = range(10)
FIXED_SPARSE, VECTOR, ELEMENTS, SEVERAL = FIXED + 256, 1024, 2048, 4096
POSITIONS = (2, 3, 4, 7, 9)
CURVES = 6  # functions in the answer to SQUASH: tanh, sigmoid, exp, sqrt, and maximum twice
GRIDS = [QuantizationParameters(1.0, zero, bits) for zero, bits in ((-128, 8), (5, 8), (127, 8), (0, 16))]
SHAPES = ((16, 1), (16, 3), (17, 4), (48, 5), (5, 15), (32, 16), (33, 17), (64, 40), (80, 127), (129, 9), (192, 33))
random = np.random.default_rng(0)


@dataclass(frozen=True)
class Case:
    """One call of a kernel: its input in bytes, and the result of numpy."""

    data: bytes
    expected: np.ndarray


@pytest.fixture(scope="module", params=EVERY_KERNEL_WAY)
def way(request):
    return WAYS[request.param]


@pytest.fixture(scope="module")
def program(way, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "kernels.c").write_text(Path(__file__).with_name("kernels.c").read_text())
    return way.build(folder, "kernels.c")


def answers(way, program, cases):
    done = way.run(program, b"".join(case.data for case in cases))
    assert done.returncode == 0, done.stderr[:2000]
    return done.stdout


def head(kind, rows, inputs, stored=0):
    return np.array([kind, padded(rows) // 16, inputs, stored], np.uint64).tobytes()


def affine(kind, weight: Tensor, x, bias, few=None) -> Case:
    """A case of an affine: packed weights, and the result of numpy."""
    rows, inputs = weight.shape
    i8 = weight.scheme == DYNAMIC
    packed = rows_by_group(weight.stored) if i8 else rows_by_column(weight.stored)
    groups = 1 if weight.scale is None or weight.scale.ndim == 1 else weight.scale.shape[1]
    if kind in (SPARSE_I8, SPARSE_F32):
        few = without_zeros(packed)
        assert few is not None
    scale = scales_by_group(np.ones(rows) if weight.scale is None else weight.scale)
    sums = sums_i8(weight.stored) if i8 else np.zeros(padded(rows), np.int32)
    data = head(kind, rows, inputs, inputs // groups if few is None else len(few.blocks)) + x.tobytes()
    data += (side_by_side(packed) if few is None else few.blocks).tobytes()
    data += scale.tobytes() + padded_vector(bias).tobytes() + sums.tobytes()
    if few is not None:
        data += few.index.tobytes() + few.starts.tobytes() + few.order.tobytes()
    ops = SameOps() if i8 else NumpyOps()
    full = np.zeros(padded(rows))
    full[:rows] = ops.affine(weight, x if i8 else x.astype(float), Tensor(bias))
    return Case(data, full)


def several(kind, shape, expected) -> bytes:
    """The head of a case of these positions: that of one, and the rows."""
    positions, rows = expected.shape
    return np.array([kind + SEVERAL * positions, *shape, rows], np.uint64).tobytes()


def fixed(
    rows,
    inputs,
    x: QuantizationParameters,
    to: QuantizationParameters,
    loud,
    sign=0,
    stays=None,
    draw=random,
    positions=1,
) -> Case:
    """An affine of integers, and what its definition makes of the same; `sign` fills it with the largest there are.

    With `stays`, bool (rows, inputs), the kernel is the sparse one; with several positions, that of positions.
    """
    w = draw.integers(-127, 128, (rows, inputs)) if not sign else np.full((rows, inputs), 127 * sign)
    w = w if stays is None else w * stays
    few = None if stays is None else without_zeros(rows_by_group(w))
    assert (few is None) == (stays is None)
    q = draw.integers(x.low, x.high + 1, (positions, inputs)) if not sign else np.full((positions, inputs), x.low)
    bias = draw.integers(-(2**20), 2**20, rows) - x.zero * w.sum(axis=1)
    most = max(np.abs(w).sum(axis=1).max(), 1) * x.reach
    mantissa, shift = multiplier(draw.uniform(0.2, 1, rows) * loud * to.reach / most)
    form = Affine(w, bias, mantissa, shift, to)
    beyond = draw.integers(x.low, x.high + 1, -inputs % 4)  # what lies behind meets weights that are zero
    kind, stored = (FIXED, 0) if few is None else (FIXED_SPARSE, len(few.blocks))
    data = head(kind + to.zero + 128, rows, inputs, 10000 * stored + 100 * to.bits + x.bits)
    data += np.concatenate([*q, beyond]).astype(f"int{x.bits}").tobytes()
    parts = (side_by_side(rows_by_group(w)),) if few is None else (few.blocks, few.index, few.starts, few.order)
    data += b"".join(part.tobytes() for part in parts)
    for values, dtype in ((bias, "int32"), (mantissa, "int32"), (shift, "uint8")):
        data += np.pad(values, (0, padded(rows) - rows), constant_values=1).astype(dtype).tobytes()
        data += shifted_bias_i8(w, bias).tobytes() if values is bias else b""
    expected = form(q).astype(f"int{to.bits}")
    if positions == 1:
        return Case(data, expected[0])
    kind, *shape = np.frombuffer(data, np.uint64, 4).tolist()
    return Case(several(kind, shape, expected) + data[32:], expected)


def extremes(inputs):
    """Weights and frames at which narrow sums would saturate, ties that go to the even side, and silence."""
    for sign in (1, -1):
        yield 127, np.full(inputs, sign, np.float32)
        yield -127, np.full(inputs, sign, np.float32)
    yield None, np.concatenate([[127.0], np.arange(inputs - 1) % 7 - 2.5]).astype(np.float32)
    yield None, np.zeros(inputs, np.float32)
    yield None, np.full(inputs, 1e-31, np.float32)
    yield None, random.standard_normal(inputs).astype(np.float32)


def integers(rows, inputs, fill, holes=0.0):
    """int8 weights of this value, or random ones; a part of the blocks of 16 by 4 is left empty."""
    stored = random.integers(-127, 128, (rows, inputs)) if fill is None else np.full((rows, inputs), fill)
    mask = random.random((-(-rows // 16), -(-inputs // 4))) >= holes
    stored = stored * np.kron(mask, np.ones((16, 4), int))[:rows, :inputs]
    return Tensor(stored.astype(np.int8), random.uniform(0.001, 0.1, rows), DYNAMIC)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_avx_vnni_is_what_its_level_compiles_to(compiler, tmp_path):
    """Here only compiled where the processor lacks it; "AVX-VNNI by AVX-512" runs the same kernels by AVX-512."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    source, options = Path(__file__).with_name("kernels.c"), isa.LEVELS["x86-64-v3-vnni"].options
    command = [*COMPILERS[compiler], "-O2", *STRICT, *options, f"-I{RUNTIME}", "-S", "-o", "-", source]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    lines = done.stdout.splitlines()
    for instruction in ("vpdpbusd", "vpdpwssd"):
        assert any(f"{{vex}}\t{instruction}" in line.replace(" ", "\t") for line in lines), instruction
    assert not any("vpmaddubsw" in line or "%zmm" in line for line in lines)


def test_a_frame_is_rounded_to_the_same_integers(way, program):
    frames = [x for _, inputs in SHAPES for _, x in extremes(inputs)]
    cases = [Case(head(QUANTIZE, 0, len(x)) + x.tobytes(), x) for x in frames]
    output, at = answers(way, program, cases), 0
    for x in frames:
        q, step = quantize_dynamic(x)
        np.testing.assert_array_equal(np.frombuffer(output, np.int8, len(x), at), q)
        assert np.frombuffer(output, np.float32, 1, at + len(x)) == step
        at += len(x) + 4


@cache
def affines_i8(kind, holes):
    cases = []
    for rows, inputs in SHAPES:
        for fill, x in extremes(inputs):
            weight = integers(rows, inputs, fill, holes)
            if kind == DENSE_I8 or without_zeros(rows_by_group(weight.stored)):
                cases.append(affine(kind, weight, x, random.standard_normal(rows).astype(np.float32)))
    return cases


@pytest.mark.parametrize(("kind", "holes"), [(DENSE_I8, 0.0), (SPARSE_I8, 0.8)])
def test_int8_gives_the_same_bits_on_every_instruction_set(kind, holes, way, program):
    cases = affines_i8(kind, holes)
    assert len(cases) > 30
    actual = np.frombuffer(answers(way, program, cases), np.float32)
    np.testing.assert_array_equal(actual, np.concatenate([case.expected for case in cases]))


@cache
def affines_on_grids():
    """Affines of integers, with their rows and what they make."""
    return [
        (fixed(*shape, x, to, loud, sign), shape[0], to)
        for x in GRIDS
        for to in GRIDS
        for shape in [*SHAPES, (130, 40)]
        for loud, sign in ((1, 0), (40, 0), (1, 1), (1, -1))
    ]


def test_integers_on_grids_are_those_of_the_definition_on_every_instruction_set(way, program):
    cases = affines_on_grids()
    output, at, ends = answers(way, program, [case for case, _, _ in cases]), 0, 0
    for case, rows, to in cases:
        actual = np.frombuffer(output, f"int{to.bits}", padded(rows), at)
        np.testing.assert_array_equal(actual[:rows], case.expected)
        at += actual.nbytes
        ends += np.isin(case.expected, (to.low, to.high)).sum()
    assert at == len(output)
    assert ends > 1000  # large inputs saturate


@cache
def without_blocks(rows, inputs, x, to, loud, sign, seed):
    draw = np.random.default_rng(seed)
    blocks, groups = -(-rows // 16), -(-inputs // 4)
    stored = draw.integers(0, int(MAX_DENSITY * groups) + 1, (blocks, 1))
    mask = draw.random((blocks, groups)).argsort(axis=1) < stored
    stays = np.kron(mask, np.ones((16, 4), bool))[:rows, :inputs]
    return fixed(rows, inputs, x, to, loud, sign, stays, draw)


@settings(max_examples=12, deadline=None)
@given(
    asked=st.lists(
        st.tuples(
            *(st.integers(1, 200), st.integers(1, 130), st.sampled_from(GRIDS), st.sampled_from(GRIDS)),
            *(st.sampled_from((1, 40)), st.sampled_from((0, 0, 1, -1)), st.integers(0, 2**32)),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_integers_without_blocks_of_zeros_are_those_of_the_definition(asked, way, program):
    """Each block of rows keeps another number of its groups of inputs, from none to as many as are still worth it."""
    cases = [(without_blocks(*each), each[0], each[3]) for each in asked]
    output, at = answers(way, program, [case for case, _, _ in cases]), 0
    for case, rows, to in cases:
        actual = np.frombuffer(output, f"int{to.bits}", padded(rows), at)
        np.testing.assert_array_equal(actual[:rows], case.expected)
        at += actual.nbytes
    assert at == len(output)


def quantized(kind, rows, inputs):
    weight = Tensor(random.standard_normal((rows, inputs)).astype(np.float32))
    scheme = {HALF: "fp16", WEIGHT_ONLY: "weight_only_wi8_afp32"}.get(kind)
    if kind == DENSE_I8:
        return integers(rows, inputs, None)
    return smaller(weight, scheme) if scheme else weight


@cache
def positions_of(kind):
    cases = []
    for rows, inputs in SHAPES:
        for positions in POSITIONS:
            weight, bias = quantized(kind, rows, inputs), random.standard_normal(rows).astype(np.float32)
            size = 10.0 ** np.arange(positions)[:, None]
            xs = (size * random.standard_normal((positions, inputs))).astype(np.float32)
            each = [affine(kind, weight, x, bias) for x in xs]
            expected = np.array([case.expected[:rows] for case in each])
            start = several(kind, (padded(rows) // 16, inputs, 0), expected)
            cases.append(Case(start + xs.tobytes() + each[0].data[32 + xs[0].nbytes :], expected))
    return cases


@pytest.mark.parametrize("kind", [DENSE_I8, FLOAT, HALF, WEIGHT_ONLY])
def test_positions_are_as_one_after_another(kind, way, program):
    """Position after position with its own scale; sums of integers are exact."""
    cases = positions_of(kind)
    actual = np.frombuffer(answers(way, program, cases), np.float32)
    at = 0
    for case in cases:
        size = np.abs(case.expected).max(axis=1, keepdims=True)
        part = actual[at : at + case.expected.size].reshape(case.expected.shape)
        assert (np.abs(part - case.expected) <= (0 if kind == DENSE_I8 else 2e-5 + 5e-6 * size)).all()
        at += part.size
    assert at == len(actual)


@cache
def positions_on_grids():
    asked = [(shape, x, to, positions) for x in GRIDS for to in GRIDS for shape in SHAPES for positions in (2, 7)]
    return [fixed(*shape, x, to, 40, positions=positions) for shape, x, to, positions in asked]


def test_positions_of_integers_are_those_of_the_definition(way, program):
    cases = positions_on_grids()
    output, at = answers(way, program, cases), 0
    for case in cases:
        actual = np.frombuffer(output, case.expected.dtype, case.expected.size, at)
        np.testing.assert_array_equal(actual.reshape(case.expected.shape), case.expected)
        at += actual.nbytes
    assert at == len(output)


RESCALES = ("by a factor", "sums", "with offsets", "by a factor each")


def of_any_size(draw, bits, n):
    """Integers of each number of bits, ends included, of both signs."""
    ends = (1 << draw.integers(0, bits + 1, n)) - 1
    y = np.where(draw.random(n) < 0.5, ends, draw.integers(0, ends + 1)) * draw.choice([-1, 1], n)
    return np.where(draw.random(n) < 0.1, -(1 << bits), y)


def rescaled(kind, shift, zero, draw, n=64) -> Case:
    """A case of rescaled integers: their definition in 64 bits, in which no product has more than 62 bits."""
    by_a, by_b = (int(each) for each in of_any_size(draw, 30 if kind == "sums" else 31, 2))
    by_a = min(abs(by_a), 2**31 - 1)
    wide = {"sums": 15, "with offsets": 17}.get(kind, 31)
    a, b = np.maximum(of_any_size(draw, wide, n), -(2**31 - 1)), of_any_size(draw, 15 if kind == "sums" else 30, n)
    plus, shifts = of_any_size(draw, 60, n), draw.integers(1, 63, n)
    if kind == "by a factor each":
        b, shifts = np.abs(b), np.where(draw.random(n) < 0.5, shift, shifts)
    exact = {
        "by a factor": a * by_a,
        "sums": a * by_a + b * by_b,
        "with offsets": a * b + plus,
        "by a factor each": a * b,
    }[kind]
    y = halve(exact, shifts if kind == "by a factor each" else shift)
    data = np.array([ELEMENTS + RESCALES.index(kind), 0, n, shift], np.uint64).tobytes()
    data += np.array([by_a, by_b if kind == "sums" else 0, zero, *a, *b]).astype(np.int32).tobytes()
    data += plus.astype(np.int64).tobytes() + shifts.astype(np.uint8).tobytes()
    return Case(data, np.stack([np.clip(y + zero, -128, 127), np.clip(y, -32768, 32767)]))


@cache
def rescaled_by_every_shift(kind):
    draw = np.random.default_rng(7)
    return [rescaled(kind, shift, zero, draw) for shift in range(1, 63) for zero in (-128, 5, 127) for _ in range(4)]


@pytest.mark.parametrize("kind", RESCALES)
def test_rescaled_integers_are_those_of_the_definition_for_every_shift(kind, way, program):
    cases = rescaled_by_every_shift(kind)
    output, at, inside = answers(way, program, cases), 0, 0
    for case in cases:
        n = case.expected.shape[1]
        np.testing.assert_array_equal(np.frombuffer(output, np.int8, n, at), case.expected[0])
        np.testing.assert_array_equal(np.frombuffer(output, np.int16, n, at + n), case.expected[1])
        at += 3 * n
        inside += (np.abs(case.expected[1]) < 32767).mean() > 0.5
    assert at == len(output)
    assert inside > len(cases) / 8


def whole_vector(cell, width, x: QuantizationParameters, to: QuantizationParameters, q) -> Case:
    """A case of an operation on a whole vector of integers, and the result of its definition."""
    steps = Graph((Layer("one", cell),), width).trace
    quantization = {steps.x.name: x, steps.y.name: to}
    form = MAKE[steps.operations[0].name](
        steps.operations[0], IntegerPlan(steps, frozenset(quantization), quantization, {})
    )
    operations = {
        Normalized: (0, lambda f: (f.bits, f.eps, f.least, f.point, f.shift), lambda f: f.gain),
        Softmax: (1, lambda f: (f.mantissa, f.shift, f.drop), lambda _: power_table()),
        Logarithm: (2, lambda f: (f.x.zero, f.by, f.plus, f.shift), lambda _: logarithm_table()),
    }
    op, constants, by = operations[type(form)]
    data = head(VECTOR + op, 0, width, 100 * to.bits + x.bits)
    data += np.array([*constants(form), *[0] * 7], np.int64)[:7].tobytes() + np.int64(to.zero).tobytes()
    data += np.pad(q, (0, -width % 16), constant_values=x.high).astype(f"int{x.bits}").tobytes()
    fill = (0, -width % 16 if op == 0 else 0)
    data += np.pad(by(form), fill).astype(np.int32).tobytes()
    data += np.pad(form.plus, fill).astype(np.int64).tobytes() if op == 0 else b""
    return Case(data, form(q).astype(f"int{to.bits}"))


@cache
def whole_vectors():
    """As long as they may be, of one value throughout, and of the two ends; the logarithm of all that there is."""
    cases = []
    for x in GRIDS:
        every = np.arange(x.low, x.high + 1)
        for to in GRIDS:
            cases.append(
                whole_vector(Activation("log"), len(every), replace(x, scale=0.01), replace(to, scale=0.1), every)
            )
            for width in (1, 2, 16, 31, WIDEST):
                gain, bias = (Tensor(random.standard_normal(width).astype(np.float32)) for _ in range(2))
                same, ends = (np.resize([x.low, end], width) for end in (x.low, x.high))
                for q in (random.integers(x.low, x.high + 1, width), same, ends):
                    for scale, eps in ((1e-3, 1e-5), (30.0, 1e-12), (1e-8, 1.0)):
                        reach = 3 / to.reach * (1 if width < WIDEST else 10)
                        quantization = replace(x, scale=scale), replace(to, scale=reach)
                        cases.append(whole_vector(LayerNorm(gain, bias, eps), width, *quantization, q))
                    probabilities = (
                        QuantizationParameters(2.0**-8, to.zero, 8)
                        if to.bits == 8
                        else QuantizationParameters(2.0**-15, 0, 16)
                    )
                    cases.append(whole_vector(Activation("softmax"), width, replace(x, scale=0.1), probabilities, q))
    return cases


def test_whole_vectors_of_integers_are_those_of_the_definition_on_every_instruction_set(way, program):
    cases = whole_vectors()
    output, at = answers(way, program, cases), 0
    for case in cases:
        np.testing.assert_array_equal(np.frombuffer(output, case.expected.dtype, len(case.expected), at), case.expected)
        at += case.expected.nbytes
    assert at == len(output)


def test_a_normalization_of_floats_has_the_bits_of_numpy_on_every_instruction_set(way, program):
    cases = []
    for width in (1, 5, 16, 17, 64, 1000):
        for size in (1e-4, 1.0, 1e4):
            x, gain, bias = (random.standard_normal(width).astype(np.float32) for _ in range(3))
            x = x * np.float32(size) + np.float32(size)
            data = b"".join(np.pad(part, (0, -width % 16), constant_values=7).tobytes() for part in (x, gain, bias))
            expected = SameOps().normalize(x, Tensor(gain), Tensor(bias), 1e-5)
            cases.append(Case(head(VECTOR + 3, 0, width) + data, expected))
    actual = np.frombuffer(answers(way, program, cases), np.float32)
    np.testing.assert_array_equal(actual, np.concatenate([case.expected for case in cases]))


@cache
def affines_of_floats(kind):
    cases = []
    for rows, inputs in SHAPES:
        weight = random.standard_normal((rows, inputs)).astype(np.float32)
        if kind == HALF:  # the whole range of halves, those below 2^-14 too
            weight *= np.float32(2.0) ** random.integers(-24, 3, weight.shape)
        if kind == SPARSE_F32:
            weight *= np.kron(random.random((-(-rows // 16), inputs)) < 0.3, np.ones((16, 1)))[:rows]
            weight = weight.astype(np.float32)
            if without_zeros(rows_by_column(weight)) is None:
                continue
        scheme = {HALF: "fp16", WEIGHT_ONLY: "weight_only_wi8_afp32", FOUR: FOUR_BITS}.get(kind)
        tensor = smaller(Tensor(weight), scheme) if scheme else Tensor(weight)
        bias = random.standard_normal(rows).astype(np.float32)
        cases.append(affine(kind, tensor, random.standard_normal(inputs).astype(np.float32), bias))
    return cases


@pytest.mark.parametrize("kind", [FLOAT, HALF, WEIGHT_ONLY, FOUR, SPARSE_F32])
def test_float_arithmetic_is_that_of_numpy(kind, way, program):
    cases = affines_of_floats(kind)
    assert len(cases) >= 6
    actual = np.frombuffer(answers(way, program, cases), np.float32)
    np.testing.assert_allclose(actual, np.concatenate([case.expected for case in cases]), atol=2e-5, rtol=2e-6)


@cache
def affines_of_groups():
    cases = []
    for rows, inputs in ((16, 64), (17, 96), (48, 64), (64, 160), (80, 128), (129, 96)):
        whole = random.integers(-7, 8, (rows, inputs)).astype(np.int8)
        whole[0] = np.arange(inputs) % 15 - 7
        scale = random.uniform(0.1, 1, (rows, inputs // 32)) * 1e3 ** -np.arange(inputs // 32.0)
        weight = Tensor(int4.pack(whole), scale, FOUR_BITS)
        for group in range(inputs // 32):  # one group of x at a time, so that none hides behind a larger one
            x = np.where(np.arange(inputs) // 32 == group, random.standard_normal(inputs), 0).astype(np.float32)
            cases.append(affine(FOUR, weight, x * np.float32(1e3**group), np.zeros(rows, np.float32)))
    return cases


def test_four_bits_have_a_scale_for_each_group_of_inputs(way, program):
    """Every integer that a weight may be, in rows of several groups: each a thousand times as large as the one before."""
    cases = affines_of_groups()
    actual = np.frombuffer(answers(way, program, cases), np.float32)
    np.testing.assert_allclose(actual, np.concatenate([case.expected for case in cases]), atol=2e-5, rtol=2e-6)


def test_tanh_and_sigmoid_are_within_a_millionth_and_the_same_everywhere(way, program):
    x = np.concatenate(
        [np.linspace(-20, 20, 4000), np.geomspace(1e-6, 100, 984), [0, -0.0, 8, -8, 7.9, 1e30, -1e30, 30]]
    )
    x = x.astype(np.float32)
    output = answers(way, program, [Case(head(SQUASH, 0, len(x)) + x.tobytes(), x)])
    actual = np.frombuffer(output, np.float32).reshape(-1, CURVES, 16).swapaxes(0, 1).reshape(CURVES, -1)
    for mine, exact, here in zip(actual, (np.tanh, expit), (SameOps().tanh(x), SameOps().sigmoid(x)), strict=False):
        assert np.abs(mine - exact(x.astype(float))).max() < 1e-6
        assert np.abs(mine).max() <= 1
        np.testing.assert_array_equal(mine, here)


def test_exp_sqrt_and_maximum_have_the_bits_of_numpy_everywhere(way, program):
    """Except denormal results, which some processors replace by 0."""
    x = np.concatenate(
        [np.linspace(-87.3, 89, 4001), np.geomspace(1e-37, 1e38, 984), [0, -1, 104, -200, np.inf, -np.inf, np.nan]]
    )
    x = np.concatenate([x, np.zeros(-len(x) % 16)]).astype(np.float32)
    output = answers(way, program, [Case(head(SQUASH, 0, len(x)) + x.tobytes(), x)])
    actual = np.frombuffer(output, np.float32).reshape(-1, CURVES, 16).swapaxes(0, 1).reshape(CURVES, -1)[2:]
    larger = np.maximum(x, np.float32(0.5))
    for mine, here in zip(actual, (SameOps().exp(x), SameOps().sqrt(x), larger, larger), strict=True):
        np.testing.assert_array_equal(mine, here)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 150),
    inputs=st.integers(1, 40),
    holes=st.sampled_from([0.5, 0.8, 0.95, 1.0]),
    seed=st.integers(),
)
def test_a_sparse_matrix_is_whole_again_when_its_blocks_are_put_back(rows, inputs, holes, seed):
    draw = np.random.default_rng(abs(seed))
    blocks = draw.random((-(-rows // 16), -(-inputs // 4))) >= holes
    weight = draw.integers(-127, 128, (rows, inputs)) * np.kron(blocks, np.ones((16, 4), int))[:rows, :inputs]
    packed = rows_by_group(weight.astype(np.int8))
    few = without_zeros(packed)
    assume(few is not None)
    again = np.zeros_like(packed)
    blocks = len(packed)
    sets = [few.order[k : k + 4] for k in range(0, blocks // 4 * 4, 4)]
    sets += [few.order[k : k + 1] for k in range(blocks // 4 * 4, blocks)]
    for k, each in enumerate(sets):
        for at in range(few.starts[k], few.starts[k + 1]):
            again[each[(at - few.starts[k]) % len(each)], few.index[at]] += few.blocks[at]
    np.testing.assert_array_equal(again, packed)
    assert len(few.blocks) <= 0.7 * (packed.shape[0] * packed.shape[1])
