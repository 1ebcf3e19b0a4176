"""OTLP in Protobuf, the OpenTelemetry Collector's default on Kafka: an export request, as ``otlp_proto``.

Source: https://opentelemetry.io/docs/specs/otlp/#binary-protobuf-encoding; the messages are those of the
package opentelemetry-proto. A LogsData message has the same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as Message
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from schemas.events import Row
from schemas.formats.errors import DecodeError
from schemas.formats.otlp_records import LogRecord, OtlpRows

__all__ = ["OtlpProtoFormat", "why_otlp_proto"]

MAX_BYTES = 4 * 1024 * 1024
"""Most bytes of a request, as gRPC has it. Empty messages of two bytes take 128 in memory."""

_FIRST = 0x0A
_LAST_FIELD = 12
"""Highest number of a field that log records have; new ones come after it."""
_MAX_DEPTH = 8


class OtlpProtoFormat:
    """Reads export requests in Protobuf."""

    def __init__(self, rows: OtlpRows) -> None:
        self._rows = rows

    def read(self, value: bytes, offset: int, record_time: float | None, rows: list[Row]) -> None:
        """Append the log records of one export request to ``rows``; nothing is appended when it raises.

        Args:
            value: the record.
            offset: its offset.
            record_time: its plausible time in Unix seconds, or None.
            rows: where events go.

        Raises:
            DecodeError: no request of logs, more than 4 MiB or 100,000 log records, or none that is usable.

        """
        if len(value) > MAX_BYTES:
            raise DecodeError(
                f"too large: {len(value)} bytes of OTLP, more than {MAX_BYTES}; lower send_batch_max_size"
            )
        request = _parsed(value)
        if request is None:
            raise DecodeError("not OTLP: a record of this topic is an export request of logs in Protobuf")
        self._rows.read(_records(request), value, offset, record_time, rows)


def why_otlp_proto(value: bytes) -> str:
    """Why a binary record is an export request with a log record; ``""`` where it is none."""
    if value[0] != _FIRST or len(value) > MAX_BYTES:
        return ""
    request = _parsed(value)
    return "it is Protobuf with log records of OpenTelemetry" if request and _first(request) else ""


def _parsed(value: bytes) -> LogsData | None:
    """The request; None where the bytes are none of logs."""
    try:
        request = LogsData.FromString(value)
    except ProtobufError:
        return None
    record = _first(request)
    # Spans and metrics have the same messages around them, but fields of other types under these numbers.
    strange = record is not None and any(each.field_number <= _LAST_FIELD for each in UnknownFieldSet(record))
    return None if strange else request


def _first(request: LogsData) -> Message | None:
    records = (
        record
        for group in request.resource_logs
        for scoped in group.scope_logs
        for record in scoped.log_records
    )
    return next(records, None)


def _records(request: LogsData) -> Iterator[LogRecord]:
    for group in request.resource_logs:
        about = _attributes(group.resource.attributes)
        for scoped in group.scope_logs:
            scope = scoped.scope.name
            for record in scoped.log_records:
                fields: dict[str, Any] = {
                    "timeUnixNano": record.time_unix_nano,
                    "observedTimeUnixNano": record.observed_time_unix_nano,
                    "severityNumber": record.severity_number,
                    "severityText": record.severity_text,
                    "traceId": record.trace_id.hex(),
                    "spanId": record.span_id.hex(),
                    "eventName": record.event_name,
                }
                yield fields, _plain(record.body), _attributes(record.attributes), about, scope


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue, depth: int = 0) -> Any:
    """The plain value; what is nested deeper than eight levels is as in OTLP/JSON."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind in ("bool_value", "int_value", "double_value"):
        return getattr(value, kind)
    if depth >= _MAX_DEPTH and kind in ("array_value", "kvlist_value"):
        return MessageToDict(value)
    if kind == "array_value":
        return [_plain(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value, depth + 1) for pair in value.kvlist_value.values}
    return None
