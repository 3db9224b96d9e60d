"""A small synthetic motor: recordings, a recipe, and a briefly trained model in one folder."""

from pathlib import Path

import torch

from edgernn.train import recipe as recipes, run
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.motor import record, to_npz

RECIPE = """
title = "A small motor"

[data]
reader = "npz"

[model]
cell = "gru"
hidden = {hidden}

[training]
epochs = {epochs}
batch = {batch}
rate = {rate}
"""


def trained(folder: Path, train: int, test: int, **settings: float) -> Path:
    """Make the folder, with `small.toml`, recordings in `motor.npz`, and `run/model.rnn`."""
    torch.set_num_threads(1)
    (folder / "small.toml").write_text(RECIPE.format(**settings))
    (folder / "motor.npz").write_bytes(to_npz(record(train, 0.2, 1), record(test, 0.2, 2)))
    run.train(recipes.load(folder / "small.toml"), folder / "motor.npz", folder / "run", accelerator=Accelerator("cpu"))
    return folder
