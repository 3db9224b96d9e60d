"""Whether a file is a Keras model within bounds, found out without torch."""

from edgernn_export.sources.keras.archive import opened


def check(path: str) -> None:
    """Refuse a file that `read` cannot read; raises as `opened`."""
    with opened(path).weights:
        pass
