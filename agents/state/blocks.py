"""What stands in the records of a snapshot: blocks, by the digest of their bytes, and a manifest of them.

What is read is not trusted: sizes and counts are bounded before anything is unpacked, and bytes are taken
only if they have the digest that they are asked for by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Final

import orjson
import zstandard
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models import cuts

__all__ = ["MAX_BYTES", "DamagedError", "Manifest", "digest", "pack", "unpack"]

FORMAT: Final = 1
MAX_BYTES: Final = 512 * 1024 * 1024  # of one state
MAX_BLOCKS: Final = 20_000  # of 16 KiB or so each; the manifest is then 700 kB
MAX_MANIFEST: Final = 900_000
_DIGEST_BYTES: Final = 16
_LEVEL: Final = 1  # of zstandard: a third of the bytes at 300 MB/s; more costs time for little


class DamagedError(ValueError):
    """A record of a snapshot that is not what it was when it was written, or was never written by qualm."""


class _Content(BaseModel):
    """A manifest as JSON."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int = Field(ge=1)
    position: int = Field(ge=0, lt=2**63)
    made_with: str = Field(max_length=200)
    size: int = Field(ge=0, le=MAX_BYTES)
    blocks: list[str] = Field(max_length=MAX_BLOCKS)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One snapshot: of which state, and where its bytes are.

    position: offset behind the last record that was taken in; made_with: what the state can be taken up by;
    size: bytes of the state; blocks: the digests of its blocks in order.
    """

    position: int
    made_with: str
    size: int
    blocks: tuple[str, ...]

    def encode(self) -> bytes:
        """As a record. Raises ValueError where the state is larger than any that can be read again."""
        content = {"format": FORMAT, **asdict(self)}
        text = orjson.dumps(content)
        if len(text) > MAX_MANIFEST or len(self.blocks) > MAX_BLOCKS or self.size > MAX_BYTES:
            raise ValueError(
                f"a state of {self.size:,} bytes in {len(self.blocks):,} blocks is too large to be kept"
            )
        return digest(text).encode() + text

    @classmethod
    def decode(cls, value: bytes) -> Manifest:
        """From a record. Raises DamagedError."""
        told, text = value[: 2 * _DIGEST_BYTES], value[2 * _DIGEST_BYTES :]
        if len(value) > 2 * MAX_MANIFEST or digest(text).encode() != told:
            raise DamagedError("its manifest is damaged")
        try:
            content = _Content.model_validate_json(text)
        except ValidationError:
            raise DamagedError("its manifest is of another version of qualm") from None
        if content.format != FORMAT:
            raise DamagedError("it is of another version of qualm")
        return cls(content.position, content.made_with, content.size, tuple(content.blocks))


def digest(data: bytes | memoryview) -> str:
    """What a block is known by, 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def pack(data: bytes, kept: Collection[str]) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """The blocks of a state: digests in order, and of those that are not kept yet, compressed, by digest."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    names: list[str] = []
    new: dict[str, bytes] = {}
    for block in cuts.blocks(data):
        name = digest(block)
        names.append(name)
        if name not in kept and name not in new:
            new[name] = compressor.compress(block)
    return tuple(names), new


def unpack(name: str, value: bytes) -> bytes:
    """The bytes of a block. Raises DamagedError for any but those that were packed under this name."""
    try:
        if not 0 <= zstandard.frame_content_size(value) <= cuts.MOST:
            raise DamagedError("a block of it is damaged")
        data = zstandard.ZstdDecompressor().decompress(value, max_output_size=cuts.MOST)
    except zstandard.ZstdError:
        raise DamagedError("a block of it is damaged") from None
    if digest(data) != name:
        raise DamagedError("a block of it is damaged")
    return data
