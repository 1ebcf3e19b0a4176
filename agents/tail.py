"""What qualm itself writes, read back for people: alerts, salient events and dead letters."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan
from typing import Any

import orjson

from agents.records import Headers, RecordBatch
from schemas.alert import Alert
from schemas.dead_letter import DeadLetter
from schemas.notice import Notice
from schemas.salient import SalientEvent
from schemas.watermark import Watermark, decode_salient

__all__ = ["DeadRecord", "Message", "as_object", "messages"]


@dataclass(frozen=True, slots=True)
class DeadRecord:
    """A dead letter, and when it was written (Unix seconds; NaN where unknown)."""

    letter: DeadLetter
    time: float


Message = Alert | SalientEvent | DeadRecord


def messages(batch: RecordBatch) -> Iterator[Message | None]:
    """What each record is; None for one that is nothing of qualm's. Watermarks and notices are left out."""
    columns = (batch.values, batch.headers, batch.timestamps, batch.offsets)
    for value, headers, time, offset in zip(*columns, strict=True):
        try:
            found = _message(value, headers, time, (batch.topic, batch.partition, offset))
        except ValueError:
            yield None
        else:
            if not isinstance(found, Watermark | Notice):
                yield found


def _message(
    value: bytes | None, headers: Headers, time: float, place: tuple[str, int, int]
) -> Message | Watermark | Notice:
    """Raises ValueError for what is nothing of qualm's."""
    said = dict(headers)
    if "qualm.error.reason" in said:
        text = {name: said.get(f"qualm.error.{name}", b"").decode("utf-8", "replace") for name in _WHERE}
        return DeadRecord(_letter(value, text, place), time)
    parsed = orjson.loads(value or b"")
    if not isinstance(parsed, dict):
        raise ValueError("no object")
    if parsed.get("type") == "dead_letter":
        return _read_again(parsed)
    if "fingerprint" in parsed:
        return Alert.decode(value or b"")
    return decode_salient(value or b"")


_WHERE = ("reason", "topic", "partition", "offset")


def _letter(value: bytes | None, said: dict[str, Any], place: tuple[str, int, int]) -> DeadLetter:
    topic, partition, offset = place
    return DeadLetter(
        str(said["topic"] or topic),
        _number(said["partition"], partition),
        _number(said["offset"], offset),
        None,
        value,
        reason=str(said["reason"]),
    )


def _number(text: object, otherwise: int) -> int:
    try:
        return int(str(text)[:20])
    except ValueError:
        return otherwise


def _read_again(parsed: dict[str, Any]) -> DeadRecord:
    """What `as_object` made of a dead letter. Raises ValueError."""
    said = {name: parsed.get(name, "") for name in _WHERE}
    text, packed, time = (parsed.get(name) for name in ("value", "value_base64", "time"))
    try:
        value = base64.b64decode(packed) if isinstance(packed, str) else None
    except binascii.Error as error:
        raise ValueError("no dead letter") from error
    value = text.encode("utf-8", "replace") if isinstance(text, str) else value
    return DeadRecord(_letter(value, said, ("", 0, 0)), float(time) if isinstance(time, int | float) else nan)


def as_object(message: Message) -> dict[str, Any]:
    """As JSON types, with a ``type``: ``alert``, ``salient`` or ``dead_letter``; all that a record has."""
    if isinstance(message, Alert):
        return {"type": "alert", **message.to_json()}
    if isinstance(message, SalientEvent):
        return {"type": "salient", **message.model_dump(mode="json")}
    letter = message.letter
    content: dict[str, Any] = {"value": None}
    if letter.value is not None:
        try:
            content = {"value": letter.value.decode()}
        except UnicodeDecodeError:
            content = {"value": None, "value_base64": base64.b64encode(letter.value).decode()}
    return {
        "type": "dead_letter", "time": message.time if message.time == message.time else None,
        "topic": letter.topic, "partition": letter.partition, "offset": letter.offset,
        "reason": letter.reason, **content,
    }  # fmt: skip
