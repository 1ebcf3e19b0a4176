"""MessagePack, as Fluent Bit can write it: what a JSON record holds, with or without its time in front.

Source: https://github.com/msgpack/msgpack/blob/master/spec.md and, for the pair of time and record,
https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1. Needs the extra ``msgpack``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from schemas.events import Row
from schemas.formats.errors import DecodeError
from schemas.timestamps import EARLIEST, LATEST

__all__ = ["MessagePackFormat", "why_message_pack"]

_LONGEST = 10_000
"""Most elements of an array or map, for which room is made before they are read."""
_MAPS = frozenset((*range(0x81, 0x90), 0xDE, 0xDF))
_PAIR = 0x92
_TIMESTAMP, _EVENT_TIME = -1, 0

Reading = Callable[[Any, bytes, int, float | None, list[Row]], None]


class MessagePackFormat:
    """Reads MessagePack; what is in it, ``read_parsed`` reads."""

    def __init__(self, read_parsed: Reading) -> None:
        self._read_parsed = read_parsed

    def read(self, value: bytes, offset: int, record_time: float | None, rows: list[Row]) -> None:
        """Append the event (or events) of one record to ``rows``; nothing is appended when it raises.

        Raises:
            DecodeError: no MessagePack, no library for it, or content that holds no event.

        """
        parsed = _unpacked(value)
        if type(parsed) is list and len(parsed) == 2 and type(parsed[1]) is dict:
            time, parsed = _time(parsed[0]), parsed[1]
            if time is not None:
                parsed = {"@timestamp": time} | parsed
        self._read_parsed(parsed, b"a record nested too deep", offset, record_time, rows)


def why_message_pack(value: bytes) -> str:
    """Why a binary record is MessagePack with an event; ``""`` where it is none, or cannot be read here."""
    if value[0] not in _MAPS and value[0] != _PAIR:
        return ""
    try:
        parsed = _unpacked(value)
    except DecodeError:
        return ""
    if type(parsed) is dict:
        return "it is a map in MessagePack"
    pair = len(parsed) == 2 and type(parsed[1]) is dict if type(parsed) is list else False
    return "it is a time and a map in MessagePack" if pair else ""


def _unpacked(value: bytes) -> Any:
    try:
        import msgpack
    except ImportError:
        raise DecodeError(
            "binary: MessagePack, which needs the extra: pip install 'qualm[msgpack]'"
        ) from None
    try:
        return msgpack.unpackb(
            value, strict_map_key=False, unicode_errors="replace", object_pairs_hook=_map, list_hook=_list,
            ext_hook=_extension, timestamp=1, max_array_len=_LONGEST, max_map_len=_LONGEST,
        )  # fmt: skip
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise DecodeError(f"not MessagePack: {type(error).__name__}") from None


def _map(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """With names that are text, as JSON has them."""
    return {name if type(name) is str else str(_plain(name)): _plain(value) for name, value in pairs}


def _list(values: list[Any]) -> list[Any]:
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    """What JSON can hold as well: no bytes, and no numbers that are not finite."""
    if type(value) is float and not math.isfinite(value):
        return None
    return value.decode("utf-8", "replace") if type(value) is bytes else value


def _extension(code: int, data: bytes) -> Any:
    """Fluentd's EventTime: seconds and nanoseconds; nothing of any other kind."""
    if code == _EVENT_TIME and len(data) == 8:
        seconds, nanoseconds = struct.unpack(">II", data)
        return float(seconds + nanoseconds / 1e9)
    return None


def _time(value: Any) -> float | None:
    """Seconds of the time in front of a record; newer Fluent Bits put it into an array with metadata."""
    if type(value) is list and value:
        value = value[0]
    return float(value) if type(value) in (int, float) and EARLIEST <= value <= LATEST else None
