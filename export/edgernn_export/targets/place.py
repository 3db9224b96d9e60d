"""Where an artifact will run, as far as a target must know it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Nothing said means: every runtime of the format, on a machine like this one.

    Attributes:
        runtime: the package that will run it, such as "tflite-runtime"; "" for all that a format has.
    """

    runtime: str = ""
