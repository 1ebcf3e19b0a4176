"""Records of a topic to log events: the format is detected once per topic, and no bad record is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.events import MAX_SOURCE_CHARS, EventBatch, Row
from schemas.formats.binary import refuse_binary
from schemas.formats.confluent import content_of
from schemas.formats.cri import MAX_UNFINISHED
from schemas.formats.errors import DecodeError
from schemas.formats.json import load
from schemas.formats.kafka_headers import HeaderReader, Headers
from schemas.formats.options import Format, ReadOptions
from schemas.formats.packed import unpacked
from schemas.formats.registry import BINARY, Readers, why_binary, why_object
from schemas.timestamps import EARLIEST, LATEST

__all__ = ["Decoded", "TopicDecoder"]

TEXT_AFTER = 32
"""Records of text without any JSON object after which a topic is held to be text for good."""
_DOUBTFUL = 0.1
"""Share of records that cannot be decoded from which on a format is in doubt."""
_MAX_WHY_CHARS = 200
_MAX_KEY_BYTES = 256
_BRACE, _NEVER = ord("{"), -1
_PACKED = ord("H")
"""How gzip in base64 begins."""


@dataclass(slots=True)
class Decoded:
    """What came of some records: their events, and which of them could not be used."""

    events: EventBatch = field(default_factory=EventBatch)
    failures: list[tuple[int, str]] = field(default_factory=list)
    """(index of the record in the call, reason); a record is either here or has at least one event, or it is
    a part of a container's line whose end has yet to come."""


