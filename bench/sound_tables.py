"""The section of docs/results.md about sound: what the recipes that denoise reach."""

from statistics import mean
from typing import Any

from tables import read, table

TITLES = {"denoise": "two GRU-64", "denoise-conv": "two convolutions and GRU-64"}
FORMS = {"fp32": "fp32", "dynamic_wi8_afp32": "dynamic int8", "static_wi8_ai8": "static int8"}


def denoising() -> list[str]:
    """Gains, intelligibility and steps of the denoisers."""
    results = read("denoise")
    machine = results["machine"]
    known = {name: results[name] for name in TITLES if name in results}
    seeds = {name: len(each["rows"]) for name, each in known.items()}
    ratios, noises = (list(next(iter(known.values()))["rows"][0][key]) for key in ("gain_db", "by_noise_db"))
    steps = [_step(name, form, each["rows"]) for name, each in known.items() for form in each["rows"][0]["step_us"]]
    return [
        "## Speech without noise",
        "",
        (
            "Gain in SI-SDR over the noisy sound, in decibels, by the compiled step on speakers and noises that the "
            "training never heard (babble: of speakers never heard), mean of "
            f"{_listed([_seeds(count, name) for name, count in seeds.items()])}. The columns are the ratio of "
            "speech to noise."
        ),
        "",
        *table(["recipe", *(f"{each} dB" for each in ratios)], [_gains(name, known, "gain_db") for name in known]),
        "The same at 5 dB for each noise, and the mean for the noises of the training on those speakers:",
        "",
        *table(
            ["recipe", *noises, "noises heard"],
            [
                [*_gains(name, known, "by_noise_db"), f"{mean(row['heard_noises_db'] for row in each['rows']):.2f}"]
                for name, each in known.items()
            ],
        ),
        (
            "STOI at 5 dB, frames in which the voice is right, and the step when frames come every 16 ms: its median "
            "time from Python in microseconds, and how often it fits into that time. The loss does not ask for "
            "intelligibility: where STOI is lower after than before, the model takes away quiet speech too. "
            f"{machine['cpu']} ({machine['level']})."
        ),
        "",
        *table(
            [
                "",
                "gain at 5 dB",
                "STOI before",
                "after",
                "frames of voice right",
                "weights",
                "`.so` KiB",
                "step",
                "fits",
            ],
            steps,
        ),
        (
            "`.onnx`, `.tflite` and `.so` differ from numpy in float32 by at most "
            f"{max(max(row['difference'].values()) for each in known.values() for row in each['rows']):.1e} of full "
            "scale."
        ),
        "",
    ]


def _gains(name: str, known: dict[str, Any], key: str) -> list[str]:
    rows = known[name]["rows"]
    return [f"`{name}`, {TITLES[name]}", *(f"{mean(row[key][each] for row in rows):.2f}" for each in rows[0][key])]


def _step(name: str, form: str, rows: list[dict[str, Any]]) -> list[str]:
    gains = [row["gain_db"]["5"] if form == "fp32" else row["integers_db"][form] for row in rows]
    stoi = {when: mean(row["stoi"]["5"][when] for row in rows) for when in ("noisy", "denoised")}
    median = mean(row["step_us"][form]["p50"] for row in rows)
    exact = form == "fp32"
    return [
        f"`{name}`, {FORMS[form]}",
        f"{mean(gains):.2f}",
        *(f"{stoi[when]:.3f}" if exact else "" for when in ("noisy", "denoised")),
        f"{mean(row['voice'] for row in rows):.1%}" if exact else "",
        f"{rows[0]['parameters']:,}" if exact else "",
        f"{mean(row['bytes'][form] for row in rows) / 1024:,.0f}",
        f"{median:.0f}",
        f"{rows[0]['step_us'][form]['period'] / median:.0f} times",
    ]


def _seeds(count: int, name: str) -> str:
    return f"{count} seed{'s' * (count > 1)} of `{name}`"


def _listed(texts: list[str]) -> str:
    return " and ".join(texts)
