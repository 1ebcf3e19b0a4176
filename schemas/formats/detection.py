"""Records of a topic to log events: the format is detected once per topic, and no bad record is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.events import MAX_SOURCE_CHARS, EventBatch, Row
from schemas.formats.errors import DecodeError
from schemas.formats.json import JsonFormat, load
from schemas.formats.options import Format, ReadOptions
from schemas.formats.otlp import OtlpFormat, is_request
from schemas.formats.patterns import entity_finder
from schemas.formats.text import TextFormat
from schemas.timestamps import EARLIEST, LATEST

__all__ = ["Decoded", "TopicDecoder"]

TEXT_AFTER = 32
"""Records without any JSON object after which a topic is held to be text for good."""


@dataclass(slots=True)
class Decoded:
    """What came of some records: their events, and which of them could not be used."""

    events: EventBatch = field(default_factory=EventBatch)
    failures: list[tuple[int, str]] = field(default_factory=list)
    """(index of the record in the call, reason); a record is either here or has at least one event."""


class _Snapshot(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Format
    undecided: Annotated[int, Field(ge=0)]
    source: Annotated[str, Field(max_length=MAX_SOURCE_CHARS)]


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

    def snapshot(self) -> bytes:
        """What later results depend on, as JSON."""
        return orjson.dumps(
            {"format": self._format, "undecided": self._undecided, "source": self._text.source}
        )

    def resume(self, data: bytes) -> None:
        """Continue from a `snapshot` of a decoder with the same options.

        Raises:
            ValueError: not such a snapshot.

        """
        try:
            content = _Snapshot.model_validate_json(data)
        except ValidationError:
            raise ValueError("not a snapshot of a topic decoder") from None
        self._undecided, self._text.source = content.undecided, content.source
        self._fix(content.format)

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
