"""Formats made of JSON objects with names of their own: what they have in common, and reading them.

Each format says why an object is one of its own, what events are in it, and what one of them says. All else
is here: several objects in a record, the operator's options, limits, and what stands inside a message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from schemas.events import MAX_ENTITY_CHARS, MAX_MESSAGE_CHARS, MAX_SOURCE_CHARS, UNKNOWN_SOURCE, Row
from schemas.formats.crash import crash_severity
from schemas.formats.errors import DecodeError
from schemas.formats.fields import compact, field_value, first_text, numeric
from schemas.formats.json import JsonFormat, load, objects
from schemas.formats.lines import LineReader
from schemas.timestamps import EARLIEST, FUTURE_TOLERANCE, LATEST, TimestampReader, believable

__all__ = ["Event", "Family", "FamilyFormat", "Tools", "of_row"]

MAX_EVENTS = 100_000
"""Most events that one record may hold."""

_TOO_DEEP = b"{...}"
"""What is shown of an object without a message that is nested too deep to be written."""


class Event(NamedTuple):
    """What one event of a format says, before limits and the operator's options; seldom needed ones last."""

    message: str
    time: float = math.nan
    """Unix seconds."""
    severity: int = 0
    source: str = ""
    entity: str = ""
    numbers: Mapping[str, object] | None = None
    """Values of which the numbers are kept."""
    inner: Row | None = None
    """The event that stands inside the message, where an application's line is carried by a collector."""
    template: str = ""
    """The template of the message that came with it."""


class Tools:
    """What formats read values with. Parts of lines whose end has yet to come are all that it remembers."""

    def __init__(self, json: JsonFormat, lines: LineReader, find_entity: Callable[[str], str] | None) -> None:
        self._json = json
        self._lines = lines
        self._find_entity = find_entity
        self._times = TimestampReader()
        self.time = self._times.read
        """Unix seconds of a text or number in any usual spelling; NaN for none."""
        self.join = lines.parts.join
        """The whole line, by whose it is, whether more parts follow, and a part; None where more follow."""
        self.record_time: float | None = None
        """Time of the record that is being read: the year of lines without one comes from it."""

    def yearless(self, value: object) -> float:
        """Unix seconds of ``Jun  9 06:07:04``, its year as that of lines; NaN where it is no such text."""
        reference = self._lines.reference_time if self.record_time is None else self.record_time
        return self._times.yearless(value, reference) if type(value) is str else math.nan

    def object(self, record: dict[str, Any]) -> Row:
        """The event of an object with the usual names; its time is NaN where it has none."""
        return self._json.row(record, _TOO_DEEP, 0, 0, None)

    def line(self, line: str, owner: str = "") -> Row | None:
        """The event inside a message: of a JSON object, or of a line with time or level in front.

        None for a part of a container's line whose end has yet to come; such lines are looked for where
        it is said whose they are.
        """
        if line[:1] == "{":
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError:
                found = None
            if type(found) is dict:
                return self.object(found)
        header = self._lines.read(line, self.record_time, owner, 0 if owner else 1)
        if header is None:
            return None
        time, severity, source, entity, message, numbers = header
        if self._find_entity:
            entity = self._find_entity(message)
        return (
            time,
            severity or crash_severity(message),
            source or UNKNOWN_SOURCE,
            entity,
            message,
            numbers,
            0,
            0,
            "",
        )


@dataclass(frozen=True, slots=True)
class Family:
    """A format of JSON objects."""

    why: Callable[[dict[str, Any]], str]
    """Why an object is of this format, ``"it has logGroup"``; ``""`` where it is not. Must not raise."""
    event: Callable[[dict[str, Any], Tools], Event | Row | None]
    """What one event says; a row of `Tools.object` where nothing has to be added to it; None for a part of
    a line whose end has yet to come."""
    events: Callable[[dict[str, Any]], Iterable[dict[str, Any]]] | None = None
    """The events inside an object, where there may be several."""


