"""A model as a library of another language: its C, a binding from the contract, and a test that replays a golden."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from string import Template

from edgernn.integer.overflow import HELD
from edgernn.model.graph import INPUT, OUTPUT
from edgernn_export.projects.components import sentence, version_of
from edgernn_export.projects.contract import Contract, Value, contract
from edgernn_export.projects.languages import GOLDEN, LANGUAGES, Language
from edgernn_export.projects.project import Contents
from edgernn_export.targets.c.declarations import BYTES
from edgernn_export.targets.c.pack import literal


def render(contents: Contents) -> dict[str, bytes]:
    """The files of a library."""
    stated, language = contract(contents.graph, contents.name), LANGUAGES[contents.kind]
    facts = {**stated.facts, **_calls(stated), **_facts(stated, language)} | {
        "source": contents.files[f"{contents.name}.c"].decode(),
        "sentence": sentence(contents),
        "version": version_of(contents.version),
    }
    sources = {**contents.files, GOLDEN: golden(stated)}

    def named(path: str) -> str:
        return path.replace("NAME", contents.name).replace("MODULE", str(facts["module"]))

    return {
        named(path): sources[named(source)] if named(source) in sources else _template(source, facts)
        for path, source in language.files.items()
    }


def golden(stated: Contract) -> bytes:
    """The frames, then the answers: float32, or int32 for symbols, little-endian."""
    recorded, number = stated.golden, "<i4" if stated.manifest.vocabulary_size else "<f4"
    frames, answers = (each[: recorded.finite] for each in (recorded.frames, recorded.answers))
    return frames.astype(number).tobytes() + answers.astype("<f4").tobytes()


def _template(name: str, facts: Mapping[str, object]) -> bytes:
    text = files("edgernn_export.projects").joinpath("templates", name).read_text()
    return Template(text).substitute(facts).encode()


def _calls(stated: Contract) -> dict[str, object]:
    """How a number of a frame enters the step, how one of the answer leaves it, and which states are refused."""
    prefix, quantization, limit = stated.prefix, stated.manifest.quantization, literal(stated.manifest.limit)
    size, floats = BYTES[stated.unit], [value for value in stated.states if value.name not in quantization]
    facts = {"unit": stated.unit, "float_units": BYTES["float"] // size, "held": literal(HELD)}
    return {
        "check": f"        if (!(x[i] <= {limit} && x[i] >= -{limit})) return 1;\n" if INPUT in quantization else "",
        "into": f"{prefix}_quantize_x(x[i])" if INPUT in quantization else "x[i]",
        "out": f"{prefix}_dequantize_y(state->y[i])" if OUTPUT in quantization else "state->y[i]",
        "held_function": _template("binding/held.c", facts).decode() if floats else "",
        "checks": "".join(f"    if (!held(carried, {each.at // size}, {each.width})) return 1;\n" for each in floats),
    }


def _facts(stated: Contract, language: Language) -> dict[str, object]:
    """The facts in the terms of a language."""
    name = stated.prefix.lower() if language.lower_case else stated.prefix
    tables = {"input": stated.inputs, "output": stated.outputs, "state": stated.states}
    types = {f"{name}_type": language.types[str(stated.facts[name])] for name in ("number", "raw_x", "raw_y", "unit")}
    return {
        "module": f"{name}_" if name in language.reserved else name,
        **types,
        "float_states": stated.units if stated.unit == "float" else 0,
        "carried_bytes": stated.carried,
        "unit_zero": "0.0" if stated.unit == "float" else "0",
        "dot": ".0" if stated.number == "float" else "",
        **{f"{name}_count": len(values) for name, values in tables.items()},
        **{f"{name}_values": _rows(values, language) for name, values in tables.items()},
        "label_count": len(stated.manifest.labels),
        "labels": _lines((language.text(label) for label in stated.manifest.labels), language),
        "fields": "".join(
            language.field.format(name=field.name, type=language.types[field.c_type], length=field.length)
            for field in stated.fields
            if language.field
        ),
    }


def _rows(values: Iterable[Value], language: Language) -> str:
    """The rows of a table, in the order of memory."""
    return _lines(
        (language.value.format(**vars(each) | {"name": language.text(each.name)}) for each in values), language
    )


def _lines(rows: Iterable[str], language: Language) -> str:
    """The inside of braces: a line for each row; nothing without rows."""
    lines = [f"{language.indent}{row},\n" for row in rows]
    return "".join(["\n", *lines] if lines else lines)
