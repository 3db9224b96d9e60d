"""The cost of a step: counts against torch's own parameters, and the roofline against arithmetic by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import edgernn
from edge import edge
from edgernn.cells import Dense, Embedding, Gru
from edgernn.device import board as boards, isa
from edgernn.device.board import Device
from edgernn.interpreters.count import count
from edgernn.latency.estimate import GUARD_COST, OP_COSTS, OP_CYCLES, ROUNDING_COST, STEP_CYCLES, THROUGHPUTS, estimate
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.ops import OPERATIONS
from edgernn.model.range import Range
from edgernn.model.spectra import SPECTRA
from edgernn.model.tensor import DYNAMIC, Tensor
from edgernn.passes.quantize import quantize
from edgernn_export import from_torch
from edgernn_export.targets.naming import WEIGHTS
from zoo import GRAPHS, keyword_spotter, one

KWS = keyword_spotter()
BOARD = Device(
    "bench",
    "A board of round numbers",
    clock_mhz=1000,
    level="aarch64",
    l1d_kib=32,
    l2_kib=512,
    l3_kib=0,
    mb_per_s=2000,
)


class Net(nn.Module):
    def __init__(self, kind, inputs, hidden, outputs):
        super().__init__()
        self.rnn = getattr(nn, kind)(inputs, hidden, batch_first=True)
        self.out = nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.out(self.rnn(x)[0])


def zeros(*shape):
    return Tensor(np.zeros(shape, np.float32))


class Convolution(nn.Module):
    """A causal convolution over time and frequency."""

    def __init__(self, channels, outputs, kernel, **options):
        super().__init__()
        self.conv, self.past = nn.Conv2d(channels, outputs, kernel, **options), kernel[0] - 1

    def forward(self, x):
        y = x.view(1, -1, self.conv.in_channels, 12).transpose(1, 2)
        return self.conv(nn.functional.pad(y, (0, 0, self.past, 0))).transpose(1, 2).flatten(2)


def counted_by_torch(module, x):
    """The multiplications with a weight, each with its addition, for each frame of x."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return counter.get_total_flops() / 2 / x.shape[1]


def matrix(outputs, inputs):
    """A graph of one affine and no bias."""
    return one(Dense(zeros(outputs, inputs)), inputs)


@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "options"),
    [
        (1, 16, (3, 5), {"stride": (1, 2), "padding": (0, 2)}),
        (3, 4, (2, 3), {"padding": (0, 1), "bias": False}),
        (4, 8, (1, 3), {"stride": (1, 3), "groups": 2}),
        (2, 6, (3, 3), {"dilation": (1, 2)}),
    ],
)
def test_the_macs_of_a_convolution_are_those_that_torch_counts(channels, outputs, kernel, options):
    module = Convolution(channels, outputs, kernel, **options).eval()
    x = torch.randn(1, 20, 12 * channels)
    assert count(from_torch(module, x, time_axis=1)).macs == counted_by_torch(module, x)


def test_a_depthwise_convolution_multiplies_elements():
    """It has no matrix: its products are elements of `scale`, as many as torch counts, and its sums are elements too."""
    module, x = Convolution(4, 8, (2, 3), groups=4, bias=False).eval(), torch.randn(1, 20, 48)
    cost = count(from_torch(module, x, time_axis=1))
    assert cost.macs == 0
    assert cost.elements == counted_by_torch(module, x) + 8 * 10


def test_every_level_and_every_word_has_its_line():
    assert set(THROUGHPUTS) == set(isa.LEVELS)
    assert {*OP_COSTS, "affine", *SPECTRA} == set(OPERATIONS)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["RNN", "GRU", "LSTM"]),
    inputs=st.integers(1, 40),
    hidden=st.integers(1, 48),
    outputs=st.integers(1, 12),
)
def test_counts_are_those_of_the_torch_module(kind, inputs, hidden, outputs):
    """A multiply-add for every element of a matrix; of the biases, torch keeps two where GRU alone needs both."""
    net = Net(kind, inputs, hidden, outputs)
    cost = estimate(from_torch(net.eval(), torch.zeros(1, 4, inputs)), BOARD).cost
    matrices = [weight for weight in net.parameters() if weight.ndim == 2]
    biases = sum(weight.numel() for weight in net.parameters() if weight.ndim == 1)
    merged = 0 if kind == "GRU" else net.rnn.bias_hh_l0.numel()
    assert cost.macs == sum(weight.numel() for weight in matrices)
    assert cost.weight_bytes == 4 * (cost.macs + biases - merged)
    assert cost.state_bytes == 4 * hidden * (2 if kind == "LSTM" else 1)


