"""The CPU time of a training, summed over all resumed runs."""

import time
from typing import Any

from lightning.pytorch.callbacks import Callback


class CpuTime(Callback):
    """Counts the CPU seconds of this process and keeps them in the checkpoint."""

    def __init__(self) -> None:
        self._before, self._began = 0.0, time.process_time()

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all threads. Time after the last checkpoint of a killed training is lost."""
        return self._before + time.process_time() - self._began

    def state_dict(self) -> dict[str, Any]:
        return {"cpu_s": self.cpu_s}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._before = float(state["cpu_s"])
