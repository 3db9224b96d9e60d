"""A keyword step of two convolutions and a GRU: edgernn against the same step written by hand for ONNX Runtime.

Both have the same weights, whose answers are first compared. The contenders are timed interleaved, on one core, back to
back; a ratio is the median of the ratios of the rounds. Writes results/convolutions.json.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import nn

import edgernn
import results
from by_hand import bound_call, by_hand, session_run
from edgernn.interpreters.count import count
from edgernn.latency.steps import interleaved
from edgernn.passes.quantize import quantize
from edgernn_export import export, from_torch
from machine import INPUTS, OUTPUTS, USUAL
from tables import convolutions

FRAMES, TOLERANCE, MOST_WEIGHTS, AT_MOST = 50, 1e-4, 60_000, 1.0
OURS, BY_HAND = "compiled fp32 (edgernn)", ("by hand, session.run", "by hand, bound call")


@dataclass(frozen=True)
class Conv:
    """A causal convolution over time and frequency, followed by BatchNorm and ReLU."""

    channels: int
    taps: int  # over frequency
    stride: int  # over frequency
    frames: int = 3  # taps over time
    hop: int = 1  # the stride over time


@dataclass(frozen=True)
class Size:
    """The size of a keyword model."""

    convs: tuple[Conv, ...]
    units: int = 64


SIZES = {
    "16 and 16 channels": Size((Conv(16, 5, 2), Conv(16, 3, 2))),
    "24 and 20 channels": Size((Conv(24, 5, 2), Conv(20, 3, 2))),
    "32 and 32 channels": Size((Conv(32, 3, 2), Conv(32, 3, 4))),
    "16 and 16 channels, two frames": Size((Conv(16, 5, 2), Conv(16, 3, 2, hop=2))),
}


class Net(nn.Module):
    """The model as people write it."""

    def __init__(self, size):
        super().__init__()
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        channels, bands, frames = 1, INPUTS, prod(each.hop for each in size.convs)
        for each in size.convs:
            kernel, stride, padding = (each.frames, each.taps), (each.hop, each.stride), (0, each.taps // 2)
            self.convs.append(nn.Conv2d(channels, each.channels, kernel, stride, padding, bias=False))
            self.convs[-1].arriving = frames, bands  # in each step
            self.norms.append(nn.BatchNorm2d(each.channels))
            channels, bands, frames = each.channels, (bands - 1) // each.stride + 1, frames // each.hop
        self.rnn = nn.GRU(channels * bands, size.units, batch_first=True)
        self.out = nn.Linear(size.units, OUTPUTS)

    def forward(self, x):
        """(1, time, INPUTS) -> (1, time / the product of the hops, OUTPUTS)."""
        x = x.unsqueeze(1)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = torch.relu(norm(conv(nn.functional.pad(x, (0, 0, conv.kernel_size[0] - 1, 0)))))
        return self.out(self.rnn(x.permute(0, 2, 1, 3).flatten(2))[0])


def trained(size):
    """The network, with norms that have seen something."""
    torch.manual_seed(0)
    net = Net(size)
    for _ in range(5):
        net(2 * torch.randn(1, 100, INPUTS) + 1)
    return net.eval()


def contenders(net, folder):
    """Name -> a function of a frame, each on a stream of its own; and the graph."""
    graph = from_torch(net, torch.randn(1, 20, INPUTS))
    forms = {"fp32": graph, "int8": quantize(graph)}
    for name, form in forms.items():
        for suffix in (".so", ".onnx"):
            export(form, folder / f"{name}{suffix}")
    model = by_hand(net)

    def step(file):
        return edgernn.open(folder / file).stream().step

    return graph, {
        OURS: step("fp32.so"),
        "compiled int8 (edgernn)": step("int8.so"),
        "onnxruntime (edgernn)": step("fp32.onnx"),
        "onnxruntime int8 (edgernn)": step("int8.onnx"),
        "by hand, session.run": session_run(model),
        "by hand, bound call": bound_call(model),
    }


def differences(net, steps):
    """The largest difference of each contender from the module, over FRAMES steps after a start from zeros."""
    frames = np.random.default_rng(1).standard_normal((FRAMES, *net.convs[0].arriving)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(frames).view(1, -1, INPUTS))[0].numpy()
    found = {name: np.array([step(frame.ravel()).copy() for frame in frames]) for name, step in steps.items()}
    return {name: float(np.abs(answers - expected).max()) for name, answers in found.items()}


def measure(name, rounds, count_of_steps, folder):
    """The row of one size."""
    net = trained(SIZES[name])
    graph, steps = contenders(net, folder)
    apart = differences(net, steps)
    wrong = {who: by for who, by in apart.items() if "int8" not in who and by > TOLERANCE}
    cost = count(graph)
    if wrong or cost.parameters > MOST_WEIGHTS:
        sys.exit(f"{name}: {cost.parameters} weights; these differ from the module: {wrong}")
    frame = np.random.default_rng(2).standard_normal(graph.inputs).astype(np.float32)
    calls = {who: (lambda step=step: step(frame)) for who, step in steps.items()}
    took = interleaved(calls, rounds + 1, count_of_steps)
    peers = [min(each[who] for who in BY_HAND) for each in took]
    return {
        "size": name,
        "frames_per_step": graph.frames_per_step,
        "weights": cost.parameters,
        "macs": cost.macs,
        "largest_difference": apart,
        "p50_us": {who: round(median(each[who] for each in took), 3) for who in steps},
        "to_by_hand": {
            who: round(median(each[who] / peer for each, peer in zip(took, peers, strict=True)), 3)
            for who in steps
            if who not in BY_HAND
        },
        "at_most": {OURS: AT_MOST},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--steps", type=int, default=300, help="per contender and round")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    rows = []
    for name in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(name, options.rounds, options.steps, Path(folder)))
    about = USUAL | {"rounds": options.rounds, "steps_per_round": options.steps}
    results.write("convolutions", {"rows": rows}, results.BACK_TO_BACK, **about)
    print("\n".join(convolutions()))


if __name__ == "__main__":
    main()
