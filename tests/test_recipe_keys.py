"""The keys that `edgernn recipes` explains are those that a recipe may have, with the defaults that the code uses."""

import json
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib import import_module
from inspect import signature

import pytest
from hypothesis import given, strategies as st

from edge import edge
from edgernn.errors import UsageError
from edgernn.train import catalog, keys, recipe as recipes
from edgernn.train.commented import commented
from edgernn.train.data import PAIR_READERS, READERS as SEQUENCE_READERS
from edgernn.train.data.augment import Augmentation
from edgernn.train.loop.batches import Batching
from edgernn.train.loop.task import Training
from edgernn.train.network.before_options import BEFORE
from edgernn.train.network.models import Shape
from edgernn.train.translation.network import PairShape

READERS = {**SEQUENCE_READERS, **PAIR_READERS}

CLASSES = {
    "model": (Shape,),
    "training": (Training, Batching),
    "augment": (Augmentation,),
    "model.pairs": (PairShape,),
    **{f"model.before.{name}": (cls,) for name, cls in BEFORE.items()},
}


def as_toml(value):
    return "none" if value is None else json.dumps(value)


@pytest.mark.parametrize("section", CLASSES)
def test_the_keys_of_a_section_are_the_fields_of_its_dataclasses(section):
    every = [each for cls in CLASSES[section] for each in fields(cls) if each.name != "batching"]
    known = {each.name: as_toml(each.default) for each in every}
    assert {key.name: key.default for key in keys.sections()[section].keys} == known


@pytest.mark.parametrize("reader", READERS)
def test_the_keys_of_a_reader_are_the_options_of_its_function(reader):
    _, *options = signature(import_module(READERS[reader]).read).parameters.values()
    known = {each.name: "" if each.default is each.empty else as_toml(each.default) for each in options}
    assert {key.name: key.default for key in keys.sections()[f"data.{reader}"].keys} == known


def test_there_is_no_other_section():
    assert {*keys.sections()} == {*CLASSES, *(f"data.{reader}" for reader in READERS)}


@pytest.mark.parametrize("section", [*CLASSES, *(f"data.{reader}" for reader in READERS)])
def test_every_key_has_a_type_and_a_sentence(section):
    for key in keys.sections()[section].keys:
        assert key.kind
        assert key.text.endswith(".")
        assert "see `Split`" not in key.text


@pytest.mark.parametrize("name", catalog.names())
def test_a_recipe_with_comments_is_the_same_recipe_and_explains_each_of_its_keys(name):
    values = tomllib.loads(catalog.path_of(name).read_text())
    text = commented(values)
    assert tomllib.loads(text) == values
    lines = text.splitlines()
    for section in ("model", "training"):
        for key in values[section]:
            assert any(line.startswith(f"# {key}: ") for line in lines), key


SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**31), 2**31), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
TABLES = st.dictionaries(
    st.text(), st.recursive(SCALARS, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=8)
)


@given(TABLES)
def test_any_values_survive_the_comments(table):
    values = {"title": "t", "data": {"reader": "npz"}, "search": table}
    assert tomllib.loads(commented(values)) == values


def test_the_list_is_every_recipe_with_its_title():
    rows = json.loads(edge("recipes", "--json"))
    assert [row["name"] for row in rows] == list(catalog.names())
    for row in rows:
        values = recipes.read_document(row["name"])[2]
        assert (row["title"], row["reader"]) == (values["title"], values["data"]["reader"])
    text = edge("recipes")
    assert all(f"{name} " in text for name in (*catalog.names(), *READERS))


def test_a_key_is_found_by_its_name_alone_in_every_section_that_has_it():
    assert {each.name for each in keys.find("chunk")} == {"data.series", "data.text"}
    assert [(each.name, [key.name for key in each.keys]) for each in keys.find("training.rate")] == [
        ("training", ["rate"])
    ]
    assert [each.name for each in keys.find("data.silence_db")] == ["data.wav"]
    assert {each.name for each in keys.find("data")} == {f"data.{reader}" for reader in READERS}
    assert "the highest learning rate" in edge("recipes", "training.rate")
    assert "default 0.004" in edge("recipes", "rate")


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("training.rat", "training.rate"),
        ("traning", "training"),
        ("modell.hidden", "model.hidden"),
        ("hiden", "hidden"),
        ("spoken-digit", "spoken-digits"),
    ],
)
def test_an_unknown_key_gets_the_nearest(text, near):
    with pytest.raises(UsageError, match=f"no recipe, section or key '{text}'.*{near}"):
        keys.find(text)


def test_keys_are_read_without_what_trains():
    """`edgernn recipes` takes as long as Python takes to start."""
    code = "import sys; from edgernn.train import keys; keys.sections(); print({'torch', 'numpy'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
