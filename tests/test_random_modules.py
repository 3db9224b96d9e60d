"""Random modules of what people write in PyTorch: the graph in float64 is the module."""

from hypothesis import given, settings

from random_modules import check_exact, programs


@settings(max_examples=40, deadline=None)
@given(program=programs())
def test_a_random_module_is_converted_exactly(program):
    check_exact(program)
