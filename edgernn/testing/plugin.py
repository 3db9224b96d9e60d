"""A plugin for pytest: `edgernn_latency` measures a model, and a marker says what it must keep.

    @pytest.mark.latency_budget(period="10ms", deadline="8ms", percentile=99)
    def test_the_model_keeps_up(edgernn_latency):
        edgernn_latency("kws.so")

A miss of the budget or of the baseline fails the test. Without a verdict it is skipped, with the reason. What other
tests need of this module is pytest alone: all else is imported when the fixture is called.
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edgernn.testing.gate import Measure, Outcome

MARKER = (
    "latency_budget(device, use, period, deadline, percentile, confidence, steps, back_to_back): "
    "what edgernn_latency holds a model against"
)
ROWS = pytest.StashKey[list[tuple[str, "Outcome"]]]()

_Latency = Callable[..., "Outcome"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("edgernn", "latency of models")
    group.addoption("--edgernn-baseline", metavar="DIR", help="hold models against the baselines in this folder")
    group.addoption("--edgernn-update-baseline", action="store_true", help="write the baselines anew")
    group.addoption("--edgernn-history", metavar="FILE", help="put a line for each model behind this file")
    group.addoption("--edgernn-strict", action="store_true", help="fail, and do not skip, where there is no verdict")
    group.addoption(
        "--edgernn-instructions",
        action="store_true",
        help="count instructions of a Graph or .rnn, compiled, against the baseline; no clock is asked, and no budget",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and refuse options that do not go together."""
    config.addinivalue_line("markers", MARKER)
    config.stash[ROWS] = []
    for name in ("update-baseline", "instructions"):
        if config.getoption(f"--edgernn-{name}") and not config.getoption("--edgernn-baseline"):
            raise pytest.UsageError(f"--edgernn-{name} needs the folder of the baselines: --edgernn-baseline DIR")
    if config.getoption("--edgernn-history"):
        from edgernn.errors import FileError
        from edgernn.latency import history

        try:
            history.ready(config.getoption("--edgernn-history"))
        except FileError as error:
            raise pytest.UsageError(f"--edgernn-history: {error}") from error


@pytest.fixture
def edgernn_measure() -> "Measure":
    """How steps are measured; a suite may put another clock in its place."""
    from edgernn.latency.measurement import measure

    return measure


@pytest.fixture
def edgernn_latency(request: pytest.FixtureRequest, edgernn_measure: "Measure") -> Iterator[_Latency]:
    """Call it with a model: `edgernn_latency(model, frames=None) -> Outcome`.

    The model is a Graph, a Program, the path of an artifact, or any step. Called several times in a test, each has its
    own baseline.
    """
    config, calls = request.config, 0

    def latency(model: Any, frames: Any = None) -> "Outcome":
        from edgernn.budget.binomial import FAIL, NO_VERDICT

        __tracebackhide__ = True  # so that a skip is told with the line of the test
        nonlocal calls
        calls += 1
        if _shared(config) and not config.getoption("--edgernn-instructions"):
            _undecided(config, "xdist runs tests side by side, and neither would be measured alone")
        outcome = _held(request, model, frames, edgernn_measure, calls)
        config.stash[ROWS].append((request.node.nodeid, outcome))
        _recorded(request, outcome, f"-{calls}" if calls > 1 else "")
        if outcome.verdict == FAIL:
            pytest.fail(outcome.why, pytrace=False)
        if outcome.verdict == NO_VERDICT:
            _undecided(config, outcome.why)
        return outcome

    yield latency
    if not calls and request.node.get_closest_marker("latency_budget"):
        pytest.fail("the test has a latency_budget, but never called edgernn_latency", pytrace=False)


def _held(request: pytest.FixtureRequest, model: Any, frames: Any, measure: "Measure", calls: int) -> "Outcome":
    """Measure or count, and compare."""
    from pathlib import Path

    from edgernn.errors import UsageError
    from edgernn.latency import history
    from edgernn.testing.gate import asked, compared, counted, entry, measured

    marker, config = request.node.get_closest_marker("latency_budget"), request.config
    folder = config.getoption("--edgernn-baseline")
    if marker is not None and marker.args:
        raise UsageError(f"latency_budget{marker.args} has options without names; write deadline=..., percentile=...")
    wanted = asked(marker.kwargs if marker is not None else {})
    if wanted.budget is None and not folder:
        raise UsageError("nothing is asked: give the test a latency_budget, or pytest --edgernn-baseline DIR")
    counts = config.getoption("--edgernn-instructions")
    outcome = counted(model) if counts else measured(model, frames, wanted, measure)
    call = f"-{calls}" if calls > 1 else ""
    if folder:
        path = Path(folder, f"{_file_name(request.node.nodeid)}{call}.json")
        outcome = compared(outcome, path, update=config.getoption("--edgernn-update-baseline"))
    if config.getoption("--edgernn-history"):
        line = entry(outcome, f"{request.node.nodeid}{call}", wanted)
        history.append(config.getoption("--edgernn-history"), line)
    return outcome


def _recorded(request: pytest.FixtureRequest, outcome: "Outcome", call: str) -> None:
    """Put the verdict and its figures among the properties of the test, which --junitxml writes."""
    said = {"verdict": outcome.verdict, "why": outcome.why, **outcome.figures}
    request.node.user_properties += [(f"edgernn{call} {name}", value) for name, value in said.items() if value]


def _file_name(test: str) -> str:
    """A test's name as that of a file; with a number of its own where a letter had to go."""
    made = re.sub(r"[^\w.=-]+", "-", test).strip("-")
    return made if made == test.replace("/", "-").replace("::", "-") else f"{made}-{_hash(test)}"


def _hash(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode()).hexdigest()[:8]


def _shared(config: pytest.Config) -> bool:
    """Whether xdist distributes the tests."""
    return hasattr(config, "workerinput") or bool(getattr(config.option, "numprocesses", None))


def _undecided(config: pytest.Config, why: str) -> None:
    __tracebackhide__ = True
    if config.getoption("--edgernn-strict"):
        pytest.fail(f"no verdict: {why}", pytrace=False)
    pytest.skip(f"no verdict: {why}")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print a line for each model."""
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    terminalreporter.section("latency of models")
    for test, outcome in rows:
        figures = ", ".join(f"{name} {value}" for name, value in outcome.figures.items())
        terminalreporter.write_line(f"{outcome.verdict:10} {test}: {figures or outcome.why}")
