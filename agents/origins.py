"""Where in records the columns of their events come from, for people: found by comparing the two.

Decoders do not say it, since that would cost every event; a few events side by side with their records do.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from math import isnan
from typing import Final, NamedTuple

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError as ProtobufError
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from schemas.events import UNKNOWN_SOURCE, EventBatch, severity_number
from schemas.formats.binary import refuse_binary
from schemas.formats.errors import DecodeError
from schemas.formats.headers import LEVEL_TOKENS, SYSLOG_SEVERITY
from schemas.formats.json import load
from schemas.formats.packed import unpacked
from schemas.timestamps import TimestampReader, epoch_seconds

__all__ = ["COLUMNS", "COMPARED", "Event", "Sample", "content", "event", "is_binary", "origins"]

COLUMNS: Final = ("time", "level", "source", "entity", "message")
COMPARED: Final = 100  # events
_LEAVES, _DEEPEST, _ITEMS = 400, 8, 50  # of a record, and items of a list in it
_BYTES: Final = 1 << 20  # of a record; a larger one is not looked into
_WORDS: Final = 12  # of a line
_CHARS: Final = 2_000
_LEVEL_NAME: Final = re.compile(r"level|severity|priority|lvl", re.IGNORECASE)
_PAIR: Final = re.compile(r'([\w.@-]{1,64})="?([^"]*)"?')
_EDGES: Final = "[](),|"
_TIMES = TimestampReader()


class Event(NamedTuple):
    """One event, as `EventBatch` has it."""

    time: float
    severity: int
    source: str
    entity: str
    message: str


@dataclass(frozen=True, slots=True)
class Sample:
    """An event beside its record; record_time in Unix seconds, NaN for none."""

    record: bytes
    record_time: float
    event: Event


def event(events: EventBatch, row: int) -> Event:
    """A row of a batch."""
    columns = (events.time, events.severity, events.source, events.entity, events.message)
    return Event(*(column[row] for column in columns))  # type: ignore[arg-type]  # columns in Event's order


def origins(samples: Sequence[Sample]) -> dict[str, str]:
    """Of each of COLUMNS, where most events have it from: a field, words of the line; "" where not found."""
    votes: dict[str, Counter[str]] = {column: Counter() for column in COLUMNS}
    of_record: dict[bytes, list[tuple[str, object]]] = {}
    for sample in samples[:COMPARED]:
        if sample.record not in of_record:
            of_record[sample.record] = list(_leaves_of(content(sample.record)))
        for column, where, weight in _matches(sample, of_record[sample.record]):
            votes[column][where] += weight
    return {column: next((where for where, _ in votes[column].most_common(1)), "") for column in COLUMNS}


def _matches(sample: Sample, leaves: list[tuple[str, object]]) -> Iterator[tuple[str, str, int]]:
    """Column, where it may be from, and how much speaks for that."""
    record = content(sample.record)
    if leaves:
        found = list(_of_fields(sample.event, leaves))
    else:
        found = [] if is_binary(record) else list(_of_line(sample.event, record))
    yield from found
    columns = {column for column, _, _ in found}
    if "time" not in columns and abs(sample.event.time - sample.record_time) < 1e-3:
        yield "time", "the record's timestamp", 1


def content(record: bytes) -> bytes:
    """What is in a record that may be packed; the record where that is damaged or large."""
    try:
        return unpacked(record, _BYTES) if record else record
    except DecodeError:
        return record


def is_binary(record: bytes) -> bool:
    """Whether a record is no text."""
    try:
        refuse_binary(record or b" ")
    except DecodeError:
        return True
    return False


# Fields -------------------------------------------------------------------------------------------------


def _leaves_of(record: bytes) -> Iterator[tuple[str, object]]:
    """Path and value of what a record of JSON or OTLP holds, of several lines the first; else nothing."""
    if record[:1] == b"\n" and len(record) <= _BYTES and is_binary(record):
        with suppress(ProtobufError):
            fields = MessageToDict(LogsData.FromString(record), use_integers_for_enums=True)
            yield from islice(_leaves(fields, "", 0), _LEAVES)
        return
    if record[:1] not in (b"{", b"[") or len(record) > _BYTES:
        return
    for part in (record, record.partition(b"\n")[0]):
        try:
            parsed = load(part)
        except DecodeError:
            continue
        yield from islice(_leaves(parsed, "", 0), _LEAVES)
        return


def _leaves(value: object, path: str, depth: int) -> Iterator[tuple[str, object]]:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        if value.keys() == {"key", "value"} and isinstance(value["value"], dict):  # an attribute of OTLP
            yield from ((f"{path}[{value['key']}]", leaf) for leaf in value["value"].values())
            return
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(value, list):
        for inner in value[:_ITEMS]:
            yield from _leaves(inner, path, depth + 1)
    else:
        yield path, value
        if isinstance(value, str) and value.startswith("{"):
            yield from (
                (f"{path} > {name}", leaf) for name, leaf in _leaves_of(value.encode("utf-8", "replace"))
            )


def _of_fields(known: Event, leaves: list[tuple[str, object]]) -> Iterator[tuple[str, str, int]]:
    for path, value in leaves:
        text = value if isinstance(value, str) else ""
        if _is_time(value, known.time):
            yield "time", path, 1
        if known.severity and _is_level(path, value, known.severity):
            yield "level", path, 2 if _LEVEL_NAME.search(path) else 1
        if known.source != UNKNOWN_SOURCE and text == known.source:
            yield "source", path, 1
        if known.entity and known.entity in (text, str(value), _hexadecimal(path, text)):
            yield "entity", path, 1
        if known.message and known.message in text:
            yield "message", path, 2 if text.rstrip("\r\n") == known.message else 1


def _hexadecimal(path: str, text: str) -> str:
    """A trace id as OTLP writes it, where Protobuf has bytes, which are base64 here."""
    if not path.endswith("traceId"):
        return ""
    try:
        return b64decode(text).hex()
    except binascii.Error:
        return ""


def _is_time(value: object, time: float) -> bool:
    if isinstance(value, str):
        return 8 < len(value) <= 48 and abs(_TIMES.text(value) - time) < 1e-3
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1e8:
        return False
    return abs(epoch_seconds(value) - time) < 1e-3


def _is_level(path: str, value: object, severity: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    named = _LEVEL_NAME.search(path.rpartition(".")[2]) is not None
    number = value if isinstance(value, int) else int(value) if value.isascii() and value.isdigit() else None
    if number is None:
        return severity_number(value) == severity
    if not named:
        return False
    is_syslog = 0 <= number < len(SYSLOG_SEVERITY) and SYSLOG_SEVERITY[number] == severity
    return is_syslog or severity in (severity_number(number), severity_number(number, otel=True))


# Lines --------------------------------------------------------------------------------------------------


def _of_line(known: Event, record: bytes) -> Iterator[tuple[str, str, int]]:
    line = record[:_CHARS].decode("utf-8", "replace").rstrip("\r\n")
    words = line.split(None, _WORDS)[:_WORDS]
    if (where := _time_in(words, known.time)) != "":
        yield "time", where, 1
    if line.startswith("<") and ">" in line[:5]:
        priority = line[1 : line.index(">")]
        if priority.isdecimal() and SYSLOG_SEVERITY[int(priority) & 7] == known.severity:
            yield "level", "the priority", 3
    for number, word in enumerate(words, 1):
        yield from _of_word(known, number, word)
    if known.message == line:
        yield "message", "the whole line", 1
    elif line.endswith(known.message[: _CHARS // 2]) and known.message:
        yield "message", "what follows", 1
    elif known.message:
        yield "message", "made of the line", 1


def _of_word(known: Event, number: int, word: str) -> Iterator[tuple[str, str, int]]:
    pair = _PAIR.fullmatch(word)
    where, bare = (pair[1], pair[2]) if pair else (f"word {number}", word.strip(_EDGES).rstrip(":"))
    if known.severity:
        if severity_number(bare) == known.severity and (word in LEVEL_TOKENS or pair or bare.isupper()):
            yield "level", where, 2
        elif number == 1 and word[1:5].isdecimal() and severity_number(word[0]) == known.severity:
            yield "level", "its first letter", 2
    if known.source not in ("", UNKNOWN_SOURCE) and re.split(r"[\[(]", bare)[0] == known.source:
        yield "source", where, 2
    elif known.source not in ("", UNKNOWN_SOURCE) and known.source in bare:
        yield "source", where, 1
    if known.entity and known.entity in bare:
        yield "entity", where if pair else "the message", 1


def _time_in(words: list[str], time: float) -> str:
    """The fewest words that are the time, the first ones of several."""
    if isnan(time):
        return ""
    for count in (1, 2, 3):
        for start in range(min(len(words), 8) - count + 1):
            text = " ".join(words[start : start + count]).strip(_EDGES).rstrip(":")
            pair = _PAIR.fullmatch(text) if count == 1 else None
            if pair and _is_time(pair[2], time):
                return pair[1]
            if _is_line_time(text, time):
                last = start + count
                return f"word {last}" if count == 1 else f"words {start + 1} to {last}"
    return ""


def _is_line_time(text: str, time: float) -> bool:
    bare = re.sub(r"\A(?:<\d{1,3}>\d?|[A-Z](?=\d{4} ))", "", text)
    whole = bare.partition(".")[0].partition(",")[0]
    return _is_time(bare, time) or 0 <= time - _TIMES.yearless(whole, time) < 1
