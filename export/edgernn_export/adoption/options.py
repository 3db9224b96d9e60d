"""What a user may say of a file that is adopted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgernn.array import Array


@dataclass(frozen=True)
class AdoptOptions:
    """What a user says of a file; see `edgernn_export.adopt`."""

    states: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    context: int | Mapping[str, int] = 0
    delay_frames: int = 0
    initial_state: Mapping[str, Array] = field(default_factory=dict)
    period_ms: float | None = None
    labels: tuple[str, ...] = ()
