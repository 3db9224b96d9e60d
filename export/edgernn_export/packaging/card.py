"""The card of a package as a TOML file: its name and version, the model card, and the budgets of devices.

name = "kws"
version = "1.2.0"
description = "Spots three words at 16 kHz."
weights_licence = "Apache-2.0"
data_licence = "CC-BY-4.0"

[budgets.raspberrypi4]
period_us = 10000
"""

import os
from dataclasses import fields
from typing import Any

from edgernn.budget.verdict import Budget
from edgernn.device.rates import SECTION, parse_rates
from edgernn.files import atomic
from edgernn.files.document import parse
from edgernn.files.spelling import misspelt
from edgernn.package.manifest import Card

TEXTS = ("name", "version", *(each.name for each in fields(Card)))


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the fields of edgernn_export.PackageOptions that a card states.

    Raises:
        FileError: the file cannot be read, is not TOML, or has an unknown key or a value that is not valid; with the
            line.
    """
    document = parse(atomic.read(path), os.fspath(path))
    values = {key: value for key, value in document.values.items() if key != SECTION}
    for key, value in values.items():
        if key not in TEXTS:
            raise document.error(f"there is no '{key}' in a card; {misspelt(key, (*TEXTS, SECTION))}", key)
        if not isinstance(value, str):
            raise document.error(f"'{key}' is {value!r}; expected a text", key)
    rates = parse_rates(document)
    return {
        "name": values.pop("name", ""),
        "model_version": values.pop("version", "0"),
        "card": Card(**values),
        "budgets": {name: Budget(each.period_us, each.deadline_us, each.percentile) for name, each in rates.items()},
    }
