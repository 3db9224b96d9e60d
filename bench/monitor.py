"""What a watch adds to a step: the same stream with and without, in turn; prints it and writes results/monitor.json."""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

import edgernn
from edgernn import Budget
from edgernn.latency.steps import in_turn
from edgernn_export import export, from_torch
from machine import INPUTS, OUTPUTS, machine

RESULTS = Path(__file__).parent / "results/monitor.json"
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
        plain, watched, frame = program.stream(), program.stream(monitor=Budget(10_000)), np.zeros(INPUTS, np.float32)
        steps = {"plain": lambda: plain.step(frame), "watched": lambda: watched.step(frame)}
        rounds = in_turn(steps, ROUNDS, STEPS)
    added = sorted(each["watched"] - each["plain"] for each in rounds)
    low, mid, high = (added[round(part * (len(added) - 1))] for part in (0.25, 0.5, 0.75))
    said = {
        "model": f"GRU-{HIDDEN} in a .so",
        "rounds": len(rounds),
        "steps": STEPS,
        "plain_us": sorted(each["plain"] for each in rounds)[len(rounds) // 2],
        "added_us": {"median": mid, "quartiles": [low, high], "least": added[0]},
        "machine": machine(),
    }
    RESULTS.write_text(json.dumps(said, indent=1) + "\n")
    print(f"a step of {said['plain_us']:.2f} us; a watch adds {mid:.3f} us, half the rounds {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
