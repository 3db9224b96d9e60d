"""Who is at work at which trial: each number is taken by one worker at a time, and is free again when it dies."""

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
"""Workers that may die at one trial before it is given up."""

NUMBER, REASON, STOPPED = "number", "reason", "stopped"
"""What is noted with an attempt: whose it is, why it failed, whether its worker stopped in good order."""


class Workers:
    """What a worker knows of the others in a study.

    A trial is a number from 0 on; every try at it is an attempt, which is what Optuna calls a trial. The first attempt
    that has not died is the trial. In the folder, a worker holds a lock on the byte of its number, which ends with its
    process; at a database it says every few seconds that it lives, by the clock of the database.
    """

    def __init__(self, study: optuna.Study, storage: Storage, out: Path) -> None:
        self.study, self._storage = study, storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._path = out / LOCK

    def attempts(self) -> dict[int, list[FrozenTrial]]:
        """The attempts at each trial, in order."""
        found: dict[int, list[FrozenTrial]] = {}
        for attempt in self.study.get_trials(deepcopy=False):
            if NUMBER in attempt.user_attrs:
                found.setdefault(attempt.user_attrs[NUMBER], []).append(attempt)
        return found

    def bury(self) -> None:
        """Fail the attempts of workers that have died."""
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
        """A trial to work at, inside the block; None when it is done, given up, or another worker has it.

        Args:
            number: of the trial.
            settings: those that are fixed for it, unless an attempt before had settled on some.
        """
        with self._locked(number) as mine:
            attempts = self.attempts().get(number, [])
            if not mine or not is_open(attempts):
                yield None
                return
            if standing(attempts) is None:
                before = attempts[-1].params if attempts else settings
                self.study.enqueue_trial(dict(before), {NUMBER: number})
                attempts = self.attempts()[number]  # at a database another one may have been first
            attempt = standing(attempts)
            with self._begun(attempt) as trial:
                yield trial

    @contextmanager
    def _begun(self, attempt: FrozenTrial | None) -> Iterator[optuna.Trial | None]:
        """The attempt, running and known to live, if no other worker begins it at the same moment."""
        if attempt is None or attempt.state != TrialState.WAITING:
            yield None
            return
        key = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, attempt.number)
        with self._beating(key):
            try:
                mine = self._storage.set_trial_state_values(key, TrialState.RUNNING)
            except UpdateFinishedTrialError:
                mine = False
            yield optuna.Trial(self.study, key) if mine else None

    @contextmanager
    def _beating(self, key: int) -> Iterator[None]:
        """Say that the worker lives, from before the attempt runs until after it."""
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
        """Whether this process has the trial in this folder to itself, inside the block."""
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


def standing(attempts: list[FrozenTrial]) -> FrozenTrial | None:
    """The attempt that is the trial: the first that waits, runs, is done, or has failed for a reason of its own."""
    return next((each for each in attempts if each.state != TrialState.FAIL or REASON in each.user_attrs), None)


def given_up(attempts: list[FrozenTrial]) -> bool:
    """Whether too many workers died at the trial."""
    died = [each for each in attempts if each.state == TrialState.FAIL and STOPPED not in each.user_attrs]
    return standing(attempts) is None and len(died) >= DEATHS


def is_open(attempts: list[FrozenTrial]) -> bool:
    """Whether the trial can be taken."""
    found = standing(attempts)
    return not given_up(attempts) if found is None else found.state == TrialState.WAITING


def is_over(attempts: list[FrozenTrial]) -> bool:
    """Whether the trial will not change any more."""
    found = standing(attempts)
    return given_up(attempts) if found is None else found.state.is_finished()
