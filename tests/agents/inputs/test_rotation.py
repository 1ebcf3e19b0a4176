"""Which files are one log that was rotated, and the order of its parts."""

import random

import pytest

from agents.inputs.rotation import streams


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["app.log"], [["app.log"]]),
        (["a.log", "a.log.1", "a.log.10.gz", "a.log.2.gz"],
         [["a.log.10.gz", "a.log.2.gz", "a.log.1", "a.log"]]),
        (["syslog", "syslog.1", "b", "syslog.2.zst"], [["syslog.2.zst", "syslog.1", "syslog"], ["b"]]),
        (["a.log.1", "b.log.1", "a.log"], [["a.log.1", "a.log"], ["b.log.1"]]),
        (["x/a.log.1", "y/a.log"], [["x/a.log.1"], ["y/a.log"]]),
        (["node.1", "node.2"], [["node.1"], ["node.2"]]),
        (["a-2026-01-01.log", "a-2026-01-02.log"], [["a-2026-01-01.log"], ["a-2026-01-02.log"]]),
        (["m.log-20260102", "m.log", "m.log-20260101.gz"],
         [["m.log-20260101.gz", "m.log-20260102", "m.log"]]),
        (["0.log.20260102-101010", "0.log", "0.log.20260101-235959.gz"],
         [["0.log.20260101-235959.gz", "0.log.20260102-101010", "0.log"]]),
        (["a.log", "a.log.gz"], [["a.log.gz", "a.log"]]),
        (["-", "a.log"], [["-"], ["a.log"]]),
    ],
)  # fmt: skip
def test_parts_of_a_log_are_one_stream_from_the_oldest_on(
    given: list[str], expected: list[list[str]]
) -> None:
    assert [[given[index] for index in part] for part in streams(given)] == expected
    shuffled = random.Random(1).sample(given, len(given))
    assert sorted([shuffled[index] for index in part] for part in streams(shuffled)) == sorted(expected)
