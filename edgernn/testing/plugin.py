"""A pytest plugin: the fixture `edgernn_latency` measures a model, and a marker states its budget.

    @pytest.mark.latency_budget(period="10ms", deadline="8ms", percentile=99)
    def test_the_model_keeps_up(edgernn_latency):
        edgernn_latency("kws.so")

A test fails if the model exceeds the budget or the baseline. It is skipped, with the reason, if there is no verdict.
This module imports pytest alone, for suites that do not use it: everything else is imported when the fixture is called.
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edgernn.testing.gate import GateResult, Measure

MARKER = (
    "latency_budget(board, rate, period, deadline, percentile, confidence, steps, back_to_back, prime): "
    "the budget that edgernn_latency checks"
)
ROWS = pytest.StashKey[list[tuple[str, "GateResult"]]]()

_Latency = Callable[..., "GateResult"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("edgernn", "latency of models")
    group.addoption("--edgernn-baseline", metavar="DIR", help="compare models with the baselines in this folder")
    group.addoption("--edgernn-update-baseline", action="store_true", help="write the baselines")
    group.addoption("--edgernn-history", metavar="FILE", help="append a line for each model to this file")
    group.addoption("--edgernn-strict", action="store_true", help="fail instead of skipping if there is no verdict")
    group.addoption(
        "--edgernn-instructions",
        action="store_true",
        help="compare the instructions of the compiled Graph or .rnn with the baseline; nothing is timed",
    )
    group.addoption(
        "--edgernn-level",
        metavar="LEVEL",
        help="count instructions of this level of processors, such as aarch64, in an emulator; default: x86-64-v3",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and refuse options that lack another one."""
    config.addinivalue_line("markers", MARKER)
    config.stash[ROWS] = []
    for name in ("update-baseline", "instructions"):
        if config.getoption(f"--edgernn-{name}") and not config.getoption("--edgernn-baseline"):
            raise pytest.UsageError(f"--edgernn-{name} needs the folder of baselines: --edgernn-baseline DIR")
    if config.getoption("--edgernn-level") and not config.getoption("--edgernn-instructions"):
        raise pytest.UsageError("--edgernn-level is for counted instructions: --edgernn-instructions")
    if config.getoption("--edgernn-history"):
        from edgernn.errors import FileError
        from edgernn.latency import history

        try:
            history.check_appendable(config.getoption("--edgernn-history"))
        except FileError as error:
            raise pytest.UsageError(f"--edgernn-history: {error}") from error


@pytest.fixture
def edgernn_measure() -> "Measure":
    """The function that measures steps; a suite may override it, for example with another clock."""
    from edgernn.latency.measurement import measure

    return measure


@pytest.fixture
def edgernn_latency(request: pytest.FixtureRequest, edgernn_measure: "Measure") -> Iterator[_Latency]:
    """A function to call with a model: `edgernn_latency(model, frames=None) -> GateResult`.

    The model is a Graph, a Program, the path of an artifact, or any step. Each call in a test has its own baseline.
    """
    config, calls = request.config, 0

    def latency(model: Any, frames: Any = None) -> "GateResult":
        from edgernn.budget.binomial import FAIL, NO_VERDICT

        __tracebackhide__ = True  # a skip is then reported with the line of the test
        nonlocal calls
        calls += 1
        if _shared(config) and not config.getoption("--edgernn-instructions"):
            _no_verdict(config, "xdist runs tests in parallel, and they would disturb each other's times")
        result = _check(request, model, frames, edgernn_measure, calls)
        config.stash[ROWS].append((request.node.nodeid, result))
        _record_properties(request, result, f"-{calls}" if calls > 1 else "")
        if result.verdict == FAIL:
            pytest.fail(result.reason, pytrace=False)
        if result.verdict == NO_VERDICT:
            _no_verdict(config, result.reason)
        return result

    yield latency
    if not calls and request.node.get_closest_marker("latency_budget"):
        pytest.fail("the test has a latency_budget, but never called edgernn_latency", pytrace=False)


def _check(request: pytest.FixtureRequest, model: Any, frames: Any, measure: "Measure", calls: int) -> "GateResult":
    """Measure the model or count its instructions, and check the budget and the baseline."""
    from pathlib import Path

    from edgernn.errors import UsageError
    from edgernn.latency import history
    from edgernn.testing.gate import check_baseline, count_instructions, history_entry, measure_model, requirement

    marker, config = request.node.get_closest_marker("latency_budget"), request.config
    folder = config.getoption("--edgernn-baseline")
    if marker is not None and marker.args:
        raise UsageError(f"latency_budget{marker.args} has positional arguments; write deadline=..., percentile=...")
    required = requirement(marker.kwargs if marker is not None else {})
    if required.budget is None and not folder:
        raise UsageError("nothing to check: give the test a latency_budget, or pytest --edgernn-baseline DIR")
    counts = config.getoption("--edgernn-instructions")
    level = config.getoption("--edgernn-level")
    result = count_instructions(model, level) if counts else measure_model(model, frames, required, measure)
    call = f"-{calls}" if calls > 1 else ""
    if folder:
        path = Path(folder, f"{_file_name(request.node.nodeid)}{call}.json")
        result = check_baseline(result, path, update=config.getoption("--edgernn-update-baseline"))
    if config.getoption("--edgernn-history"):
        line = history_entry(result, f"{request.node.nodeid}{call}", required)
        history.append(config.getoption("--edgernn-history"), line)
    return result


def _record_properties(request: pytest.FixtureRequest, result: "GateResult", call: str) -> None:
    """Add the verdict and its figures to the properties of the test, which --junitxml writes."""
    properties = {"verdict": result.verdict, "reason": result.reason, **result.figures}
    request.node.user_properties += [(f"edgernn{call} {name}", value) for name, value in properties.items() if value]


def _file_name(test: str) -> str:
    """The name of a test as a file name, with a hash if a character other than a separator was replaced."""
    name = re.sub(r"[^\w.=-]+", "-", test).strip("-")
    return name if name == test.replace("/", "-").replace("::", "-") else f"{name}-{_hash(test)}"


def _hash(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode()).hexdigest()[:8]


def _shared(config: pytest.Config) -> bool:
    """Whether xdist distributes the tests."""
    return hasattr(config, "workerinput") or bool(getattr(config.option, "numprocesses", None))


def _no_verdict(config: pytest.Config, reason: str) -> None:
    __tracebackhide__ = True
    if config.getoption("--edgernn-strict"):
        pytest.fail(f"no verdict: {reason}", pytrace=False)
    pytest.skip(f"no verdict: {reason}")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print a line for each model."""
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    terminalreporter.section("latency of models")
    for test, result in rows:
        figures = ", ".join(f"{name} {value}" for name, value in result.figures.items())
        terminalreporter.write_line(f"{result.verdict:10} {test}: {figures or result.reason}")
