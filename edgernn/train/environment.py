"""The environment of a measurement: the machine and the versions of the packages."""

import platform
from importlib import metadata
from typing import Any

import torch

from edgernn.device.probe import probe

PACKAGES = ("edgernn", "numpy", "torch", "lightning", "torchmetrics")


def environment() -> dict[str, Any]:
    """The machine, the versions and the number of threads, for the results of a training."""
    core = probe().figures.get("core")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": core and core.value,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }
