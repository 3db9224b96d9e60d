"""The history of a training: as a CSV table, and as curves grouped into panels."""

import csv
import io
from collections.abc import Mapping, Sequence

from edgernn.errors import EdgernnError

History = Sequence[Mapping[str, float]]
Curve = tuple[tuple[int, ...], tuple[float, ...]]

PANELS: Mapping[str, str] = {"loss": "loss", "accuracy": "accuracy", "gradient_norm": "norm of the gradient"}
"""A prefix or suffix of a name -> the panel of its curve; other names have a panel each."""

ITSELF: Mapping[str, str] = {"gradient_norm": "median"}
"""The label of a curve whose name equals the key of its panel; "training" by default."""


def columns(history: History) -> tuple[str, ...]:
    """The names in all epochs, in order of their first occurrence."""
    return tuple(dict.fromkeys(name for epoch in history for name in epoch))


def as_csv(history: History) -> str:
    """One row per epoch, from 0; a cell is empty if the epoch lacks the name.

    Raises:
        EdgernnError: A name is "epoch", the name of the first column.
    """
    names = columns(history)
    if "epoch" in names:
        raise EdgernnError("a metric has the name 'epoch', which is reserved for the number of the epoch; rename it")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["epoch", *names])
    table.writerows([number, *(epoch.get(name, "") for name in names)] for number, epoch in enumerate(history))
    return text.getvalue()


def panels(history: History) -> dict[str, dict[str, Curve]]:
    """Panel -> label of a curve -> its epochs, from 0, and its values."""
    result: dict[str, dict[str, Curve]] = {}
    for name in sorted(columns(history), key=lambda name: name not in PANELS):
        key = next((key for key in PANELS if name.endswith(key) or name.startswith(key)), name)
        label = name.removesuffix(key).removeprefix(key).strip("_").replace("_", " ")
        points = [(number, float(epoch[name])) for number, epoch in enumerate(history) if name in epoch]
        epochs, values = zip(*points, strict=True)
        result.setdefault(PANELS.get(key, name.replace("_", " ")), {})[label or ITSELF.get(key, "training")] = (
            epochs,
            values,
        )
    return result
