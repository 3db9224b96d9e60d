"""Suggestions for an unknown name: what was perhaps meant, and what there is."""

from collections.abc import Iterable
from difflib import get_close_matches


def misspelt(name: str, known: Iterable[str], *, products: bool = False) -> str:
    """Return the end of an error message about an unknown name: a suggestion and all known names; see `closest`."""
    choices = list(known)
    close = closest(name, choices, products=products)
    return f"{f'did you mean {close!r}? ' if close else ''}there are {', '.join(choices)}"


def closest(name: str, known: Iterable[str], *, products: bool = False) -> str:
    """Return the known name that is most like an unknown one; "" when none is similar.

    Args:
        name: the unknown name.
        known: the known names.
        products: the names are those of products. Then other digits mean another product, not a typing error.
    """
    likely = [each for each in known if not products or _digits(each) == _digits(name)]
    return next(iter(get_close_matches(name, likely, 1)), "")


def _digits(name: str) -> list[str]:
    """Return the digits of a name, sorted: two transposed digits are a typing error."""
    return sorted(each for each in name if each.isdigit())
