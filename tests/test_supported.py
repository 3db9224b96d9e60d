"""The table of what `from_torch` reads is that of the tests."""

import ast

import pytest
from supported import KINDS, LATE, REFUSED, STREAMS

from document import ROOT


def entries(module: str, table: str) -> dict[str, ast.expr]:
    """Key -> value of a table at the top of a test module."""
    for node in ast.parse((ROOT / f"tests/test_{module}.py").read_text()).body:
        value = getattr(node, "value", None)
        if isinstance(value, ast.Dict) and table in ast.unparse(node).partition("=")[0]:
            return {ast.literal_eval(key): each for key, each in zip(value.keys, value.values, strict=True) if key}
    raise AssertionError(f"tests/test_{module}.py has no table {table}")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_every_kind_has_a_module_in_the_tests(kind):
    assert kind.entry in entries(kind.module, kind.table)
    assert (kind.streams == REFUSED) == (kind.table == "REFUSED") == bool(kind.reason)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.module == "over_time"], ids=lambda kind: kind.title)
def test_what_is_late_is_late_in_the_tests(kind):
    value = entries(kind.module, kind.table)[kind.entry]
    assert isinstance(value, ast.Tuple)
    _, _, warmup = ast.literal_eval(value.elts[-1])
    assert (kind.streams == LATE) == (warmup > 0)


def test_every_way_to_stream_has_a_kind_and_titles_differ():
    assert {kind.streams for kind in KINDS} == set(STREAMS)
    assert len({kind.title for kind in KINDS}) == len(KINDS)
