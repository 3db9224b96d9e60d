"""The version of edgernn, in the one place that has it, and how versions compare."""

import re

VERSION = "0.2.0"

_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,7}")


def is_version(text: object) -> bool:
    """Return whether a value is a version: up to eight numbers with dots between them."""
    return isinstance(text, str) and _VERSION.fullmatch(text) is not None


def parts(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, without zeros at its end: 1.10 is later than 1.9, and 1.2 is 1.2.0."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def is_later(version: object) -> bool:
    """Return whether what a file states is a version of edgernn after this one."""
    return isinstance(version, str) and is_version(version) and parts(version) > parts(VERSION)
