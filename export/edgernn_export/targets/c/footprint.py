"""Room: the flash and RAM that a step in C takes; its arrays are read off the source, its code and stack predicted."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

from edgernn.artifact.manifest import dump_manifest, graph_manifest
from edgernn.device.board import Device
from edgernn.device.runtimes import NATIVE
from edgernn.model.graph import Graph
from edgernn_export.targets.c.target import render
from edgernn_export.targets.destination import Destination

KIB = 1024
SIZES: Mapping[str, int] = MappingProxyType(
    {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4, "float": 4, "int64_t": 8}
)
SQUASHES = ("f32_sigmoid", "f32_tanh")
KERNELS = ("affine_f32", "affine_f16", "affine_w8", "affine_w4", "affine_i8")
WHOLE = ("softmax_f32", "log_f32", "normalize_f32", "quantize_i8", "memcpy", "sizeof", "flush_on", "flush_restore")
SPARSE = ("affine_f32_sparse", "affine_i8_sparse")
FIXED = ("affine_i8_to_i8", "affine_i16_to_i8", "affine_i16_to_i16")
FIXED_SPARSE = ("affine_i8_to_i8_sparse", "affine_i16_to_i8_sparse", "affine_i16_to_i16_sparse")
CURVES = ("tanh_fixed",)
VALUES = ("to_i8", "to_i16", "q_table_i8", "q_table_i16")  # one for each that a loop of integers makes
NORMALS = (
    *("normalize_f32", "normalize_i8_to_i8"),
    *("normalize_i8_to_i16", "normalize_i16_to_i8", "normalize_i16_to_i16"),
)
BORDERS = ("i8_of_f32", "i16_of_f32", "f32_of_i8_on", "f32_of_i16_on")
MEASURED = frozenset((*KERNELS, *SPARSE, *WHOLE, *FIXED, *FIXED_SPARSE, *CURVES, *NORMALS, *BORDERS))
LINES = ("f32_", "q_", "to_i", "rescale")  # how the names begin of which a line of a loop is made

FIELDS = r"^ +(\w+) (\w+)\[(\d+)\];"
RESTS = r"^static const (?!char )(\w+) \w+\[\] = \{([^}]*)\}"  # the only arrays that leave their length to the compiler
SELF_TEST = "#ifndef EDGERNN_NO_SELF_TEST\nstatic"

CODE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 556, "affine_f32": 268, "affine_f16": 2656, "affine_w8": 680, "affine_w4": 7872,
            "affine_i8": 3096, "sparse": 1600, "affines": 2168, "squash": 1972, "squashes": 980, "looped": 160,
            "copies": 120, "fixed": 732, "fixed_kernels": 2440, "fixed_sparse": 268, "values": 120, "curves": 72,
            "normals": 564, "borders": 640,
        },
        "armv7e-m+fp": {
            "always": 704, "affine_f16": 5296, "affine_w8": 712, "affine_w4": 3644, "affine_i8": 1360, "affines": 2732,
            "squash": 1820, "squashes": 752, "looped": 252, "copies": 180, "fixed": 1360, "fixed_kernels": 1520,
            "values": 116, "curves": 36, "normals": 228, "borders": 616,
        },
        "armv7e-m+fp.dp": {
            "always": 716, "affine_f32": 264, "affine_f16": 5208, "affine_w8": 1132, "affine_w4": 3832,
            "affine_i8": 2000, "sparse": 60, "affines": 2472, "squash": 964, "squashes": 812, "looped": 196,
            "copies": 140, "fixed": 1056, "fixed_kernels": 1916, "values": 120, "curves": 28, "normals": 208,
            "borders": 604,
        },
        "armv8-m.main+dsp+fp": {
            "always": 660, "affine_f16": 5060, "affine_w8": 712, "affine_w4": 3644, "affine_i8": 1164, "affines": 2736,
            "squash": 1800, "squashes": 740, "looped": 284, "copies": 192, "fixed": 1396, "fixed_kernels": 1520,
            "values": 112, "curves": 36, "normals": 260, "borders": 600,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of code for each of a source's traits: bench/c_footprint.py; no measured object has more."""

