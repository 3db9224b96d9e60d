"""What several tests share: where the real data are, when they are there."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # networks this small are not trained faster by a second thread

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def data():
    """The folder of real data beside the checkout; a test that needs it is skipped elsewhere."""
    if not DATA.is_dir():
        pytest.skip(
            f"the real data are not here: there is no folder {DATA.parent.name}/{DATA.name} beside the checkout"
        )
    return DATA
