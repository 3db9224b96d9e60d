"""Damaged graphs and code: the structure of an .onnx, a .tflite or a .so changed by a seed, with its checksum made again."""

import struct
from collections.abc import Callable
from functools import cache
from random import Random

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema

from damage import FLOATS, NUMBERS, TEXTS, flipped, summed
from edgernn.artifact import checksum
from edgernn_export.targets.tflite.flat import IDENTIFIER

CODE_BYTES = 16


def onnx_fields(model: onnx.ModelProto) -> list:
    """Every (message, field) of the graph, and of the versions; without the texts, which hold the manifest."""
    pending, fields = [model.graph, *model.opset_import], [(model, "ir_version"), (model, "opset_import")]
    while pending:
        message = pending.pop()
        for field, value in message.ListFields():
            fields.append((message, field.name))
            if field.type == field.TYPE_MESSAGE:
                pending.extend(value if field.is_repeated else [value])
    return fields


def listed(message, name: str) -> list:
    """The items of a field; none of one that is not repeated."""
    return [*getattr(message, name)] if message.DESCRIPTOR.fields_by_name[name].is_repeated else []


def other(value, random: Random, pool: list):
    """Another value of the type of a number, a text or bytes."""
    if random.random() < 0.4 and pool:
        return random.choice(pool)
    if isinstance(value, bytes):
        return flipped(value, random)
    if isinstance(value, str):
        return random.choice((value[:-1], *TEXTS)).encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return random.choice((*FLOATS, value * random.choice((-1, 0.5, 2, 1.001))))
    return random.choice((value + 1, value - 1, *NUMBERS))


def onnx_changed(data: bytes, random: Random) -> bytes:
    """The file with a few fields of its graph exchanged, left out, doubled or moved."""
    model = onnx.load_from_string(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        fields = onnx_fields(model)
        message, name = random.choice(fields)
        held, how = getattr(message, name), random.randrange(4)
        if isinstance(held, str | bytes | int | float):
            pool = [getattr(inside, each) for inside, each in fields if each == name]
            try:
                setattr(message, name, other(held, random, [each for each in pool if type(each) is type(held)]))
            except (ValueError, TypeError):  # a number that the field does not hold
                message.ClearField(name)
        elif not hasattr(held, "__len__") or how == 0:
            message.ClearField(name)
        else:
            _repeated(
                held, how, random, [each for inside, field in fields if field == name for each in listed(inside, name)]
            )
    return model.SerializeToString()


def _repeated(held, how: int, random: Random, pool: list) -> None:
    """Change a repeated field: leave out, double or exchange an item."""
    k = random.randrange(len(held))
    pool = [each for each in pool if type(each) is type(held[k])]
    if how == 1:
        del held[k]
        return
    item = random.choice([held[k], *pool])
    if how == 2:
        held.append(item) if isinstance(item, str | bytes | int | float) else held.add().CopyFrom(item)
    elif isinstance(item, str | bytes | int | float):
        try:
            held[k] = other(item, random, pool)
        except (ValueError, TypeError):
            del held[k]
    else:
        held[k].CopyFrom(item)


def tflite_fields(model: schema.ModelT) -> list:
    """Every (object, attribute) of the model, without the buffer of the manifest."""
    pending, fields = [model], []
    while pending:
        one = pending.pop()
        if any(
            isinstance(value, np.ndarray) and checksum.KEY.encode() in value.tobytes() for value in vars(one).values()
        ):
            continue
        for name, value in vars(one).items():
            if name == "metadata":
                continue
            fields.append((one, name))
            pending.extend(each for each in (value if isinstance(value, list) else [value]) if hasattr(each, "Pack"))
    return fields


def tflite_changed(data: bytes, random: Random) -> bytes:
    """The file with a few fields of its model exchanged, left out, doubled or moved."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        fields = tflite_fields(model)
        one, name = random.choice([each for each in fields if getattr(*each) is not None])
        held, pool = getattr(one, name), [getattr(inside, each) for inside, each in fields if each == name]
        setattr(one, name, _flat(held, random, [each for each in pool if each is not None]))
    try:
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())
    except (TypeError, ValueError, AttributeError, struct.error, OverflowError):  # what a flatbuffer cannot hold
        return flipped(data, random)


def _flat(held, random: Random, pool: list):
    """Another value for an attribute."""
    how = random.randrange(5)
    if how == 0:
        return random.choice(pool)
    if how == 1 and not isinstance(held, int | float):
        return None
    if isinstance(held, np.ndarray) and held.size:
        if held.dtype == np.uint8:
            return np.frombuffer(flipped(held.tobytes(), random), np.uint8)
        changed, k = held.copy(), random.randrange(held.size)
        number = other(held[k].item(), random, changed.tolist())
        with np.errstate(over="ignore"):
            changed[k] = number if held.dtype.kind == "f" else int(number) % (1 << 31)
        return random.choice((changed, changed, held[:-1], np.append(held, held[k])))
    if isinstance(held, list) and held:
        k = random.randrange(len(held))
        item = held[k] if hasattr(held[k], "Pack") else other(held[k], random, held)
        return random.choice((held[:k] + held[k + 1 :], [*held, item], [*held[:k], item, *held[k + 1 :]]))
    if isinstance(held, bool):
        return not held
    return other(held, random, pool) if isinstance(held, int | float | bytes) else held


@cache
def sections(data: bytes) -> tuple[tuple[int, int], ...]:
    """The (offset, size) of the headers and of every section of a 64-bit library."""
    at, (size, count) = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<2H", data, 58)
    heads = (struct.unpack_from("<2I4Q", data, at + k * size) for k in range(count))
    parts = [(offset, length) for _, kind, _, _, offset, length in heads if length and kind not in {0, 8}]
    return ((0, 64), (64, 56 * struct.unpack_from("<H", data, 56)[0]), (at, size * count), *parts)


def so_changed(data: bytes, random: Random) -> bytes:
    """The library with bytes, code, constants or numbers of a section exchanged; it has the same size."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        offset, size = random.choice(sections(data))
        at, how = offset + random.randrange(size), random.randrange(5)
        there = offset + random.randrange(size)
        if how == 0:
            changed[at] ^= 1 << random.randrange(8)
        elif how == 1:
            changed[at : at + 8] = (random.choice(NUMBERS) % (1 << 64)).to_bytes(8, "little")
        elif how == 2:
            at -= at % 4
            changed[at : at + 4] = struct.pack("<f", np.float32(random.choice((-1.5, 0.0, 0.9, 1e30, np.nan))))
        else:
            changed[at : at + CODE_BYTES] = changed[there : there + CODE_BYTES]
    return bytes(changed[: len(data)])


def any_byte(data: bytes, random: Random) -> bytes:
    """The file with any bytes changed, its manifest apart."""
    at = data.index(checksum.KEY.encode())
    start, end = max(data.rindex(b"{", 0, at), 0), data.index(b"}", at)
    before, after = flipped(data[:start], random), flipped(data[end:], random)
    return before + data[start:end] + data[end:] if random.random() < 0.5 else data[:end] + after


DAMAGE: dict[str, Callable[[bytes, Random], bytes]] = {"onnx": onnx_changed, "tflite": tflite_changed, "so": so_changed}
"""A format -> what damages the structure of a file."""


def damaged(form: str, data: bytes, random: Random) -> bytes:
    """Other bytes than those of a file, with a valid checksum if they have one."""
    while True:
        changed = summed((any_byte if random.random() < 0.3 else DAMAGE[form])(data, random))
        if changed != data:
            return changed
