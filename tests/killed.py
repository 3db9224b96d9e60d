"""A training that is interrupted, at a batch that the test chooses."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edgernn.train.loop.task import Task


@contextmanager
def killed(epoch: int, index: int) -> Iterator[None]:
    """What is trained here must come to this batch of this epoch, and no further."""
    begin = Task.on_train_batch_start

    def interrupted(task: Task, batch: object, at: int) -> None:
        if (task.current_epoch, at) == (epoch, index):
            raise KeyboardInterrupt
        begin(task, batch, at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "on_train_batch_start", interrupted)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            yield
