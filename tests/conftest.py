"""What all tests share: the same random numbers in whatever order they run, and where the real data are."""

import os
import sys
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings

import zoo

os.environ.setdefault("OMP_NUM_THREADS", "1")  # networks this small are not trained faster by a second thread
os.environ.setdefault("HOME", os.path.expanduser("~"))  # where zig keeps what it made

# A test that draws is judged by what it found, never by how long a busy machine took. It draws the same each time, so
# that a change is refused for what it changes; `pytest --hypothesis-profile=other` draws anew, to look for more.
settings.register_profile("other", deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
settings.register_profile("same", settings.get_profile("other"), derandomize=True)
settings.load_profile("same")

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def data():
    """The folder of real data beside the checkout; a test that needs it is skipped elsewhere."""
    if not DATA.is_dir():
        pytest.skip(
            f"the real data are not here: there is no folder {DATA.parent.name}/{DATA.name} beside the checkout"
        )
    return DATA


@pytest.hookimpl(tryfirst=True)
def pytest_collectstart(collector):
    if isinstance(collector, pytest.Module):
        _seed(collector.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    _seed(f"{request.node.nodeid} {fixturedef.argname}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    _seed(item.nodeid)


def _seed(name):
    """Begin the random numbers that tests share anew: whatever was drawn before, the same name draws the same."""
    seed = crc32(name.encode())
    zoo.begin(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