STACK: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 96, "affine_f32": 440, "affine_f16": 440, "affine_w8": 440, "affine_w4": 1112, "affine_i8": 576,
            "sparse": 356, "affines": 112, "squash": 596, "squashes": 200, "looped": 216, "fixed_kernels": 840,
            "fixed_sparse": 192, "values": 20, "normals": 16, "borders": 8,
        },
        "armv7e-m+fp": {
            "always": 120, "affine_f32": 496, "affine_f16": 784, "affine_w8": 640, "affine_w4": 1392, "affine_i8": 876,
            "sparse": 224, "affines": 8, "squash": 376, "looped": 208, "fixed_kernels": 676, "fixed_sparse": 164,
            "values": 16, "curves": 8, "borders": 88,
        },
        "armv7e-m+fp.dp": {
            "always": 120, "affine_f32": 416, "affine_f16": 792, "affine_w8": 664, "affine_w4": 1432, "affine_i8": 904,
            "sparse": 128, "affines": 48, "squash": 168, "squashes": 24, "looped": 208, "fixed_kernels": 676,
            "fixed_sparse": 180, "fixed_affines": 16, "values": 8, "borders": 72,
        },
        "armv8-m.main+dsp+fp": {
            "always": 120, "affine_f32": 496, "affine_f16": 784, "affine_w8": 640, "affine_w4": 1392, "affine_i8": 876,
            "sparse": 224, "affines": 8, "squash": 376, "looped": 208, "fixed_kernels": 676, "fixed_sparse": 164,
            "values": 16, "curves": 8, "borders": 88,
        },
    }
)  # fmt: skip
"""The same for the stack, from `run` to the deepest kernel."""

MARGIN = 1.15  # two LSTMs in a row, left out of the measured models, take 7 % more stack than the tables say

ASSUMPTIONS = (
    "code and stack go by 149 models that zig 0.17 compiled with -O2 and no self test; none of them takes more",
    "15 % are added for models that were not measured; half of those that were take less than 72 % of what is said",
    "functions that are not called are left in, and so is what the model says of itself",
    "memcpy, expf and their like, and arithmetic that no instruction does, are the C library's and not counted",
    "there is one stream; every further one takes its states and its scratch again",
)


@dataclass(frozen=True)
class Source:
    """What the source of a step says of its size.

    Attributes:
        constants: bytes of each array of weights, by its name in C; a compiler may fold a small one into the code.
        rest: bytes of the states at rest, where these are no zeros.
        contract: bytes of what the model says of itself.
        fields: bytes of each field of the state, in order.
        gaps: bytes that a compiler leaves between them, so that each begins at a multiple of its numbers' size.
        calls: how often a step calls each function.
    """

    constants: Mapping[str, int]
    initial_state: int
    manifest: int
    fields: Mapping[str, int]
    gaps: int
    calls: Mapping[str, int]

    @property
    def traits(self) -> dict[str, int]:
        """What the size of the code depends on: which kernels are in it, and how often they are called."""
        affines = {name: count for name, count in self.calls.items() if name in (*KERNELS, *SPARSE)}
        squashes, values = self._count(SQUASHES), self._count(VALUES)
        lanes = self._count(name for name in {*self.calls} - {*SQUASHES, *BORDERS} if name.startswith("f32_"))
        fixed = self._count((*FIXED, *FIXED_SPARSE))
        return {
            "always": 1,
            **{name: int(name in affines) for name in KERNELS},
            "sparse": int(any("sparse" in name for name in affines)),
            "affines": sum(affines.values()),
            "squash": int(squashes > 0),
            "squashes": squashes,
            "looped": int(lanes > 0),
            "lanes": lanes,
            "copies": self._count(("memcpy",)),
            "fixed": int(values + fixed > 0),
            "fixed_kernels": len(self.calls.keys() & {*FIXED}),
            "fixed_sparse": len(self.calls.keys() & {*FIXED_SPARSE}),
            "fixed_affines": fixed,
            "values": values,
            "curves": self._count(CURVES),
            "normals": self._count(NORMALS),
            "borders": self._count(BORDERS),
        }

    def _count(self, names: Iterable[str]) -> int:
        return sum(self.calls.get(name, 0) for name in names)