class _Snapshot(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Format
    undecided: Annotated[int, Field(ge=0)]
    source: Annotated[str, Field(max_length=MAX_SOURCE_CHARS)]
    why: Annotated[str, Field(max_length=_MAX_WHY_CHARS)] = ""
    records: Annotated[int, Field(ge=0)] = 0
    failed: Annotated[int, Field(ge=0)] = 0
    parts: Annotated[dict[str, str], Field(max_length=MAX_UNFINISHED)] = {}


class TopicDecoder:
    """Decodes the records of one topic partition, in order.

    With ``auto``, the first JSON object, or binary record of a known format, fixes the format, and so do 32
    records of text. Until then broken records that begin with ``{`` fail and others are read as text, so that
    a stray line at the start does not turn a topic of JSON into one of text. A header ``content-type`` may
    say it at once. Records in gzip or Zstandard are unpacked, and so are those in
    Confluent's wire format; other binary ones are never read as text.

    Results depend on the order of the records, never on how they were batched: use one decoder per partition.

    Args:
        options: how records are read.
        on_decoded: told of all that comes of each call of `decode`, with its records and their offsets.

    """

    def __init__(
        self,
        options: ReadOptions,
        on_decoded: Callable[[Decoded, Sequence[bytes | None], Sequence[int]], None] = lambda *_: None,
    ) -> None:
        self.options = options
        self._on_decoded = on_decoded
        self._readers = Readers.of(options)
        self._headers = HeaderReader(options)
        self._undecided = self._records = self._failed = 0
        if options.line:
            self._fix("text", "a line pattern was given")
        else:
            self._fix(options.format, "" if options.format == "auto" else "it was given")

    @property
    def format(self) -> Format:
        """The format of the topic; ``"auto"`` until it is known."""
        return self._format

    @property
    def why(self) -> str:
        """Why it is this format, for people; ``""`` until it is known."""
        return self._why

    @property
    def doubt(self) -> str:
        """Why the format is in doubt, for people; ``""`` where it is not, or nothing was read yet."""
        if self._failed > _DOUBTFUL * self._records:
            form = "any known format" if self._format == "auto" else self._format
            return f"{self._failed} of {self._records} records could not be decoded as {form}"
        if self._format == "auto" and self._undecided:
            return f"no record is JSON or of another known format; {self._undecided} were read as text"
        return ""

    @property
    def reference_time(self) -> float:
        """Where the year of lines without one comes from if their record has no time, Unix seconds.

        Set it to the time at which their file was written; until then it is that at which this was made.
        """
        return self._readers.text.lines.reference_time

    @reference_time.setter
    def reference_time(self, time: float) -> None:
        self._readers.text.lines.reference_time = self._readers.inner.reference_time = time

    def snapshot(self) -> bytes:
        """What later results depend on, as JSON."""
        return orjson.dumps(
            {
                "format": self._format,
                "undecided": self._undecided,
                "source": self._readers.text.source,
                "why": self._why,
                "records": self._records,
                "failed": self._failed,
                "parts": self._readers.text.lines.parts.unfinished,
            }
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
        self._undecided, self._readers.text.source = content.undecided, content.source
        self._records, self._failed = content.records, content.failed
        self._readers.text.lines.parts.unfinished = content.parts
        self._fix(content.format, content.why)

    def decode(
        self,
        values: Sequence[bytes | None],
        offsets: Sequence[int],
        timestamps: Sequence[float | None],
        headers: Sequence[Headers] | None = None,
        keys: Sequence[bytes | None] | None = None,
    ) -> Decoded:
        """Decode records, given their offsets and Kafka timestamps (Unix seconds; None, NaN or -1 for none).

        An event without a time, or with one before 1990 or more than a day after its record, gets the time of
        its record; NaN where that has none. An event without source or entity gets those of the record's
        headers. Parts of container lines are joined within a key. Raises nothing for any content.
        """
        rows: list[Row] = []
        failures: list[tuple[int, str]] = []
        with_headers = headers is not None and any(headers)
        limit = self.options.max_record_bytes
        text = self._readers.text
        text.owner = ""
        with_keys = keys is not None and self._format in ("auto", "text") and any(keys)
        for index, (value, offset, time) in enumerate(zip(values, offsets, timestamps, strict=True)):
            try:
                # At first sight an object, or text in ASCII that is neither packed nor binary.
                if (
                    not value
                    or len(value) > limit
                    or (
                        (first := value[0]) != self._usual
                        and not (value.isascii() and 32 < first != _PACKED and b"\0" not in value)
                    )
                ):
                    value = self._prepared(value, limit)
                if time is not None and not EARLIEST <= time <= LATEST:
                    time = None
                if with_keys and keys:
                    text.owner = _owner(keys[index])
                if with_headers and headers and headers[index]:
                    self._read_with_headers(value, offset, time, rows, headers[index])
                else:
                    self._read(value, offset, time, rows)
            except DecodeError as error:
                failures.append((index, str(error)))
        self._records += len(values)
        self._failed += len(failures)
        decoded = Decoded(EventBatch.of(rows), failures)
        self._on_decoded(decoded, values, offsets)
        return decoded

    def _prepared(self, value: bytes | None, limit: int) -> bytes:
        """The content of a record: unpacked, not empty, and no binary where it has to be text."""
        if not value or value.isspace():
            raise DecodeError("empty")
        if len(value) > limit:
            raise DecodeError(f"too large: {len(value)} bytes, more than {limit}")
        value = unpacked(value, limit)
        if not value or value.isspace():
            raise DecodeError("empty")
        if value[0] == 0:
            value = content_of(value, self.options.schema_of)
            if len(value) > limit:
                raise DecodeError(f"too large: {len(value)} bytes as JSON, more than {limit}")
        if self._format != "auto" and self._format not in BINARY:
            refuse_binary(value)
        return value

    def _fix(self, form: Format, why: str) -> None:
        self._format = form
        self._why = why[:_MAX_WHY_CHARS]
        self._usual = _NEVER if form == "text" else _BRACE
        reader = self._readers.by_name.get(form)
        self._read = reader.read if reader else self._read_undecided

    def _read_with_headers(
        self, value: bytes, offset: int, time: float | None, rows: list[Row], headers: Headers
    ) -> None:
        said = self._headers.read(headers)
        if self._format == "auto" and said.format:
            if said.format not in BINARY:
                refuse_binary(value)
            self._fix(said.format, f"the header content-type says {said.content_type}")
        first = len(rows)
        self._read(value, offset, time, rows)
        if said.source or said.entity:
            rows[first:] = [said.complete(row) for row in rows[first:]]

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
            self._fix(*why_object(parsed))
            self._read(value, offset, time, rows)
            return
        form, why = why_binary(value)
        if form != "auto":
            self._fix(form, why)
            self._read(value, offset, time, rows)
            return
        refuse_binary(value)
        self._undecided += 1
        if self._undecided >= TEXT_AFTER:
            self._fix("text", f"{TEXT_AFTER} records held no JSON object")
        if first == b"{" and problem:
            raise problem
        self._readers.text.read(value, offset, time, rows)


def _owner(key: bytes | None) -> str:
    """Whose a record is by its key: a text of at most 256 characters, another for each key of that length."""
    return (key or b"")[:_MAX_KEY_BYTES].decode("latin-1")
