"""Shared by all tests: which run, in which order, with which random numbers, and where the real data is."""

import gc
import os
import pickle
import shutil
import sys
import tomllib
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings

import zoo
from edgernn.device.runtimes import NATIVE
from edgernn_export.targets.c import compiler, footprint
from edgernn_export.targets.c.target import render
from edgernn_export.targets.destination import Destination
from precompiled import Headers

os.environ.setdefault("OMP_NUM_THREADS", "1")  # networks this small are not trained faster by a second thread
os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("HOME", os.path.expanduser("~"))  # where zig has its cache

# A property test fails for a counterexample, never for the time that a busy machine took. It draws the same examples in
# every run, so that only a change of the code makes it fail; `pytest --hypothesis-profile=other` draws new ones.
settings.register_profile("other", deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
settings.register_profile("same", settings.get_profile("other"), derandomize=True)
settings.load_profile("same")

MODULES = tomllib.loads(Path(__file__).with_name("modules.toml").read_text())

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def data():
    """The folder of real data beside the checkout; without it, a test that needs it is skipped."""
    if not DATA.is_dir():
        pytest.skip(f"the real data is missing: there is no folder {DATA.parent.name}/{DATA.name} beside the checkout")
    return DATA


_compiled, _linked = compiler._compiled, footprint.linked


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Equal sources with equal options are compiled once in a run, by whichever process is first."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    folder.mkdir(exist_ok=True)
    headers = Headers(tmp_path_factory.mktemp("headers"))

    def once(key, make):
        path = folder / sha256(repr(key).encode()).hexdigest()
        if not path.exists():
            partial = path.with_suffix(f".{os.getpid()}")
            partial.write_bytes(make())
            partial.replace(path)
        return path.read_bytes()

    def compiled(sources, how, kind):
        return once((sorted(sources.items()), how, kind), lambda: _compiled(sources, headers.before(how, kind), kind))

    def linked(graph, isa):
        sources = render(graph, "model", Destination(NATIVE))
        return pickle.loads(once((sorted(sources.items()), isa), lambda: pickle.dumps(_linked(graph, isa))))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "_compiled", compiled)
        patch.setattr(footprint, "linked", linked)
        yield
    shutil.rmtree(headers.folder)  # tens of megabytes


@pytest.fixture
def real_compiler(monkeypatch):
    """For a test of the compiler: every call compiles."""
    monkeypatch.setattr(compiler, "_compiled", _compiled)
    monkeypatch.setattr(footprint, "linked", _linked)


def pytest_addoption(parser):
    parser.addoption("--fast", action="store_true", help="collect only the quick modules of modules.toml")


def pytest_ignore_collect(collection_path, config):
    module, _, name = collection_path.stem.partition("_")
    return (config.getoption("fast") and module == "test" and name not in MODULES["quick"]) or None


def pytest_collection_modifyitems(items):
    order = {f"test_{name}": i for i, name in enumerate(MODULES["longest"])}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Freeze what collecting left: a million objects, through which no collection of garbage in a test has to go."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


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
    """Seed the random numbers that tests share: the same name draws the same numbers, whatever was drawn before."""
    seed = crc32(name.encode())
    zoo.begin(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
