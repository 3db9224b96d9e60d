"""Optional packages: a failed import becomes an error with the pip command that installs the package."""

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
        "optuna": "search",
        "sqlalchemy": "search",
        "cryptography": "sign",
    }
)
"""An optional package that training, search, reports or signatures import -> the extra that installs it."""


@contextmanager
def needed(purpose: str) -> Iterator[None]:
    """Import optional packages inside the block; `purpose` is the subject of the error message.

    Raises:
        MissingExtraError: one of EXTRAS is not installed. Any other ImportError is raised unchanged.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise MissingExtraError(package, EXTRAS[package], purpose) from error
