"""The law of `prime`: it changes nothing, bit for bit."""

import numpy as np

from edgernn.runtime.parts import flat_answer


def memory(stream):
    """The bytes of a stream's frame, answer and states, as its backend holds them."""
    arrays = (stream._x, stream._y, *stream._bound.get_states())
    return [array.tobytes() for array in arrays]


def check_prime(program, xs, **options):
    """Prime a stream before and after each step, and compare it with one that is never primed."""
    plain, stream = program.stream(**options), program.stream(**options)
    for x in xs:
        before = memory(stream)
        stream.prime()
        stream.prime()
        assert memory(stream) == before
        np.testing.assert_array_equal(flat_answer(stream.step(x)), flat_answer(plain.step(x)))
    assert memory(stream) == memory(plain)
