"""What a user may say of a model that another tool wrote."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields

from edgernn.errors import UsageError


@dataclass(frozen=True)
class ImportOptions:
    """What a user says of a foreign model; see `edgernn_export.from_file`.

    Attributes:
        states: an input that is a state -> the output that it is in the next step.
        inputs: the names of the inputs that are frames; empty for all that are no states.
        outputs: the names of the outputs to take; empty for all that are no states.
        time_axis: the axis of time in the inputs, where the file does not show it.
        period_ms: the time from one frame to the next, where the file does not say.
        labels: a name for each output.
        shapes: an input -> its shape, where the file leaves a size open.
        constants: an input -> the value that it has in every step, such as a sample rate.
        running: what may run over all frames so far: "mean", "max".
    """

    states: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    time_axis: int | None = None
    period_ms: float | None = None
    labels: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    constants: Mapping[str, float] = field(default_factory=dict)
    running: tuple[str, ...] = ()


def check_known(name: str, options: ImportOptions, known: Collection[str]) -> None:
    """Refuse options that do not apply to a kind of file.

    Args:
        name: of the file, for the message.
        options: what the user says.
        known: the names of those that apply.

    Raises:
        UsageError: another has a value.
    """
    for each in fields(options):
        if each.name not in known and getattr(options, each.name) not in (None, (), {}):
            raise UsageError(f"{each.name}= does not apply to '{name}'; {', '.join(known)} do")
