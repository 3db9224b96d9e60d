"""The current model of a store as a stream: it takes updates between two frames, and judges a trial while it runs."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.budget.verdict import Budget
from edgernn.errors import EdgernnError, FrameError, StateError, UpdateError, UsageError
from edgernn.runtime.adaptive import BURST, Levels
from edgernn.runtime.guard import OnBadInput
from edgernn.runtime.parts import Answer, flat_answer
from edgernn.runtime.state_guard import EVERY, StateGuard
from edgernn.runtime.stream import Stream
from edgernn.update.store import ModelStore

TRIAL_STEPS = 1000

Clock = Callable[[], int]


class UpdatedStream:
    """A stream of the current model of a store, through its updates.

    While the model is on trial, each step is judged. An answer that is not finite, a state that the state guard had to
    reset, an error of the runtime, or more late steps than the budget allows end the trial: the store goes back to the
    model before, and the same frame is answered by that. After `trial_steps` steps the model is marked as good. A model
    that ends the process is found by its starts: see ModelStore.start. `stream` is the stream that is stepped.

    Args:
        store: has a model.
        budget: a step that takes longer than its deadline is a miss; None judges no times.
        trial_steps: the steps of a trial.
        on_bad_input: as of Program.stream.
        clock: returns nanoseconds; replaced in tests.

    Raises:
        UpdateError: the store has no model.
        UsageError: `trial_steps` is not a whole number of at least 1, or there is no such policy.
        SignatureError, FileError, UnsupportedError: as edgernn.open, and there is no model to go back to.
    """

    stream: Stream

    def __init__(
        self,
        store: ModelStore,
        *,
        budget: Budget | None = None,
        trial_steps: int = TRIAL_STEPS,
        on_bad_input: OnBadInput = "raise",
        clock: Clock = time.perf_counter_ns,
    ) -> None:
        if type(trial_steps) is not int or trial_steps < 1:
            raise UsageError(f"trial_steps is {trial_steps!r}; expected a whole number of at least 1")
        self._store, self._budget, self._trial_steps, self._clock = store, budget, trial_steps, clock
        guards: Any = {"on_bad_input": on_bad_input, "state_guard": StateGuard(min(EVERY, trial_steps))}
        self._running = store.start().name
        try:
            self.stream = store.open(self._running).stream(**guards)
        except EdgernnError as error:
            if not store.pointer.previous:
                raise
            self._running = store.roll_back(str(error), self._running).name
            self.stream = store.open(self._running).stream(**guards)
        self._begin()

    def _begin(self) -> None:
        """Begin to judge, if the model that runs is on trial."""
        pointer = self._store.pointer
        self._left = self._trial_steps if pointer.trial and pointer.current == self._running else 0
        self._late = None if self._budget is None else Levels(2, self._budget, BURST)
        self._resets = self.stream.health.resets

    @property
    def on_trial(self) -> bool:
        """Whether the model that runs is on trial."""
        return self._left > 0

    def step(self, frame: Any, out: Any = None) -> Answer:
        """Step as Stream.step does, and judge the step during a trial.

        Raises:
            FrameError, StateError: as Stream.step; the step is not judged.
            UpdateError: the trial failed, and there is no model to go back to.
        """
        if not self._left:
            return self.stream.step(frame, out)
        before, start = self.stream.state, self._clock()
        try:
            answer = self.stream.step(frame, out)
            reason = self._fault(answer, self._clock() - start)
        except (FrameError, StateError):
            raise
        except (EdgernnError, RuntimeError, ArithmeticError, MemoryError) as error:
            reason = f"a step failed: {error}"
        if reason:
            self._set(before)
            self.roll_back(reason)
            return self.stream.step(frame, out)
        self._left -= 1
        if not self._left:
            self._store.mark_good(self._running)
        return answer

    def _fault(self, answer: Answer, took_ns: int) -> str:
        """Return what is wrong with a step, in words; "" where nothing is."""
        if not np.isfinite(flat_answer(answer)).all():
            return "an answer is not finite"
        if self.stream.health.resets > self._resets:
            return "a state was not finite, or beyond its bounds"
        if self._late is not None and self._budget is not None:
            missed = took_ns > self._budget.deadline_us * 1000
            if self._late.count(missed=missed):
                return f"more steps than the budget allows take longer than {self._budget.deadline_us:g} us"
        return ""

    def refresh(self) -> bool:
        """Go on with the current model of the store, if another one was installed. Returns whether there was one.

        The state is handed over where both have the same states: see Stream.swap. It reads one small file: call it once
        in a while, between two frames.

        Raises:
            UpdateError, FileError: the store cannot be read.
        """
        if self._store.pointer.current == self._running:
            return False
        self._go_on(self._store.start().name)
        return True

    def roll_back(self, reason: str) -> None:
        """Go back to the model before, and say why in the pointer of the store; or on to one that was installed since.

        Raises:
            UpdateError: there is none.
        """
        self._go_on(self._store.roll_back(reason, self._running).name)

    def _go_on(self, name: str) -> None:
        """Swap to a package of the store; to the one before it, if it cannot be opened or has another contract."""
        try:
            self.stream.swap(self._store.open(name))
        except EdgernnError as error:
            if not self._store.pointer.trial:
                raise UpdateError(f"'{name}' cannot be run: {error}") from error
            name = self._store.roll_back(str(error), name).name
            if name != self._running:
                self.stream.swap(self._store.open(name))
        self._running = name
        self._begin()

    def _set(self, states: Mapping[str, Array]) -> None:
        """Set the states as they were before a step that failed, or those at rest if nothing can go on from them."""
        try:
            self.stream.state = states
        except StateError:
            self.stream.reset()
