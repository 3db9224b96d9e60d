"""The version of edgernn, in the one place that has it."""

import re

VERSION = "0.2.0"


def is_later(version: object) -> bool:
    """Whether a version that a file tells is one after this; False of what is no version."""
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,9}(\.\d{1,9}){2}", version):
        return False
    return [int(part) for part in version.split(".")] > [int(part) for part in VERSION.split(".")]
