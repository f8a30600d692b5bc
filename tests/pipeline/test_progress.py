from __future__ import annotations

import io

import pytest

from pipeline import progress
from pipeline.progress import Progress, duration, human


class Clock:
    """Stands where ``time`` stands in the module."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (999.7, "1k"),
        (999_999, "1M"),
        (1000, "1k"),
        (41_234, "41.2k"),
        (1_900_000, "1.9M"),
        (2.35e9, "2.35G"),
        (1.05e13, "10.5T"),
        (3e15, "3P"),
        (0.25, "0.25"),
        (-1500, "-1.5k"),
    ],
)
def test_numbers_in_three_figures(number: float, text: str) -> None:
    assert human(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m00s"), (61, "1m01s"), (3599, "59m59s"), (3600, "1h00m"), (90_061, "25h01m")],
)
def test_durations_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_line_says_done_total_rate_and_time_left(clock: Clock) -> None:
    stream = io.StringIO()
    shown = Progress(stream)
    shown.start("filter")
    clock.now += 20
    shown.update(37, 128, 1_900_000)
    # 1.9M in 20 s; the 91 shards that are left take 91 / 37 * 20 s
    assert stream.getvalue() == "filter 37/128 shards  1.9M docs  95k docs/s  eta 49s\n"


def test_nothing_is_guessed_before_the_first_shard_and_after_the_last(clock: Clock) -> None:
    stream = io.StringIO()
    shown = Progress(stream)
    for done in (0, 128):
        shown.start("filter")
        clock.now += 20
        shown.update(done, 128)
    assert stream.getvalue() == "filter 0/128 shards\nfilter 128/128 shards\n"


def test_rates_are_of_one_step_alone(clock: Clock) -> None:
    stream = io.StringIO()
    shown = Progress(stream)
    shown.start("extract")
    clock.now += 1000
    shown.start("signals")
    clock.now += 10
    shown.update(1, 2, 100)
    assert stream.getvalue() == "signals 1/2 shards  100 docs  10 docs/s  eta 10s\n"


def test_what_an_earlier_run_did_says_nothing_of_the_rate(clock: Clock) -> None:
    stream = io.StringIO()
    shown = Progress(stream)
    for done in (90, 91):
        shown.start("signals")
        clock.now += 10
        shown.update(done, 100, before=90)
    assert stream.getvalue() == "signals 90/100 shards\nsignals 91/100 shards  eta 1m30s\n"


def test_plain_lines_come_every_ten_seconds_at_most(clock: Clock) -> None:
    stream = io.StringIO()
    shown = Progress(stream)
    shown.start("filter")
    for _ in range(350):  # 35 s
        clock.now += 0.1
        shown.update(1, 128)
    assert len(stream.getvalue().splitlines()) == 3
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_terminals_line_renews_itself_five_times_a_second(clock: Clock) -> None:
    stream = Terminal()
    shown = Progress(stream)
    shown.start("filter")
    for _ in range(64):  # 2 s
        clock.now += 1 / 32
        shown.update(1, 128)
    lines = stream.getvalue().split("\r\x1b[K")
    assert 8 <= len(lines) - 1 <= 10
    assert "\n" not in stream.getvalue()


@pytest.mark.parametrize(("stream", "expected"), [(io.StringIO(), "done\n"), (Terminal(), "\r\x1b[Kdone\n")])
def test_the_summary_is_always_shown(clock: Clock, stream: io.StringIO, expected: str) -> None:
    shown = Progress(stream)
    shown.start("filter")
    shown.finish("done")  # no time has passed
    assert stream.getvalue() == expected
