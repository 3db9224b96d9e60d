"""Room: the flash and RAM that a step in C takes; its arrays are read off the source, its code and stack predicted."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

from edgernn.contract import contract, write
from edgernn.device import Device
from edgernn.graph import Graph
from edgernn_export.targets.c.target import render
from edgernn_export.targets.place import NATIVE, Place

KIB = 1024
SIZES: Mapping[str, int] = MappingProxyType(
    {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4, "float": 4, "int64_t": 8}
)
SQUASHES = ("f32_sigmoid", "f32_tanh")
KERNELS = ("affine_f32", "affine_f16", "affine_w8", "affine_w4", "affine_i8")
WHOLE = ("softmax_f32", "log_f32", "normalize_f32", "quantize_i8", "memcpy", "sizeof", "flush_on", "flush_restore")
SPARSE = ("affine_f32_sparse", "affine_i8_sparse")

FIELDS = r"^ +(\w+) (\w+)\[(\d+)\];"
RESTS = r"^static const (?!char )(\w+) \w+\[\] = \{([^}]*)\}"  # the only arrays that leave their length to the compiler
SELF_TEST = "#ifndef EDGERNN_NO_SELF_TEST\nstatic"

CODE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 824, "affine_f16": 2388, "affine_w8": 412, "affine_w4": 7596, "affine_i8": 1056, "sparse": 1332,
            "affines": 2684, "squash": 3712, "lanes": 4,
        },
        "armv7e-m+fp": {
            "always": 1104, "affine_f16": 5296, "affine_w8": 712, "affine_w4": 3644, "affines": 3080, "squash": 2664,
            "squashes": 164, "lanes": 8,
        },
        "armv7e-m+fp.dp": {
            "always": 1008, "affine_f32": 20, "affine_f16": 4960, "affine_w8": 888, "affine_w4": 3536, "affines": 3004,
            "squash": 1644, "squashes": 160, "lanes": 8,
        },
        "armv8-m.main+dsp+fp": {
            "always": 1104, "affine_f16": 5060, "affine_w8": 712, "affine_w4": 3644, "affines": 3080, "squash": 2632,
            "squashes": 164, "lanes": 8,
        },
    }
)  # fmt: skip
"""Instruction set -> bytes of code for each of a source's traits: bench/c_room.py, and no measured object has more."""

STACK: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "armv6-m": {
            "always": 336, "affine_f32": 640, "affine_f16": 808, "affine_w8": 776, "affine_w4": 1080, "affine_i8": 568,
            "sparse": 616, "affines": 16, "squash": 768,
        },
        "armv7e-m+fp": {
            "always": 352, "affine_f32": 468, "affine_f16": 636, "affine_w8": 412, "affine_w4": 640, "affine_i8": 548,
            "sparse": 160, "affines": 24, "squash": 376,
        },
        "armv7e-m+fp.dp": {
            "always": 352, "affine_f32": 504, "affine_f16": 856, "affine_w8": 496, "affine_w4": 840, "affine_i8": 568,
            "sparse": 248, "affines": 8, "squash": 176, "squashes": 20,
        },
        "armv8-m.main+dsp+fp": {
            "always": 352, "affine_f32": 468, "affine_f16": 636, "affine_w8": 412, "affine_w4": 640, "affine_i8": 548,
            "sparse": 160, "affines": 24, "squash": 376,
        },
    }
)  # fmt: skip
"""The same for the stack, from `run` to the deepest kernel."""

MARGIN = 1.15  # an LSTM that was left out of the measured models takes 6 % more than the tables say

ASSUMPTIONS = (
    "code and stack go by 76 models that zig 0.17 compiled with -O2 and no self test; none of them takes more",
    "15 % are added for models that were not measured; half of those that were take less than 72 % of what is said",
    "functions that are not called are left in, and so is what the model says of itself",
    "memcpy, expf and their like are the C library's and not counted; without an FPU, nor is its arithmetic of floats",
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
    rest: int
    contract: int
    fields: Mapping[str, int]
    gaps: int
    calls: Mapping[str, int]

    @property
    def traits(self) -> dict[str, int]:
        """What the size of the code depends on: which kernels are in it, and how often they are called."""
        affines = {name: count for name, count in self.calls.items() if name.startswith("affine_")}
        squashes = sum(self.calls.get(name, 0) for name in SQUASHES)
        return {
            "always": 1,
            **{name: int(name in affines) for name in KERNELS},
            "sparse": int(any("sparse" in name for name in affines)),
            "affines": sum(affines.values()),
            "squash": int(squashes > 0),
            "squashes": squashes,
            "lanes": sum(count for name, count in self.calls.items() if name.startswith("f32_")) - squashes,
            "copies": self.calls.get("memcpy", 0),
        }


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
    contract: int
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
        return self.weights + self.contract + (self.code or 0)

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
        weights=sum(said.constants.values()) + said.rest,
        contract=said.contract,
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
    strange = {name for name in said.calls if not name.startswith("f32_")} - {*KERNELS, *SPARSE, *WHOLE}
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
    header, code = (render(graph, "model", Place(NATIVE))[f"model.{suffix}"].decode() for suffix in "hc")
    struct = header.split("typedef struct {")[1].split("}")[0]
    compute = code.split("static void model_compute(")[1].split("\n}\n")[0]
    return Source(
        constants=_arrays(r"^ALIGNED static const (\w+) (\w+)\[(\d+)\] =", code),
        rest=sum(
            SIZES[kind] * said.count(",") for kind, said in re.findall(RESTS, code.split(SELF_TEST)[0], re.MULTILINE)
        ),
        contract=len(write(contract(graph.astype("float32"))).encode()) + 1,
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
