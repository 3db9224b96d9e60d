"""The protocols of a backend: an engine that binds carried states, or one that runs whole windows."""

from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest
from edgernn.errors import FileError

_WHOLE = slice(None)  # created once instead of at every call


class FloatStep(NamedTuple):
    """A step of an integer artifact with float32 outside, converted by the runtime itself."""

    x: Array  # float32, (inputs,)
    y: Array  # float32, (outputs,)
    step: Callable[[], Any]  # refuses a frame as Bound.step does where `guards` is true
    prime: Callable[[], Any]  # as Bound.prime


class Bound(Protocol):
    """One carried state on one backend: fixed arrays, and a step that takes no arguments."""

    x: Array  # (inputs,), or (1,) for a symbol; of the dtype in the manifest, as are y and the states
    y: Array  # (outputs,)
    guards: bool  # whether `step` itself refuses a frame that must not enter

    @property
    def countdown(self) -> Array | None:
        """A number (1,) that `step` counts down to 0, and then returns true though it refused no frame; 0 stops it.

        None when the runtime counts nothing.
        """

    @property
    def step(self) -> Callable[[], Any]:
        """Compute `y` from `x` and the carried state, and carry the new state; true when it refused the frame."""

    @property
    def prime(self) -> Callable[[], Any]:
        """Compute what `step` would on a scratch state: code, weights and states are then in the caches.

        `x`, `y` and the states do not change. `x` must be a frame that may enter, unless `guards` is true.
        """

    @property
    def run(self) -> Callable[[Array, Array], int] | None:
        """Compute `ys` from consecutive frames `xs` in one call, and return how many were done before one was refused.

        None when the runtime has no such call.
        """

    @property
    def float_step(self) -> FloatStep | None:
        """The step with float32 outside; None when the runtime converts nothing, or there is nothing to convert."""

    def get_states(self) -> tuple[Array, ...]:
        """The carried states, in the order of the manifest; views or copies."""

    def set_states(self, states: tuple[Array, ...], /) -> None:
        """Replace the carried states."""


T = TypeVar("T")


def varied(bound: T, **attributes: Any) -> T:
    """Return a copy of a bound that has the same code and objects, but for some attributes."""
    other = copy(bound)
    vars(other).update(attributes)
    return other


def step_error(error: Exception) -> FileError:
    """The error of a step that a runtime refuses: it loaded the file, and cannot compute what is in it."""
    text = " ".join(str(error).split())
    return FileError(f"the runtime cannot step this artifact, which may be damaged: {text}; export it again")


def restoring(call: Callable[[], Any], array: Array) -> Callable[[], None]:
    """Return a function that calls, and then gives the array back the values it had before."""
    memory, saved = array.data, array.copy().data

    def prime() -> None:
        saved[_WHOLE] = memory
        try:
            call()
        finally:
            memory[_WHOLE] = saved

    return prime


StepMany = Callable[[Array, Array, Array], int]
"""Step streams: frames (n, inputs), their slots (n,) of dtype intp, results (n, outputs) -> the row of the first frame
that is refused, and then nothing was stepped; -1 when all were stepped. Each slot comes once."""


class ManyBound(Protocol):
    """Many carried states on one backend, each in a slot, and a step of any of them together."""

    guards: bool  # whether `step` itself refuses frames that must not enter

    @property
    def step(self) -> StepMany:
        """Step streams; frames, results and states have the dtypes of the manifest."""

    @property
    def float_step(self) -> StepMany | None:
        """The step with float32 outside, which guards; None when the runtime converts nothing, or need not."""

    def get_states(self, slot: int, /) -> tuple[Array, ...]:
        """The carried states of a slot, in the order of the manifest; views or copies."""

    def set_states(self, slot: int, states: tuple[Array, ...], /) -> None:
        """Replace the carried states of a slot."""


class Engine(Protocol):
    """An artifact in its runtime, shared by every stream."""

    backend: str  # the name of the runtime with its version: "onnxruntime 1.32.0"

    @property
    def manifest(self) -> Manifest:
        """The manifest of the artifact, checked against what the runtime found in the file."""

    def bind(self) -> Bound:
        """A new carried state."""

    def bind_many(self, capacity: int, /) -> ManyBound:
        """New carried states, which are stepped together.

        Raises:
            UnsupportedError: the runtime steps this artifact for one stream at a time.
        """


@runtime_checkable
class LevelEngine(Protocol):
    """An Engine of a library with the same step for one or several levels of processors."""

    @property
    def levels(self) -> tuple[str, ...]:
        """Their names, the best first; when it is loaded, the first that the processor has is chosen."""

    def choose(self, level: str, /) -> None:
        """Take the step of another level, for all streams, which go on with their states."""


@runtime_checkable
class WindowEngine(Protocol):
    """An artifact of whole windows in its runtime; nothing is carried from one window to the next."""

    backend: str

    @property
    def manifest(self) -> Manifest:
        """As that of an Engine."""

    def run(self, frames: Array, /) -> Array:
        """Run a window that was checked, (time, inputs) -> (time, outputs), or (1, outputs) when pooled."""
