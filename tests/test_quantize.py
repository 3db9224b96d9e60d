"""Dynamic int8: integers that are the same everywhere, and answers that stay close to float."""

import os
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from test_c import STRICT, WAYS

import edgernn
from edgernn.cells import Dense, Embedding, Gru, Standardize
from edgernn.errors import GraphError, UsageError
from edgernn.graph import Graph, Layer
from edgernn.passes.quantize import quantize
from edgernn.readings.count import count
from edgernn.readings.numpy import Stepper, quantize_dynamic
from edgernn.tensor import DYNAMIC, Tensor
from edgernn_export import export
from edgernn_export.targets.c.pack import rows_i8, sums_i8
from zoo import GRAPHS, frames, keyword_spotter, t

RUNTIME = os.path.join(os.path.dirname(export.__code__.co_filename), "c_runtime")
VECTORS = hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1e6, 1e6, width=32))


@given(x=VECTORS)
def test_a_vector_is_rounded_to_half_a_step(x):
    q, step = quantize_dynamic(x)
    assert np.abs(q).max() <= 127
    if np.abs(x).max() > 1e-30:
        assert np.abs(q).max() == 127
    assert (np.abs(q * step.astype(float) - x) <= step * 0.5001 + 1e-37).all()


def test_zeros_stay_zeros():
    q, step = quantize_dynamic(np.zeros((2, 5), np.float32))
    assert not q.any()
    assert not step.any()


@pytest.mark.parametrize("name", GRAPHS)
def test_a_quantized_graph_stays_close_to_float(name):
    graph = GRAPHS[name]
    xs = frames(graph, 64)
    wanted, found = Stepper(graph).run(xs)[0], Stepper(quantize(graph)).run(xs)[0]
    if name == "Activation log":
        wanted, found = np.exp(wanted), np.exp(found)
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.05 * max(1.0, float(np.abs(wanted).max()))


@pytest.mark.parametrize("name", GRAPHS)
def test_compiled_code_gives_the_same_answers(name, tmp_path):
    """Free running: an integer that is rounded the other way would show as a step of its scale."""
    graph = quantize(GRAPHS[name])
    export(graph, tmp_path / "m.so")
    xs = frames(graph, 64)
    wanted, _ = Stepper(graph, "float32").run(xs)
    found = edgernn.open(tmp_path / "m.so").stream().run(xs)
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    assert np.mean(found.argmax(-1) == wanted.argmax(-1)) >= 0.98


def test_only_the_matrices_of_affines_are_quantized():
    layers = (
        Layer("table", Embedding(t(9, 6))),
        Layer("gru", Gru(t(12, 6), t(12, 4), t(12), t(12))),
        Layer("kept", Dense(t(4, 4), t(4))),
        Layer("out", Dense(t(3, 4), t(3))),
    )
    graph = quantize(Graph(layers, 1), keep=("kept",))
    assert {name for name, tensor in graph.tensors.items() if tensor.scheme} == {"gru.w", "gru.u", "out.w"}
    assert graph.precision == "dynamic_wi8_afp32"
    assert quantize(graph, keep=("kept",)).layers == graph.layers


def test_a_feature_cell_is_left_alone():
    class Feature(Dense):
        EXACT = True

    cell = Standardize(t(6), Tensor(np.ones(6, np.float32)))
    assert quantize(Graph((Layer("s", cell), Layer("d", Dense(t(2, 6)))), 6)).layers[0].cell == cell
    exact = Graph((Layer("f", Feature(t(3, 6))), Layer("d", Dense(t(2, 3)))), 6)
    assert not quantize(exact).layers[0].cell.w.scheme


def test_weights_take_a_quarter():
    graph = keyword_spotter(64, 40, 12)
    assert count(graph).weight_bytes / count(quantize(graph)).weight_bytes > 3.5
    assert count(graph).parameters == count(quantize(graph)).parameters


def test_a_row_of_zeros_has_no_scale():
    weight = np.zeros((2, 3), np.float32)
    weight[1] = [1, -2, 0.5]
    tensor = quantize(Graph((Layer("d", Dense(Tensor(weight))),), 3)).layers[0].cell.w
    np.testing.assert_array_equal(tensor.stored, [[0, 0, 0], [64, -127, 32]])
    np.testing.assert_allclose(tensor.dense(), weight, atol=2 / 254)


