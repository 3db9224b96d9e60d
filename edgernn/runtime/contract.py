"""Whether a stream may go on with another program: its frames and its answers must stay what they are."""

from edgernn.artifact.manifest import Manifest
from edgernn.errors import StateError

FIELDS = ("inputs", "outputs", "vocabulary_size", "named_inputs", "named_outputs", "frames_per_step")
"""The fields of a manifest that say what enters a stream and what leaves it."""


def check_contract(before: Manifest, after: Manifest, *, raw: bool) -> None:
    """Compare what enters and leaves two programs; in a raw stream also their quantization parameters.

    Raises:
        StateError: they differ.
    """
    for field in (*FIELDS, "quantization") if raw else FIELDS:
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            raise StateError(
                f"the program to go on with has {field} {new}; this stream has {old}: begin anew with program.stream()"
            )


def same_states(before: Manifest, after: Manifest) -> bool:
    """Return whether the states of one program can be those of another: the same names and widths in the same order."""
    return [*before.states.items()] == [*after.states.items()]
