"""Timestamps against the standard library, and the promise that memory never changes a result."""

import calendar
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.timestamps import TimestampReader, believable, epoch_seconds

MOMENTS = st.datetimes(
    datetime(1990, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)
NOON = datetime(2024, 5, 1, 12, 34, 56, tzinfo=UTC).timestamp()


@given(st.lists(MOMENTS, min_size=1, max_size=20), st.sampled_from(["T", " "]))
def test_iso_8601_is_read_as_the_standard_library_reads_it(moments: list[datetime], separator: str) -> None:
    reader = TimestampReader()
    for moment in moments * 2:  # the second time from memory
        text = moment.isoformat(separator)
        assert reader.text(text) == pytest.approx(moment.timestamp(), abs=1e-6)
        assert reader.text(text.replace(".", ",")) == pytest.approx(moment.timestamp(), abs=1e-6)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-05-01T12:34:56Z", NOON),
        ("2024-05-01 12:34:56", NOON),
        ("2024-05-01 12:34:56,789", NOON + 0.789),
        ("2024-05-01T12:34:56.123456789Z", NOON + 0.123456789),
        ("2024-05-01T14:34:56+02:00", NOON),
        ("2024-05-01T07:34:56-0500", NOON),
        ("2024-05-01 12:34:56 UTC", NOON),
        ("2024/05/01 12:34:56", NOON),
        ("20240501T123456Z", NOON),
        ("20240501123456", NOON),
        ("240501 123456", NOON),
        ("24/05/01 12:34:56", NOON),
        ("01-May-2024 12:34:56,500", NOON + 0.5),
        ("01/May/2024:12:34:56 +0000", NOON),
        ("2024-05-01-12.34.56.500000", NOON + 0.5),
        ("2024-05-01", NOON - NOON % 86400),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()),
        ("081109 203530", datetime(2008, 11, 9, 20, 35, 30, tzinfo=UTC).timestamp()),
        ("991231 235959", datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()),
        ("1714566896", NOON),
        ("1714566896.5", NOON + 0.5),
        ("1714566896789", NOON + 0.789),
        ("1714566896789000", NOON + 0.789),
        ("1714566896789000000", NOON + 0.789),
    ],
)
def test_spellings(text: str, seconds: float) -> None:
    reader = TimestampReader()
    assert reader.text(text) == pytest.approx(seconds, abs=1e-6)
    assert reader.text(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-13-01T00:00:00Z",
        "2024-05-01T25:00:00",
        "2024-05-01T12:34:56 pm",
        "12345",
        "9" * 5000,
        "2024-05-01T12:34:56" + "0" * 5000,
        "٢٠٢٤-05-01T12:34:56",
        "01/Foo/2024:12:34:56",
        "NaN",
        "1e9",
    ],
)
def test_what_is_no_time_is_nan(text: str) -> None:
    assert math.isnan(TimestampReader().text(text))


SECONDS = st.integers(631_152_000, 4_000_000_000)


@given(
    st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=10), st.sampled_from(["%b %e %T", "%m%d %T"])
)
def test_a_time_without_a_year_is_the_latest_that_is_not_a_day_after(
    pairs: list[tuple[int, int]], form: str
) -> None:
    reader = TimestampReader()
    for seconds, reference in pairs * 2:  # the second time from memory
        moment = datetime.fromtimestamp(seconds, UTC)
        years = range(1980, 2110)
        leap = (moment.month, moment.day) == (2, 29)
        moments = [moment.replace(year=y).timestamp() for y in years if not leap or calendar.isleap(y)]
        expected = max(each for each in moments if each <= reference + 86_400)
        assert reader.yearless(moment.strftime(form), reference) == expected


@pytest.mark.parametrize(
    "text", ["", "Foo  9 06:07:04", "Jun 31 06:07:04", "0609 24:00:00", "Jun  9 06:07:04x"]
)
def test_what_is_no_time_without_a_year_is_nan(text: str) -> None:
    assert math.isnan(TimestampReader().yearless(text, NOON))
    assert math.isnan(TimestampReader().yearless("Jun  9 06:07:04", math.nan))


def test_a_remembered_year_ends_when_the_next_one_may_be_meant() -> None:
    reader = TimestampReader()
    first, second = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2023, 2024))
    for reference, expected in ((first, first), (second - 86_401, first), (second - 86_400, second)):
        assert reader.yearless("Jan  1 00:00:00", reference) == expected


def test_a_stamp_is_read_as_text_is() -> None:
    reader = TimestampReader()
    for _ in range(2):
        assert reader.stamp("01/May/2024:14:34:56 +0200") == NOON
        assert math.isnan(reader.stamp("01/May/2024:14:34:56 +020"))


@pytest.mark.parametrize("value", [None, True, [], {}, math.nan, math.inf, 10**400])
def test_values_of_other_types_are_nan(value: object) -> None:
    assert math.isnan(TimestampReader().read(value))


@given(st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]), st.integers(700_000_000, 4_000_000_000))
def test_the_unit_of_an_epoch_is_told_by_its_size(unit: int, seconds: int) -> None:
    assert epoch_seconds(seconds * unit) == seconds
    assert TimestampReader().text(str(seconds * unit)) == seconds


PIECES = st.sampled_from(
    ["2024-05-01T12:34:56", "2024-05-01 12:34", "081109 203530", "20240501123456", "1714566896"]
)
TAILS = st.sampled_from(
    ["", "Z", " ", "  ", "]", ".5", ",25Z", "+02:00", ".5+0200", "x", "0", "56", " UTC", "Z "]
)


@given(st.lists(st.tuples(PIECES, TAILS).map("".join) | st.text(max_size=30), max_size=30))
def test_memory_changes_no_result(texts: list[str]) -> None:
    used = TimestampReader()
    for text in texts + texts[::-1]:
        fresh = TimestampReader().text(text)
        assert used.text(text) == fresh or math.isnan(fresh)
        if math.isnan(fresh):
            assert math.isnan(used.text(text))


def test_a_time_is_believed_only_near_its_record() -> None:
    assert believable(NOON, None) == NOON
    assert believable(NOON, NOON - 86_400) == NOON
    assert believable(NOON, NOON - 86_401) == NOON - 86_401
    assert believable(0.0, NOON) == NOON
    assert believable(math.nan, NOON) == NOON
    assert believable(math.inf, NOON) == NOON
    assert math.isnan(believable(1.0, None))
