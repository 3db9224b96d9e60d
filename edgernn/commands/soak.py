"""`edgernn soak`: whether an artifact drifts in a long run."""

import json
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH
from edgernn.commands.progress import bar

if TYPE_CHECKING:
    from edgernn.verification.soak import Soak


@click.command(no_args_is_help=True)
@click.argument("file", type=PATH)
@shared.reference
@shared.steps("1e6", 10_000)
@shared.frames()
@shared.seed
@click.option("--backend", metavar="NAME", help="Take the artifact of this runtime from a package, such as native.")
@shared.as_json
@shared.html
def soak(file: str, html: str | None, as_json: bool, **options: Any) -> None:
    """Test whether a model drifts over a million steps.

    FILE is a .edge package or a .rnn; any other artifact needs the --reference that it was exported from. It steps
    beside the definition, numpy in float64, on the same frames, and after each step the output and every state are
    compared. STABLE: in the last tenth of the run no error is more than 1.2 times that of the first, but by chance; no
    state leaves the range of the first tenth by more than half of it; and memory and descriptors stay. Otherwise the
    run DRIFTS, and the state that grows is named. Ctrl-C shows what was measured until then. The exit code is 0 for a
    stable run, and 1 for one that drifts.
    """
    from edgernn.verification.soak import DRIFTS, SoakOptions, soak as run

    _check_page(html)
    plan = SoakOptions(file, **options)
    results: list[Soak] = []  # one more after each hundredth of the run

    def show(result: "Soak") -> None:
        results.append(result)
        advance(result.parts[-1].steps, "")

    try:
        with bar("steps", plan.steps) as advance:
            run(plan, show)
    finally:
        if results:
            _print(results[-1], as_json=as_json)
    _write_page(results[-1], html)
    click.get_current_context().exit(1 if results[-1].verdict == DRIFTS else 0)


def _check_page(path: str | None) -> None:
    """Check that the page can be made and written, before the run."""
    from edgernn.commands.options.reporting import check_writable
    from edgernn.extras import needed

    if path is not None:
        with needed("--html"):
            import edgernn.pages.soak  # noqa: F401
        check_writable(path)


def _print(result: "Soak", *, as_json: bool) -> None:
    from edgernn.verification.summary import as_json as to_json, text

    click.echo(json.dumps(to_json(result), indent=2) if as_json else text(result))


def _write_page(result: "Soak", path: str | None) -> None:
    from edgernn.files import atomic

    if path is not None:
        import edgernn.pages.soak

        atomic.write(path, edgernn.pages.soak.page(result).encode())
