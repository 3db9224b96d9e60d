"""One keyword in an hour of speech that never rests: prints a table and writes results/keyword_stream.json.

The model hears raw samples through one stream that is never reset. Smoothing and threshold are chosen on a recording of
the training clips, for at most so many false alarms an hour; the figures are those of a recording of the test clips.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

import edgernn
import results
from edgernn.postprocess.keyword import Keyword
from edgernn.runtime.program import Program
from edgernn.train import recipe as recipes, run
from edgernn.train.data.folder import labelled_files
from edgernn.train.data.wav import samples
from edgernn.train.evaluate.spotting import (
    LabelledStream,
    OperatingPoint,
    Scene,
    alarm_times,
    choose_point,
    count_detections,
    mix_clips,
    operating_curve,
    word_probability,
)
from edgernn.train.loop.trainer import Accelerator
from edgernn_export import export

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache/keyword_stream"
RECIPE, SEEDS = "spoken-stream", (0, 1, 2)
WINDOWS = (1, 5, 10, 15, 20, 30, 40)  # steps of 10 ms
REST_S, LATE_S = 0.5, 0.5
SCENES = {"training": Scene(seed=1), "test": Scene(seed=2, rounds=5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/fsdd/recordings")
    parser.add_argument("--word", default="7", help="whose curve is written; the table has all")
    parser.add_argument("--most", type=float, default=1.0, help="false alarms an hour on the training recording")
    options = parser.parse_args()
    recordings = {part: recording(options.data, part) for part in SCENES}
    trained = [of_seed(seed, recordings, options) for seed in SEEDS]
    result = {
        "recipe": RECIPE,
        "scenes": {
            part: asdict(scene) | {"hours": round(recordings[part].hours, 3), "words": len(recordings[part].spoken)}
            for part, scene in SCENES.items()
        },
        "most_false_an_hour": options.most,
        "rest_s": REST_S,
        "late_s": LATE_S,
        "word": options.word,
        "mean": {
            word: {
                key: round(mean(each["words"][word]["test"][key] for each in trained), 4)
                for key in ("miss_rate", "false_an_hour")
            }
            for word in trained[0]["words"]
        },
        "seeds": trained,
    }
    results.write("keyword_stream", result, results.UNTIMED)
    show(result)


def of_seed(seed: int, recordings: dict[str, LabelledStream], options: argparse.Namespace) -> dict[str, Any]:
    """Every word by one trained model, and the curve of the word that is asked for."""
    program = opened(options.data, seed)
    words = [label for label in program.manifest.labels if label.isalnum()]
    curves = {word: spotted(program, recordings, word, options.most) for word in words}
    row = curves[options.word][0]
    row["test"] = as_on_a_device(program, recordings["test"], options.word, row)
    print(f"seed {seed}: {row['test']}", flush=True)
    return {
        "seed": seed,
        "words": {word: row for word, (row, _) in curves.items()},
        "curve": [{"threshold": each.threshold, **figures(each)} for each in curves[options.word][1]],
    }


def opened(data: Path, seed: int) -> Program:
    """The compiled model of the recipe; a finished training of the same recipe is taken from the cache."""
    recipe, folder = recipes.load(RECIPE, [f"training.seed={seed}"]), CACHE / f"{seed}"
    settings = folder / "recipe.toml"
    same = settings.exists() and settings.read_text() == recipes.to_toml(recipe)
    if not same or not (folder / "metrics.json").exists():
        run.train(recipe, data, folder, accelerator=Accelerator("cpu"), resume=same)
    export(edgernn.load(folder / "model.rnn"), folder / "model.so")
    return edgernn.open(folder / "model.so")


def recording(data: Path, part: str) -> LabelledStream:
    """The clips of a part of the recipe's own split, one after another."""
    options = recipes.load(RECIPE).options
    first, end = options["test_indices"]
    files = [each for each in labelled_files(data, (".wav",), options["pattern"]) if each.index is not None]
    taken = [each for each in files if (first <= int(each.index or 0) < end) == (part == "test")]
    sounds = [samples(each.path) for each in taken]
    return mix_clips([sound for sound, _ in sounds], [each.label for each in taken], sounds[0][1], SCENES[part])


def spotted(
    program: Program, recordings: dict[str, LabelledStream], word: str, most: float
) -> tuple[dict[str, Any], list[OperatingPoint]]:
    """The setting chosen on the training recording, what it comes to on both, and the test recording's curve."""
    stream, test = recordings["training"], recordings["test"]
    share = word_probability(program, stream, word)
    best = choose_point(
        (point for window in WINDOWS for point in operating_curve(share, stream, word, window, REST_S, LATE_S)), most
    )
    points = list(operating_curve(word_probability(program, test, word), test, word, best.window, REST_S, LATE_S))
    (same,) = [point for point in points if point.threshold == best.threshold]
    row = {"window": best.window, "threshold": best.threshold, "training": figures(best), "test": figures(same)}
    return row, points


def as_on_a_device(program: Program, stream: LabelledStream, word: str, row: dict[str, Any]) -> dict[str, Any]:
    """The figures of one word by a detector that steps through a recording, as a device does it."""
    keyword = Keyword(program.manifest.labels.index(word), row["window"], row["threshold"], round(REST_S * 100))
    outcome = count_detections(alarm_times(program, stream, keyword), stream, word, LATE_S)
    return figures(OperatingPoint(row["window"], row["threshold"], outcome))


def figures(point: OperatingPoint) -> dict[str, Any]:
    outcome = point.counts
    return {
        "spoken": outcome.spoken,
        "missed": outcome.missed,
        "false": outcome.false_alarms,
        "miss_rate": round(outcome.miss_rate, 4),
        "false_an_hour": round(outcome.false_alarms_per_hour, 2),
    }


def show(result: dict[str, Any]) -> None:
    hours = {part: scene["hours"] for part, scene in result["scenes"].items()}
    print(f"training clips {hours['training']:.2f} h, test clips {hours['test']:.2f} h, never reset; mean of the seeds")
    for word, row in result["mean"].items():
        print(f"{word:>4}  missed {100 * row['miss_rate']:5.1f} %  false an hour {row['false_an_hour']:6.2f}")
    for each in result["seeds"]:
        print(f"\nseed {each['seed']}, the curve of '{result['word']}' on the test clips")
        for point in each["curve"][::6]:
            rates = f"{100 * point['miss_rate']:5.1f} %  {point['false_an_hour']:8.2f} an hour"
            print(f"  {point['threshold']:.4f}  {rates}")


if __name__ == "__main__":
    main()
