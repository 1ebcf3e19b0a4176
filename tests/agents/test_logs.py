from __future__ import annotations

import logging

from agents.logs import REPEAT_SECONDS, Repeats


def record(text: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("aiokafka", logging.ERROR, "", 0, text, args, None)


def test_a_repeated_message_is_shown_once_per_period_with_the_number_left_out() -> None:
    now = 100.0
    repeats = Repeats(clock=lambda: now)
    assert repeats.filter(record("cannot reach %s", "a"))
    assert not repeats.filter(record("cannot reach %s", "b"))
    assert not repeats.filter(record("cannot reach %s", "a"))
    assert repeats.filter(record("another"))
    now += REPEAT_SECONDS
    later = record("cannot reach %s", "a")
    assert repeats.filter(later)
    assert later.getMessage() == "cannot reach a (and 2 more like this)"


def test_memory_is_bounded() -> None:
    repeats = Repeats()
    for number in range(5000):
        repeats.filter(record(f"message {number}"))
    assert len(repeats._seen) <= 1001
