"""The model as a component of a build system for microcontrollers: a table of templates, no code for any of them."""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from string import Template

from edgernn.artifact.manifest import graph_manifest
from edgernn.errors import UsageError
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.version import VERSION
from edgernn_export.projects.project import Contents
from edgernn_export.targets.c.declarations import C_TYPES
from edgernn_export.targets.c.footprint import step_sizes
from edgernn_export.targets.c.target import identifier

EXAMPLE = "example.c"
LAYOUTS: Mapping[str, Mapping[str, str]] = {
    "arduino": {
        "src/NAME.c": "NAME.c",
        "src/NAME.h": "NAME.h",
        "library.properties": "arduino/library.properties",
        "examples/NAME_example/NAME_example.ino": "arduino/example.ino",
    },
    "cmake": {
        "NAME.c": "NAME.c",
        "NAME.h": "NAME.h",
        "CMakeLists.txt": "cmake/CMakeLists.txt",
        "example.c": EXAMPLE,
    },
    "esp-idf": {
        "NAME.c": "NAME.c",
        "include/NAME.h": "NAME.h",
        "CMakeLists.txt": "esp-idf/CMakeLists.txt",
        "idf_component.yml": "esp-idf/idf_component.yml",
        "examples/NAME_example/CMakeLists.txt": "esp-idf/example/CMakeLists.txt",
        "examples/NAME_example/sdkconfig.defaults": "esp-idf/example/sdkconfig.defaults",
        "examples/NAME_example/main/CMakeLists.txt": "esp-idf/example/main/CMakeLists.txt",
        "examples/NAME_example/main/idf_component.yml": "esp-idf/example/main/idf_component.yml",
        "examples/NAME_example/main/main.c": EXAMPLE,
    },
    "platformio": {
        "src/NAME.c": "NAME.c",
        "include/NAME.h": "NAME.h",
        "library.json": "platformio/library.json",
        "examples/NAME_example/src/main.c": EXAMPLE,
        "examples/NAME_example/platformio.ini": "platformio/platformio.ini",
    },
    "zephyr": {
        "src/NAME.c": "NAME.c",
        "include/NAME.h": "NAME.h",
        "CMakeLists.txt": "zephyr/CMakeLists.txt",
        "Kconfig": "zephyr/Kconfig",
        "zephyr/module.yml": "zephyr/module.yml",
        "samples/NAME_example/CMakeLists.txt": "zephyr/sample/CMakeLists.txt",
        "samples/NAME_example/prj.conf": "zephyr/sample/prj.conf",
        "samples/NAME_example/sample.yaml": "zephyr/sample/sample.yaml",
        "samples/NAME_example/src/main.c": EXAMPLE,
    },
}
"""Kind -> the path of each file in the folder -> what it is: a file of the model, or a template."""

ENTRIES = {"esp-idf": "void app_main(void)"}
"""Kind -> the function that its system calls, where it is not `main`."""

PRINTS_FLOATS = "# For %g in the example.\nCONFIG_REQUIRES_FULL_LIBC=y\n"
SPARE_STACK = 4096  # bytes, for the step and for what the example prints
ADDRESS = "https://pypi.org/project/edgernn/"
SEMANTIC = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){0,2}")


def render(contents: Contents) -> dict[str, bytes]:
    """The files of a component.

    Raises:
        UsageError: the version of the model has no place in metadata.
    """
    facts = _facts(contents)
    rendered = {}
    for path, source in LAYOUTS[contents.kind].items():
        file = source.replace("NAME", contents.name)
        content = contents.files.get(file)
        rendered[path.replace("NAME", contents.name)] = _template(source, facts) if content is None else content
    return rendered


def _template(name: str, facts: Mapping[str, object]) -> bytes:
    text = files("edgernn_export.projects").joinpath("templates", name).read_text()
    return Template(text).substitute(facts).encode()


def _facts(contents: Contents) -> dict[str, object]:
    manifest, prefix = graph_manifest(contents.graph), identifier(contents.name)
    entry = ENTRIES.get(contents.kind, "int main(void)")
    returns, is_float = entry.startswith("int"), manifest.dtype(OUTPUT) == "float32"
    sizes = step_sizes(contents.graph)
    facts: dict[str, object] = {
        "name": contents.name,
        "prefix": prefix,
        "upper": prefix.upper(),
        "x_type": C_TYPES[manifest.dtype(INPUT)],
        "y_type": C_TYPES[manifest.dtype(OUTPUT)],
        "y_format": "%g " if is_float else "%d ",
        "y_cast": "(double)" if is_float else "",
        "entry": entry,
        "failed": " 1" if returns else "",
        "passed": "return 0;" if returns else "",
        "period_ms": round(manifest.period_ms or 0) or 10,
        "stack": -(-(sum(field.nbytes for field in sizes.fields) + sizes.padding + SPARE_STACK) // 1024) * 1024,
        "version": _version(contents.version),
        "floats": PRINTS_FLOATS if is_float else "",
        "sentence": _sentence(contents),
        "licence": contents.card.weights_licence,
        "address": ADDRESS,
        "edgernn": VERSION,
    }
    return facts | {"library_json": json.dumps(_library(facts), indent=2)}


def _library(facts: Mapping[str, object]) -> dict[str, object]:
    """The manifest of a library of PlatformIO."""
    licence = {"license": facts["licence"]} if facts["licence"] else {}
    return {
        "name": facts["name"],
        "version": facts["version"],
        "description": facts["sentence"],
        "keywords": ["rnn", "tinyml"],
        **licence,
        "frameworks": "*",
        "platforms": "*",
        "headers": f"{facts['name']}.h",
        "build": {"flags": ["-O2", "-ffp-contract=off"]},
    }


def _version(version: str) -> str:
    """A version with three numbers, which every format takes."""
    if not SEMANTIC.fullmatch(version):
        raise UsageError(
            f"the version of the model is '{version}'; metadata of components take up to three numbers, such as 1.2.0: "
            "change the card"
        )
    return ".".join((*version.split("."), "0", "0")[:3])


def _sentence(contents: Contents) -> str:
    """The description as one line that needs no quotes in any of the formats."""
    described = contents.card.description or (
        f"One step of a recurrent network, {contents.graph.inputs} inputs and {contents.graph.outputs} outputs."
    )
    return " ".join(re.sub(r"[^\w .,;()/+-]", " ", described).split())
