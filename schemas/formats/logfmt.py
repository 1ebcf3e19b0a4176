"""logfmt lines: ``time=... level=info msg="..." key=value``, as Go services, Grafana and Heroku write them.

Source: https://pkg.go.dev/github.com/kr/logfmt for the grammar; the usual keys are those of logrus, go-kit,
slog and Heroku's router.
"""

from __future__ import annotations

import math
import re

from schemas.events import (
    MAX_ENTITY_CHARS,
    MAX_NUMBERS,
    MAX_SOURCE_CHARS,
    UNKNOWN_SOURCE,
    severity_number,
)
from schemas.formats.headers import ENTITY_NAMES, Header
from schemas.timestamps import TimestampReader

__all__ = ["Logfmt", "pairs"]

_SEARCHED = 8_192
# A pair, or a word that is none; possessive, and each match goes on where the last one ended: linear.
_PAIR = re.compile(
    r'([A-Za-z_@][\w.@/-]{0,63}+)=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\s"]*+))\S*+\s*+|\S++\s*+',
    re.ASCII | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_TIMES = ("time", "ts", "t", "timestamp", "@timestamp")
_LEVELS = ("level", "lvl", "severity", "at")
_MESSAGES = ("msg", "message")
_ERRORS = ("err", "error")
_SOURCES = ("service", "service.name", "app", "logger", "component", "source", "caller", "host")
_PLACE = re.compile(r":\d{1,9}\Z", re.ASCII)
_DIGITS = frozenset("-0123456789")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?\Z", re.ASCII)
_DURATION = re.compile(
    r"(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,15}(?:\.\d{1,15})?)(ns|us|\xb5s|\u03bcs|ms|s))?\Z", re.ASCII
)
_PER_SECOND = {"ns": 1e9, "us": 1e6, "\xb5s": 1e6, "\u03bcs": 1e6, "ms": 1e3, "s": 1.0}


def pairs(text: str) -> dict[str, str]:
    """The ``key=value`` and ``key="value"`` in the first 8,192 characters; the first of each key."""
    found: dict[str, str] = {}
    for key, quoted, bare in _PAIR.findall(text[:_SEARCHED].lstrip()):
        if not key:
            continue
        if "\\" in quoted:
            quoted = _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), quoted)
        found.setdefault(key, quoted or bare)
    return found


class Logfmt:
    """Reads logfmt lines, with the fields that the operator names before the usual ones."""

    def __init__(
        self,
        times: TimestampReader,
        *,
        entity_field: str | None = None,
        source_field: str | None = None,
        time_field: str | None = None,
    ) -> None:
        self._times = times
        self._entities = (entity_field,) if entity_field else ENTITY_NAMES
        self._time_names = (time_field, *_TIMES) if time_field else _TIMES
        self._sources = (source_field, *_SOURCES) if source_field else _SOURCES

    def read(self, line: str) -> Header | None:
        """A line of at least two pairs, one of them a time, level or message; None for any other.

        The message is that of the line, with its error behind it; the other pairs where it has none. Numbers
        are the other numeric values; durations with a unit are in seconds.
        """
        fields = pairs(line)
        if len(fields) < 2:
            return None
        time, time_key = self._time(fields)
        level_key = _first(fields, _LEVELS)
        severity = severity_number(fields[level_key]) if level_key else 0
        message_key = _first(fields, _MESSAGES)
        if time != time and not severity and not message_key:
            return None
        entity_key, source_key = _first(fields, self._entities), self._source(fields)
        used = (time_key, level_key if severity else "", message_key, entity_key, source_key)
        others = {key: value for key, value in fields.items() if key not in used}
        if message_key:
            message = fields[message_key]
            if error := fields.get(_first(fields, _ERRORS)):
                message = f"{message}: {error}"
        else:
            message = " ".join(f"{key}={value}" for key, value in others.items()) or line
        source = _PLACE.sub("", fields[source_key])[:MAX_SOURCE_CHARS] if source_key else UNKNOWN_SOURCE
        entity = fields[entity_key][:MAX_ENTITY_CHARS] if entity_key else ""
        return time, severity, source, entity, message, _numbers(others)

    def _time(self, fields: dict[str, str]) -> tuple[float, str]:
        for key in self._time_names:
            if value := fields.get(key):
                time = self._times.text(value)
                if time == time:
                    return time, key
        return math.nan, ""

    def _source(self, fields: dict[str, str]) -> str:
        """Key of the source; one that begins with a digit is a measurement (service=18ms)."""
        for key in self._sources:
            value = fields.get(key)
            if value and not value[0].isdecimal():
                return key
        return ""


def _first(fields: dict[str, str], names: tuple[str, ...]) -> str:
    """The first name that is there and not empty, ``""`` for none."""
    for name in names:
        if fields.get(name):
            return name
    return ""


def _numbers(fields: dict[str, str]) -> dict[str, float] | None:
    found: dict[str, float] = {}
    for key, value in fields.items():
        if value[:1] in _DIGITS and (number := _number(value)) == number:
            found[key] = number
            if len(found) == MAX_NUMBERS:
                break
    return found or None


def _number(value: str) -> float:
    """The number that a value is, a duration in seconds, NaN for any other text."""
    if _NUMBER.match(value):
        return float(value)
    match = _DURATION.match(value)
    if match is None:
        return math.nan
    hours, minutes, rest, unit = match.groups()
    return (
        int(hours or 0) * 3600.0
        + int(minutes or 0) * 60.0
        + (float(rest) / _PER_SECOND[unit] if rest else 0.0)
    )