@dataclass(frozen=True)
class Room:
    """What one stream takes, in bytes; None is unknown.

    Attributes:
        weights: of all constants, as they are written: padded to whole blocks.
        contract: of what the model says of itself.
        code: predicted.
        carried: of the states, padded.
        scratch: of all else in the struct of a stream.
        stack: predicted.
        flash_room, ram_room: what the board has.
        unknown: why code and stack are not predicted; "" when they are.
    """

    weights: int
    manifest: int
    code: int | None
    carried: int
    scratch: int
    stack: int | None
    flash_room: int | None
    ram_room: int | None
    unknown: str
    assumptions: tuple[str, ...]

    @property
    def flash(self) -> int:
        """All that must be in flash, as far as it is known."""
        return self.weights + self.manifest + (self.code or 0)

    @property
    def ram(self) -> int:
        """All that must be in RAM, as far as it is known."""
        return self.carried + self.scratch + (self.stack or 0)

    @property
    def flash_fits(self) -> bool | None:
        """Whether it goes into the flash; None where that cannot be told."""
        return _fits(self.flash, self.flash_room, self.unknown)

    @property
    def ram_fits(self) -> bool | None:
        """Whether it goes into the RAM; None where that cannot be told."""
        return _fits(self.ram, self.ram_room, self.unknown)


def room(graph: Graph, device: Device) -> Room:
    """What the C step of a graph takes on a microcontroller.

    Raises:
        UnsupportedError: a layer is quantized in a way that C cannot express.
    """
    said = read(graph)
    unknown = _unmeasured(said, device)
    carried = sum(size for _, size in zip(graph.states, said.fields.values(), strict=False))  # the first fields
    return Room(
        weights=sum(said.constants.values()) + said.initial_state,
        manifest=said.manifest,
        code=None if unknown else _predicted(said, CODE[str(device.isa)]),
        carried=carried,
        scratch=sum(said.fields.values()) + said.gaps - carried,
        stack=None if unknown else _predicted(said, STACK[str(device.isa)]),
        flash_room=device.flash_kib and device.flash_kib * KIB,
        ram_room=device.sram_kib and device.sram_kib * KIB,
        unknown=unknown,
        assumptions=() if unknown else ASSUMPTIONS,
    )


def _unmeasured(said: Source, device: Device) -> str:
    """Why there is no prediction, in a sentence; "" when there is one."""
    if device.isa not in CODE:
        return f"code for {device.isa or 'an unknown instruction set'} was not measured"
    strange = {name for name in said.calls if not name.startswith(LINES)} - MEASURED
    return f"code with {min(strange)} was not measured" if strange else ""


def _predicted(said: Source, table: Mapping[str, int]) -> int:
    return ceil(MARGIN * sum(table.get(name, 0) * count for name, count in said.traits.items()))


def _fits(needed: int, there: int | None, unknown: str) -> bool | None:
    if there is None:
        return None
    return False if needed > there else None if unknown else True


def read(graph: Graph) -> Source:
    """Write the step of a graph and read its sizes.

    Raises:
        UnsupportedError: a layer is quantized in a way that C cannot express.
    """
    header, code = (render(graph, "model", Destination(NATIVE))[f"model.{suffix}"].decode() for suffix in "hc")
    struct = header.split("typedef struct {")[1].split("}")[0]
    compute = code.split("static void model_compute(")[1].split("\n}\n")[0]
    return Source(
        constants=_arrays(r"^ALIGNED static const (\w+) (\w+)\[(\d+)\] =", code),
        initial_state=sum(
            SIZES[kind] * said.count(",") for kind, said in re.findall(RESTS, code.split(SELF_TEST)[0], re.MULTILINE)
        ),
        manifest=len(dump_manifest(graph_manifest(graph.astype("float32"))).encode()) + 1,
        fields=_arrays(FIELDS, struct),
        gaps=_gaps(struct),
        calls=Counter(re.findall(r"\b(\w+)\(", compute)),
    )


def _gaps(struct: str) -> int:
    """By the rule of C on every machine here: an element of n bytes stands at a multiple of n, and so does the end."""
    at, gaps, widest = 0, 0, 1
    for kind, _, count in re.findall(FIELDS, struct, re.MULTILINE):
        gaps += -at % SIZES[kind]
        at += -at % SIZES[kind] + SIZES[kind] * int(count)
        widest = max(widest, SIZES[kind])
    return gaps + -at % widest


def _arrays(pattern: str, text: str) -> dict[str, int]:
    return {name: SIZES[kind] * int(count) for kind, name, count in re.findall(pattern, text, re.MULTILINE)}
