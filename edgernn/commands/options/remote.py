"""The option --on of `edgernn bench`, `check` and `verify`: the same verb on another machine, over SSH."""

import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.progress import status

if TYPE_CHECKING:
    from edgernn.remote.job import Job
    from edgernn.remote.run import Answer

ARTIFACTS = ("artifact", "artifacts", "package")
INPUTS = (*ARTIFACTS, "reference", "frames", "trace", "key")
OUTPUTS = ("junit", "markdown", "history")
REFUSED = ("html",)
"""Parameters that name files: those that are copied, those that come back, and one that needs what no board has."""

option = click.option(
    "--on",
    metavar="USER@HOST",
    help="Run on this machine, over SSH: any name that `ssh` connects to without a password.",
)


@dataclass
class Files:
    """The files of a call: their bytes, and their names there."""

    data: dict[str, bytes]
    names: dict[str, str]

    def add(self, path: str) -> str:
        """Read a file; return its name there: the path as it was typed, if it leads below the current folder."""
        from edgernn.files import atomic

        if path not in self.names:
            plain = PurePosixPath(path)
            inside = not plain.is_absolute() and ".." not in plain.parts and not path.startswith("-")
            name = str(plain) if inside else plain.name
            if name in self.data or any(part in self.data for part in map(str, PurePosixPath(name).parents)):
                name = f"{len(self.data)}.{plain.name}"
            self.data[name] = atomic.read(path)
            self.names[path] = name
        return self.names[path]


def on_another_machine(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Add --on to a verb: with it, the verb runs there, and what it prints and writes comes back."""

    @option
    @functools.wraps(verb)
    def decorated(*arguments: Any, on: str | None, **options: Any) -> Any:
        if on is None:
            return verb(*arguments, **options)
        return _run(on, click.get_current_context(), options)

    return decorated


def _run(target: str, context: click.Context, options: Mapping[str, Any]) -> None:
    from edgernn.remote.run import run

    _check(options)
    job, seconds = _job(context.command, options), options.get("seconds") or 0.0
    with status(f"edgernn {context.command.name} on {target}") as note:
        answer = run(target, job, seconds if math.isfinite(seconds) else 0.0, note)
    for text in answer.notes:
        click.echo(f"{target}: {text}", err=True)
    click.echo(answer.error, err=True, nl=False)
    click.echo(answer.out, nl=False)
    _write(answer, options)
    context.exit(answer.code)


def _check(options: Mapping[str, Any]) -> None:
    """Refuse what cannot come back, before anything is sent."""
    from edgernn.commands.options.reporting import check_writable
    from edgernn.errors import UsageError
    from edgernn.latency import history

    for name in REFUSED:
        if options.get(name) is not None:
            raise UsageError(f"--{name} draws plots, and the machine of --on need not have what draws them; omit one")
    check_writable(*(options.get(name) for name in OUTPUTS if name != "history"))
    if options.get("history") is not None:
        history.check_appendable(options["history"])


def _job(command: click.Command, options: Mapping[str, Any]) -> "Job":
    from edgernn.package.trust import VARIABLE, demanded
    from edgernn.remote.job import Job, needs

    files = Files({}, {})
    words = tuple(_words(command, options, files))
    key = os.environ.get(VARIABLE) if options.get("key") is None else options["key"]
    paths = [path for name in ARTIFACTS for path in _several(options.get(name))]
    if demanded(key, options.get("min_version")) is not None:  # no secret key is sent
        _add_signatures(paths, files)
    variables = {VARIABLE: files.add(key) if os.path.exists(key) else key} if key else {}
    artifacts = {path: files.data[files.names[path]] for path in paths}
    outputs = tuple(name for name in OUTPUTS if options.get(name) is not None)
    return Job((str(command.name), *words), files.data, needs(artifacts, signed=bool(key)), outputs, variables)


def _words(command: click.Command, options: Mapping[str, Any], files: Files) -> Iterator[str]:
    """Return the arguments that have these values, with the names of the files there."""
    behind = []
    for parameter in command.params:
        name = str(parameter.name)
        for value in _several(options.get(name)):
            text = _text(name, value, files)
            if isinstance(parameter, click.Argument):
                behind.append(text)
            elif getattr(parameter, "is_flag", False):
                yield from [parameter.opts[-1]] * bool(value)
            else:
                yield f"{parameter.opts[-1]}={text}"
    yield from ("--", *behind)


def _several(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _text(name: str, value: Any, files: Files) -> str:
    if name in OUTPUTS:
        return f"../out/{name}"
    if name in INPUTS and (name != "key" or os.path.exists(value)):
        return files.add(value)
    if name == "board" and str(value).endswith(".toml"):
        return files.add(value)
    return str(value)


def _add_signatures(paths: list[str], files: Files) -> None:
    """Copy the signatures that lie beside files; a package has its own inside."""
    from edgernn.files import atomic
    from edgernn.package import minisign

    for path in paths:
        beside = f"{path}{minisign.SUFFIX}"
        if os.path.exists(beside):
            files.data[f"{files.names[path]}{minisign.SUFFIX}"] = atomic.read(beside)


def _write(answer: "Answer", options: Mapping[str, Any]) -> None:
    """Write the reports, and append the run to a history with the commit that is checked out here."""
    from dataclasses import replace

    from edgernn.files import atomic, temporary
    from edgernn.latency import history

    reports = {options[name]: data for name, data in answer.files.items() if name != "history"}
    atomic.write_all(reports)
    if "history" in answer.files:
        with temporary.directory() as folder:
            path = folder / "history.jsonl"
            path.write_bytes(answer.files["history"])
            for entry in history.load(path):
                history.append(options["history"], replace(entry, commit=history.commit()))
