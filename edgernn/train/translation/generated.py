"""Pairs of texts that a rule makes: dates in many written forms, and numbers in words in two languages."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

FIRST, LAST = date(1950, 1, 1), date(2049, 12, 31)

Pair = tuple[str, str]


def _ordinal(n: int) -> str:
    return f"{n}{'th' if 10 <= n % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


FORMS: tuple[Callable[[date], str], ...] = (
    lambda d: f"{d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{d.day} {MONTHS[d.month - 1][:3]} {d.year}",
    lambda d: f"{MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: f"{MONTHS[d.month - 1][:3]} {_ordinal(d.day)}, {d.year}",
    lambda d: f"the {_ordinal(d.day)} of {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{DAYS[d.weekday()]}, {MONTHS[d.month - 1]} {_ordinal(d.day)} {d.year}",
    lambda d: f"{DAYS[d.weekday()][:3]} {d.day} {MONTHS[d.month - 1][:3]} {d.year}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d.day:02}.{d.month:02}.{d.year}",
    lambda d: f"{d.month}/{d.day}/{d.year}",
    lambda d: f"{d.year}/{d.month:02}/{d.day:02}",
    lambda d: f"{d.day:02}-{MONTHS[d.month - 1][:3]}-{d.year}",
)
"""How people write a date. A slash begins with the month or with the year, a dot with the day."""


def dates(count: int, random: np.random.Generator) -> list[Pair]:
    """Dates in one of FORMS, and in ISO 8601."""
    days = random.integers(0, (LAST - FIRST).days + 1, count)
    forms = random.integers(0, len(FORMS), count)
    drawn = [FIRST + timedelta(days=int(day)) for day in days]
    return [(FORMS[form](each), each.isoformat()) for form, each in zip(forms, drawn, strict=True)]


ENGLISH = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
ENGLISH_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

GERMAN = (
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf",
    "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn",
)  # fmt: skip
GERMAN_TENS = ("zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")


def english(n: int) -> str:
    """A number below a million in English words, such as "two thousand and seven"."""
    if n < 20:
        return ENGLISH[n]
    if n < 100:
        return ENGLISH_TENS[n // 10 - 2] + (f"-{ENGLISH[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{ENGLISH[n // 100]} hundred" + (f" and {english(n % 100)}" if n % 100 else "")
    rest = n % 1000
    return f"{english(n // 1000)} thousand" + (f"{' and' if rest < 100 else ''} {english(rest)}" if rest else "")


def german(n: int) -> str:
    """A number below a million in German words, which are one: "zweitausendsieben"."""
    if n < 20:
        return GERMAN[n]
    if n < 100:
        return (f"{_before(n % 10)}und" if n % 10 else "") + GERMAN_TENS[n // 10 - 2]
    if n < 1000:
        return f"{_before(n // 100)}hundert{german(n % 100) if n % 100 else ''}"
    thousands = n // 1000
    head = german(thousands).removesuffix("s") if thousands % 100 == 1 else german(thousands)
    return f"{head}tausend{german(n % 1000) if n % 1000 else ''}"


def _before(n: int) -> str:
    """A digit before another word."""
    return "ein" if n == 1 else GERMAN[n]


def numbers(count: int, random: np.random.Generator) -> list[Pair]:
    """Numbers below a million in English or German words, and in digits; small ones as often as large ones."""
    digits = random.integers(1, 7, count)
    drawn = random.integers(0, 10**digits)
    return [(language(int(n)), str(n)) for language, n in zip(_languages(count, random), drawn, strict=True)]


def _languages(count: int, random: np.random.Generator) -> list[Callable[[int], str]]:
    return [(english, german)[k] for k in random.integers(0, 2, count)]


GENERATED: Mapping[str, Callable[[int, np.random.Generator], list[Pair]]] = MappingProxyType(
    {"dates": dates, "numbers": numbers}
)
"""What can be generated: a number of pairs from random numbers."""