@pytest.mark.parametrize("board", boards.names())
def test_every_graph_has_a_time_or_a_reason_on_every_board(board):
    device = boards.load(board)
    for name, graph in GRAPHS.items():
        found = estimate(graph, device)
        assert (found.step_us is None) == bool(found.unknown) == (not found.assumptions) == (not found.parts_us), name
        if found.step_us is not None:
            assert found.step_us == pytest.approx(sum(found.parts_us.values())), name
            assert min(found.parts_us.values()) >= 0, name
            assert found.step_us > 0, name


@pytest.mark.parametrize("level", isa.LEVELS)
def test_an_affine_in_cache_takes_its_arithmetic_or_its_reading(level):
    rate, board = THROUGHPUTS[level], replace(BOARD, level=level)
    small, large = estimate(matrix(32, 64), board), estimate(matrix(128, 256), board)  # 8 KiB and 128 KiB
    assert (small.fits_in, large.fits_in) == ("L1", "L2")
    assert small.parts_us["affine"] == max(32 * 64 / rate.lanes, 4 * 32 * 64 / rate.l1) / 1000
    assert large.parts_us["affine"] == max(128 * 256 / rate.lanes, 4 * 128 * 256 / rate.l2) / 1000


@settings(max_examples=50, deadline=None)
@given(outputs=st.integers(1, 200), inputs=st.integers(1, 200))
def test_a_step_is_held_by_the_first_cache_that_is_large_enough(outputs, inputs):
    cost = estimate(matrix(outputs, inputs), BOARD).cost
    room = -(-(cost.weight_bytes + cost.state_bytes + cost.scratch_bytes) // 1024)
    assert estimate(matrix(outputs, inputs), replace(BOARD, l1d_kib=room)).fits_in == "L1"
    assert estimate(matrix(outputs, inputs), replace(BOARD, l1d_kib=room - 1, l2_kib=room)).fits_in == "L2"
    assert estimate(matrix(outputs, inputs), replace(BOARD, l1d_kib=0, l2_kib=0, l3_kib=room)).fits_in == "L3"
    assert estimate(matrix(outputs, inputs), replace(BOARD, l1d_kib=0, l2_kib=0, l3_kib=room - 1)).fits_in == "memory"


def test_an_affine_in_memory_takes_its_bytes_over_the_bandwidth():
    found = estimate(matrix(512, 512), BOARD)  # 1 MiB at 2,000 MB/s
    assert found.fits_in == "memory"
    assert found.parts_us["affine"] == pytest.approx(512 * 512 * 4 / 2000)


def test_elementwise_words_and_overhead_are_counted_by_hand():
    """tanh(W x) of 20 values from 8: five vectors of four lanes."""
    found = estimate(one(Dense(zeros(20, 8), None, "tanh"), 8), BOARD)
    arithmetic, divisions = OP_COSTS["tanh"]
    cycles = 5 * (arithmetic + divisions * THROUGHPUTS["aarch64"].division) + 2 * GUARD_COST
    assert found.parts_us["elementwise"] == pytest.approx(cycles / 1000)
    assert found.parts_us["overhead"] == pytest.approx((STEP_CYCLES + 2 * OP_CYCLES) / 1000)


@pytest.mark.parametrize("level", isa.LEVELS)
def test_int8_affines_compute_in_int8_and_round_each_input_once(level):
    board = replace(BOARD, level=level)
    graph = Graph((Layer("gru", Gru(zeros(96, 40), zeros(96, 32))),), 40)
    plain, quantized = estimate(graph, board), estimate(quantize(graph), board)
    rate, sizes = THROUGHPUTS[level], (96 * 40, 96 * 32)
    assert quantized.fits_in == "L1"
    assert quantized.parts_us["affine"] * 1000 == pytest.approx(
        sum(max(size / rate.int8_macs, (size + 4 * 96) / rate.l1) for size in sizes)
    )
    rounded = (-(-40 // rate.lanes) - (-32 // rate.lanes)) * ROUNDING_COST
    assert (quantized.parts_us["elementwise"] - plain.parts_us["elementwise"]) * 1000 == pytest.approx(rounded)
    assert quantized.cost.weight_bytes == sum(sizes) + 2 * 4 * 96


@pytest.mark.parametrize("scheme", [name for name in WEIGHTS if name != DYNAMIC])
def test_weights_that_only_save_room_compute_in_float(scheme):
    plain, smaller = (estimate(graph, BOARD) for graph in (KWS, quantize(KWS, scheme)))
    assert smaller.cost.weight_bytes < plain.cost.weight_bytes
    assert smaller.step_us == plain.step_us  # held in L1, so nothing waits for the smaller bytes


def test_a_step_of_integers_is_not_predicted_as_one_of_floats():
    whole = quantize(KWS, "static_wi8_ai8", ranges=dict.fromkeys(KWS.values, Range(-1, 1)))
    found = estimate(whole, BOARD)
    assert found.step_us is None
    assert found.unknown == "layer 'gru' computes with integers, whose time is not predicted"
    assert found.cost.weight_bytes < estimate(KWS, BOARD).cost.weight_bytes


@pytest.mark.parametrize("board", [name for name in boards.names() if name != "this" and boards.load(name).level])
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_larger_model_takes_longer_and_int8_does_not(board, kind):
    times = []
    for hidden in (32, 64, 128):
        graph = from_torch(Net(kind, 40, hidden, 12).eval(), torch.zeros(1, 4, 40)).astype("float32")
        plain, quantized = (estimate(each, boards.load(board)) for each in (graph, quantize(graph)))
        assert quantized.parts_us["affine"] < plain.parts_us["affine"]
        times.append(plain.step_us)
    assert times == sorted(times)


@settings(max_examples=50, deadline=None)
@given(factor=st.integers(2, 5), l1=st.integers(1, 64), l2=st.integers(0, 512))
def test_a_faster_clock_and_larger_caches_never_cost_time(factor, l1, l2):
    board = replace(BOARD, l1d_kib=l1, l2_kib=l2)
    graph = GRAPHS["stack"]
    base = estimate(graph, board)
    faster = estimate(graph, replace(board, clock_mhz=1000 * factor))
    if base.fits_in == "memory":
        assert base.step_us / factor <= faster.step_us <= base.step_us
    else:
        assert faster.step_us == pytest.approx(base.step_us / factor)
    assert estimate(graph, replace(board, l1d_kib=l1 * factor)).step_us <= base.step_us


MISSING = {
    "clock_mhz": (KWS, "clock_mhz of board 'bench' is unknown"),
    "level": (KWS, "level of board 'bench' is unknown"),
    "l1d_kib": (KWS, "bytes, and the size of the L1 cache of board 'bench' is unknown"),
    "l2_kib": (matrix(128, 128), "bytes, and the size of the L2 cache of board 'bench' is unknown"),
    "l3_kib": (matrix(512, 512), "bytes, and the size of the L3 cache of board 'bench' is unknown"),
    "mb_per_s": (matrix(512, 512), "bytes, and the caches of board 'bench' are smaller, and its mb_per_s is unknown"),
}


@pytest.mark.parametrize("figure", MISSING)
def test_a_figure_that_is_missing_is_named_and_never_guessed(figure):
    graph, words = MISSING[figure]
    found = estimate(graph, replace(BOARD, **{figure: None}))
    assert found.step_us is None
    assert words in found.unknown
    assert found.cost == estimate(graph, BOARD).cost


def test_a_figure_that_is_not_needed_may_be_missing():
    bare = replace(BOARD, l2_kib=None, l3_kib=None, mb_per_s=None)
    assert estimate(KWS, bare) == estimate(KWS, BOARD)
    neither = estimate(KWS, Device("x", "X"))
    assert neither.unknown == "level and clock_mhz of board 'x' are unknown"


def test_of_a_table_one_row_is_touched():
    graph = Graph((Layer("table", Embedding(zeros(50_000, 8))), Layer("gru", Gru(zeros(24, 8), zeros(24, 8)))), 1)
    found = estimate(graph, BOARD)
    assert found.cost.weight_bytes > 1_600_000
    assert found.fits_in == "L1"


@pytest.fixture
def model(tmp_path):
    edgernn.save(KWS, tmp_path / "kws.rnn")
    return tmp_path / "kws.rnn"


@pytest.mark.parametrize("board", boards.names())
def test_the_command_says_what_the_function_says(model, board):
    found = estimate(KWS, boards.load(board))
    document = json.loads(edge("estimate", model, "--board", board, "--json"))
    assert (document["step_us"], document["device"], document["fits_in"]) == (found.step_us, board, found.fits_in)
    assert document["cost"]["macs"] == 3 * 16 * 26 + 64
    text = edge("estimate", model, "--board", board)
    assert "MACs       1,312\n" in text
    assert f"weights    {found.cost.weight_bytes:,} bytes" in text
    if found.step_us is not None:
        assert f"{found.step_us:.3g} us, an estimate, not a measurement" in text
        assert all(f"- {line}" in text for line in found.assumptions)


def test_the_command_says_why_there_is_no_time(model, tmp_path):
    (tmp_path / "slow.toml").write_text('title = "A board of which nothing is known"\n')
    text = edge("estimate", model, "--board", tmp_path / "slow.toml")
    assert "step       unknown: level and clock_mhz of board 'slow' are unknown" in text


def test_the_command_refuses_other_files_and_boards(model, tmp_path):
    assert "'kws.so' is not a model; there are .rnn" in edge("estimate", "kws.so", "--board", "this", code=2)
    assert "did you mean 'raspberrypi4'?" in edge("estimate", model, "--board", "raspberypi4", code=2)
    assert "cannot be read" in edge("estimate", tmp_path / "none.rnn", code=2)
