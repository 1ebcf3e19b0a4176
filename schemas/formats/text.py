"""Text log lines: one event each, with the header that the operator describes or one of the usual ones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from schemas.events import (
    MAX_ENTITY_CHARS,
    MAX_MESSAGE_CHARS,
    MAX_SOURCE_CHARS,
    SEVERITY_OF,
    UNKNOWN_SOURCE,
    Row,
    severity_number,
)
from schemas.formats.crash import crash_severity
from schemas.formats.headers import Header
from schemas.formats.json import JsonFormat
from schemas.formats.lines import LineReader
from schemas.timestamps import TimestampReader, believable

__all__ = ["LinePattern", "TextFormat"]

_FIELD = re.compile(r"<([A-Za-z_][A-Za-z0-9_]*)>")
_SOURCE_NAMES = ("source", "service", "logger", "component", "host")
_EXAMPLE = "'<date> <time> <pid> <level> <logger>: <message>'"
_MAX_CACHED = 8_192


@dataclass(frozen=True, slots=True)
class LinePattern:
    """A header pattern such as ``<date> <time> <pid> <level> <logger>: <message>``, compiled to splits.

    Every field reaches to the first occurrence of the text that follows it in the pattern; a blank stands
    for any run of white space; the last field takes the rest. Splitting is linear in any line.
    Recognised fields are date, time, timestamp, level (or severity), logger, source, service, host,
    component, entity and message; others are read over. ``<timestamp>`` also takes a date and a time with a
    blank between.
    """

    names: tuple[str, ...]
    prefix: str
    suffix: str
    splits: tuple[tuple[str | None, int], ...]

    @classmethod
    def compile(cls, pattern: str) -> LinePattern:
        """Compile a pattern.

        Raises:
            ValueError: no ``<message>``, a field twice, or two fields with nothing between them.

        """
        parts = _FIELD.split(pattern)
        prefix, names, literals = parts[0], tuple(parts[1::2]), parts[2::2]
        if "message" not in names:
            raise ValueError(f"line pattern {pattern!r} has no <message>; write it like {_EXAMPLE}")
        if len(set(names)) != len(names):
            raise ValueError(f"line pattern {pattern!r} has a field twice; give every field its own name")
        if not all(literals[:-1]):
            raise ValueError(
                f"line pattern {pattern!r} has two fields with nothing between them, so nothing tells where "
                f"one ends; put the separator of the lines between them, like {_EXAMPLE}"
            )
        splits: list[tuple[str | None, int]] = []
        for literal in literals[:-1]:
            separator = None if not literal.strip(" ") else literal
            if splits and splits[-1][0] == separator:
                splits[-1] = (separator, splits[-1][1] + 1)
            else:
                splits.append((separator, 1))
        return cls(names, prefix.lstrip(" "), literals[-1], tuple(splits))

    def split(self, line: str) -> list[str] | None:
        """The fields of a line, in the order of ``names``; None where the line has another form."""
        if self.prefix:
            line = line.lstrip(" ")
            if not line.startswith(self.prefix):
                return None
            line = line[len(self.prefix) :]
        if self.suffix and line.endswith(self.suffix):
            line = line[: -len(self.suffix)]
        if not self.splits:
            return [line]
        fields: list[str] = []
        for separator, count in self.splits:
            parts = line.split(separator, count)
            if len(parts) <= count:
                return None
            line = parts.pop()
            fields += parts
        fields.append(line)
        return fields


@dataclass(frozen=True, slots=True)
class _Form:
    """A line pattern with the places of the fields that matter; -1 for a field that it does not have."""

    pattern: LinePattern
    date: int
    clock: int
    level: int
    source: int
    entity: int
    message: int

    @classmethod
    def of(cls, pattern: LinePattern) -> _Form:
        def place(*names: str) -> int:
            return next((pattern.names.index(name) for name in names if name in pattern.names), -1)

        date, clock = place("date"), place("time", "timestamp")
        if clock < 0:
            date, clock = -1, date
        return cls(
            pattern,
            date,
            clock,
            place("level", "severity"),
            place(*_SOURCE_NAMES),
            place("entity"),
            place("message"),
        )


def _forms(line: str) -> tuple[_Form, ...]:
    """The forms to try in turn: ``<timestamp>`` may be one word, or a date, a blank and a time."""
    pattern = LinePattern.compile(line)
    if "timestamp" not in pattern.names or {"date", "time"} & set(pattern.names):
        return (_Form.of(pattern),)
    split = LinePattern.compile(line.replace("<timestamp>", "<date> <time>"))
    return _Form.of(split), _Form.of(pattern)


class TextFormat:
    """Reads lines of text.

    A line that does not have the header (such as a line of a traceback) is an event too: the whole line is
    its message, its source is that of the line before, and its time is that of its record, or unknown.
    That source and the parts of lines are the only state; keep one reader per topic partition, so that only
    their order decides.
    """

    def __init__(
        self,
        *,
        line: str | None = None,
        find_entity: Callable[[str], str] | None = None,
        entity_field: str | None = None,
        source_field: str | None = None,
        time_field: str | None = None,
    ) -> None:
        self._forms = _forms(line) if line else ()
        self._find_entity = find_entity
        self._times = TimestampReader()
        self._sources: dict[str, str] = {}
        names = {"entity_field": entity_field, "source_field": source_field, "time_field": time_field}
        inner = JsonFormat(find_entity=find_entity, **names)
        self.lines = LineReader(read_json=inner.read, **names)
        """Reads lines whose header nobody described. Set its `reference_time` to the time of the file."""
        self.source = UNKNOWN_SOURCE
        """Source of the last line that had a header."""
        self.owner = ""
        """Whose the next line is, where something outside of it says so: parts of one owner are joined."""

    def read(self, value: bytes, offset: int, record_time: float | None, rows: list[Row]) -> None:
        """Append the event of one line to ``rows``; invalid UTF-8 is replaced (U+FFFD). Raises nothing.

        A part of a container's line is no event; the line is one with its last part.

        Args:
            value: the line.
            offset: its offset.
            record_time: its plausible time in Unix seconds, or None.
            rows: where the event goes.

        """
        line = value.decode("utf-8", "replace").rstrip("\r\n")
        found = self._by_form(line) if self._forms else self.lines.read(line, record_time, self.owner)
        if found is None:
            return
        time, severity, source, entity, message, numbers = found
        if not source:
            source = self.source
        elif source is not self.source:
            self.source = source = self._sources.get(source) or self._interned(source)
        if not severity:
            severity = crash_severity(message)
        if len(message) > MAX_MESSAGE_CHARS:
            message = message[:MAX_MESSAGE_CHARS]
        if self._find_entity and not (entity and self._forms):
            entity = self._find_entity(message)
            if not entity and not line.endswith(message):  # the message was made of other words of the line
                entity = self._find_entity(line)
        time = believable(time, record_time)
        rows.append((time, severity, source, entity, message, numbers, offset, 0, ""))

    def _by_form(self, line: str) -> Header:
        """What a line says by the operator's pattern."""
        for form in self._forms:
            fields = form.pattern.split(line)
            if fields is None:
                continue
            time, severity = math.nan, 0
            if form.clock >= 0:
                clock = fields[form.clock]
                time = self._times.text(f"{fields[form.date]} {clock}" if form.date >= 0 else clock)
            if form.level >= 0:
                severity = SEVERITY_OF.get(fields[form.level], -1)
                if severity < 0:
                    severity = severity_number(fields[form.level])
            if form.clock >= 0 and time != time and not severity:
                continue  # it has the separators of a header by chance: neither its time nor its level is one
            source = (fields[form.source] if form.source >= 0 else "") or UNKNOWN_SOURCE
            entity = fields[form.entity][:MAX_ENTITY_CHARS] if form.entity >= 0 else ""
            return time, severity, source, entity, fields[form.message], None
        return math.nan, 0, "", "", line, None

    def _interned(self, source: str) -> str:
        known = self._sources.get(source)
        if known is None:
            source = source.strip()[:MAX_SOURCE_CHARS] or UNKNOWN_SOURCE
            if len(self._sources) >= _MAX_CACHED:
                self._sources.clear()
            known = self._sources.setdefault(source, source)
        return known
