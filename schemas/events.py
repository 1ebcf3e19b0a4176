"""The log event: one log record, whatever format it arrived in, held in columns for speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "MAX_ENTITY_CHARS",
    "MAX_MESSAGE_CHARS",
    "MAX_NAME_CHARS",
    "MAX_NUMBERS",
    "MAX_SOURCE_CHARS",
    "MAX_TEMPLATE_CHARS",
    "SEVERITY_TEXT",
    "UNKNOWN_SOURCE",
    "EventBatch",
    "Row",
    "severity_number",
    "severity_text",
]

# Limits on what one event may hold, so that no producer can grow the state kept per source or entity.
MAX_MESSAGE_CHARS = 65_536
MAX_SOURCE_CHARS = 256
MAX_ENTITY_CHARS = 256
MAX_NUMBERS = 16
MAX_NAME_CHARS = 128
MAX_TEMPLATE_CHARS = 4_096

UNKNOWN_SOURCE = "unknown"

Row = tuple[float, int, str, str, str, dict[str, float] | None, int, int, str]
"""One event: the columns of `EventBatch` in their order."""


@dataclass(slots=True)
class EventBatch:
    """Log events as parallel lists, all of one length: row ``i`` of every list belongs to event ``i``.

    Columns are plain lists because the stages after decoding work per event on strings, and on arrays later.
    """

    time: list[float] = field(default_factory=list)
    """Event time in Unix seconds; NaN where neither the event nor its record has a plausible one."""
    severity: list[int] = field(default_factory=list)
    """OpenTelemetry severity number, 1 (TRACE) to 24 (FATAL4); 0 where unknown."""
    source: list[str] = field(default_factory=list)
    """Who speaks: service, host, container or logger; at most 256 characters, ``"unknown"`` where unknown."""
    entity: list[str] = field(default_factory=list)
    """What it speaks about: a request, block or trace id; at most 256 characters, ``""`` where unknown."""
    message: list[str] = field(default_factory=list)
    """The message, at most 65,536 characters."""
    numbers: list[dict[str, float] | None] = field(default_factory=list)
    """Numeric scalar attributes by name (at most 128 characters), finite, at most 16; None for none."""
    offset: list[int] = field(default_factory=list)
    """Offset of the record in its Kafka partition, or line number in a file."""
    record: list[int] = field(default_factory=list)
    """Index of the event inside its record; above 0 only where one record holds many events."""
    template: list[str] = field(default_factory=list)
    """Template of the message that came with it, at most 4,096 characters; ``""`` where none did."""

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def of(cls, rows: list[Row]) -> EventBatch:
        """The batch of events given as rows, each with one value per column, in the order of the columns."""
        return cls(*map(list, zip(*rows, strict=True))) if rows else cls()


# The severity ranges of the OpenTelemetry log data model; names without the digit, which people rarely write.
_RANGES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
SEVERITY_TEXT: Mapping[int, str] = {0: "UNKNOWN"} | {n: _RANGES[(n - 1) // 4] for n in range(1, 25)}

# Spellings by number, after the mappings of the OpenTelemetry log data model (appendix B): syslog, log4j,
# Python, Go, .NET, and the single letters of klog, glog and Android.
_SPELLINGS: dict[int, str] = {
    1: "trace t verbose vrb v finest silly all",
    2: "finer",
    5: "debug d dbg debg fine",
    9: "info i inf information informational log config default audit",
    10: "notice n note success",
    13: "warn w wrn warning",
    17: "error e err eror severe",
    18: "critical c crit",
    19: "alert a",
    21: "fatal f ftl panic dpanic emergency emerg off",
}
_WORDS: dict[str, int] = {word: number for number, words in _SPELLINGS.items() for word in words.split()}
_WORDS |= {name.lower(): 4 * i + 1 for i, name in enumerate(_RANGES)}
_WORDS |= {f"{name.lower()}{k + 1}": 4 * i + 1 + k for i, name in enumerate(_RANGES) for k in range(1, 4)}
# The same in the usual cases, so that the hot path needs one look-up and no new string.
SEVERITY_OF: dict[str, int] = {
    form: number for word, number in _WORDS.items() for form in (word, word.upper(), word.capitalize())
}
# Bunyan and pino number their levels in tens; 10 and 20 are not read as OpenTelemetry's INFO2 and ERROR4.
_TENS = {10: 1, 20: 5, 30: 9, 40: 13, 50: 17, 60: 21}
_LONGEST_WORD = 16


def severity_text(number: int) -> str:
    """Range that an OpenTelemetry severity number is in: ``9`` is ``"INFO"``; ``"UNKNOWN"`` outside 1..24."""
    return SEVERITY_TEXT.get(number, "UNKNOWN")


def severity_number(value: object, *, otel: bool = False) -> int:
    """OpenTelemetry severity number (0..24) of a level in any usual spelling; 0 where it is unknown.

    Words are those of OpenTelemetry, syslog, log4j, Python, Go and .NET in any case, also as single letters.
    Numbers are bunyan's and pino's (10, 20 .. 60) or OpenTelemetry's (1..24); with ``otel`` only the latter.
    """
    if isinstance(value, str):
        known = SEVERITY_OF.get(value)
        if known is not None:
            return known
        if len(value) > _LONGEST_WORD:
            return 0
        word = value.strip(" []()<>:|").lower()
        if word.isascii() and word.isdigit():
            return _from_number(int(word), otel)
        return _WORDS.get(word, 0)
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return _from_number(value, otel)
    if isinstance(value, float) and value.is_integer():
        return _from_number(int(value), otel)
    return 0


def _from_number(value: int, otel: bool) -> int:
    if not otel and value in _TENS:
        return _TENS[value]
    return value if 1 <= value <= 24 else 0