def test_wrong_uses_are_refused():
    with pytest.raises(UsageError, match="there is no scheme 'int3'; there are fp16, weight_only_wi8_afp32, dynamic_wi8_afp32"):
        quantize(keyword_spotter(), "int3")
    with pytest.raises(UsageError, match="there is no layer 'grru' to keep; there are gru, out"):
        quantize(keyword_spotter(), keep=("grru",))
    numbers = np.ones((2, 3), np.int8)
    for stored, scale, scheme in ((numbers, [1.0, 1.0], ""), (numbers, [1.0], DYNAMIC), (np.ones((2, 3)), [1.0, 1.0], DYNAMIC), (numbers, [1.0, -1.0], DYNAMIC), (numbers, [1.0, 1.0], "int3")):  # fmt: skip
        with pytest.raises(GraphError):
            Tensor(stored, scale, scheme)


SUMS = """
#include "affine_i8.h"
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    size_t n[2];
    while (fread(n, sizeof n, 1, stdin) == 1) {
        const size_t blocks = n[0], inputs = n[1], groups = (inputs + 3) / 4;
        float *x = (float *)calloc(inputs, sizeof *x);
        int8_t *w = (int8_t *)malloc(64 * groups * blocks);
        int32_t *sums = (int32_t *)malloc(64 * blocks), sum[16];
        uint8_t *q = (uint8_t *)malloc((inputs + 31) / 16 * 16);
        if (fread(x, sizeof *x, inputs, stdin) != inputs || fread(w, 64 * groups, blocks, stdin) != blocks) return 1;
        if (fread(sums, 64, blocks, stdin) != blocks) return 1;
        quantize_i8(q, x, inputs);
        for (size_t k = 0; k < blocks; ++k) {
            affine_i8_sums(sum, w + 64 * groups * k, q, sums + 16 * k, groups);
            fwrite(sum, sizeof sum, 1, stdout);
        }
        free(x), free(w), free(sums), free(q);
    }
    return 0;
}
"""


def cases():
    """(weights, frame): random ones of every remainder of 4 and 16, and the extremes at which narrow sums would saturate."""
    random = np.random.default_rng(0)
    for rows, inputs in (
        (16, 1),
        (16, 3),
        (17, 4),
        (48, 5),
        (5, 15),
        (32, 16),
        (33, 17),
        (16, 40),
        (64, 127),
        (16, 258),
    ):
        yield (
            random.integers(-127, 128, (rows, inputs)).astype(np.int8),
            random.standard_normal(inputs).astype(np.float32),
        )
        for sign in (1, -1):
            yield np.full((rows, inputs), 127, np.int8), np.full(inputs, sign, np.float32)
            yield np.full((rows, inputs), -127, np.int8), np.full(inputs, sign, np.float32)
        halves = np.concatenate([[127.0], np.arange(inputs - 1) % 7 - 2.5]).astype(np.float32)  # ties, to even
        yield random.integers(-127, 128, (rows, inputs)).astype(np.int8), halves
        yield np.ones((rows, inputs), np.int8), np.zeros(inputs, np.float32)


@pytest.mark.parametrize("way", WAYS)
def test_integer_sums_are_exact_on_every_instruction_set(way, tmp_path):
    (tmp_path / "main.c").write_text(SUMS)
    subprocess.run(
        [*WAYS[way], *STRICT, f"-I{RUNTIME}", "main.c", "-o", "program", "-lm"],
        cwd=tmp_path,
        check=True,
    )
    said, wanted = b"", []
    for weights, x in cases():
        padded_rows = -(-len(weights) // 16) * 16
        said += np.array([padded_rows // 16, len(x)], np.uint64).tobytes() + x.tobytes()
        said += rows_i8(weights).tobytes() + sums_i8(weights).tobytes()
        q, _ = quantize_dynamic(x)
        sums = np.zeros(padded_rows, np.int64)
        sums[: len(weights)] = weights.astype(np.int64) @ q.astype(np.int64)
        wanted.append(sums)
    done = subprocess.run([tmp_path / "program"], input=said, capture_output=True, check=True)
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.int32), np.concatenate(wanted))


@settings(max_examples=30, deadline=None)
@given(
    weight=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.floats(-100, 100, width=32)
    )
)
def test_a_matrix_is_rounded_to_half_a_step_of_its_row(weight):
    tensor = quantize(Graph((Layer("d", Dense(Tensor(weight))),), weight.shape[1])).layers[0].cell.w
    assert (np.abs(tensor.dense() - weight) <= tensor.scale[:, None] * 0.5001 + 1e-37).all()
