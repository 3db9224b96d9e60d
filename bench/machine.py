"""The machine and the versions that the figures of a benchmark are valid for."""

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from edgernn.device import isa

INPUTS, OUTPUTS = 40, 12
USUAL: dict[str, Any] = {"inputs": INPUTS, "outputs": OUTPUTS, "threads": 1, "pinned": True}
"""The settings of most benchmarks."""

PACKAGES = ("edgernn", "numpy", "torch", "onnxruntime", "ai-edge-litert")


def machine() -> dict[str, str]:
    """The processor, the instruction set level of compiled code, and the version of Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
    return {"cpu": model, "level": isa.best(), "python": platform.python_version()}


def versions() -> dict[str, str]:
    """The versions of the packages."""
    return {name: metadata.version(name) for name in PACKAGES}
