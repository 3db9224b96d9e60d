"""Which cell to choose on spoken digits, by `edgernn compare`: prints its table and writes results/cells.json.

What a step takes is measured beside the trainings' own figures, so let nothing else run. Finished trainings stay in a
cache.
"""

import argparse
import json
from pathlib import Path

import results
from edgernn.commands.compare import text
from edgernn.train.compare.cells import RESULT, compare, parse_cells, recipes

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache/cells"
CELLS, SEEDS, BOARD = "rnn,lstm,gru,birnn,bigru", 3, "raspberrypi4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared/data", help="the folder of real data")
    options = parser.parse_args()
    each = recipes("spoken-digits", parse_cells(CELLS), SEEDS)
    comparison = compare(each, options.data / "fsdd/recordings", CACHE, board=BOARD, on_progress=print)
    whole = json.loads((CACHE / RESULT).read_bytes())
    figures = {name: value for name, value in whole.items() if name not in {"data", "environment"}}
    results.write("cells", figures, results.BACK_TO_BACK)
    print(text(comparison))


if __name__ == "__main__":
    main()
