"""The workers of a study: each trial is taken by one worker at a time, and is free again when the worker dies."""

import fcntl
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from edgernn.errors import FileError
from edgernn.train.search.storage import BEAT_S, Storage

LOCK = "study.lock"
DEATHS = 2
"""The number of workers that may die during one trial before it is abandoned."""

NUMBER, REASON, STOPPED = "number", "reason", "stopped"
"""The attributes of an attempt: its trial, why it failed, whether its worker stopped regularly."""


class Workers:
    """The view of a worker on a study.

    A trial is a number from 0; it has one or more attempts, which Optuna calls trials. The first attempt that has not
    died is the result of the trial. With a journal, a worker locks the byte of its trial in a file; the lock ends with
    its process. With a database, it sends heartbeats, which have the time of the database.
    """

    def __init__(self, study: optuna.Study, storage: Storage, out: Path) -> None:
        self.study, self._storage = study, storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._path = out / LOCK

    def attempts(self) -> dict[int, list[FrozenTrial]]:
        """The attempts at each trial, in order."""
        attempts: dict[int, list[FrozenTrial]] = {}
        for attempt in self.study.get_trials(deepcopy=False):
            if NUMBER in attempt.user_attrs:
                attempts.setdefault(attempt.user_attrs[NUMBER], []).append(attempt)
        return attempts

    def fail_stale(self) -> None:
        """Mark the attempts of dead workers as failed."""
        if isinstance(self._storage, RDBStorage):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                optuna.storages.fail_stale_trials(self.study)
            return
        for number, attempts in self.attempts().items():
            if attempts[-1].state == TrialState.RUNNING:
                with self._locked(number) as mine:
                    if mine:
                        self.study.tell(attempts[-1].number, state=TrialState.FAIL, skip_if_finished=True)

    @contextmanager
    def take(self, number: int, settings: Mapping[str, Any]) -> Iterator[optuna.Trial | None]:
        """Take a trial for the duration of the block; None if it is finished, abandoned or taken by another worker.

        Args:
            number: the number of the trial.
            settings: its fixed settings. The settings of an earlier attempt take precedence.
        """
        with self._locked(number) as mine:
            attempts = self.attempts().get(number, [])
            if not mine or not is_open(attempts):
                yield None
                return
            if current_attempt(attempts) is None:
                before = attempts[-1].params if attempts else settings
                self.study.enqueue_trial(dict(before), {NUMBER: number})
                attempts = self.attempts()[number]  # with a database another worker may have been first
            attempt = current_attempt(attempts)
            with self._running(attempt) as trial:
                yield trial

    @contextmanager
    def _running(self, attempt: FrozenTrial | None) -> Iterator[optuna.Trial | None]:
        """Start the attempt with heartbeats; None if another worker started it at the same time."""
        if attempt is None or attempt.state != TrialState.WAITING:
            yield None
            return
        key = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, attempt.number)
        with self._heartbeat(key):
            try:
                mine = self._storage.set_trial_state_values(key, TrialState.RUNNING)
            except UpdateFinishedTrialError:
                mine = False
            yield optuna.Trial(self.study, key) if mine else None

    @contextmanager
    def _heartbeat(self, key: int) -> Iterator[None]:
        """Send heartbeats from before the attempt runs until after it."""
        storage, over = self._storage, threading.Event()
        if not isinstance(storage, RDBStorage):
            yield
            return

        def beat() -> None:
            while not over.wait(BEAT_S):
                with suppress(SQLAlchemyError, StorageInternalError):  # the next one may get through
                    storage.record_heartbeat(key)

        storage.record_heartbeat(key)
        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def _locked(self, number: int) -> Iterator[bool]:
        """Lock a trial in this folder for the duration of the block; return whether this process has the lock."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise FileError(f"'{self._path}' cannot be written: {error.strerror}; check the folder") from error
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            mine = True
        except (BlockingIOError, PermissionError):
            mine = False
        try:
            yield mine
        finally:
            os.close(file)


def current_attempt(attempts: list[FrozenTrial]) -> FrozenTrial | None:
    """The current attempt of a trial: the first that waits, runs, is finished, or has failed with a reason."""
    return next((each for each in attempts if each.state != TrialState.FAIL or REASON in each.user_attrs), None)


def is_abandoned(attempts: list[FrozenTrial]) -> bool:
    """Whether too many workers died during the trial."""
    died = [each for each in attempts if each.state == TrialState.FAIL and STOPPED not in each.user_attrs]
    return current_attempt(attempts) is None and len(died) >= DEATHS


def is_open(attempts: list[FrozenTrial]) -> bool:
    """Whether the trial can be taken."""
    attempt = current_attempt(attempts)
    return not is_abandoned(attempts) if attempt is None else attempt.state == TrialState.WAITING


def is_over(attempts: list[FrozenTrial]) -> bool:
    """Whether the trial is final."""
    attempt = current_attempt(attempts)
    return is_abandoned(attempts) if attempt is None else attempt.state.is_finished()
