"""Laws of the command's options: one meaning per name, groups, choices, suggestions, completion, progress."""

import io
import os
import subprocess
import sys
from collections import Counter, defaultdict
from typing import get_args

import click
import pytest

from edge import called
from edgernn.cli import cli
from edgernn.commands import GROUPS, progress
from edgernn.commands.options import shared
from edgernn.model.tensor import SCHEMES
from edgernn.runtime.stream import OnBadInput
from edgernn.train.compress.importance import taylor
from edgernn.train.loop.trainer import ACCELERATORS, LOGGERS
from edgernn.train.search.methods import METHODS
from edgernn.tune.choice import PREFERENCES
from edgernn_export.sources.torch.operations.sums import RUNNING

SHORT = 60
"""Characters of a summary that `edgernn --help` shows whole in a terminal of 80 columns."""

HELP = 120
"""Characters of an option's help."""

OPTIONS = [
    (verb, option)
    for verb, command in cli.commands.items()
    for option in command.params
    if isinstance(option, click.Option)
]

CLOSED = {
    "--precision": tuple(SCHEMES),
    "--accelerator": ACCELERATORS,
    "--method": tuple(sorted(METHODS)),
    "--logger": tuple(LOGGERS),
    "--prefer": PREFERENCES,
    "--on-bad-input": get_args(OnBadInput),
    "--calibration-method": ("min-max", "percentile", "mse"),
    "--importance": ("magnitude", taylor.__name__),
    "--running": tuple(RUNNING),
}
"""An option that takes one of a closed set -> the set, where the code that uses it has it."""

SYNONYMS = {
    "--device": "--board or --accelerator",
    "--train-on": "--accelerator",
    "--scheme": "--precision",
    "--quantize": "--precision",
    "--finetune": "--recipe",
    "--input": "--frames",
    "--path": "--data",
    "--output": "--out",
    "--use": "--rate",
    "--period-ms": "--period",
}
"""A name that an option must not have -> the name in the vocabulary."""


def test_every_verb_is_in_exactly_one_group():
    listed = Counter(verb.name for verbs in GROUPS.values() for verb in verbs)
    assert listed == Counter(list(cli.commands))


def test_help_shows_every_group_with_its_verbs_and_cuts_no_summary():
    code, text, _ = called("--help")
    assert code == 0
    assert "..." not in text.partition("\n")[2]  # behind the usage
    for name, verbs in GROUPS.items():
        section = text.partition(f"\n{name}:\n")[2].partition("\n\n")[0].splitlines()
        assert [line.split()[0] for line in section] == [verb.name for verb in verbs]


@pytest.mark.parametrize("verb", cli.commands)
def test_a_summary_is_one_short_sentence(verb):
    command = cli.commands[verb]
    summary = command.help.partition("\n\n")[0]
    assert len(summary) <= SHORT
    assert "\n" not in summary
    assert summary == command.get_short_help_str(limit=SHORT)
    assert summary.endswith(".")


def test_one_name_has_one_meaning():
    meanings = defaultdict(set)
    for _, option in OPTIONS:
        kind = option.type.to_info_dict() | {"flag": option.is_flag, "several": option.multiple}
        flags = tuple(option.opts + option.secondary_opts)
        for flag in flags:
            meanings[flag].add((flags, str(kind), option.help))
    assert {flag: found for flag, found in meanings.items() if len(found) > 1} == {}


def test_one_meaning_has_one_name():
    meanings = defaultdict(set)
    for _, option in OPTIONS:
        meanings[option.help].add(tuple(option.opts))
    assert {text: names for text, names in meanings.items() if len(names) > 1} == {}
    assert not {name for _, option in OPTIONS for name in option.opts} & SYNONYMS.keys()


@pytest.mark.parametrize(("verb", "option"), OPTIONS, ids=[f"{verb} {option.opts[-1]}" for verb, option in OPTIONS])
def test_every_option_has_a_short_help(verb, option):
    assert option.help, verb
    assert option.help.endswith(".")
    assert len(option.help) <= HELP or option.opts == ["--precision"]  # it names every precision


def test_every_verb_prints_json():
    assert {verb for verb, option in OPTIONS if option.opts == ["--json"]} == set(cli.commands)


def test_closed_sets_are_choices_of_what_the_code_knows():
    chosen = defaultdict(set)
    for _, option in OPTIONS:
        if isinstance(option.type, click.Choice):
            chosen[option.opts[-1]].add(tuple(option.type.choices))
    assert chosen == {name: {choices} for name, choices in CLOSED.items()}


