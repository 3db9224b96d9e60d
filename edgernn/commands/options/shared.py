"""Options that mean the same in every verb that has them. Their help is here, and nowhere else."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from edgernn.commands.options.types import PATH, Choice, Count, complete_boards, complete_recipes

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

PRECISIONS = (
    "fp16",
    "weight_only_wi8_afp32",
    "weight_only_wi4_afp32",
    "dynamic_wi8_afp32",
    "static_wi8_ai8",
    "static_wi8_ai16",
)
"""The names in edgernn.model.tensor.SCHEMES, which imports numpy; --help must not."""

ACCELERATORS = ("auto", "cpu", "cuda")
"""The names in edgernn.train.loop.trainer.DEVICES, which imports torch."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

accelerator = click.option(
    "--accelerator", type=Choice(ACCELERATORS), default="auto", show_default=True, help="Train on this processor."
)

settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a key of the recipe, such as training.epochs=10; repeatable.",
)

recipe = click.option(
    "--recipe", metavar="RECIPE", shell_complete=complete_recipes, help="Name of the model's recipe, or a .toml file."
)

keep = click.option("--keep", metavar="LAYER", multiple=True, help="Leave this layer as it is; repeatable.")

prune = click.option(
    "--prune",
    metavar="WHAT",
    multiple=True,
    help="Prune: units=0.5, energy=0.95, blocks=0.8, magnitude=0.5 or 2:4; join several with commas; repeatable.",
)

period = click.option("--period", metavar="TIME", help="Time from one frame to the next: 10ms, 250us or 1kHz.")

labels = click.option("--labels", metavar="A,B,C", help="Name the outputs.")

time_axis = click.option(
    "--time-axis", type=int, metavar="AXIS", help="Axis of time in the inputs, where no layer shows it."
)

threads = click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Number of threads of the runtime."
)

html = click.option("--html", metavar="FILE", type=PATH, help="Write a page with plots; it opens without a network.")

seed = click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random numbers.")

reference = click.option(
    "--reference", type=PATH, metavar="MODEL.rnn", help="Take errors against this model in numpy, in float64."
)


def data(metavar: str = "PATH", *, required: bool = True) -> Decorator[Any]:
    """Return the option --data."""
    return click.option("--data", type=PATH, metavar=metavar, required=required, help="Read the data from here.")


def frames(*, required: bool = False) -> Decorator[Any]:
    """Return the option --frames; frames are random where it is neither required nor given."""
    return click.option(
        "--frames",
        type=PATH,
        metavar="FILE",
        required=required,
        show_default=False if required else "random",
        help="Read frames from a .npy file of shape (time, inputs), a .csv, or a .npz of several inputs by name.",
    )


def out(metavar: str, default: str = "", *, required: bool = False, shown: str | bool = True) -> Decorator[Any]:
    """Return the option --out.

    Args:
        metavar: what is written: FILE, FOLDER or NAME.
        default: the path where the option is not given; "" for none.
        required: whether it must be given.
        shown: what --help shows as the default; True for the default itself.
    """
    chosen: dict[str, Any] = {"default": default} if default else {}  # to click, a default of None is a value
    return click.option(
        "-o",
        "--out",
        type=PATH,
        metavar=metavar,
        required=required,
        show_default=shown,
        help="Write the results here.",
        **chosen,
    )


def key(*, required: bool) -> Decorator[Any]:
    """Return the option --key."""
    return click.option(
        "--key",
        type=PATH,
        required=required,
        metavar="KEY",
        help="Key of `edgernn keygen` or of minisign: the secret one to sign, the public one to verify.",
    )


def board(default: str | None = "this") -> Decorator[Any]:
    """Return the option --board."""
    return click.option(
        "--board",
        metavar="NAME",
        default=default,
        show_default=True,
        shell_complete=complete_boards,
        help="Board profile: a name from `edgernn devices`, or a .toml file.",
    )


def precision(*, required: bool = False) -> Decorator[Any]:
    """Return the option --precision."""
    return click.option(
        "--precision",
        type=Choice(PRECISIONS),
        required=required,
        metavar="NAME",
        help=f"Quantize to {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}.",
    )


def metric_drop(default: float | None) -> Decorator[Any]:
    """Return the option --metric-drop."""
    return click.option(
        "--metric-drop",
        type=float,
        default=default,
        show_default=True,
        metavar="POINTS",
        help="Allow the metric to drop by this many points of 100.",
    )


def seconds(default: float) -> Decorator[Any]:
    """Return the option --seconds."""
    return click.option("--seconds", type=float, default=default, show_default=True, help="Measure for this long.")


def steps(default: str, least: int) -> Decorator[Any]:
    """Return the option --steps."""
    return click.option(
        "--steps", type=Count(least), default=default, show_default=True, help="Run this many steps, such as 1e6."
    )


def several(*options: Decorator[Any]) -> Decorator[Any]:
    """Return one decorator that adds several options, in this order."""

    def decorate(verb: Any) -> Any:
        for option in reversed(options):
            verb = option(verb)
        return verb

    return decorate
