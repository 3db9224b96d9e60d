"""What spectra cost: a log-mel's bytes and instructions in C, and the digits with features in float and in integers.

Writes results/spectra.json. Instructions are those of callgrind; as a product with dense matrices the log-mel took
12,884, and 213,792 bytes of constants.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import results  # noqa: E402
from edgernn.cells import LogMel  # noqa: E402
from edgernn.interpreters.integer import stepper  # noqa: E402
from edgernn.model.graph import Graph  # noqa: E402
from edgernn.model.layer import Layer  # noqa: E402
from edgernn.model.tensor import STATIC  # noqa: E402
from edgernn.passes.quantize import quantize  # noqa: E402
from edgernn_export.counting.count import count as counted  # noqa: E402
from edgernn_export.targets.c.footprint import step_sizes  # noqa: E402
from spoken_digits import digits, trained  # noqa: E402

DATA = HERE.parent.parent / "shared/data"
HIDDEN = 32


def cost(name: str, graph: Graph) -> dict[str, object]:
    """The bytes of constants and the instructions of a step in C."""
    constants = sum(step_sizes(graph).constants.values())
    return {"model": name, "constants": constants, "instructions": counted(graph).instructions}


def accuracy(graph: Graph) -> float:
    """The share of the test clips whose last answer is right, in the graph's own precision."""
    spoken, steps = digits(DATA), stepper(graph)
    answers = [steps.run(frames)[0][-1].argmax() for frames in spoken.data.test.frames]
    return float(np.mean(np.array(answers) == spoken.expected))


def main() -> None:
    mel = Graph((Layer("mel", LogMel(80, 8000.0, 200, 20, fft=256)),), 80)
    graph = trained(HIDDEN, 0, DATA)
    ready = digits(DATA).calibrated(graph)
    rows = [cost("log-mel, fp32", mel), cost("digits, fp32", graph) | {"accuracy": accuracy(graph)}]
    for scheme in STATIC:
        for features, keep in (("integers", ()), ("float", ("logmel", "standardize"))):
            small = quantize(ready, scheme, keep=keep)
            row = cost(f"digits, {scheme}, features in {features}", small)
            rows.append(row | {"accuracy": accuracy(small)})
    for row in rows:
        print(row)
    results.write("spectra", {"rows": rows}, results.UNTIMED)


if __name__ == "__main__":
    main()
