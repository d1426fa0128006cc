"""The retry policy: how often, after how long, in what company."""

from __future__ import annotations

import pytest

from fitloom.retry import LONGEST_DELAY, RULES, backoff, decide, is_transient


@pytest.mark.parametrize("code", sorted(RULES))
def test_every_failure_is_given_up_in_the_end(code):
    assert not decide(code, failures=50, alone=RULES[code].attempts, refused=False).again


@pytest.mark.parametrize("code", sorted(RULES))
def test_a_batch_is_never_given_up_whole(code):
    decision = decide(code, failures=50, alone=0, refused=True)
    assert decision.again
    assert decision.split


def test_a_failure_that_lies_in_the_point_is_final():
    assert not decide("no_poi", failures=1, alone=1, refused=False).again


def test_what_a_worker_refuses_is_tried_once_more_elsewhere():
    assert decide("invalid_task", failures=1, alone=1, refused=True).again
    assert not decide("invalid_task", failures=2, alone=2, refused=True).again


def test_a_pool_that_died_is_nobodys_fault_the_first_time():
    first = decide("pool_down", failures=1, alone=0, refused=False)
    assert (first.again, first.split, first.isolate) == (True, False, False)
    second = decide("pool_down", failures=2, alone=0, refused=False)
    assert (second.again, second.split, second.isolate) == (True, True, True)


def test_delays_double_up_to_a_minute():
    assert [backoff(0.5, failures) for failures in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert backoff(0.5, 1000) == LONGEST_DELAY


@pytest.mark.parametrize(
    ("code", "transient"), [("task_lost", True), ("timeout", True), ("no_poi", False), ("too_large", False)]
)
def test_only_failures_of_the_machinery_are_tried_again_by_the_next_run(code, transient):
    assert is_transient(code) is transient
