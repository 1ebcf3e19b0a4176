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
from schemas.timestamps import TimestampReader, believable

__all__ = ["LinePattern", "TextFormat"]

_FIELD = re.compile(r"<([A-Za-z_][A-Za-z0-9_]*)>")
_SOURCE_NAMES = ("source", "service", "logger", "component", "host")
_EXAMPLE = "'<date> <time> <pid> <level> <logger>: <message>'"
# A header is short; a longer first part of a line is not one, and is not searched.
_HEAD_CHARS = 1_024

# Severity words as they stand in lines: capitals, or any case in brackets or after level=. Lower-case words
# on their own ("no error") are prose.
_PLAIN_WORDS = {word: n for word, n in SEVERITY_OF.items() if len(word) >= 3 and word.isupper()}
_MARKED_WORDS = {word: n for word, n in SEVERITY_OF.items() if len(word) >= 3}
_NOT_LEVELS = ("ALL", "OFF", "LOG", "DEFAULT", "SUCCESS", "CONFIG", "FINE", "FINER", "SILLY")
_LEVEL_TOKENS: dict[str, int] = {}
for _word, _number in _PLAIN_WORDS.items():
    if _word not in _NOT_LEVELS:
        _LEVEL_TOKENS |= {_word: _number, f"{_word}:": _number, f"{_word},": _number, f"|{_word}|": _number}
for _word, _number in _MARKED_WORDS.items():
    if _word.upper() not in _NOT_LEVELS:
        _LEVEL_TOKENS |= {f"[{_word}]": _number, f"[{_word}]:": _number, f"<{_word}>": _number}
        _LEVEL_TOKENS |= {f"({_word})": _number, f"level={_word}": _number, f'level="{_word}"': _number}
_LEVEL_WITHIN = 10
_MAX_CACHED = 8_192
_HEADER_TOKENS = 3
_LOGGER = re.compile(r"\[?([A-Za-z_][\w$/-]*(?:[.:]{1,2}[\w$-]+)+)\]?:?\Z", re.ASCII)


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
    That source is the only state; keep one reader per topic partition, so that only their order decides.
    """

    def __init__(
        self,
        *,
        line: str | None = None,
        find_entity: Callable[[str], str] | None = None,
    ) -> None:
        self._forms = _forms(line) if line else ()
        self._find_entity = find_entity
        self._times = TimestampReader()
        self._sources: dict[str, str] = {}
        self._loggers: dict[str, str] = {}
        self.source = UNKNOWN_SOURCE
        """Source of the last line that had a header."""

    def read(self, value: bytes, offset: int, record_time: float | None, rows: list[Row]) -> None:
        """Append the event of one line to ``rows``; invalid UTF-8 is replaced (U+FFFD). Raises nothing.

        Args:
            value: the line.
            offset: its offset.
            record_time: its plausible time in Unix seconds, or None.
            rows: where the event goes.

        """
        line = value.decode("utf-8", "replace").rstrip("\r\n")
        time, severity, source, entity, message = (self._by_form if self._forms else self._by_custom)(line)
        if source:
            self.source = source
        if len(message) > MAX_MESSAGE_CHARS:
            message = message[:MAX_MESSAGE_CHARS]
        if not entity and self._find_entity:
            entity = self._find_entity(message)
        time = believable(time, record_time)
        rows.append((time, severity, source or self.source, entity, message, None, offset, 0))

    def _by_form(self, line: str) -> tuple[float, int, str, str, str]:
        """Time, severity, source, entity and message of a line, by the operator's pattern."""
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
            source = self._interned(fields[form.source]) if form.source >= 0 else UNKNOWN_SOURCE
            entity = fields[form.entity][:MAX_ENTITY_CHARS] if form.entity >= 0 else ""
            return time, severity, source, entity, fields[form.message]
        return math.nan, 0, "", "", line

    def _interned(self, source: str) -> str:
        known = self._sources.get(source)
        if known is None:
            source = source.strip()[:MAX_SOURCE_CHARS] or UNKNOWN_SOURCE
            if len(self._sources) >= _MAX_CACHED:
                self._sources.clear()
            known = self._sources.setdefault(source, source)
        return known

    def _by_custom(self, line: str) -> tuple[float, int, str, str, str]:
        """Time, severity, source, entity and message of a line without a described header.

        Recognised: an optional source, a timestamp, within ten words a severity, then a dotted logger name.
        """
        head = line[:_HEAD_CHARS]
        words = head.split(None, _LEVEL_WITHIN + _HEADER_TOKENS)
        time, used, source = self._leading_time(words)
        severity, at = 0, -1
        for i in range(used, min(used + _LEVEL_WITHIN, len(words))):
            number = _LEVEL_TOKENS.get(words[i])
            if number is not None:
                severity, at = number, i
                break
        if 0 <= at - used < _HEADER_TOKENS and (used or at == 0):
            used = at + 1  # a process id or a thread may stand before the level; more words are a message
            if used < len(words) and (logger := self._logger(words[used])):
                source = source or logger
                used += 1
        message = _after(line, used)
        if time != time and not severity:
            return time, severity, "", "", message
        return time, severity, source or UNKNOWN_SOURCE, "", message

    def _leading_time(self, words: list[str]) -> tuple[float, int, str]:
        """Time at the start of a line, number of words up to its end, and the source before it or ``""``."""
        for start in (0, 1):
            if len(words) > start and words[start].lstrip("[")[:1].isdigit():
                first = words[start].strip("[]")
                second = words[start + 1].strip("[],") if len(words) > start + 1 else ""
                if second[:2].isdigit():
                    time = self._times.text(f"{first} {second}")
                    if time == time:
                        return time, start + 2, self._interned(words[0].rstrip(":|")) if start else ""
                time = self._times.text(first)
                if time == time:
                    return time, start + 1, self._interned(words[0].rstrip(":|")) if start else ""
        return math.nan, 0, ""

    def _logger(self, word: str) -> str:
        """The logger name that a word is, as ``nova.compute.manager`` or ``dfs.DataNode$X:``; else ``""``."""
        known = self._loggers.get(word)
        if known is None:
            match = _LOGGER.match(word) if len(word) <= MAX_SOURCE_CHARS else None
            if len(self._loggers) >= _MAX_CACHED:
                self._loggers.clear()
            known = self._loggers[word] = match[1] if match else ""
        return known


def _after(line: str, words: int) -> str:
    """What follows the first ``words`` words of a line; the whole line where nothing does."""
    if not words:
        return line
    parts = line.split(None, words)
    if len(parts) <= words:
        return line
    rest = parts[words]
    return rest[2:].lstrip() if rest[:2] in ("- ", "| ", ": ") else rest
