"""Packages that are not always installed: a failed import becomes the pip command that mends it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from edgernn.errors import MissingExtraError

EXTRAS: Mapping[str, str] = MappingProxyType(
    {
        "torch": "train",
        "lightning": "train",
        "torchmetrics": "train",
        "matplotlib": "report",
        "jinja2": "report",
        "markupsafe": "report",
    }
)
"""What training imports -> the extra that brings it."""


@contextmanager
def needed(purpose: str) -> Iterator[None]:
    """Around imports.

    Raises:
        MissingExtraError: one of EXTRAS is not installed; what else cannot be imported is raised as it is.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise MissingExtraError(package, EXTRAS[package], purpose) from error
