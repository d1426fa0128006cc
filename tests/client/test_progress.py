"""Progress: a line on a terminal, nothing elsewhere."""

from __future__ import annotations

import io

import pytest

from fitloom.progress import ProgressLine, Rate


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_rate_is_taken_over_the_last_half_minute():
    rate = Rate(0.0)
    rate.add(10.0, 10)
    assert rate.per_second == 1.0
    for now in range(11, 60):
        rate.add(float(now), 10 + 4 * (now - 10))
    assert rate.per_second == pytest.approx(4.0)
    assert rate.seconds_left(40) == pytest.approx(10.0)


def test_nothing_is_promised_while_nothing_is_known():
    assert Rate(0.0).per_second == 0.0
    assert Rate(0.0).seconds_left(10) is None


def test_a_terminal_shows_done_failed_rate_and_time_left():
    stream = Terminal()
    with ProgressLine(100, 10, stream=stream) as line:
        line.advance(failed=False)
        line.advance(failed=True)
        assert "1 failed" in line.note
        assert "points/s" in line.note
        assert "left" in line.note
    assert "12/100" in stream.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_elsewhere_or_when_quiet_nothing_is_written(stream):
    with ProgressLine(100, 0, stream=stream, quiet=True) as line:
        line.advance(failed=True)
    assert stream.getvalue() == ""
