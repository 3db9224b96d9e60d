"""What a stream does where its step returns true: it mends or refuses a bad frame, or looks at its states."""

from edgernn.artifact.manifest import Manifest
from edgernn.runtime.backend import Bound
from edgernn.runtime.guard import OnBadInput, Step, guarded, holding, refused
from edgernn.runtime.health import Health
from edgernn.runtime.state_guard import StateWatch, counted


class Recovery:
    """The guards of a stream: that of its frames with its policy, that of its states, and their counts.

    Args:
        bound: the step, with the frames of the stream.
        carried: the same step with states as the artifact has them.
        manifest: of the artifact.
        on_bad_input: the policy.
        watch: the state guard, or None.
        counts: whether the backend may count the steps to the next look, as Bound.countdown; it then returns true where
            no frame was refused, so nothing but `recover` may read what it returns.
    """

    def __init__(
        self,
        bound: Bound,
        carried: Bound,
        manifest: Manifest,
        on_bad_input: OnBadInput,
        watch: StateWatch | None,
        *,
        counts: bool,
    ) -> None:
        self._health, self._looks = Health(), 0
        self._bound, self._carried, self._manifest = bound, carried, manifest
        self.on_bad_input, self.watch = on_bad_input, watch
        self.last_good = bound.x.copy() if on_bad_input == "hold" else None
        self._every = 0 if watch is None else watch.every
        self._countdown = bound.countdown if self._every and counts else None
        if self._countdown is not None:
            self._countdown[0] = self._every

    @property
    def health(self) -> Health:
        """The counts until now."""
        return self._health | Health(looks=self._looks)

    def guard(self, step: Step) -> Step:
        """Return the step of the backend with the guards around it that it lacks; `recover` where it returns true."""
        if not self._bound.guards:
            step = guarded(step, self._bound.x, self._manifest)
        if self.last_good is not None:
            step = holding(step, self._bound.x, self.last_good)
        if self._every and self._countdown is None:
            step = counted(step, self._every, self.look)
        return step

    def on_scratch(self) -> "Recovery":
        """Return guards for a scratch state: a bad frame becomes zeros, and no look comes to pass."""
        scratch = object.__new__(Recovery)
        vars(scratch).update(vars(self))
        scratch.on_bad_input, scratch.last_good, scratch.watch = "zero", None, None
        return scratch

    def recover(self, run: Step) -> None:
        """Look at the states where a look is due; else run again with another frame in the place of a bad one.

        Raises:
            FrameError: the frame is bad, and the policy is to refuse it. The state is as it was.
        """
        if self._look_if_due():
            return
        x = self._bound.x
        if self.on_bad_input == "raise":
            self._health |= Health(refused=1)
            raise refused(x, self._manifest)
        if self.last_good is not None:
            self._health |= Health(held=1)
            x[...] = self.last_good
        else:
            self._health |= Health(zeroed=1)
            x[...] = 0
        if run():
            self._look_if_due()

    def take_over(self, other: "Recovery") -> None:
        """Go on with the counts and the last good frame of another, whose frames and policy are the same."""
        self._health = other.health
        if self.last_good is not None:
            self.last_good[...] = other.last_good

    def look(self) -> None:
        """Let the state guard look at the states, where there is one."""
        if self.watch is None:
            return
        self._looks += 1
        look = self.watch.look(self._carried.get_states(), self._carried.y)
        if look is None:
            return
        self._health |= look.health
        if look.states is not None:
            self._carried.set_states(look.states)
        if look.reset is not None:
            self.watch.report(look.reset)

    def _look_if_due(self) -> bool:
        """Look if the backend counted down to 0, in a step that refused nothing; return whether it did."""
        if self._countdown is None or self._countdown[0] or self.watch is None:
            return False
        if self.last_good is not None:
            self.last_good[...] = self._bound.x
        self._countdown[0] = self._every
        self.look()
        return True
