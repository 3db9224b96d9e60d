"""A training run that is interrupted at a batch that the test chooses."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edgernn.train.loop.task import Task


@contextmanager
def killed(epoch: int, index: int) -> Iterator[None]:
    """Interrupt the training inside the block at this batch of this epoch; fails if it is not reached."""
    begin = Task.on_train_batch_start

    def interrupted(task: Task, batch: object, at: int) -> None:
        if (task.current_epoch, at) == (epoch, index):
            raise KeyboardInterrupt
        begin(task, batch, at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "on_train_batch_start", interrupted)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            yield
