"""Measuring, on a clock that the test moves: no test waits or depends on the machine."""

import gc
from itertools import cycle

import numpy as np
import pytest

from edgernn.latency.steps import BLOCK, GIVE_UP_S, back_to_back, interleaved


class Clock:
    """Nanoseconds that pass only while a step runs."""

    def __init__(self, took_us):
        self.now, self.took_us, self.steps = 0, took_us, 0

    def __call__(self):
        return self.now

    def step(self):
        self.now += round(1000 * next(self.took_us))
        self.steps += 1


def test_percentiles_are_those_of_the_steps():
    clock = Clock(cycle(range(1, 101)))
    timing = back_to_back(clock.step, 1000, clock)
    assert (timing.steps, timing.p50_us, timing.p99_us, timing.worst_us) == (1000, 50.0, 99.0, 100.0)


@pytest.mark.parametrize("percent", [50, 99])
def test_percentiles_are_numpys(percent):
    took = np.random.default_rng(0).integers(1, 10**6, 501)
    clock = Clock(cycle([5.0] * 2 * BLOCK + list(took)))
    timing = back_to_back(clock.step, 501, clock)
    assert getattr(timing, f"p{percent}_us") == np.percentile(took, percent, method="inverted_cdf")


def test_the_warm_up_ends_when_two_medians_agree():
    slow_start = iter([100.0] * BLOCK + [50.0] * BLOCK + [20.0] * BLOCK + [20.0] * 10**6)
    clock = Clock(slow_start)
    timing = back_to_back(clock.step, 10, clock)
    assert (timing.warm_up_steps, timing.settled, timing.worst_us) == (4 * BLOCK, True, 20.0)


def test_a_warm_up_that_never_settles_is_given_up_and_reported():
    def growing():
        took = 1e4
        while True:
            yield from [took] * BLOCK
            took *= 1.1

    clock = Clock(growing())
    timing = back_to_back(clock.step, 10, clock)
    assert not timing.settled
    assert clock.now > GIVE_UP_S * 1e9


def test_the_collector_is_paused_inside_and_restored_after():
    inside = []
    clock = Clock(cycle([1.0]))

    def step():
        inside.append(gc.isenabled())
        clock.step()

    back_to_back(step, 5, clock)
    assert not any(inside)
    assert gc.isenabled()
    gc.disable()
    try:
        back_to_back(clock.step, 5, clock)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_a_program_froze_stays_frozen():
    held = [object()]  # a list is an object of the collector
    assert any(each is held for each in gc.get_objects())
    gc.freeze()
    assert not any(each is held for each in gc.get_objects())
    back_to_back(Clock(cycle([1.0])).step, 5, Clock(cycle([1.0])))
    assert not any(each is held for each in gc.get_objects())


def test_steps_are_interleaved_in_every_round():
    clock, order = Clock(cycle([0.0])), []

    def step(name, first_us, later_us):
        def call():
            if not order or order[-1] != name:
                order.append(name)
            clock.now += round(1000 * (first_us if len(order) <= 2 else later_us))

        return call

    took = interleaved({"slow": step("slow", 900, 30), "quick": step("quick", 900, 10)}, 4, 50, clock)
    assert order == ["slow", "quick"] * 4
    assert took == [{"slow": 30.0, "quick": 10.0}] * 3  # the first round is a warm-up
