"""Timestamps of log events in the usual spellings, to Unix seconds, without a date parser's cost per line."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

__all__ = ["EARLIEST", "FUTURE_TOLERANCE", "LATEST", "TimestampReader", "believable", "epoch_seconds"]

EARLIEST = 631_152_000.0
"""1990-01-01: anything earlier is a clock that was never set, or not a time at all."""
LATEST = 253_402_300_799.0
"""The end of year 9999, the last that RFC 3339 can write."""
FUTURE_TOLERANCE = 86_400.0
"""How far, in seconds, an event may lie after its own record before its clock is not believed."""

_CACHE_LIMIT = 8_192
_LONGEST = 48
_MONTHS = {"janfebmaraprmayjunjulaugsepoctnovdec"[3 * i : 3 * i + 3]: i + 1 for i in range(12)}

# 2024-05-01T12:34:56, 2024/05/01 12:34:56, 2005-06-03-15.42.50; then fraction and zone are the tail.
_ISO = re.compile(r"(\d{4})[-/.](\d\d)[-/.](\d\d)[T t_-](\d\d)[:.](\d\d)(?:[:.](\d\d))?", re.ASCII)
_DATE = re.compile(r"(\d{4})[-/.](\d\d)[-/.](\d\d)", re.ASCII)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)[T -]?(\d\d)(\d\d)(\d\d)", re.ASCII)
_SHORT = re.compile(
    r"(\d\d)(\d\d)(\d\d) (\d\d):?(\d\d):?(\d\d)", re.ASCII
)  # yymmdd hhmmss, as Hadoop writes it
_CLF = re.compile(r"(\d\d)/([A-Za-z]{3})/(\d{4})[: ](\d\d):(\d\d):(\d\d)", re.ASCII)
_TAIL = re.compile(r"(?:[.,](\d{1,9})\d{0,9})? ?(?:Z|z|UTC|GMT|([+-])(\d\d):?(\d\d)?)?\Z", re.ASCII)
# Seconds, milli-, micro- or nanoseconds; 14 digits are a date and time, not milliseconds of year 2603.
_NUMBER = re.compile(r"(?:\d{9,13}|\d{15,20})(?:\.\d{1,9})?\Z", re.ASCII)


def epoch_seconds(value: float) -> float:
    """Unix seconds of a number that counts s, ms, us or ns since 1970, told apart by its size.

    Returns NaN for a number that is not finite. A number of 1e11 or more cannot be seconds before year 5138.
    """
    size = abs(value)
    if size < 1e11:
        return float(value)
    if size < 1e14:
        return value / 1_000
    if size < 1e17:
        return value / 1_000_000
    if size < 1e20:
        return value / 1_000_000_000
    return math.nan


def believable(time: float, record_time: float | None) -> float:
    """The event time where it is plausible, else the time of its record, else NaN.

    Implausible is: not finite, before 1990, after year 9999, or more than a day after the record.
    """
    limit = LATEST if record_time is None else record_time + FUTURE_TOLERANCE
    if EARLIEST <= time <= limit:
        return time
    return math.nan if record_time is None else record_time


class TimestampReader:
    """Reads timestamps; remembers the seconds it has seen, since neighbouring events share theirs.

    Its memory is bounded and never changes a result.
    """

    __slots__ = ("_seconds", "_tails")

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._tails: dict[str, float] = {"": 0.0, "Z": 0.0}

    def read(self, value: object) -> float:
        """Unix seconds of a JSON value, string or number; NaN where it is not a time. Never raises."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return math.nan
        return epoch_seconds(value)

    def text(self, value: str) -> float:
        """Unix seconds of a timestamp in text; NaN where it is not one. Never raises.

        ISO 8601 with space or T, dot or comma before the fraction, Z, an offset or none (then UTC), also in
        basic form; ``yymmdd hhmmss``; the common log format; and digits counting s, ms, us or ns since 1970.
        """
        base = self._seconds.get(value[:19])
        if base is not None:
            tail = value[19:]
            shift = self._tails.get(tail)
            if shift is not None:
                return base + shift
            return base + self._tail(tail)
        return self._first(value)

    def _first(self, value: str) -> float:
        if len(value) > _LONGEST:
            return math.nan
        if _NUMBER.match(value):
            return epoch_seconds(float(value) if "." in value else int(value))
        seconds, end = _civil(value)
        if end == min(19, len(value)):  # only what the look-up by the first 19 characters finds again
            self._remember(self._seconds, value[:19], seconds)
        return seconds + self._tail(value[end:])

    def _tail(self, tail: str) -> float:
        """Seconds to add for the fraction and the zone; NaN where the tail is neither."""
        match = _TAIL.match(tail)
        if match is None:
            return math.nan
        fraction, sign, hours, minutes = match.groups()
        shift = float(f"0.{fraction}") if fraction else 0.0
        if sign:
            offset = int(hours) * 3600 + int(minutes or 0) * 60
            shift += -offset if sign == "+" else offset
        self._remember(self._tails, tail, shift)
        return shift

    @staticmethod
    def _remember(cache: dict[str, float], key: str, value: float) -> None:
        if len(cache) >= _CACHE_LIMIT:
            cache.clear()
        cache[key] = value


def _civil(value: str) -> tuple[float, int]:
    """Unix seconds (UTC) of the date and time that ``value`` begins with, and where they end; NaN if none."""
    try:
        if match := _ISO.match(value) or _COMPACT.match(value):
            year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        elif match := _SHORT.match(value):
            year, month, day, hour, minute, second = (int(part) for part in match.groups())
            year += 2000 if year < 69 else 1900  # the pivot of POSIX strptime %y
        elif match := _CLF.match(value):
            dd, name, yyyy, hh, mm, ss = match.groups()
            year, month, day = int(yyyy), _MONTHS.get(name.lower(), 0), int(dd)
            hour, minute, second = int(hh), int(mm), int(ss)
        elif match := _DATE.match(value):
            year, month, day = (int(part) for part in match.groups())
            hour = minute = second = 0
        else:
            return math.nan, 0
        leap = second == 60  # a leap second is read as the last second before it
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError:
        return math.nan, 0
    return moment.timestamp(), match.end()
