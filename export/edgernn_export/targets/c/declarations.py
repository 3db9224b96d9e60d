"""The arrays that the C code of a step declares: the text and the size of each come from one object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType

import numpy as np

from edgernn.array import Array
from edgernn_export.targets.c.pack import initializer

C_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "float32": "float",
        "int8": "int8_t",
        "uint8": "uint8_t",
        "int16": "int16_t",
        "int32": "int32_t",
        "int64": "int64_t",
        "uint16": "uint16_t",
        "uint32": "uint32_t",
    }
)
"""The dtype of an array -> the C type of its elements."""

BYTES: Mapping[str, int] = MappingProxyType({c_type: np.dtype(dtype).itemsize for dtype, c_type in C_TYPES.items()})
"""The C type of an element -> its size in bytes."""

LARGE = 1 << 16
"""From how many bytes on an array of a library is a file of its own. A compiler takes about a second for each MB of
numbers as text, and a smaller array may still be folded into the code."""

DECLARED = """/* {comment} */
extern const {c_type} {name}[{size}] __asm__("edgernn_{symbol}") __attribute__((visibility("hidden"), aligned(64)));"""
"""The declaration of an array that is defined elsewhere in the library."""

INCLUDED = (
    DECLARED
    + """
__asm__(".pushsection .rodata\\n"
        ".balign 64\\n"
        ".globl edgernn_{symbol}\\n"
        ".hidden edgernn_{symbol}\\n"
        "edgernn_{symbol}: .incbin \\"{file}\\"\\n"
        ".popsection");"""
)
"""The definition of an array whose bytes the assembler takes from a file."""


@dataclass(frozen=True)
class Constant:
    """A read-only array: weights, scales, a table.

    Attributes:
        name: its C identifier.
        values: what it holds.
        comment: the text of the comment before it.
        shifted: what it holds in place of `values` where activations are unsigned bytes, 128 too large.
    """

    name: str
    values: Array
    comment: str
    shifted: Array | None = None

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.values.size * self.values.itemsize

    @property
    def variants(self) -> Mapping[str, Array]:
        """Symbol -> what it holds, for unsigned activations first; most arrays are the same for both."""
        return ({} if self.shifted is None else {f"{self.name}_shifted": self.shifted}) | {self.name: self.values}

    def text(self, binaries: dict[str, bytes] | None = None) -> str:
        """Its definition.

        Args:
            binaries: the files that the assembler will find, by name, to which the array is added if it is LARGE;
                None for a definition that needs no other file.
        """
        return _either([self._definition(self.name, values, binaries) for values in self.variants.values()])

    def declaration(self) -> str:
        """Its declaration, where another source of the library defines it as `shared` does."""
        return _either([DECLARED.format(**self._facts(symbol, values)) for symbol, values in self.variants.items()])

    def shared(self, binaries: dict[str, bytes]) -> str:
        """The definitions that the declarations of other sources refer to."""
        return "\n\n".join(self._shared(symbol, values, binaries) for symbol, values in self.variants.items())

    def _shared(self, symbol: str, values: Array, binaries: dict[str, bytes]) -> str:
        if values.nbytes >= LARGE:
            return self._definition(symbol, values, binaries)
        facts = self._facts(symbol, values) | {"name": symbol}
        return f"{DECLARED.format(**facts)}\nconst {facts['c_type']} {symbol}[{values.size}] = {initializer(values)};"

    def _facts(self, symbol: str, values: Array) -> dict[str, object]:
        c_type = C_TYPES[values.dtype.name]
        return {"comment": self.comment, "c_type": c_type, "name": self.name, "symbol": symbol, "size": values.size}

    def _definition(self, symbol: str, values: Array, binaries: dict[str, bytes] | None) -> str:
        c_type = C_TYPES[values.dtype.name]
        if binaries is not None and values.nbytes >= LARGE:
            data = values.astype(values.dtype.newbyteorder("<")).tobytes()  # as every processor here reads it
            file = f"{sha256(data).hexdigest()}.bin"  # so equal sources are equal libraries, for caches of compilers
            binaries[file] = data
            return INCLUDED.format(**self._facts(symbol, values) | {"name": symbol}, file=file)
        declaration = f"ALIGNED static const {c_type} {self.name}[{values.size}]"
        return f"/* {self.comment} */\n{declaration} = {initializer(values)};"


def _either(variants: Sequence[str]) -> str:
    """The text for unsigned activations, and for signed ones where it differs."""
    return variants[0] if len(variants) == 1 else "#if EDGERNN_Q_SHIFT\n{}\n#else\n{}\n#endif".format(*variants)


@dataclass(frozen=True)
class InitialState:
    """The initial values of one state that does not start from zeros.

    Attributes:
        name: the C identifier of the array.
        field: the C expression of the state.
        c_type: the type of the elements.
        values: what the array holds.
    """

    name: str
    field: str
    c_type: str
    values: Array

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.values.size * BYTES[self.c_type]

    @property
    def text(self) -> str:
        """Its definition."""
        return f"static const {self.c_type} {self.name}[] = {initializer(self.values)};"


@dataclass(frozen=True)
class Field:
    """An array in the struct of a stream."""

    c_type: str
    name: str
    length: int
    comment: str = ""

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.length * BYTES[self.c_type]

    @property
    def text(self) -> str:
        """Its declaration."""
        return f"    {self.c_type} {self.name}[{self.length}];{f' /* {self.comment} */' if self.comment else ''}\n"


@dataclass(frozen=True)
class Sizes:
    """What the C code of a step declares and calls.

    Attributes:
        constants: bytes of each constant, by its C identifier; a compiler may fold a small one into the code.
        initial_state: bytes of the initial states that are not zeros.
        manifest: bytes of the manifest, with the zero that ends it.
        fields: the struct of a stream, in order.
        calls: how often a step calls each function.
    """

    constants: Mapping[str, int]
    initial_state: int
    manifest: int
    fields: Sequence[Field]
    calls: Mapping[str, int]

    @property
    def padding(self) -> int:
        """Bytes that a compiler leaves in the struct between fields and behind the last.

        On every machine here a field starts at a multiple of its elements' size, and the struct ends at a multiple of
        the largest such size.
        """
        end, padding = 0, 0
        for field in self.fields:
            gap = -end % BYTES[field.c_type]
            padding += gap
            end += gap + field.nbytes
        return padding + -end % max((BYTES[field.c_type] for field in self.fields), default=1)


@dataclass(frozen=True)
class Code:
    """The C code of a step: the text of both files, the sizes of what they declare, and the files they include.

    `shared` is the source of the arrays and the manifest, where they are apart from the step.
    """

    header: str
    source: str
    sizes: Sizes
    binaries: Mapping[str, bytes]
    shared: str = ""
