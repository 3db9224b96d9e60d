"""Where figures were made: the machine, and the versions of what ran on it."""

import platform
from importlib import metadata
from typing import Any

import torch

from edgernn.device.probe import probe

PACKAGES = ("edgernn", "numpy", "torch", "lightning", "torchmetrics")


def environment() -> dict[str, Any]:
    """What the figures of a training belong to."""
    core = probe().figures.get("core")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": core and core.value,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }
