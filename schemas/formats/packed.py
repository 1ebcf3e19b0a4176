"""What a record is packed in: gzip, Zstandard, and base64 of gzip."""

from __future__ import annotations

import base64
import binascii
import zlib

import zstandard

from schemas.formats.errors import DecodeError

__all__ = ["unpacked"]

_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
_GZIP_BASE64 = b"H4sI"
"""How gzip begins in base64; CloudWatch hands its logs on like this."""
_MOST_WINDOW = 1 << 27
_PIECE = 256
"""Bytes handed over at once: at most 8 MiB come of them, as four can stand for a block of 128 KiB."""


def unpacked(value: bytes, limit: int) -> bytes:
    """The content of a record that is packed, once; any other record as it is.

    Args:
        value: the record, not empty.
        limit: most bytes that may come out.

    Raises:
        DecodeError: more than ``limit`` bytes, or data that is damaged or cut off.

    """
    if value.startswith(_GZIP):
        return _gunzip(value, limit)
    if value.startswith(_ZSTD):
        return _unzstd(value, limit)
    if value.startswith(_GZIP_BASE64):
        try:
            packed = base64.b64decode(value.strip(), validate=True)
        except binascii.Error:
            return value
        return _gunzip(packed, limit)
    return value


def _gunzip(value: bytes, limit: int) -> bytes:
    """All members of a gzip stream."""
    parts: list[bytes] = []
    left = limit
    while value:
        stream = zlib.decompressobj(wbits=31)
        try:
            parts.append(stream.decompress(value, left + 1))
        except zlib.error:
            raise DecodeError("broken: gzip data that is damaged") from None
        left -= len(parts[-1])
        if left < 0:
            raise _too_large("gzip", limit)
        if not stream.eof:
            raise DecodeError("broken: gzip data that is cut off")
        value = stream.unused_data.lstrip(b"\0")  # padding is allowed after a member
    return b"".join(parts)


def _unzstd(value: bytes, limit: int) -> bytes:
    """All frames, in pieces: the library's stream reader takes data that is cut off for whole data."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW)
    parts: list[bytes] = []
    left, position, frame = limit, 0, None
    try:
        while position < len(value):
            frame = frame or decompressor.decompressobj()
            piece = value[position : position + _PIECE]
            parts.append(frame.decompress(piece))
            position += len(piece)
            if frame.eof:
                position -= len(frame.unused_data)
                frame = None
            left -= len(parts[-1])
            if left < 0:
                raise _too_large("Zstandard", limit)
    except zstandard.ZstdError:
        raise DecodeError("broken: Zstandard data that is damaged") from None
    if frame is not None:
        raise DecodeError("broken: Zstandard data that is cut off")
    return b"".join(parts)


def _too_large(kind: str, limit: int) -> DecodeError:
    return DecodeError(f"too large: the {kind} data unpacks to more than {limit} bytes")
