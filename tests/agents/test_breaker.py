"""When most of a topic cannot be used, it is said once, and once when it can be used again."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.breaker import Breaker
from tests.troubleshooting import says


class Told:
    """A breaker, and what it told of its topics."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, bool]] = []
        self.breaker = Breaker(lambda topic, is_open: self.changes.append((topic, is_open)))

    def count(self, records: int, dead: int, topic: str = "logs") -> bool:
        self.breaker.count(topic, records, dead, "not JSON: x" if dead else "", f"{topic}.dlq")
        return next(is_open for name, is_open in reversed(self.changes) if name == topic)


def test_more_than_half_of_a_thousand() -> None:
    assert not Told().count(999, 999)
    assert not Told().count(1_000, 500)
    assert Told().count(1_000, 501)


def test_topics_are_apart() -> None:
    told = Told()
    assert told.count(1_000, 1_000, "a")
    assert not told.count(1_000, 0, "b")
    assert told.changes == [("a", False), ("a", True), ("b", False)]


def test_it_is_said_once_and_again_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    with caplog.at_level(logging.WARNING, "qualm.breaker"):
        for _ in range(30):
            told.count(500, 400)
        says(
            caplog.text,
            "Most of topic … cannot be used: … of the latest … records, such as: …. They go to …",
        )
        assert len(caplog.records) == 1
        assert told.count(3_000, 0), "less than half of the latest 10,000, and more than a quarter"
        assert len(caplog.records) == 1
        assert not told.count(4_000, 0)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert told.changes == [("logs", False), ("logs", True), ("logs", False)]


@given(st.lists(st.tuples(st.integers(1, 6_000), st.floats(0, 1)), max_size=30))
def test_what_counts_are_the_latest_batches_of_ten_thousand_records(batches: list[tuple[int, float]]) -> None:
    """Against a second definition: the fewest latest batches that have 10,000 records, or all."""
    told = Told()
    is_open = False
    for index in range(len(batches)):
        counted = [(records, int(records * share)) for records, share in batches[: index + 1]]
        latest: list[tuple[int, int]] = []
        while len(latest) < len(counted) and sum(records for records, _ in latest) < 10_000:
            latest.append(counted[-1 - len(latest)])
        records, dead = sum(n for n, _ in latest), sum(n for _, n in latest)
        if dead > records / 2 and records >= 1_000:
            is_open = True
        elif dead < records / 4:
            is_open = False
        assert told.count(*counted[-1]) == is_open
