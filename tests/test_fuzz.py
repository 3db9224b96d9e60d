"""Files of every kind, damaged with their structure in mind: read, or refused with an EdgernnError; see fuzz.py."""

import pytest
from hypothesis import given, settings, strategies as st

import fuzz


@pytest.mark.parametrize("kind", fuzz.TARGETS)
def test_a_damaged_file_is_read_or_refused_with_an_error_of_ours(kind):
    refused = []

    @settings(max_examples=200, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def some(seed):
        refused.append(fuzz.once(kind, seed))

    some()
    assert True in refused
    assert False in refused  # nothing is changed so much that no file is read
