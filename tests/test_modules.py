"""The lists of modules.toml, by which conftest.py orders and selects the modules of tests."""

import tomllib
from pathlib import Path

HERE = Path(__file__).parent
LISTS = tomllib.loads((HERE / "modules.toml").read_text())


def test_every_module_of_a_list_exists_and_stands_in_one():
    names = [name for each in LISTS.values() for name in each]
    assert len(names) == len(set(names))
    assert [name for name in names if not (HERE / f"test_{name}.py").exists()] == []
