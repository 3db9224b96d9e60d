"""The result of a long run as text on one screen, and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from edgernn.verification.drift import CHANCE, MOST_ERROR, MOST_KIB, MOST_RANGE, ROUNDING
from edgernn.verification.soak import Soak

Rows = Sequence[tuple[str, ...]]

VALUES = ("", "error, first tenth", "last tenth", "times", "largest", "from", "to", "range, times")
TENTHS = ("tenth", "steps", "error of y", "largest", "memory, KiB", "descriptors", "resets", "saturated")
"""The heads of two tables: of the values, and of the tenths."""


def text(result: Soak) -> str:
    """The result on one screen."""
    lines = [
        f"{Path(result.options.artifact).name} on {result.backend}, {result.precision}: {progress_text(result)}",
        f"{result.verdict}: {allowed_text()}" if not result.reasons else f"{result.verdict}:",
        *(f"  {reason}" for reason in result.reasons),
        "",
        *_aligned(VALUES, value_rows(result)),
        "",
        *_aligned(TENTHS, tenth_rows(result)),
    ]
    return "\n".join(lines)


def progress_text(result: Soak) -> str:
    """How many steps there were, on which frames."""
    options = result.options
    of = "" if result.steps == options.steps else f" of {options.steps:,}"
    frames = f"the frames of '{options.frames}'" if options.frames else f"random frames, seed {options.seed}"
    return f"{result.steps:,}{of} steps on {frames}, beside numpy in float64"


def allowed_text() -> str:
    """What a stable run may do."""
    return (
        f"no error above {MOST_ERROR:g} times that of the first tenth but by chance, no range of a state above "
        f"{MOST_RANGE:g} times, and at most {MOST_KIB:,} KiB more memory"
    )


def value_rows(result: Soak) -> Rows:
    """A row for the output and for each state: its error as root mean squares, and its range."""
    return tuple(
        (
            name,
            _number(each.first.rms),
            _number(each.last.rms),
            "-" if not each.first.rms else f"{each.last.rms / each.first.rms:.3f}",
            _number(each.whole.largest),
            f"{each.whole.low:.4g}",
            f"{each.whole.high:.4g}",
            f"{each.range:.3f}",
        )
        for name, each in result.growths.items()
    )


def tenth_rows(result: Soak) -> Rows:
    """A row for each tenth of the run."""
    rows = []
    for k, tenth in enumerate(result.tenths, 1):
        y = next(iter(tenth.values.values()))
        counts = tenth.resident_kib, tenth.descriptors, tenth.health.resets, tenth.health.saturated
        rows.append((f"{k}", f"{tenth.steps:,}", _number(y.rms), _number(y.largest), *(f"{n:,}" for n in counts)))
    return tuple(rows)


def as_json(result: Soak) -> dict[str, Any]:
    """All figures; a number that is not finite is null."""
    tenths = [{**asdict(tenth), "values": {k: asdict(v) for k, v in tenth.values.items()}} for tenth in result.tenths]
    document = {
        "verdict": result.verdict,
        "reasons": list(result.reasons),
        **asdict(result.options),
        "steps_done": result.steps,
        "backend": result.backend,
        "sha256": result.sha256,
        "precision": result.precision,
        "allowed": {
            "error": MOST_ERROR,
            "standard_errors": CHANCE,
            "range": MOST_RANGE,
            "memory_kib": MOST_KIB,
            "rounding": ROUNDING,
        },
        "values": {name: asdict(each) for name, each in result.growths.items()},
        "tenths": tenths,
    }
    return {name: _finite(value) for name, value in document.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _number(value: float) -> str:
    return f"{value:.3g}"


def _aligned(head: tuple[str, ...], rows: Rows) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    signs = "<" + ">" * (len(head) - 1)
    lines = ("  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, signs, widths, strict=True)) for row in (head, *rows))
    return [line.rstrip() for line in lines]
