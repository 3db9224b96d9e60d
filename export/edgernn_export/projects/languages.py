"""The languages that have a binding: their files, types and literals; no line here knows what a binding does."""

import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """How the contract is written in a language.

    Attributes:
        files: the path of each file -> a file of the model, or a template.
        types: C type -> the type of the language.
        reserved: names that a module, a package or a namespace cannot have.
        text: a string -> its literal.
        value: a row of the tables of inputs, outputs and states, from a Value of the contract.
        field: a field of the struct of a stream; "" where the language reads the C header.
        indent: of a row.
        lower_case: whether the names of modules are.
    """

    files: Mapping[str, str]
    types: Mapping[str, str]
    reserved: frozenset[str]
    text: Callable[[str], str]
    value: str
    field: str = ""
    indent: str = "    "
    lower_case: bool = True


def octal(text: str) -> str:
    """A literal of C++ and of Go: UTF-8, with what is not plain as octal numbers."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'


def unicode(text: str) -> str:
    """A literal of Rust."""
    plain = (each if " " <= each <= "~" and each not in '"\\' else f"\\u{{{ord(each):x}}}" for each in text)
    return f'"{"".join(plain)}"'


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SHARED = {"NAME.c": "NAME.c", "NAME.h": "NAME.h"} | {
    f"NAME_binding.{suffix}": f"binding/binding.{suffix}" for suffix in ("c", "h")
}
GOLDEN = "golden.bin"

CPP = Language(
    files={
        **SHARED,
        "NAME.hpp": "cpp/binding.hpp",
        "test.cpp": "cpp/test.cpp",
        "Makefile": "cpp/Makefile",
        "golden.bin": GOLDEN,
    },
    types={
        "float": "float",
        "int8_t": "std::int8_t",
        "uint8_t": "std::uint8_t",
        "int16_t": "std::int16_t",
        "int32_t": "std::int32_t",
    },
    reserved=_words(
        """
        alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const constexpr continue
        decltype default delete do double else enum explicit export extern false float for friend goto if inline int
        long main mutable namespace new noexcept not not_eq nullptr operator or or_eq posix private protected public
        register return short signed sizeof static std struct switch template this throw true try typedef typeid
        typename union unsigned using virtual void volatile while xor xor_eq
        """
    ),
    text=octal,
    value="{{{name}, {at}, {width}, {bits}, {scale!r}, {zero}}}",
    lower_case=False,
)

RUST = Language(
    files={
        **{f"c/{path}": source for path, source in SHARED.items()},
        "src/lib.rs": "rust/lib.rs",
        "tests/golden.rs": "rust/golden.rs",
        "build.rs": "rust/build.rs",
        "Cargo.toml": "rust/Cargo.toml",
        "golden.bin": GOLDEN,
    },
    types={
        "float": "f32",
        **{f"int{bits}_t": f"i{bits}" for bits in (8, 16, 32, 64)},
        **{f"uint{bits}_t": f"u{bits}" for bits in (8, 16, 32)},
    },
    reserved=_words(
        """
        abstract alloc as async await become box break build cc const continue core crate deps do dyn else enum examples
        extern false final fn for gen if impl in incremental let loop macro match mod move mut override priv proc_macro
        pub ref return self static std struct super test trait true try type typeof unsafe unsized use virtual where
        while yield
        """
    ),
    text=unicode,
    value="Value {{ name: {name}, at: {at}, width: {width}, bits: {bits}, scale: {scale!r}, zero: {zero} }}",
    field="    {name}: [{type}; {length}],\n",
)

GO = Language(
    files={
        "NAME.h": "NAME.h",
        "NAME_model.c": "go/model.c",  # no name ends in that of a system or a processor, which go builds for that alone
        "NAME_binding.h": "binding/binding.h",
        "NAME_binding.c": "binding/binding.c",
        "NAME_binding.go": "go/binding.go",
        "NAME_binding_test.go": "go/binding_test.go",
        "go.mod": "go/go.mod",
        "golden.bin": GOLDEN,
    },
    types={"float": "float32", "int8_t": "int8", "uint8_t": "uint8", "int16_t": "int16", "int32_t": "int32"},
    reserved=_words(
        """
        break case chan const continue default defer else fallthrough for func go goto if import interface internal main
        map package range return select struct switch type var vendor
        """
    ),
    text=octal,
    value="{{{name}, {at}, {width}, {bits}, {scale!r}, {zero}}}",
    indent="\t",
)

MICROPYTHON = Language(
    files={
        **SHARED,
        "entry.c": "micropython/entry.c",
        "functions.c": "micropython/functions.c",
        "code.ld": "micropython/code.ld",
        "MODULE.py": "micropython/module.py.txt",
        "place.py": "micropython/place.py.txt",
        "test.py": "micropython/test.py.txt",
        "Makefile": "micropython/Makefile",
        "golden.bin": GOLDEN,
    },
    types={"float": "f", "int8_t": "b", "uint8_t": "B", "int16_t": "h", "int32_t": "i"},
    reserved=frozenset({*keyword.kwlist, "array", "json", "micropython", "place", "test", "uctypes"}),
    text=ascii,
    value="({name}, {at}, {width}, {bits}, {scale!r}, {zero})",
)

LANGUAGES: Mapping[str, Language] = {"cpp": CPP, "go": GO, "micropython": MICROPYTHON, "rust": RUST}
"""Kind of folder -> its language."""
