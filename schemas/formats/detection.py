"""Records of a topic to log events: the format is detected once per topic, and no bad record is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from schemas.events import EventBatch, Row
from schemas.formats.errors import DecodeError
from schemas.formats.json import JsonFormat, load
from schemas.formats.otlp import OtlpFormat, is_request
from schemas.formats.patterns import entity_finder
from schemas.formats.text import LinePattern, TextFormat
from schemas.timestamps import EARLIEST, LATEST

__all__ = ["Decoded", "Format", "ReadOptions", "TopicDecoder"]

Format = Literal["auto", "json", "otlp", "text"]

TEXT_AFTER = 32
"""Records without any JSON object after which a topic is held to be text for good."""


@dataclass(frozen=True)
class ReadOptions:
    """How the records of a topic are read.

    Attributes:
        format: ``json``, ``otlp`` or ``text``, or ``auto`` to tell it from the first records.
        line: header of text lines, ``'<date> <time> <pid> <level> <logger>: <message>'``; implies text.
        entity_field: field of the entity, dotted for one inside an object; preferred to the pattern.
        entity_pattern: regular expression (RE2 syntax) searched in the first 4,096 characters of the message;
            its first group, or the whole match, is the entity.
        source_field: field of the source, preferred to the usual names.
        max_record_bytes: larger records are not decoded.

    Raises:
        ValueError: an option that cannot work; the text says what to do.

    """

    format: Format = "auto"
    line: str | None = None
    entity_field: str | None = None
    entity_pattern: str | None = None
    source_field: str | None = None
    max_record_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise ValueError(f"format {self.format!r} is not known; use one of {', '.join(get_args(Format))}")
        if self.line is not None:
            if self.format in ("json", "otlp"):
                raise ValueError(
                    f"a line pattern describes text, but the format is {self.format}; give one of them"
                )
            LinePattern.compile(self.line)
        if self.entity_pattern is not None:
            entity_finder(self.entity_pattern)
        if self.max_record_bytes < 1:
            raise ValueError("max_record_bytes must be at least 1")


@dataclass(slots=True)
class Decoded:
    """What came of some records: their events, and which of them could not be used."""

    events: EventBatch = field(default_factory=EventBatch)
    failures: list[tuple[int, str]] = field(default_factory=list)
    """(index of the record in the call, reason); a record is either here or has at least one event."""


class TopicDecoder:
    """Decodes the records of one topic partition, in order.

    With ``auto``, the first JSON object fixes the format (OTLP if it has ``resourceLogs``), and so do 32
    records that are no JSON: text. Until then broken records that begin with ``{`` fail and others are read
    as text, so that a stray line at the start does not turn a topic of JSON into one of text.

    Results depend on the order of the records, never on how they were batched: use one decoder per partition.
    """

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        find = entity_finder(options.entity_pattern) if options.entity_pattern else None
        fields = {"entity_field": options.entity_field, "source_field": options.source_field}
        self._json = JsonFormat(find_entity=find, **fields)
        self._otlp = OtlpFormat(find_entity=find, **fields)
        self._text = TextFormat(line=options.line, find_entity=find)
        self._fix("text" if options.line else options.format)
        self._undecided = 0

    @property
    def format(self) -> Format:
        """The format of the topic; ``"auto"`` until it is known."""
        return self._format

    def state(self) -> dict[str, Any]:
        """What later results depend on, for a snapshot: JSON types only."""
        return {"format": self._format, "undecided": self._undecided, "source": self._text.source}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state` of a decoder with the same options.

        Raises:
            ValueError: not such a state.

        """
        form: Any = state.get("format")
        undecided, source = state.get("undecided"), state.get("source")
        if form not in get_args(Format) or not isinstance(undecided, int) or not isinstance(source, str):
            raise ValueError("not the state of a topic decoder")
        self._undecided, self._text.source = undecided, source
        self._fix(form)

    def decode(
        self,
        values: Sequence[bytes | None],
        offsets: Sequence[int],
        timestamps: Sequence[float | None],
    ) -> Decoded:
        """Decode records, given their offsets and Kafka timestamps (Unix seconds; None, NaN or -1 for none).

        An event without a time, or with one before 1990 or more than a day after its record, gets the time of
        its record; NaN where that has none. Raises nothing for any content.
        """
        rows: list[Row] = []
        failures: list[tuple[int, str]] = []
        limit = self.options.max_record_bytes
        for index, (value, offset, time) in enumerate(zip(values, offsets, timestamps, strict=True)):
            if not value or value.isspace():
                failures.append((index, "empty"))
            elif len(value) > limit:
                failures.append((index, f"too large: {len(value)} bytes, more than {limit}"))
            else:
                if time is not None and not EARLIEST <= time <= LATEST:
                    time = None
                try:
                    self._read(value, offset, time, rows)
                except DecodeError as error:
                    failures.append((index, str(error)))
        return Decoded(EventBatch.of(rows), failures)

    def _fix(self, form: Format) -> None:
        self._format = form
        readers = {"json": self._json.read, "otlp": self._otlp.read, "text": self._text.read}
        self._read = readers.get(form, self._read_undecided)

    def _read_undecided(self, value: bytes, offset: int, time: float | None, rows: list[Row]) -> None:
        first = value.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        parsed: Any = None
        problem: DecodeError | None = None
        if first in (b"{", b"["):
            try:
                parsed = load(value)
            except DecodeError as error:
                problem = error
        if isinstance(parsed, list):
            parsed = next(iter(parsed), None)
        if isinstance(parsed, dict):
            self._fix("otlp" if is_request(parsed) else "json")
            self._read(value, offset, time, rows)
            return
        self._undecided += 1
        if self._undecided >= TEXT_AFTER:
            self._fix("text")
        if first == b"{" and problem:
            raise problem
        self._text.read(value, offset, time, rows)
