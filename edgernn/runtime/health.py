"""The health of a stream: how often its guards had to act."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Health:
    """Counts of a stream since it began, or of all slots of streams; `reset` keeps them.

    A frame is bad that is not finite, beyond the manifest's limit or outside the table. The last four counts are those
    of the state guard.

    Attributes:
        refused: bad frames that raised a FrameError.
        held: bad frames in whose place the last good one was taken.
        zeroed: bad frames in whose place zeros were taken.
        looks: how often the state guard looked at the states of a stream.
        resets: how often it found a value that cannot be, and reset the states.
        flushed: the denormal numbers in states that it set to 0.
        saturated: the values of integer states, and of the integer outputs of a Stream, that were the smallest or the
            largest integer when it looked. Some are usual, such as the ends of a tanh; where more come than with the
            data of the calibration, the inputs have changed.
    """

    refused: int = 0
    held: int = 0
    zeroed: int = 0
    looks: int = 0
    resets: int = 0
    flushed: int = 0
    saturated: int = 0

    def __or__(self, other: "Health") -> "Health":
        """Merge the counts of two streams, or from before and after a restart."""
        return Health(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))
