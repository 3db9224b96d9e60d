"""Random modules of what people write in PyTorch: the graph in float64 is the module."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from random_blocks import BLOCKS
from random_modules import check_exact, programs


@settings(max_examples=20, deadline=None)
@given(program=programs())
def test_a_random_module_is_converted_exactly(program):
    check_exact(program)


@pytest.mark.parametrize("kind", BLOCKS)
@settings(max_examples=1, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_each_kind_of_block_is_converted_exactly(kind, data):
    check_exact(data.draw(programs(kind)))
