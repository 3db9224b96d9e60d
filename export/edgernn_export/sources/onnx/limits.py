"""Bounds on an ONNX file that are checked on its bytes, before anything is parsed."""

from collections.abc import Iterator, Mapping

from edgernn.errors import FileError

NODES = 50_000
"""The most nodes of a file, with those of its functions and of the graphs in its nodes."""

FIELDS = 1_000_000
"""The most entries of those messages that contain nodes."""

DEPTH = 16
"""The most graphs inside one another."""

ELEMENTS = 1 << 24
"""The most elements of a value that is computed while a file is read."""

ROOM = 64 << 20
"""The most bytes of all constants that are computed from others, besides twice the size of the file."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_INSIDE: Mapping[str, Mapping[int, str]] = {
    "ModelProto": {7: "GraphProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto"},
    "FunctionProto": {7: "NodeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {6: "GraphProto", 11: "GraphProto"},
}
"""A message of onnx.proto -> its fields that lead to nodes, by number."""


def check_size(name: str, data: bytes) -> None:
    """Refuse a file with more nodes, entries or nested graphs than the bounds.

    Raises:
        FileError: the file is larger than that, or is no ONNX file.
    """
    nodes = fields = 0
    pending = [("ModelProto", 0, len(data), 0)]
    while pending:
        kind, start, stop, depth = pending.pop()
        depth += kind == "GraphProto"
        if depth > DEPTH:
            raise FileError(f"'{name}' has graphs inside one another, more than {DEPTH} deep; expected an ONNX model")
        for number, first, last in _fields(name, data, start, stop):
            fields += 1
            inner = _INSIDE[kind].get(number)
            nodes += inner == "NodeProto"
            if nodes > NODES or fields > FIELDS:
                raise FileError(
                    f"'{name}' has more than {NODES} nodes or {FIELDS} entries; a model of so many cannot be read: "
                    "simplify it, or split it"
                )
            if inner is not None:
                pending.append((inner, first, last, depth))


def _fields(name: str, data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each field of a message, and where its content starts and stops."""
    while start < stop:
        tag, start = _varint(name, data, start, stop)
        kind = tag & 7
        if kind == _VARINT:
            _, last = _varint(name, data, start, stop)
        elif kind == _BYTES:
            length, start = _varint(name, data, start, stop)
            last = start + length
        elif kind in {_FIXED32, _FIXED64}:
            last = start + (8 if kind == _FIXED64 else 4)
        else:
            raise FileError(f"'{name}' is no ONNX file: byte {start} is in no field; export it again")
        if last > stop:
            raise FileError(f"'{name}' is cut short at byte {stop}; export it again")
        yield tag >> 3, start, last
        start = last


def _varint(name: str, data: bytes, start: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    while start < stop and shift < 64:
        byte = data[start]
        value |= (byte & 127) << shift
        start += 1
        if byte < 128:
            return value, start
        shift += 7
    raise FileError(f"'{name}' is no ONNX file, or is cut short at byte {start}; export it again")
