"""What the recipes that denoise reach on unheard speakers and noises: prints tables and writes results/denoise.json.

Three seeds each. The gain in SI-SDR for every noise and ratio, and STOI before and after (C. Taal et al., IEEE TASLP
19, 2011, by pystoi); the same in integers; how far the formats are from numpy; and the time of a paced step. Sound and
spectrograms are in the report of each training, below .cache/denoise. A finished training is taken from there.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from pystoi import stoi  # type: ignore[import-untyped]

import edgernn
import results
from edgernn.interpreters.count import count
from edgernn.latency.arrivals import regular
from edgernn.latency.paced import run_paced
from edgernn.latency.steps import collector_paused, percentiles
from edgernn.runtime.program import Program
from edgernn.train import recipe as recipes, run
from edgernn.train.data.sequences import Data
from edgernn.train.evaluate.sound import Heard, heard, voice_accuracy
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.recipe import Recipe
from edgernn_export import export

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache/denoise"
RECIPES, SEEDS = ("denoise", "denoise-conv"), (0, 1, 2)
RATIOS_DB = (-5.0, 0.0, 5.0, 10.0, 15.0, 20.0)
TARGET_DB, LIMIT_DB = 6.0, 0.3  # the gain at 5 dB, and what integers may lose of it
UNHEARD, HEARD = ("blue", "engine", "rain", "gusts", "babble"), ("white", "pink", "hum", "impacts", "reverberation")
CLIPS = 60  # of each ratio
INTEGERS = ("dynamic_wi8_afp32", "static_wi8_ai8")
FORMATS = (".onnx", ".tflite", ".so")
STEPS = 200  # of a timed run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/fsdd/recordings")
    parser.add_argument("--only", default="", help="recipes with this name alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args()
    names = [name for name in RECIPES if options.only in ("", name)]
    rows = {name: [of_seed(name, seed, options.data) for seed in options.seeds] for name in names}
    earlier = results.read("denoise").data if (results.FOLDER / "denoise.json").exists() else {}
    known = earlier | {name: summary(each) for name, each in rows.items()}
    results.write("denoise", {name: known[name] for name in RECIPES if name in known}, results.PACED, clips=CLIPS)
    for name in names:
        show(name, known[name])


def of_seed(name: str, seed: int, path: Path) -> dict[str, Any]:
    """The figures of one training."""
    recipe, folder = recipes.load(name, [f"training.seed={seed}"]), CACHE / f"{name}-{seed}"
    settings, metrics = folder / "recipe.toml", folder / "metrics.json"
    if not (metrics.exists() and settings.exists() and settings.read_text() == recipes.to_toml(recipe)):
        run.train(recipe, path, folder, accelerator=Accelerator("cpu"))
    graph = edgernn.load(folder / "model.rnn")
    test = {ratio: data(recipe, path, UNHEARD, ratio) for ratio in RATIOS_DB}
    small = forms(graph, test[5.0], folder)
    known = {ratio: clips(small[""][".so"], each) for ratio, each in test.items()}
    row = {
        "seed": seed,
        "parameters": count(graph).parameters,
        "gain_db": {f"{ratio:g}": gain(each) for ratio, each in known.items()},
        "by_noise_db": by_noise(known[5.0]),
        "heard_noises_db": gain(clips(small[""][".so"], data(recipe, path, HEARD, 5.0))),
        "stoi": {f"{ratio:g}": intelligibility(known[ratio]) for ratio in (0.0, 5.0)},
        "voice": round(accuracy(small[""][".so"], test[5.0]), 4),
        "integers_db": {each: gain(clips(small[each][".so"], test[5.0])) for each in INTEGERS},
        "difference": {suffix: difference(small[""], suffix, test[5.0]) for suffix in FORMATS},
        "bytes": {each or "fp32": (folder / f"model{each}.so").stat().st_size for each in small},
        "step_us": {each or "fp32": paced(small[each][".so"], test[5.0]) for each in small},
    }
    print(f"{name}, seed {seed}: {row['gain_db']}, {row['integers_db']}", flush=True)
    return row


def data(recipe: Recipe, path: Path, noises: Sequence[str], ratio_db: float) -> Data:
    """The test part with these noises at one ratio; a few clips for training, from which ranges are calibrated."""
    options = {"test_noises": list(noises), "test_snr_db": [ratio_db], "test_clips": CLIPS, "clips": CLIPS}
    return run.read(replace(recipe, options={**recipe.options, **options}), path)


def forms(graph: edgernn.Graph, known: Data, folder: Path) -> dict[str, dict[str, Program]]:
    """Scheme, "" for float32 -> format -> the program."""
    calibrated = edgernn.calibrate(graph, known.train.frames)
    programs: dict[str, dict[str, Program]] = {}
    for scheme in ("", *INTEGERS):
        form = edgernn.quantize(calibrated, scheme, sequences=known.train.frames[:8]) if scheme else graph
        edgernn.save(form, folder / f"model{scheme}.rnn")
        for suffix in FORMATS:
            export(form, folder / f"model{scheme}{suffix}")
        programs[scheme] = {each: edgernn.open(folder / f"model{scheme}{each}") for each in (".rnn", *FORMATS)}
    return programs


def answers(program: Program, known: Data) -> list[np.ndarray]:
    """What a program answers to each clip of the test part, its outputs side by side."""
    blocks = [program.stream().run(frames) for frames in known.test.frames]
    return [np.concatenate([block["sound"], block["voice"]], axis=1) for block in blocks]


def clips(program: Program, known: Data) -> list[Heard]:
    """Each clip of the test part before and after."""
    part = known.test
    rows = zip(answers(program, known), part.frames, part.targets, part.sources, strict=True)
    return [heard(*row, known) for row in rows]


def accuracy(program: Program, known: Data) -> float:
    return voice_accuracy(answers(program, known), known.test, known)


def gain(sounds: Sequence[Heard]) -> float:
    """The mean gain in decibels."""
    return round(mean(each.gain_db for each in sounds), 3)


def by_noise(sounds: Sequence[Heard]) -> dict[str, float]:
    """The gain for each noise; the source of a clip is "clip 3: theo in rain at 5.0 dB"."""
    named = [(each.source.split(" in ")[1].split()[0], each) for each in sounds]
    return {
        noise: gain([each for name, each in named if name == noise]) for noise in dict.fromkeys(n for n, _ in named)
    }


def intelligibility(sounds: Sequence[Heard]) -> dict[str, float]:
    """The mean of STOI before and after."""
    return {
        when: round(mean(stoi(each.speech, getattr(each, when), round(each.rate_hz)) for each in sounds), 4)
        for when in ("noisy", "denoised")
    }


def difference(programs: Mapping[str, Program], suffix: str, known: Data) -> float:
    """How far a format is from numpy over a clip, at most; full scale is 1."""
    ours, theirs = (programs[each].stream().run(known.test.frames[0]) for each in (".rnn", suffix))
    return max(float(np.abs(theirs[name] - ours[name]).max()) for name in ours)


def paced(program: Program, known: Data) -> dict[str, float]:
    """Percentiles of the duration of a step on the schedule of its frames, as they come and primed, in microseconds."""
    stream, period_us = program.stream(), 1000 * (program.manifest.period_ms or 0)
    frames, due = known.test.frames[0], regular(STEPS, period_us)
    stream.run(frames)
    with collector_paused():
        plain, primed = (
            percentiles(run_paced(stream.step, frames, due, prime=prime).service) for prime in (None, stream.prime)
        )
    return {"p50": plain["p50_us"], "p99": plain["p99_us"], "p50 primed": primed["p50_us"], "period": period_us}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows, one a seed, and whether they reach what is asked."""
    float_db = mean(row["gain_db"]["5"] for row in rows)
    lost = {each: round(float_db - mean(row["integers_db"][each] for row in rows), 3) for each in INTEGERS}
    return {
        "gain_db": round(float_db, 2),
        "lost_db": lost,
        "reached": float_db >= TARGET_DB and max(lost.values()) <= LIMIT_DB,
        "rows": rows,
    }


def show(name: str, known: dict[str, Any]) -> None:
    rows = known["rows"]
    print(f"{name}: {known['gain_db']} dB at 5 dB, integers lose {known['lost_db']}, reached: {known['reached']}")
    for key in ("gain_db", "by_noise_db"):
        print("  " + ", ".join(f"{each} {mean(row[key][each] for row in rows):.2f}" for each in rows[0][key]))
    for form, times in rows[0]["step_us"].items():
        print(f"  {form}: p50 {times['p50']:.0f} us paced, {times['period'] / times['p50']:.0f} times real time")


if __name__ == "__main__":
    main()
