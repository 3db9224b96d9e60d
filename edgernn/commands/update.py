"""`edgernn update`: the models of a device in one folder, for a supervisor's script."""

import json
from typing import TYPE_CHECKING

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH

if TYPE_CHECKING:
    from edgernn.update.store import ModelStore

ACTIONS = ("install", "start", "good", "rollback", "status")


@click.command(no_args_is_help=True)
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("store", type=PATH)
@click.argument("package", type=PATH, required=False)
@shared.key(required=False)
@click.option("--longest", metavar="TIME", help="Refuse a package of whose steps half take longer, such as 10ms.")
@click.option("--allow-older", is_flag=True, help="Install a version that is lower than that of the current model.")
@click.option("--reason", metavar="TEXT", help="Why the model is rolled back.")
@shared.as_json
def update(
    action: str,
    store: str,
    package: str | None,
    key: str | None,
    longest: str | None,
    allow_older: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Replace the model of a device.

    STORE is a folder with .edge packages and a pointer to the one that runs.

    \b
    install   verify PACKAGE and time it in a process of its own; it is then the current one, on trial
    start     print the package to run now; call it each time when the program starts
    good      end the trial: the current package stays
    rollback  return to the package before
    status    show which package runs, which ran before, and why the last trial failed

    A package that is started three times and never marked as good makes room for the one before.
    """  # noqa: D301  \b keeps the lines
    from edgernn.budget.verdict import Budget, microseconds
    from edgernn.errors import UsageError
    from edgernn.update.store import ModelStore

    if (package is None) == (action == "install"):
        arrived = "no package" if package is None else f"'{package}'"
        raise UsageError(f"{arrived} arrived with {action}; expected `edgernn update install STORE PACKAGE`")
    for name, option, belongs in (
        ("--key", key, "install"),
        ("--longest", longest, "install"),
        ("--allow-older", allow_older, "install"),
        ("--reason", reason, "rollback"),
    ):
        if option and action != belongs:
            raise UsageError(f"{name} arrived with {action}; it belongs to {belongs}")
    models = ModelStore(store, key)
    if package is not None:
        budget = None if longest is None else Budget(microseconds(longest))
        models.install(package, budget=budget, allow_older=allow_older)
    elif action == "start":
        models.start()
    elif action == "good":
        models.mark_good()
    elif action == "rollback":
        models.roll_back(reason or "asked for")
    click.echo(_text(models, action, as_json=as_json))


def _text(models: "ModelStore", action: str, *, as_json: bool) -> str:
    """What runs now: its path alone for a script, more for `status`."""
    from dataclasses import asdict

    pointer = models.pointer
    if as_json:
        return json.dumps({"path": str(models.path), **asdict(pointer)})
    if action != "status":
        return str(models.path)
    trial = f"on trial, started {pointer.starts} times" if pointer.trial else "good"
    lines = [f"current   {pointer.current} ({trial})", f"previous  {pointer.previous or '-'}"]
    return "\n".join(lines + [f"failed    {pointer.failed}"] * bool(pointer.failed))
