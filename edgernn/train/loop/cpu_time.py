"""What a training takes of the processor, over all the times that it was resumed."""

import time
from typing import Any

from lightning.pytorch.callbacks import Callback


class Spent(Callback):
    """Counts the CPU seconds of this process since it was made, and keeps them in the checkpoint."""

    def __init__(self) -> None:
        self._before, self._began = 0.0, time.process_time()

    @property
    def cpu_s(self) -> float:
        """Seconds of all threads; what came after the checkpoint of a training that was killed is lost."""
        return self._before + time.process_time() - self._began

    def state_dict(self) -> dict[str, Any]:
        return {"cpu_s": self.cpu_s}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._before = float(state["cpu_s"])