@pytest.mark.parametrize("verb", cli.commands)
def test_a_typo_in_a_verb_is_answered_with_the_verb(verb):
    code, _, complaint = called(f"{verb}x")
    assert code == 2
    assert f"'{verb}'" in complaint


@pytest.mark.parametrize(("verb", "option"), OPTIONS, ids=[f"{verb} {option.opts[-1]}" for verb, option in OPTIONS])
def test_a_typo_in_an_option_is_answered_with_the_option(verb, option):
    name = option.opts[-1]
    code, _, complaint = called(verb, f"{name}x", "1")
    assert code == 2
    assert f"'{name}'" in complaint


def test_a_typo_in_a_choice_is_answered_with_the_choice():
    for verb, option in OPTIONS:
        if isinstance(option.type, click.Choice):
            value = option.type.choices[0]
            code, _, complaint = called(verb, option.opts[-1], f"{value}x")
            assert code == 2
            assert f"Did you mean '{value}'?" in complaint
            assert "Did you mean" not in called(verb, option.opts[-1], "????")[2]


COMPLETED = {
    "edgernn tr": "train",
    "edgernn train spok": "spoken-digits",
    "edgernn train motor --acc": "--accelerator",
    "edgernn train motor --accelerator c": "cuda",
    "edgernn estimate m.rnn --board raspberrypi4": "raspberrypi4",
    "edgernn compress m.rnn s.rnn --precision dyn": "dynamic_wi8_afp32",
}


@pytest.mark.parametrize("line", COMPLETED)
def test_a_shell_completes(line):
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_EDGERNN_COMPLETE": "bash_complete"}
    code = (
        "import sys; from edgernn.cli import main; sys.argv[0] = 'edgernn'\n"
        "import atexit; atexit.register(lambda: print([m for m in ('numpy', 'torch') if m in sys.modules]))\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | words, capture_output=True, text=True, check=False
    )
    *completions, heavy = done.stdout.splitlines()
    assert f"plain,{COMPLETED[line]}" in completions, done.stderr
    assert heavy == "[]"


def test_a_path_is_left_to_the_shell():
    from edgernn.commands.options.types import complete_boards, complete_recipes

    for complete in (complete_boards, complete_recipes):
        (item,) = complete(None, None, "./my")
        assert (item.value, item.type) == ("./my", "file")


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_bar_moves_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    with progress.bar("models", 4) as step:
        step(1, "")
        step(3, "the last")
    assert "models" in screen.getvalue()
    assert "  0%" in screen.getvalue()
    assert "100%" in screen.getvalue()
    assert "the last" in screen.getvalue()


def test_a_status_is_replaced_on_a_terminal_and_leaves_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    with progress.status("evaluating") as note:
        note("first")
        note("long " * 1000)
    shown = screen.getvalue().split(progress.CLEAR)
    assert shown[:3] == ["", "evaluating ...", "evaluating: first"]
    assert len(shown[3]) < 1000
    assert shown[4] == ""


@pytest.mark.parametrize("lines", [False, True])
def test_elsewhere_there_are_lines_or_nothing(lines, monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := io.StringIO())
    with progress.bar("models", 2, lines=lines) as step:
        step(1, "first")
        step(1, "")
    with progress.status("evaluating", lines=lines) as note:
        note("second")
    assert screen.getvalue() == ("first\nsecond\n" if lines else "")


def test_the_vocabulary_is_defined_once():
    """Every name that two verbs have comes from one decorator: the help and the type are equal, and it is in `options`."""
    names = Counter(name for _, option in OPTIONS for name in option.opts)
    common = {name for name, count in names.items() if count > 1}
    assert {"--json", "--data", "--set", "--out", "--board", "--accelerator", "--precision", "--frames"} <= common
    assert tuple(SCHEMES) == shared.PRECISIONS
    assert shared.ACCELERATORS == ACCELERATORS


@pytest.mark.parametrize(
    ("verb", "option"), [pair for pair in OPTIONS if pair[1].required], ids=lambda each: getattr(each, "name", each)
)
def test_a_required_option_that_is_missing_is_named(verb, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = cli.commands[verb]
    arguments = [
        f"a{i}.rnn" for i, each in enumerate(command.params) if isinstance(each, click.Argument) and each.required
    ]
    others = [
        each for each in command.params if isinstance(each, click.Option) and each.required and each is not option
    ]
    for each in others:
        arguments += [each.opts[-1], "a.npy" if not isinstance(each.type, click.Choice) else each.type.choices[0]]
    code, _, complaint = called(verb, *arguments, "--json")
    assert code == 2
    assert "Missing option" in complaint
    assert option.opts[-1] in complaint
