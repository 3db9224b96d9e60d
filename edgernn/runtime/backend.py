"""What a backend makes of an artifact: an engine that binds carried states, or one that runs whole windows."""

from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from edgernn.artifact.manifest import Manifest

Array = NDArray[Any]


class Bound(Protocol):
    """One carried state on one backend: fixed arrays, and a step that takes no arguments."""

    x: Array  # (inputs,), or (1,) for a symbol; of the contract's dtype, as are y and the states
    y: Array  # (outputs,)
    guards: bool  # whether `step` itself refuses a frame that must not enter

    def step(self) -> Any:
        """Compute `y` from `x` and the carried state, and carry the new state; true when it refused the frame."""

    def read(self) -> tuple[Array, ...]:
        """The carried states, in the order of the contract; views or copies."""

    def write(self, states: tuple[Array, ...], /) -> None:
        """Replace the carried states."""


class Engine(Protocol):
    """An artifact in its runtime, shared by every stream."""

    backend: str  # the runtime with its version: "onnxruntime 1.32.0"

    @property
    def manifest(self) -> Manifest:
        """What the artifact says of itself, checked against what the runtime found in it."""

    def bind(self) -> Bound:
        """A new carried state."""


@runtime_checkable
class WindowEngine(Protocol):
    """An artifact of whole windows in its runtime; nothing is carried from one window to the next."""

    backend: str

    @property
    def manifest(self) -> Manifest:
        """As that of an Engine."""

    def run(self, frames: Array, /) -> Array:
        """A window that is known to be good, (time, inputs) -> (time, outputs), or (1, outputs) when pooled."""
