"""Checks components with the programs that their formats publish: run by the Python of .venv-formats.

    python check.py FOLDER

FOLDER has a component of each kind, in a folder of its name. Prints the name of each file that was accepted.
"""

import re
import subprocess
import sys
from pathlib import Path

import kconfiglib
import yaml
from platformio.package.manifest.parser import ManifestParserFactory
from platformio.package.manifest.schema import ManifestSchema

MODULE = {"name": str, "build": {"cmake": str, "kconfig": str}, "samples": list}
"""The part of Zephyr's schema of module.yml that a component uses (scripts/zephyr_module.py there)."""


def platformio(path: Path) -> None:
    """A library of PlatformIO, or of Arduino as PlatformIO reads it."""
    ManifestSchema().load_manifest(ManifestParserFactory.new_from_file(str(path)).as_dict())


def esp_idf(path: Path) -> None:
    """A component of ESP-IDF, by its component manager."""
    subprocess.run([Path(sys.executable).with_name("compote"), "manifest", "lint", path], check=True)


def kconfig(path: Path) -> None:
    """Options of Zephyr, and a configuration that sets one of them."""
    parsed = kconfiglib.Kconfig(str(path), warn_to_stderr=False)
    (name,) = parsed.syms.keys() & {symbol.name for symbol in parsed.unique_defined_syms}
    for conf in path.parent.rglob("prj.conf"):
        assert f"CONFIG_{name}=y" in conf.read_text().splitlines(), conf
    assert f"if(CONFIG_{name})" in (path.parent / "CMakeLists.txt").read_text()


def module(path: Path) -> None:
    """A module of Zephyr, whose folders hold what it says."""
    content, home = yaml.safe_load(path.read_text()), path.parent.parent
    assert content.keys() == MODULE.keys(), content
    assert content["build"].keys() == MODULE["build"].keys(), content
    assert (home / content["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (home / content["build"]["kconfig"]).is_file()
    assert all((home / each).is_dir() for each in content["samples"])


def sample(path: Path) -> None:
    """A sample of Zephyr for its test runner."""
    content = yaml.safe_load(path.read_text())
    assert content["sample"].keys() <= {"name", "description"}, content
    for name, each in content["tests"].items():
        assert re.fullmatch(r"[a-zA-Z0-9-_.]+\.[a-zA-Z0-9-_.]+", name), name
        assert each["harness"] == "console", each
        assert each["harness_config"]["type"] in {"one_line", "multi_line"}, each


CHECKS = {
    "library.json": platformio,
    "library.properties": platformio,
    "idf_component.yml": esp_idf,
    "Kconfig": kconfig,
    "module.yml": module,
    "sample.yaml": sample,
}

for path in sorted(Path(sys.argv[1]).rglob("*")):
    if path.name in CHECKS:
        CHECKS[path.name](path)
        print(path.name)
