"""Damage by a seed: values of JSON with something exchanged, bytes with some changed, and the checksum computed again."""

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random

from edgernn.artifact import checksum
from edgernn.errors import EdgernnError

NUMBERS = (0, 1, -1, 2, 7, 8, 127, 255, 1 << 16, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 53, 1 << 63, -(1 << 63), 10**400)
FLOATS = (0.0, -0.0, 0.5, -1.5, 1e-320, 1e308, -1e308, 1e39, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    "",
    "x",
    "y",
    "gru",
    "gru.w",
    "float32",
    "float64",
    "F64",
    "Dense",
    "LogMel",
    "ü\u2028\ud800",
    "\0",
    "a" * 5000,
    "../..",
    "%n",
)
VALUES = (*NUMBERS, *FLOATS, *TEXTS, None, True, False, [], {}, [[]], [0], {"": 0}, [1, 2], [-1, 4])
BYTES = (0, 0xFF, 0x80, 0x7F, 0x22, 0x5B, 0x0A)


def changed(value, random: Random):
    """A JSON value with something in it exchanged, left out, doubled or moved."""
    at = [(None, None)]
    pending = [value]
    while pending:  # every place in it
        one = pending.pop()
        if isinstance(one, dict | list):
            keys = list(one) if isinstance(one, dict) else range(len(one))
            at.extend((one, key) for key in keys)
            pending.extend(one[key] for key in keys)
    inside, key = random.choice(at)
    other = deepcopy(random.choice(VALUES))
    if inside is None:
        return other if random.random() < 0.1 else value
    held, how = inside[key], random.randrange(6)
    if how == 0:
        del inside[key]
    elif how == 1 and type(held) in {int, float} and abs(held) < 1 << 64:
        inside[key] = held + random.choice((-1, 1, 0.5, held, -2 * held))
    elif how == 2 and len(at) < 1000:
        there, what = random.choice(at[1:])
        inside[key] = deepcopy(there[what])
    elif how == 3 and isinstance(inside, dict):
        inside[random.choice((*map(str, inside), *TEXTS))] = deepcopy(held)
    elif how == 4 and isinstance(held, str) and held:
        k = random.randrange(len(held))
        inside[key] = held[:k] + random.choice(TEXTS)[:9] + held[k + random.randrange(3) :]
    else:
        inside[key] = other
    return value


def text_of(value, random: Random) -> str:
    """The JSON of a value, perhaps damaged."""
    text = json.dumps(value, separators=(",", ":"))
    k = random.randrange(len(text) + 1)
    how = random.randrange(24)
    if how == 0:
        return (
            text[:k]
            + random.choice(("[" * 5000, '{"a":' * 5000, "1" * 5000, "1e999", "NaN", '"', "\\", ",", "\0"))
            + text[k:]
        )
    if how == 1:
        return text[:k]
    if how == 2:
        name = random.choice([*value] or ["a"]) if isinstance(value, dict) else "a"
        return text[:1] + f"{json.dumps(str(name))}:0," + text[1:]
    return text


def several(change: Callable, value, random: Random):
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        value = change(value, random)
    return value


def flipped(data: bytes, random: Random) -> bytes:
    """Bytes with some changed, doubled or cut off."""
    held = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        if not held:
            break
        k, how = random.randrange(len(held)), random.randrange(8)
        if how == 0:
            del held[k : k + random.randrange(1, 9)]
        elif how == 1:
            held[k:k] = held[k : k + random.randrange(1, 40)]
        elif how == 2:
            del held[k:]
        elif how < 5:
            held[k] = random.choice(BYTES)
        else:
            held[k] ^= 1 << random.randrange(8)
    return bytes(held)


def summed(data: bytes) -> bytes:
    """The same bytes with a valid checksum, if they contain one."""
    at = data.find(f'"{checksum.KEY}":"'.encode())
    if at < 0:
        return data
    at += len(checksum.KEY) + 4
    try:
        return checksum.fill(data[:at] + checksum.BLANK.encode() + data[at + 64 :])
    except EdgernnError:
        return data
