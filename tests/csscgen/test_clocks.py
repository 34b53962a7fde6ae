from __future__ import annotations

import pytest

from csscgen.clocks import Clock


class Hands:
    """A wall clock and a monotonic one that a test sets."""

    def __init__(self) -> None:
        self.wall, self.steady = 1e9, 100.0

    def go(self, seconds: float, jump: float = 0.0) -> None:
        self.steady += seconds
        self.wall += seconds + jump


@pytest.mark.parametrize("jump", [3600.0, -5.0, 0.2])
def test_a_clock_that_is_set_is_seen_to_jump_once(jump: float):
    hands = Hands()
    clock = Clock(lambda: hands.wall, lambda: hands.steady)
    for each in (0, 0, jump, 0, 0):
        hands.go(0.5, each)
        clock.read()
    assert [one["seconds"] for one in clock.record()] == [pytest.approx(jump, abs=1e-6)]


def test_what_a_time_service_corrects_bit_by_bit_is_no_jump():
    hands = Hands()
    clock = Clock(lambda: hands.wall, lambda: hands.steady)
    for _ in range(1000):
        hands.go(0.5, 0.0005)
        clock.read()
    assert clock.jumps == []


def test_a_look_during_which_the_thread_was_set_aside_says_nothing():
    hands = Hands()
    clock = Clock(lambda: hands.wall, lambda: hands.steady)
    clock.read()

    def slow() -> float:
        hands.go(0.3)
        return hands.wall

    Clock.read(held := Clock(slow, lambda: hands.steady))
    assert held.jumps == []
    clock.read()
    assert clock.jumps == []
