"""Whether a file is a TFLite model within bounds, found out without torch."""

from edgernn.files import atomic
from edgernn_export.sources.tflite.loading import parsed


def check(path: str) -> None:
    """Refuse a file that `read` cannot read; raises as `parsed`."""
    parsed(path, atomic.read(path))
