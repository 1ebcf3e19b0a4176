"""Timestamps of log events in the usual spellings, to Unix seconds, without a date parser's cost per line."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime

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
# 17/06/09 20:10:40, as Spark writes it: the same with slashes.
_SLASHED = re.compile(r"(\d\d)/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)", re.ASCII)
# 01/May/2024:12:34:56 of access logs, 01-May-2024 12:34:56 of Tomcat, 01 May 2024 12:34:56 of Redis.
_CLF = re.compile(r"(\d\d)[/ -]([A-Za-z]{3})[/ -](\d{4})[: ](\d\d):(\d\d):(\d\d)", re.ASCII)
# Jun  9 06:07:04 of RFC 3164 and 0609 06:07:04 of klog.
_YEARLESS = re.compile(r"(?:([A-Za-z]{3}) {1,2}|(\d\d))(\d{1,2}) (\d\d):(\d\d):(\d\d)\Z", re.ASCII)
_DAY = 86_400
_FIRST_DAY = date(1970, 1, 1).toordinal()
_LEAP_YEARS = 8  # the most years between two 29ths of February
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

    __slots__ = ("_seconds", "_stamps", "_tails", "_yearless")

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._stamps: dict[str, float] = {}
        self._yearless: dict[str, float] = {}
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
        basic form; ``yymmdd hhmmss``; ``yy/mm/dd hh:mm:ss``; the common log format, also with dashes or
        blanks; and digits counting s, ms, us or ns since 1970.
        """
        base = self._seconds.get(value[:19])
        if base is not None:
            tail = value[19:]
            shift = self._tails.get(tail)
            if shift is not None:
                return base + shift
            return base + self._tail(tail)
        return self._first(value)

    def stamp(self, value: str) -> float:
        """The same as `text`, cheaper for spellings without a fraction, which neighbours share as a whole."""
        known = self._stamps.get(value)
        if known is None:
            known = self.text(value)
            if len(value) <= _LONGEST:
                self._remember(self._stamps, value, known)
        return known

    def yearless(self, value: str, reference: float) -> float:
        """Unix seconds of ``Jun  9 06:07:04`` or ``0609 06:07:04``, read as UTC; NaN where it is neither.

        The year is the latest in which the time is at most a day after ``reference`` (Unix seconds), since
        a line is written down after what it tells, but for a clock that is ahead. Never raises.
        """
        known = self._yearless.get(value)
        limit = reference + FUTURE_TOLERANCE
        # The same day a year later is at least 365 days away, so until then it is this year's.
        if known is None or not known <= limit < known + 365 * _DAY:
            known = _latest(value, limit)
            if len(value) <= _LONGEST:
                self._remember(self._yearless, value, known)
        return known

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
        elif match := _SHORT.match(value) or _SLASHED.match(value):
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


def _latest(value: str, limit: float) -> float:
    """Unix seconds of a time without a year, in the latest year in which it is not after ``limit``."""
    match = _YEARLESS.match(value)
    if match is None or not limit >= EARLIEST:
        return math.nan
    name, digits, *rest = match.groups()
    month = _MONTHS.get(name.lower(), 0) if name else int(digits)
    day, hour, minute, second = map(int, rest)
    if hour > 23 or minute > 59 or second > 60:
        return math.nan
    clock = hour * 3600 + minute * 60 + min(second, 59)
    year = datetime.fromtimestamp(min(limit, LATEST), UTC).year
    for candidate in range(year, year - _LEAP_YEARS - 1, -1):
        try:
            seconds = (date(candidate, month, day).toordinal() - _FIRST_DAY) * _DAY + clock
        except ValueError:  # no such day, or the 29th of February of another year
            continue
        if seconds <= limit:
            return float(seconds)
    return math.nan
