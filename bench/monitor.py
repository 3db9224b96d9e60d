"""The time that a monitor adds to a step, with and without it, interleaved; writes results/monitor.json."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

import edgernn
import results
from edgernn import Budget
from edgernn.latency.steps import interleaved
from edgernn_export import export, from_torch
from machine import INPUTS, OUTPUTS, USUAL

HIDDEN, ROUNDS, STEPS = 32, 201, 1000


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(INPUTS, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, OUTPUTS)

    def forward(self, x):
        return self.out(self.rnn(x)[0])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "gru.so")
        export(from_torch(Net().eval(), torch.zeros(1, 4, INPUTS)), path)
        program = edgernn.open(path)
        plain, monitored, frame = program.stream(), program.stream(monitor=Budget(10_000)), np.zeros(INPUTS, np.float32)
        steps = {"plain": lambda: plain.step(frame), "monitored": lambda: monitored.step(frame)}
        rounds = interleaved(steps, ROUNDS, STEPS)
    added = sorted(each["monitored"] - each["plain"] for each in rounds)
    low, mid, high = (added[round(part * (len(added) - 1))] for part in (0.25, 0.5, 0.75))
    report = {
        "model": f"GRU-{HIDDEN} in a .so",
        "rounds": len(rounds),
        "steps": STEPS,
        "plain_us": sorted(each["plain"] for each in rounds)[len(rounds) // 2],
        "added_us": {"median": mid, "quartiles": [low, high], "least": added[0]},
    }
    results.write("monitor", report, results.BACK_TO_BACK, **USUAL)
    print(
        f"a step of {report['plain_us']:.2f} us; a monitor adds {mid:.3f} us, half the rounds {low:.3f} to {high:.3f}"
    )


if __name__ == "__main__":
    main()
