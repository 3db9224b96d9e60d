"""`edgernn denoise`: a recording without its noise."""

import json
import time
from typing import TYPE_CHECKING

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH
from edgernn.commands.progress import status

if TYPE_CHECKING:
    from edgernn.array import Array

CLIPPED = 32767 / 32768  # the largest number of 16 bits


@click.command(no_args_is_help=True)
@click.argument("recording", metavar="IN.wav", type=PATH)
@click.argument("out", metavar="OUT.wav", type=PATH)
@click.option("--model", required=True, type=PATH, metavar="FILE", help="Model that denoises, in any format.")
@shared.as_json
def denoise(recording: str, out: str, model: str, as_json: bool) -> None:
    """Remove the noise around a voice in a recording.

    The recipe denoise trains such a model. The sound keeps its length: what the model is late by is cut off. Its sample
    rate must be that of the model. Channels are denoised apart. The result has 16 bits.
    """
    from edgernn.errors import UsageError
    from edgernn.files import atomic
    from edgernn.files.sound import to_wav
    from edgernn.postprocess.sound import denoise as denoised, sample_rate_hz
    from edgernn.runtime.program import open as open_program
    from edgernn.train.data.wav import channels

    if not out.lower().endswith(".wav"):
        raise UsageError(f"no sound can be written to '{out}'; expected a name that ends in .wav")
    program = open_program(model)
    sample_rate_hz(program.manifest, program.name)
    sound, rate_hz = channels(recording)
    with status("denoising"):
        started = time.perf_counter()
        result = denoised(program, sound[:, 0] if sound.shape[1] == 1 else sound, rate_hz)
        took_s = time.perf_counter() - started
    atomic.write(out, to_wav(result.sound, rate_hz))
    seconds = len(sound) / rate_hz
    facts = {
        "seconds": seconds,
        "channels": sound.shape[1],
        "rate_hz": rate_hz,
        "voice": float((result.voice > 0.5).mean()),
        "delay_ms": 1000 * program.manifest.delay_frames * program.manifest.inputs / rate_hz,
        "times_real_time": seconds * sound.shape[1] / took_s,
        "notes": _notes(sound, result.sound),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    for note in _notes(sound, result.sound):
        click.echo(note, err=True)
    click.echo(
        f"{out}: {seconds:,.2f} s, {facts['channels']} channel{'s' * (sound.shape[1] > 1)}, voice in "
        f"{facts['voice']:.0%} of it; a channel is {facts['times_real_time']:,.0f} times as fast as the sound; in a "
        f"stream it is {facts['delay_ms']:g} ms late"
    )


def _notes(sound: "Array", result: "Array") -> list[str]:
    """What a listener should know of the recording and the result."""
    import numpy as np

    notes = []
    if not np.any(sound):
        notes.append("the recording is silent, and so is the result")
    clipped = int((np.abs(sound) >= CLIPPED).sum())
    if clipped:
        notes.append(f"the recording is clipped at {clipped:,} samples, which no model restores")
    beyond = int((np.abs(result) > 1).sum())
    if beyond:
        notes.append(f"the result is clipped at {beyond:,} samples: it is louder than full scale")
    return notes
