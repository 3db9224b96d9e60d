"""The frames per second that a file states."""

from edgernn_export.sources.json.entries import Entries

NAMES = ("samplerate", "sample_rate", "sampling_rate")
PLACES = ("model_data", "metadata", "config")


def rate_of(file: Entries) -> float | None:
    """Return the sample rate that a file states, in Hz; None when it states none.

    Raises:
        FileError: it is no positive number.
    """
    objects = [file, *(file.object(place) for place in PLACES if isinstance(file.members.get(place), dict))]
    for entries in objects:
        for name in NAMES:
            if entries.members.get(name) is None:
                continue
            value = entries.members[name]
            number = float(value) if isinstance(value, str) and value.isdigit() else entries.number(name)
            if not 1 <= number <= 1e7:
                raise entries.error(name, f"is {value!r}"[:80], "a rate in Hz")
            return number
    return None
