"""`edgernn update`: the models of a device in one folder, for a supervisor's script."""

import json
from dataclasses import asdict

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH


@click.group(no_args_is_help=True)
def update() -> None:
    """Replace the model of a device.

    A store is a folder with .edge packages and a pointer to the one that runs. A new one is verified and timed in a
    process of its own, and then on trial: the program, or a script, marks it as good. One that fails its trial, or is
    started three times without being marked, makes room for the one before.
    """


@update.command(no_args_is_help=True)
@click.argument("store", type=PATH)
@click.argument("package", type=PATH)
@shared.key(required=False)
@click.option("--budget", metavar="TIME", help="Half of the steps must take less than this, such as 10ms.")
@click.option("--allow-older", is_flag=True, help="Take a version that is lower than that of the current model.")
def install(store: str, package: str, key: str | None, budget: str | None, allow_older: bool) -> None:
    """Take a package into a store, try it, and make it the current one, on trial.

    Prints the path of the package in the store. With --key, or the variable EDGERNN_KEY, it must be signed.
    """
    from edgernn.budget.verdict import Budget, microseconds
    from edgernn.update.store import ModelStore

    limit = None if budget is None else Budget(microseconds(budget))
    click.echo(ModelStore(store, key).install(package, budget=limit, allow_older=allow_older))


@update.command(no_args_is_help=True)
@click.argument("store", type=PATH)
def start(store: str) -> None:
    """Print the package to run now; call it each time when the program starts.

    A start of a model on trial is counted. The one before it is printed where it was started three times and never
    marked as good.
    """
    from edgernn.update.store import ModelStore

    click.echo(ModelStore(store).start())


@update.command(no_args_is_help=True)
@click.argument("store", type=PATH)
def good(store: str) -> None:
    """Mark the current model as good: its trial ends."""
    from edgernn.update.store import ModelStore

    ModelStore(store).mark_good()


@update.command(no_args_is_help=True)
@click.argument("store", type=PATH)
@click.option("--reason", metavar="TEXT", default="asked for", show_default=True, help="Why, for `status`.")
def rollback(store: str, reason: str) -> None:
    """Return to the model before the current one; prints its path."""
    from edgernn.update.store import ModelStore

    click.echo(ModelStore(store).roll_back(reason))


@update.command(no_args_is_help=True)
@click.argument("store", type=PATH)
@shared.as_json
def status(store: str, as_json: bool) -> None:
    """Print which model runs, which ran before, and why the last trial failed."""
    from edgernn.update.store import ModelStore

    pointer = ModelStore(store).pointer
    if as_json:
        click.echo(json.dumps(asdict(pointer)))
        return
    trial = f"on trial, started {pointer.starts} times" if pointer.trial else "good"
    click.echo(f"current   {pointer.current} ({trial})\nprevious  {pointer.previous or '-'}")
    if pointer.failed:
        click.echo(f"failed    {pointer.failed}")
