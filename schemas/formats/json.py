"""JSON log events: an object (or an array of objects) per record, with field names in the usual spellings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.events import (
    MAX_ENTITY_CHARS,
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    MAX_NUMBERS,
    MAX_SOURCE_CHARS,
    SEVERITY_OF,
    UNKNOWN_SOURCE,
    Row,
    severity_number,
)
from schemas.formats.crash import crash_severity
from schemas.formats.errors import DecodeError
from schemas.formats.fields import TEMPLATE, compact, entity_text, template_text
from schemas.timestamps import EARLIEST, FUTURE_TOLERANCE, LATEST, TimestampReader, believable

__all__ = ["ENTITY_FIELDS", "MAX_EVENTS", "JsonFormat", "load", "objects"]

MAX_EVENTS = 10_000
"""Most events that one JSON array may hold."""

# Spellings, best first. A dotted name is a literal key, "log.level", or a path, {"log": {"level": ...}}.
# What is inside "record" is how loguru writes JSON.
TIME_FIELDS = (
    *("timestamp", "@timestamp", "time", "ts", "eventTime", "datetime", "timeUnixNano"),
    *("asctime", "event_time", "observedTimeUnixNano", "record.time.timestamp"),
)
SEVERITY_FIELDS = (
    *("level", "severity", "severity_text", "log.level", "lvl", "levelname", "severityText", "loglevel"),
    *("log_level", "severity_number", "severityNumber", "record.level.name"),
)
SOURCE_FIELDS = (
    *("service", "service.name", "logger", "source", "app", "program", "programname", "app-name", "appname"),
    *("host", "service_name", "serviceName"),
    *("logger_name", "resource.service.name", "kubernetes.container_name", "log.logger", "component"),
    *("host.name", "name", "hostname", "record.name"),  # pino and bunyan have both of their names
)
MESSAGE_FIELDS = ("message", "msg", "body", "log", "event", "log.message", "textPayload", "record.message")
ENTITY_FIELDS = (
    *("trace_id", "traceId", "trace.id", "request_id", "requestId", "x-request-id", "x_request_id"),
    *("req_id", "correlation_id", "correlationId", "http.request.id"),
    *("record.extra.trace_id", "record.extra.request_id"),
)
_TEMPLATE_PATHS = ((TEMPLATE,), ("attributes", TEMPLATE))
_OTEL_NUMBERS = frozenset(("severity_number", "severityNumber"))
# Objects under these names hold other fields (Elastic Common Schema), and are not themselves a message.
_CONTAINERS = frozenset(("log", "event"))

_BOM = b"\xef\xbb\xbf"
_MAX_LAYOUTS = 1_024
_MAX_LAYOUT_CHARS = 4_096
_MAX_SOURCES = 8_192
# Parsed JSON takes many times its bytes in memory: a record of a size that could matter is checked first.
_CHECK_BYTES = 1 << 20
_MAX_BRACKETS = 500_000

Path = tuple[str, ...]


def load(value: bytes) -> Any:
    """Parse the JSON of a record; invalid UTF-8 inside is replaced (U+FFFD).

    A byte order mark in front is dropped, and so are NUL bytes behind, with which senders of GELF end.

    Lines that are JSON each (NDJSON) are read as an array of them is.

    Raises:
        DecodeError: not JSON (NaN, a truncated record and nesting deeper than 1,024 included), or more than
            500,000 objects and arrays.

    """
    if len(value) > _CHECK_BYTES and value.count(b"{") + value.count(b"[") > _MAX_BRACKETS:
        raise DecodeError(f"too many values: more than {_MAX_BRACKETS} objects and arrays in one record")
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        reason = error.msg
    text = value.removeprefix(_BOM).rstrip(b"\0").decode("utf-8", "replace")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        lines = _lines(text)
    if lines is None:
        raise DecodeError(f"not JSON: {reason}")
    return lines


def _lines(text: str) -> list[Any] | None:
    """The values of lines that are JSON each; None where one is not, or there is one alone."""
    first, _, rest = text.lstrip().partition("\n")
    if not rest or rest.isspace():
        return None
    try:
        orjson.loads(first)  # most of what is no JSON ends here
        if rest.count("\n") > MAX_EVENTS:
            raise DecodeError(f"too many events: more than {MAX_EVENTS} lines in one record")
        return [orjson.loads(line) for line in text.split("\n") if line and not line.isspace()]
    except orjson.JSONDecodeError:
        return None


@dataclass(slots=True, frozen=True)
class _Layout:
    """Where the fields are in records that have exactly these keys: first choice by key, then all by path."""

    time: str | None
    severity: str | None
    source: str | None
    entity: str | None
    message: str | None
    others: tuple[str, ...]
    times: tuple[Path, ...]
    severities: tuple[Path, ...]
    sources: tuple[Path, ...]
    entities: tuple[Path, ...]
    messages: tuple[Path, ...]
    templates: tuple[Path, ...]
    known: frozenset[str]


class JsonFormat:
    """Reads JSON log events; remembers the key layouts that it has seen, which changes no result."""

    def __init__(
        self,
        *,
        entity_field: str | None = None,
        find_entity: Callable[[str], str] | None = None,
        source_field: str | None = None,
        time_field: str | None = None,
    ) -> None:
        self._entity_fields = (entity_field,) if entity_field else () if find_entity else ENTITY_FIELDS
        self._source_fields = (source_field, *SOURCE_FIELDS) if source_field else SOURCE_FIELDS
        self._time_fields = (time_field, *TIME_FIELDS) if time_field else TIME_FIELDS
        self._find_entity = find_entity
        self._times = TimestampReader()
        self._layouts: dict[tuple[str, ...], _Layout] = {}
        self._sources: dict[str, str] = {}

    def read(self, value: bytes, offset: int, record_time: float | None, rows: list[Row]) -> None:
        """Append the event (or events) of one record to ``rows``; nothing is appended when it raises.

        Args:
            value: the record.
            offset: its offset.
            record_time: its plausible time in Unix seconds, or None.
            rows: where events go.

        Raises:
            DecodeError: not JSON, neither an object nor an array of objects, or more than 10,000 events.

        """
        parsed = load(value)
        if type(parsed) is dict:
            rows.append(self.row(parsed, value, offset, 0, record_time))
        else:
            self.read_parsed(parsed, value, offset, record_time, rows)

    def read_parsed(
        self, parsed: Any, raw: bytes, offset: int, record_time: float | None, rows: list[Row]
    ) -> None:
        """As `read`, for a record whose content is parsed already."""
        each = [parsed] if type(parsed) is dict else objects(parsed)
        rows += [self.row(item, raw, offset, i, record_time) for i, item in enumerate(each)]

    def row(
        self, record: dict[str, Any], raw: bytes, offset: int, index: int, record_time: float | None
    ) -> Row:
        """The event of one object; `raw`, its record, is what is shown of it when it is nested too deep."""
        # The hot path: first choices inline, anything unusual in a method of its own.
        get: Any = record.get  # no key in JSON is None, so a layout without a field finds nothing
        layout = self._layouts.get(tuple(record)) or self._learn(record)

        value = get(layout.time)
        time = self._times.text(value) if type(value) is str else self._times.read(value)
        if not EARLIEST <= time <= (LATEST if record_time is None else record_time + FUTURE_TOLERANCE):
            time = self._other_time(record, layout, record_time)

        value = get(layout.severity)
        severity = SEVERITY_OF.get(value) if type(value) is str else None
        if severity is None:
            severity = _severity(record, layout)

        value = get(layout.source)
        source = self._sources.get(value) if type(value) is str else None
        if source is None:
            source = self._source(record, layout)

        message = get(layout.message)
        if type(message) is not str or not message:
            message = _message(record, layout, raw)
        if len(message) > MAX_MESSAGE_CHARS:
            message = message[:MAX_MESSAGE_CHARS]
        if not severity:
            severity = crash_severity(message)

        entity = get(layout.entity)
        if type(entity) is not str or not 0 < len(entity) <= MAX_ENTITY_CHARS:
            entity = self._entity(record, layout, message)

        numbers = None
        for name in layout.others:
            kind = type(value := record[name])
            if kind is float or kind is int:  # JSON has no other numbers, and orjson refuses infinity
                if numbers is None:
                    numbers = {name: float(value)}
                elif len(numbers) < MAX_NUMBERS:
                    numbers[name] = float(value)
        template = _template(record, layout) if layout.templates else ""
        return time, severity, source, entity, message, numbers, offset, index, template

    def _learn(self, record: dict[str, Any]) -> _Layout:
        keys = tuple(record)
        times = tuple(_paths(self._time_fields, record))
        severities = tuple(_paths(SEVERITY_FIELDS, record))
        sources = tuple(_paths(self._source_fields, record))
        entities = tuple(_paths(self._entity_fields, record))
        messages = tuple(_paths(MESSAGE_FIELDS, record))
        templates = tuple(path for path in _TEMPLATE_PATHS if path[0] in record)
        single = (*times, *severities, *sources, *entities, *templates)
        known = frozenset(path[0] for path in single if len(path) == 1)
        used = known | {p[0] for p in messages}
        layout = _Layout(
            time=_first(times),
            severity=_first(severities),
            source=_first(sources),
            entity=_first(entities),
            message=_first(messages),
            others=tuple(key for key in keys if key not in used and len(key) <= MAX_NAME_CHARS),
            times=times,
            severities=severities,
            sources=sources,
            entities=entities,
            messages=messages,
            templates=templates,
            known=known,
        )
        if sum(map(len, keys)) <= _MAX_LAYOUT_CHARS:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            self._layouts[keys] = layout
        return layout

    def _other_time(self, record: dict[str, Any], layout: _Layout, record_time: float | None) -> float:
        for value in _values(record, layout.times):
            time = self._times.read(value)
            if believable(time, record_time) == time:
                return time
        return math.nan if record_time is None else record_time

    def _source(self, record: dict[str, Any], layout: _Layout) -> str:
        for value in _values(record, layout.sources):
            text = value if isinstance(value, str) else str(value) if type(value) is int else ""
            if text:
                return self._interned(text)
        return UNKNOWN_SOURCE

    def _interned(self, text: str) -> str:
        text = text[:MAX_SOURCE_CHARS]
        if len(self._sources) >= _MAX_SOURCES:
            self._sources.clear()
        return self._sources.setdefault(text, text)

    def _entity(self, record: dict[str, Any], layout: _Layout, message: str) -> str:
        for value in _values(record, layout.entities):
            if entity := entity_text(value):
                return entity
        return self._find_entity(message) if self._find_entity else ""


def objects(parsed: Any) -> list[dict[str, Any]]:
    """The objects of a JSON array of events.

    Raises:
        DecodeError: no array, an empty one, one of more than 10,000, or of something other than objects.

    """
    if type(parsed) is not list:
        raise DecodeError("not an object: a JSON log event is an object, or an array of objects")
    if not parsed:
        raise DecodeError("no events: an empty array")
    if len(parsed) > MAX_EVENTS:
        raise DecodeError(f"too many events: more than {MAX_EVENTS} in one array")
    if not all(type(item) is dict for item in parsed):
        raise DecodeError("not an object: the array holds something other than objects")
    return parsed


def _first(paths: tuple[Path, ...]) -> str | None:
    """The key that is looked up first, if the first choice is a key."""
    return paths[0][0] if paths and len(paths[0]) == 1 else None


def _paths(names: tuple[str, ...], record: dict[str, Any]) -> Iterator[Path]:
    """The paths that can exist in a record with these keys, in the order of ``names``."""
    for name in names:
        if name in record:
            yield (name,)
        if "." in name:
            path = tuple(name.split("."))
            if path[0] in record:
                yield path


def _value(record: dict[str, Any], path: Path) -> Any:
    value: Any = record
    for name in path:
        value = value.get(name) if type(value) is dict else None
    return value


def _values(record: dict[str, Any], paths: tuple[Path, ...]) -> Iterator[Any]:
    return (value for path in paths if (value := _value(record, path)) is not None)


def _severity(record: dict[str, Any], layout: _Layout) -> int:
    for path in layout.severities:
        number = severity_number(_value(record, path), otel=path[-1] in _OTEL_NUMBERS)
        if number:
            return number
    return 0


def _template(record: dict[str, Any], layout: _Layout) -> str:
    found = (template_text(value) for value in _values(record, layout.templates))
    return next(filter(None, found), "")


def _message(record: dict[str, Any], layout: _Layout, raw: bytes) -> str:
    """The first message that is text; else the first of another type as JSON; else other fields as JSON."""
    found = [(path, _value(record, path)) for path in layout.messages]
    for _, value in found:
        if isinstance(value, str) and value:
            return value
    for path, value in found:
        if value is None or value == "" or (isinstance(value, dict) and path[-1] in _CONTAINERS):
            continue
        return compact(value, raw)
    return compact({k: v for k, v in record.items() if k not in layout.known}, raw)
