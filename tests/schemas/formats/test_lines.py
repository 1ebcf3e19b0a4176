"""Lines of any cloud log, read without options."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Row
from schemas.formats.lines import LineReader
from schemas.formats.patterns import entity_finder
from schemas.formats.text import TextFormat
from tests.schemas.formats.text_lines import CASES, NOON, at

REFERENCE = datetime(2024, 7, 1, tzinfo=UTC).timestamp()


def read(*lines: str, record_time: float | None = None, **options: Any) -> list[Row]:
    reader = TextFormat(**options)
    reader.lines.reference_time = REFERENCE
    rows: list[Row] = []
    for offset, line in enumerate(lines):
        reader.read(line.encode(), offset, record_time, rows)
    return rows


@pytest.mark.parametrize(
    ("line", "expected"), [(line, rest) for cases in CASES.values() for line, *rest in cases]
)
def test_every_family(line: str, expected: list[Any]) -> None:
    (row,) = read(line)
    assert row[0] == pytest.approx(expected[0], abs=1e-5, nan_ok=True)
    assert list(row[1:6]) == expected[1:]


def test_a_year_is_the_latest_in_which_the_line_is_not_after_its_record() -> None:
    lines = ("<34>Dec 31 23:59:59 h p: x", "Jan  1 00:00:01 h p: x", "E0101 00:00:01.000000 1 a.go:1] x")
    new_year = at("2025-01-01T00:00:00")
    at_new_year = [row[0] for row in read(*lines, record_time=new_year)]
    assert at_new_year == [new_year - 1, new_year + 1, new_year + 1]
    assert read(lines[1], record_time=new_year - 86_399)[0][0] == new_year + 1
    assert read(lines[1], record_time=new_year - 86_400)[0][0] == at("2024-01-01T00:00:01")
    assert read(lines[1], record_time=new_year + 40 * 86_400)[0][0] == new_year + 1
    assert read("Feb 29 10:00:00 h p: x", record_time=new_year)[0][0] == at("2024-02-29T10:00:00")


def test_without_a_record_time_the_year_is_that_of_the_reference() -> None:
    assert read("Jul  2 00:00:00 h p: x")[0][0] == REFERENCE + 86_400
    assert read("Jul  2 00:00:01 h p: x")[0][0] == at("2023-07-02T00:00:01")


def test_parts_of_a_container_line_are_one_event() -> None:
    lines = [
        "2017-10-12T13:32:21.0Z stdout P 2017-10-12 13:32:21 [ERROR] table",
        "2017-10-12T13:32:21.1Z stderr F other",
        "2017-10-12T13:32:21.2Z stdout P  cache",
        "2017-10-12T13:32:22.0Z stdout F  is gone",
    ]
    rows = read(*lines)
    assert [(row[1], row[4], row[6]) for row in rows] == [(0, "other", 1), (17, "table cache is gone", 3)]
    assert rows[1][0] == at("2017-10-12T13:32:22")


def test_parts_are_bounded_and_belong_to_their_owner() -> None:
    reader = LineReader()
    for owner in range(200):
        for _ in range(3):
            assert reader.read(f"{NOON}Z stdout P " + "x" * 40_000, owner=str(owner)) is None
    held = reader.parts.unfinished
    assert len(held) == 64
    assert max(map(len, held.values())) == 65_536
    last = reader.read(f"{NOON}Z stdout F y", owner="7")
    assert last is not None
    assert last[4] == "y"


def test_the_pattern_finds_the_entity_where_the_message_was_made_of_the_line() -> None:
    line = '127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a?order=o-17 HTTP/1.0" 200 1'
    assert read(line, find_entity=entity_finder(r"o-\d+"))[0][3] == "o-17"
    assert read("level=info msg=x trace_id=t7", find_entity=entity_finder(r"o-\d+"))[0][3] == ""


def test_the_operator_names_fields_of_logfmt() -> None:
    (row,) = read("level=info msg=paid order=17 team=pay app=x", entity_field="order", source_field="team")
    assert row[2:5] == ("pay", "17", "paid")


@pytest.mark.parametrize(
    ("message", "severity"),
    [
        ("panic: runtime error: index out of range [5]", 21),
        ("fatal error: all goroutines are asleep - deadlock!", 21),
        ("[1.000000] Kernel panic - not syncing: VFS", 21),
        ("app[812]: segfault at 0 ip 00007f rsp 00007ff error 4 in libc.so", 21),
        ("Memory cgroup out of memory: Killed process 7 (java)", 21),
        ("Out of memory: Kill process 9163 (mysqld) score 511", 21),
        ("java.lang.OutOfMemoryError: Java heap space", 21),
        ("Aborted (core dumped)", 21),
        ("Traceback (most recent call last):", 17),
        ("do not panic: it works", 0),
        ("no fatal error: fine", 0),
        ("x" * 5_000 + " core dumped", 0),
        ("INFO panic: drill", 9),
    ],
)
def test_crashes_are_severe_where_no_level_is_given(message: str, severity: int) -> None:
    assert read(message)[0][1] == severity


PIECES = st.sampled_from(
    [line for cases in CASES.values() for line, *_ in cases]
    + [
        "<13>",
        "[",
        "E0321 ",
        "Feb  1 01:01:01 h p: ",
        " stdout P ",
        '="',
        "\\",
        '"',
        "] ",
        ": ",
        "1 ",
        "\x00",
    ]
)
CUT = st.tuples(PIECES, st.integers(0, 120), st.integers(0, 120)).map(lambda t: t[0][t[1] : t[1] + t[2]])
HOSTILE = st.one_of(PIECES, st.lists(CUT | PIECES | st.text(max_size=8), max_size=6).map("".join))
FIXED = settings(derandomize=True, deadline=None, max_examples=300, database=None)


@FIXED
@given(st.lists(HOSTILE, max_size=12), st.lists(st.integers(0, 12), max_size=3))
def test_no_text_raises_and_what_was_read_before_changes_nothing(lines: list[str], cuts: list[int]) -> None:
    values = [line.encode("utf-8", "replace") for line in lines]

    def rows(used: TextFormat, values: list[bytes]) -> list[Row]:
        found: list[Row] = []
        for value in values:
            used.read(value, 0, REFERENCE, found)
        return found

    warm = TextFormat()
    rows(warm, [value for value in values if b"std" not in value])
    warm.source = "unknown"
    whole = rows(warm, values)
    assert all(0 <= row[1] <= 24 and row[2] and row[4] is not None and row[0] > 0 for row in whole)
    assert all(len(row[2]) <= 256 and len(row[3]) <= 256 and len(row[5] or {}) <= 16 for row in whole)
    used, found = TextFormat(), []
    for low, high in pairwise([0, *sorted(cuts), len(values)]):
        fresh = TextFormat()
        fresh.source, fresh.lines.parts.unfinished = used.source, dict(used.lines.parts.unfinished)
        used = fresh
        found += rows(used, values[low:high])
    assert found == whole


@pytest.mark.parametrize(
    "line",
    [
        "<13>" * 250_000,
        "Feb  1 01:01:01 h p: " * 50_000,
        f"{NOON}Z h p[1]: " * 50_000,
        "<1>1 - - - - - " + '[a b="' * 100_000,
        "<1>1 - - - - - [a" + ' b="c"' * 100_000,
        "a=" * 500_000,
        'level=info a="' + "\\" * 1_000_000,
        'level=info ' + 'a="' * 300_000,
        '1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "' + "\\" * 1_000_000,
        "[Wed Oct 11 14:32:52 2000] [error] " + "[client " * 100_000,
        "2013/02/05 00:35:57 [error] 6728#0: *1 x" + ", server: " * 100_000,
        f"{NOON}Z stdout F " * 50_000,
        "[" * 1_000_000,
        " " * 1_000_000 + "x",
    ],
    ids=lambda line: str(line[:20]),
)  # fmt: skip
def test_a_line_of_a_million_characters_is_read_in_no_time(line: str) -> None:
    assert len(read(*[line] * 20)) == 20
