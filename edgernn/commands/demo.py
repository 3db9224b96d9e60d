"""`edgernn demo`: from training to three runtimes, on a synthetic motor."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.runtime.program import Program
    from edgernn.train.motor import Recordings

SECONDS, TRAIN, HELD_OUT = 1.0, 500, 100


@click.command()
@shared.out("FOLDER", "edgernn-demo")
@shared.as_json
def demo(out: str, as_json: bool) -> None:
    """Train, export and stream a small GRU on synthetic data.

    The data are the vibration of a motor in five conditions, computed by formulas. Held-out recordings stream through
    every runtime. It takes less than two minutes on two cores.
    """
    from edgernn.artifact import rnn
    from edgernn.errors import MissingExtraError
    from edgernn.files import atomic
    from edgernn.runtime.program import open as open_program
    from edgernn.train.motor import CONDITIONS, FRAME, PERIOD_MS, RATE_HZ, record, to_npz
    from edgernn_export.translate import export

    if find_spec("torch") is None:
        raise MissingExtraError("torch", "host", "the demo")
    echo = (lambda _: None) if as_json else click.echo
    atomic.make_folder(out)
    echo(
        f"A motor in {len(CONDITIONS)} conditions ({', '.join(CONDITIONS)}): synthetic vibration at {RATE_HZ} Hz, "
        f"a frame of {FRAME} samples every {PERIOD_MS:g} ms, {TRAIN} recordings to train on and {HELD_OUT} held out."
    )
    held_out = record(HELD_OUT, SECONDS, seed=1)
    paths = [str(Path(out) / f"motor{suffix}") for suffix in (".rnn", ".onnx", ".tflite")]
    data = str(Path(out) / "motor.npz")
    atomic.write(data, to_npz(record(TRAIN, SECONDS, seed=0), held_out))
    graph = _train(data, Path(out) / "run", echo)
    rnn.save(graph, paths[0])
    for path in paths[1:]:
        export(graph, path)
    echo(f"Exported {', '.join(paths)}, each proved against numpy. Streaming {HELD_OUT} recordings frame by frame:\n")
    rows = [_row(open_program(path), graph, held_out) for path in paths]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(row["file"]) for row in rows)
    click.echo(f"{'file':{width}}  {'backend':22} {'accuracy':>8} {'error':>8} {'bytes':>8} {'us per step':>12}")
    for row in rows:
        click.echo(
            f"{row['file']:{width}}  {row['backend']:22} {row['accuracy']:8.1%} {row['error']:8.1e} "
            f"{row['bytes']:8,} {row['p50_us']:12.2f}"
        )
    click.echo(
        f"\nThe error is the largest difference of a score from numpy in float64. The files are in {out}. Try:\n"
        f"  edgernn info {paths[0]}\n  edgernn bench {paths[1]} {paths[2]} --reference {paths[0]}"
    )


def _train(data: str, out: Path, echo: Callable[[str], None]) -> "Graph":
    """Train the recipe `motor`, as `edgernn train motor --data` does."""
    from edgernn.artifact.rnn import load
    from edgernn.train import recipe, run
    from edgernn.train.loop.trainer import Accelerator, is_interactive

    motor = recipe.load("motor")
    echo(f"Training a {motor.shape.cell.upper()} of {motor.shape.hidden} units for {motor.training.epochs} epochs.")
    run.train(motor, data, out, accelerator=Accelerator(progress_bar=is_interactive()))
    return load(out / "model.rnn")


def _row(program: "Program", graph: "Graph", held_out: "Recordings") -> dict[str, Any]:
    """Return the accuracy after the last frame of each recording, the error, size and step time of one runtime."""
    import numpy as np

    from edgernn.interpreters.numpy import Stepper
    from edgernn.latency.steps import back_to_back

    expected = Stepper(graph).run(held_out.frames)[0]
    stream = program.stream()
    scores = np.stack([stream.reset().run(frames) for frames in held_out.frames])
    right = scores[:, -1].argmax(axis=-1) == held_out.conditions
    frame = held_out.frames[0, 0]
    return {
        "file": program.name,
        "backend": program.backend,
        "accuracy": float(right.mean()),
        "error": float(np.abs(scores - expected).max()),
        "bytes": program.size,
        "p50_us": back_to_back(lambda: stream.step(frame)).p50_us,
    }