class FamilyFormat:
    """Reads records of one family; an object that is not of it is read as a JSON log event."""

    def __init__(
        self,
        family: Family,
        json: JsonFormat,
        tools: Tools,
        *,
        entity_field: str | None = None,
        find_entity: Callable[[str], str] | None = None,
        source_field: str | None = None,
        time_field: str | None = None,
    ) -> None:
        self._family = family
        self._json = json
        self._tools = tools
        self._entity_fields = (entity_field,) if entity_field else ()
        self._find_entity = find_entity
        self._source_fields = (source_field,) if source_field else ()
        self._time_field = time_field
        self._no_numbers = (entity_field, time_field)

    def read(self, value: bytes, offset: int, record_time: float | None, rows: list[Row]) -> None:
        """Append the event (or events) of one record to ``rows``; nothing is appended when it raises.

        A part of a container's line is no event; the line is one with its last part.

        Args:
            value: the record.
            offset: its offset.
            record_time: its plausible time in Unix seconds, or None.
            rows: where events go.

        Raises:
            DecodeError: not JSON, no object or array of objects, more than 100,000 events, or none.

        """
        self.read_parsed(load(value), value, offset, record_time, rows)

    def read_parsed(
        self, parsed: Any, raw: bytes, offset: int, record_time: float | None, rows: list[Row]
    ) -> None:
        """As `read`, for a record whose content is parsed already."""
        family = self._family
        if type(parsed) is dict and family.events is None and family.why(parsed):
            if row := self._row(parsed, offset, 0, record_time):
                rows.append(row)
            return
        found: list[Row] = []
        parts = 0
        for record in [parsed] if type(parsed) is dict else objects(parsed):
            if not family.why(record):
                found.append(self._json.row(record, raw, offset, len(found), record_time))
                continue
            for one in family.events(record) if family.events else (record,):
                if len(found) >= MAX_EVENTS:
                    raise DecodeError(f"too many events: more than {MAX_EVENTS} in one record")
                if row := self._row(one, offset, len(found), record_time):
                    found.append(row)
                else:
                    parts += 1
        if not found and not parts:
            raise DecodeError("no events: the record has the form of this format, but nothing in it")
        rows += found

    def _row(self, record: dict[str, Any], offset: int, index: int, record_time: float | None) -> Row | None:
        self._tools.record_time = record_time
        event = self._family.event(record, self._tools)
        if event is None:
            return None
        if not isinstance(event, Event):
            time, severity, source, entity, message, numbers, _, _, template = event
            time = self._time(record, time, record_time)
            return time, severity, source, entity, message, numbers, offset, index, template
        inner = event.inner
        message = event.message if inner is None else inner[4]
        message = message[:MAX_MESSAGE_CHARS] or compact(record, _TOO_DEEP)
        time, severity, numbers, template = event.time, event.severity, None, event.template
        if inner is not None:
            limit = LATEST if record_time is None else record_time + FUTURE_TOLERANCE
            time = inner[0] if EARLIEST <= inner[0] <= limit else time
            # A level within a sentence is a guess; one in front, which is cut off then, is the application's.
            if inner[1] and (not severity or message != event.message):
                severity = inner[1]
            numbers = inner[5]
            template = inner[8] or template
        if numbers is None and event.numbers:
            numbers = numeric(event.numbers, self._no_numbers)
        source, entity = self._source(record, event), self._entity(record, event, message)
        time = self._time(record, time, record_time)
        return time, severity, source, entity, message, numbers, offset, index, template

    def _time(self, record: dict[str, Any], time: float, record_time: float | None) -> float:
        """The time in the operator's field where that is plausible, else what was found."""
        if self._time_field:
            own = self._tools.time(field_value(record, self._time_field))
            if believable(own, record_time) == own:
                return own
        return believable(time, record_time)

    def _source(self, record: dict[str, Any], event: Event) -> str:
        inner = event.inner[2] if event.inner is not None and event.inner[2] != UNKNOWN_SOURCE else ""
        if self._source_fields:
            source = first_text(record, self._source_fields) or inner or event.source
        else:
            source = event.source or inner
        return source[:MAX_SOURCE_CHARS] or UNKNOWN_SOURCE

    def _entity(self, record: dict[str, Any], event: Event, message: str) -> str:
        entity = first_text(record, self._entity_fields) if self._entity_fields else ""
        if not entity and event.inner is not None:
            entity = event.inner[3]
        if not entity and self._find_entity:
            entity = self._find_entity(message)
        if not entity and not self._entity_fields and not self._find_entity:
            entity = event.entity
        return entity[:MAX_ENTITY_CHARS]


def of_row(row: Row, source: str = "", inner: Row | None = None) -> Event:
    """What an object with the usual names says, with a better source and what is inside its message."""
    own = source or (row[2] if row[2] != UNKNOWN_SOURCE else "")
    return Event(row[4], row[0], row[1], own, row[3], row[5], inner, row[8])
