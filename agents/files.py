"""Log files as record batches: plain, gzip or zstd, or standard input."""

import glob
import gzip
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import zstandard

from agents.records import RecordBatch

BLOCK: Final = 1 << 20  # bytes read at once
BATCH: Final = 4096  # lines
LINE_LIMIT: Final = 16 * 1024 * 1024 + 1  # bytes of a line that are kept: one more than any decoder takes


class InputError(Exception):
    """An input that is not there or cannot be read; the text says which and what to do."""


def expand(patterns: Sequence[str]) -> list[str]:
    """File names of the patterns, in order, sorted within a glob. Raises InputError where one matches nothing."""
    names: list[str] = []
    for pattern in patterns:
        found = [pattern] if pattern == "-" or Path(pattern).is_file() else sorted(glob.glob(pattern, recursive=True))
        files = [name for name in found if name == "-" or Path(name).is_file()]
        if not files:
            raise InputError(f"{pattern}: no such file; give files, globs, '-' or kafka://host:port/topic")
        names += files
    return names


def size(names: Sequence[str]) -> int:
    """Bytes on disk, for a progress bar; 0 where standard input is among them."""
    return 0 if "-" in names else sum(Path(name).stat().st_size for name in names)


class FileReader:
    """Lines of one file as records of partition 0; the offset is the number of the line, from 0."""

    def __init__(self, name: str, first_offset: int = 0) -> None:
        self.name = name
        self.offset = first_offset
        self._raw: IO[bytes] = sys.stdin.buffer if name == "-" else Path(name).open("rb")
        self._stream = _decompressed(self._raw, name)

    def tell(self) -> int:
        """Bytes of the file read so far, compressed ones where it is compressed."""
        return 0 if self.name == "-" else self._raw.tell()

    def __iter__(self) -> Iterator[RecordBatch]:
        try:
            for lines in _batches(self._stream):
                yield self._batch(lines)
        except (OSError, EOFError, zstandard.ZstdError) as error:
            raise InputError(f"{self.name}: broken off: {error}") from None
        finally:
            if self.name != "-":
                self._raw.close()

    def _batch(self, lines: list[bytes]) -> RecordBatch:
        n = len(lines)
        offsets = list(range(self.offset, self.offset + n))
        self.offset += n
        values: list[bytes | None] = list(lines)
        return RecordBatch("file", 0, offsets, values, [float("nan")] * n, [None] * n, [[]] * n)


def _decompressed(raw: IO[bytes], name: str) -> IO[bytes]:
    """By content and not by name, so that a renamed or piped file reads as well."""
    head = raw.peek(4)[:4] if isinstance(raw, io.BufferedReader) else b""
    if head[:2] == b"\x1f\x8b":
        return gzip.open(raw)
    if head == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    return raw


def _batches(stream: IO[bytes]) -> Iterator[list[bytes]]:
    """Lines without their ends, BATCH at a time; of an overlong line only the first LINE_LIMIT bytes."""
    lines: list[bytes] = []
    rest = b""
    while block := stream.read(BLOCK):
        first, *others = block.split(b"\n")
        if len(rest) < LINE_LIMIT:
            rest += first
        if others:
            lines.append(rest)
            rest = others.pop()
            lines += others
        while len(lines) >= BATCH:
            yield [line.rstrip(b"\r") for line in lines[:BATCH]]
            del lines[:BATCH]
    if rest:
        lines.append(rest)
    if lines:
        yield [line.rstrip(b"\r") for line in lines]
