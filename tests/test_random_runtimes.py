"""Random modules of what people write in PyTorch: as a file of each target, on its runtime, each is the module."""

import tempfile
from pathlib import Path

from hypothesis import given, settings

from random_modules import check_runtimes, programs


@settings(max_examples=12, deadline=None)
@given(program=programs())
def test_a_random_module_runs_on_every_runtime(program):
    with tempfile.TemporaryDirectory() as folder:
        check_runtimes(program, Path(folder))
