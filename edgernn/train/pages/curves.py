"""What was measured in every epoch of a training: as a table, and as the curves to draw together."""

import csv
import io
from collections.abc import Mapping, Sequence

from edgernn.errors import EdgernnError

History = Sequence[Mapping[str, float]]
Curve = tuple[tuple[int, ...], tuple[float, ...]]

PANELS: Mapping[str, str] = {"loss": "loss", "accuracy": "accuracy", "gradient_norm": "norm of the gradient"}
"""What a name ends in, or begins with -> the panel of its curve; other names have a panel each."""

ITSELF: Mapping[str, str] = {"gradient_norm": "median"}
"""What the curve is called whose name says no more than its panel, where that is not "training"."""


def columns(history: History) -> tuple[str, ...]:
    """Every name that an epoch has, in the order in which they first come."""
    return tuple(dict.fromkeys(name for epoch in history for name in epoch))


def as_csv(history: History) -> str:
    """One row per epoch, from 0; a cell is empty where an epoch lacks the name.

    Raises:
        EdgernnError: a figure is called "epoch", as the first column is.
    """
    names = columns(history)
    if "epoch" in names:
        raise EdgernnError("a figure of an epoch is called 'epoch', which is the column of its number; rename it")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["epoch", *names])
    table.writerows([number, *(epoch.get(name, "") for name in names)] for number, epoch in enumerate(history))
    return text.getvalue()


def panels(history: History) -> dict[str, dict[str, Curve]]:
    """Panel -> what a curve in it is called -> the epochs that have it, from 0, and the values there."""
    made: dict[str, dict[str, Curve]] = {}
    for name in sorted(columns(history), key=lambda name: name not in PANELS):
        key = next((key for key in PANELS if name.endswith(key) or name.startswith(key)), name)
        called = name.removesuffix(key).removeprefix(key).strip("_").replace("_", " ")
        there = [(number, float(epoch[name])) for number, epoch in enumerate(history) if name in epoch]
        epochs, values = zip(*there, strict=True)
        made.setdefault(PANELS.get(key, name.replace("_", " ")), {})[called or ITSELF.get(key, "training")] = (
            epochs,
            values,
        )
    return made
