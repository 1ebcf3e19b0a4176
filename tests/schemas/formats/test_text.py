"""Lines of text, with the header that the operator describes and with the usual ones."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.formats.text import LinePattern

HDFS = "<date> <time> <pid> <level> <logger>: <message>"
HDFS_LINE = (
    "081109 203530 147 INFO dfs.DataNode$DataXceiver: Receiving block blk_-439 src: /10.250.18.114:43996"
)
HDFS_TIME = datetime(2008, 11, 9, 20, 35, 30, tzinfo=UTC).timestamp()
NOON = datetime(2024, 5, 1, 12, 34, 56, tzinfo=UTC).timestamp()


def read(*lines: str, record_time: float | None = None, **options: Any) -> EventBatch:
    values = [line.encode() for line in lines]
    decoder = TopicDecoder(ReadOptions(format="text", **options))
    decoded = decoder.decode(values, range(len(values)), [record_time] * len(values))
    assert decoded.failures == []
    return decoded.events


def row(events: EventBatch, i: int = 0) -> tuple[float, int, str, str]:
    return events.time[i], events.severity[i], events.source[i], events.message[i]


def test_the_header_of_hdfs() -> None:
    events = read(HDFS_LINE, line=HDFS, entity_pattern=r"blk_-?\d+")
    message = "Receiving block blk_-439 src: /10.250.18.114:43996"
    assert row(events) == (HDFS_TIME, 9, "dfs.DataNode$DataXceiver", message)
    assert events.entity == ["blk_-439"]


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        (
            "<timestamp> <level> <message>",
            "2024-05-01T12:34:56Z WARN low disk",
            (NOON, 13, "unknown", "low disk"),
        ),
        (
            "<timestamp> <level> <message>",
            "2024-05-01 12:34:56,500 WARN low disk",
            (NOON + 0.5, 13, "unknown", "low disk"),
        ),
        (
            "[<timestamp>] [<level>] <service> - <message>",
            "[2024-05-01 12:34:56] [error] pay - no - way",
            (NOON, 17, "pay", "no - way"),
        ),
        (
            "<date> <time> <level> <logger> <message>",
            "2024-05-01 12:34:56 INFO  a.B   two  words",
            (NOON, 9, "a.B", "two  words"),
        ),
        (
            "<source>\t<timestamp> <pid> <level> <x> <message>",
            "nova/api\t2024-05-01 12:34:56.500 7 ERROR m.n hi",
            (NOON + 0.5, 17, "nova/api", "hi"),
        ),
        ("<time>|<severity>|<component>|<entity>|<message>", "1714566896|E|c|e|m|n", (NOON, 17, "c", "m|n")),
        ("<level>: <message>", "FATAL: x: y", (math.nan, 21, "unknown", "x: y")),
        ("<message>", "just this", (math.nan, 0, "unknown", "just this")),
    ],
)
def test_patterns(pattern: str, line: str, expected: tuple[float, int, str, str]) -> None:
    assert row(read(line, line=pattern)) == pytest.approx(expected, nan_ok=True)


def test_a_line_without_the_header_belongs_to_the_source_before() -> None:
    lines = ["Traceback (most recent call last):", HDFS_LINE, '  File "a.py", line 3, in f: oops', "x"]
    events = read(*lines, line=HDFS)
    assert events.source == ["unknown"] + ["dfs.DataNode$DataXceiver"] * 3
    assert events.message == [lines[0], "Receiving block blk_-439 src: /10.250.18.114:43996", *lines[2:]]
    assert [math.isnan(t) for t in events.time] == [True, False, True, True]
    assert read(*lines, line=HDFS, record_time=HDFS_TIME + 5).time[2] == HDFS_TIME + 5


def test_a_header_with_a_broken_time_is_used() -> None:
    line = HDFS_LINE.replace("081109 203530", "999999 999999")
    assert row(read(line, line=HDFS, record_time=NOON))[:3] == (NOON, 9, "dfs.DataNode$DataXceiver")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("<date> <time>", "no <message>"),
        ("", "no <message>"),
        ("<date><message>", "nothing between"),
        ("<a> <a> <message>", "twice"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_advice(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ReadOptions(line=pattern)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            HDFS_LINE,
            (HDFS_TIME, 9, "dfs.DataNode$DataXceiver", "Receiving block blk_-439 src: /10.250.18.114:43996"),
        ),
        (
            "2024-05-01 12:34:56.500 25746 INFO nova.osapi.wsgi [req-1 - -] ok",
            (NOON + 0.5, 9, "nova.osapi.wsgi", "[req-1 - -] ok"),
        ),
        ("nova/api\t2024-05-01 12:34:56 7 ERROR nova.x boom", (NOON, 17, "nova/api", "boom")),
        ("2024-05-01T12:34:56Z [warn] low disk", (NOON, 13, "unknown", "low disk")),
        ("[2024-05-01 12:34:56] ERROR: no route", (NOON, 17, "unknown", "no route")),
        ("2024-05-01 12:34:56,000 [main] DEBUG com.acme.Shop - sold", (NOON, 5, "com.acme.Shop", "sold")),
        ("2024-05-01T12:34:56Z no error here", (NOON, 0, "unknown", "no error here")),
        (
            "2024-05-01T12:34:56Z the final state was ERROR again",
            (NOON, 17, "unknown", "the final state was ERROR again"),
        ),
        ("ERROR disk full", (math.nan, 17, "unknown", "disk full")),
        ("hello", (math.nan, 0, "unknown", "hello")),
        ("2024-05-01T12:34:56Z", (NOON, 0, "unknown", "2024-05-01T12:34:56Z")),
        ("7 lines follow", (math.nan, 0, "unknown", "7 lines follow")),
    ],
)
def test_usual_headers_are_recognised(line: str, expected: tuple[float, int, str, str]) -> None:
    assert row(read(line)) == pytest.approx(expected, nan_ok=True)


def test_invalid_utf8_and_line_ends() -> None:
    decoded = TopicDecoder(ReadOptions(format="text")).decode([b"caf\xe9 \xff\xfe\r\n"], [0], [None])
    assert decoded.events.message == ["caf\ufffd \ufffd\ufffd"]


WORDS = st.sampled_from(
    ["2024-05-01", "12:34:56", "081109", "203530", "INFO", "[warn]", "a.b.C", "a.b.C:", "x", "7", "-", "|"]
)
LINES = st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=30)


@given(
    st.lists(LINES, max_size=8),
    st.sampled_from([None, HDFS, "<timestamp> <level> <message>", "<source> <message>"]),
)
def test_memory_changes_no_result(lines: list[str], pattern: str | None) -> None:
    values = [line.encode("utf-8", "replace") for line in lines]
    used = TopicDecoder(ReadOptions(format="text", line=pattern))
    used.decode(values, range(len(values)), [None] * len(values))
    fresh = TopicDecoder(used.options)
    fresh.resume(used.snapshot())
    after = [d.decode(values, range(len(values)), [NOON] * len(values)).events for d in (used, fresh)]
    assert after[0] == after[1]


def test_a_source_seen_once_is_no_logger_later() -> None:
    events = read("x 2024-05-01 12:34:56 INFO hi", "2024-05-01 12:34:56 INFO x hi")
    assert [row(events, 0), row(events, 1)] == [(NOON, 9, "x", "hi"), (NOON, 9, "unknown", "x hi")]


def test_a_split_is_linear() -> None:
    pattern = LinePattern.compile("<a>: <b>: <c>: <d>: <message>")
    assert pattern.split("x" * 5_000_000) is None
    assert pattern.split(": " * 1_000_000) is not None
