"""What a stream needs of its program."""

from typing import Any, Protocol

from edgernn.artifact.manifest import Manifest
from edgernn.budget.monitor import Monitor
from edgernn.budget.verdict import Budget
from edgernn.runtime.guard import OnBadInput
from edgernn.runtime.state_guard import StateGuard


class Source(Protocol):
    """The program of a stream."""

    @property
    def name(self) -> str:
        """The name of its file."""

    @property
    def sha256(self) -> str:
        """The checksum of the file."""

    @property
    def manifest(self) -> Manifest:
        """Its inputs, states, outputs and metadata."""

    @property
    def backend(self) -> str:
        """The name of the runtime that steps it, with its version."""

    def stream(
        self,
        *,
        on_bad_input: OnBadInput,
        raw: bool,
        monitor: Monitor | Budget | None,
        state_guard: StateGuard | int | None,
    ) -> Any:
        """A new Stream in its initial state."""
