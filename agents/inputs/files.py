"""Log files as record batches: plain, gzip or zstd, or standard input."""

import glob
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from math import nan
from pathlib import Path
from typing import IO, Final

import zstandard

from agents.inputs.documents import records
from agents.records import FILE_TOPIC, RecordBatch
from schemas.timestamps import EARLIEST

BLOCK: Final = 1 << 20  # bytes read at once
PIECE: Final = (
    1 << 11
)  # bytes of zstd unpacked at once: 4 of them can stand for 128 KiB, so that is at most 64 MiB
BATCH: Final = 4096  # lines
SHARED: Final = 16  # files that are read at once with whole blocks and batches; of more each gets its share
LINE_LIMIT: Final = 16 * 1024 * 1024 + 1  # bytes of a line that are kept: one more than any decoder takes


class InputError(Exception):
    """An input that is not there or cannot be read; the text says which and what to do."""


def expand(patterns: Sequence[str]) -> list[str]:
    """File names of the patterns, each once, in order, sorted within a glob. Raises InputError where one has
    none.
    """
    names: list[str] = []
    for pattern in patterns:
        if pattern == "-" or _readable(pattern):
            names.append(pattern)
            continue
        if Path(pattern).is_dir():
            raise InputError(f"{pattern}: a folder; name its files, for example '{pattern.rstrip('/')}/*'")
        matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = sorted(filter(_readable, matches))
        if not found:
            raise InputError(f"{pattern}: no such file; give files, globs, '-' or kafka://host:port/topic")
        names += found
    return list(dict.fromkeys(names))  # two globs may both have a file: it is read once


def _readable(name: str) -> bool:
    """Whether there is something to read lines from: also a pipe, as the shell's <(...) makes one."""
    path = Path(name)
    return path.exists() and not path.is_dir()


def size(names: Sequence[str]) -> int:
    """Bytes on disk, for a progress bar; 0 where standard input is among them."""
    return 0 if "-" in names else sum(Path(name).stat().st_size for name in names)


class FileReader:
    """Records of one file, as of partition 0: its lines, or JSON documents over many of them.

    The offset is the number of the line, from first_offset.

    files: how many are read at once; the more, the smaller are the batches, so that memory is bounded.

    Raises InputError for a file that cannot be opened, and while reading one that is broken off or damaged.
    """

    def __init__(self, name: str, first_offset: int = 0, files: int = 1) -> None:
        self.name = name
        self._lines = BATCH if files <= SHARED else max(64, SHARED * BATCH // files)
        self._block = BLOCK if files <= SHARED else max(1 << 14, SHARED * BLOCK // files)
        self.offset = self._first = first_offset
        try:
            self._raw: IO[bytes] = (
                sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115 - __iter__ closes it
            )
        except OSError as error:
            raise InputError(f"{name}: cannot be opened: {error.strerror}") from None
        self._written = _written(self._raw)

    def tell(self) -> int:
        """Bytes of the file read so far, compressed ones where it is compressed; 0 for a pipe."""
        return self._raw.tell() if self.name != "-" and self._raw.seekable() else 0

    def __iter__(self) -> Iterator[RecordBatch]:
        try:
            for numbers, values in records(self._numbered_lines(), self._first, LINE_LIMIT):
                yield self._batch(numbers, values)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise InputError(
                f"{self.name}: cannot be read beyond line {self.offset - self._first:,}: {error}; "
                "give it whole, or unpack what there is of it and give that"
            ) from None
        finally:
            if self.name != "-":
                self._raw.close()

    def _numbered_lines(self) -> Iterator[list[bytes]]:
        for lines in _batches(_blocks(self._raw, self._block), self._lines):
            self.offset += len(lines)
            yield lines

    def _batch(self, offsets: list[int], values: list[bytes]) -> RecordBatch:
        n = len(values)
        return RecordBatch(
            FILE_TOPIC, 0, offsets, list(values), [nan] * n, [None] * n, [[]] * n, written=self._written
        )


def _written(raw: IO[bytes]) -> float:
    """When a file was last written, Unix seconds; NaN for a pipe, and where nobody set a time."""
    try:
        found = os.fstat(raw.fileno())
    except OSError:
        return nan
    return found.st_mtime if stat.S_ISREG(found.st_mode) and found.st_mtime >= EARLIEST else nan


def _blocks(raw: IO[bytes], size: int) -> Iterator[bytes]:
    """Content in blocks, unpacked by what it is not by its name: a renamed or piped file reads as well."""
    head = raw.peek(4)[:4] if isinstance(raw, io.BufferedReader) else b""
    if head == b"\x28\xb5\x2f\xfd":
        yield from _zstd_blocks(raw)
        return
    stream = gzip.GzipFile(fileobj=raw) if head[:2] == b"\x1f\x8b" else raw
    while block := stream.read(size):
        yield block


def _zstd_blocks(raw: IO[bytes]) -> Iterator[bytes]:
    """Frame after frame: the library's own stream reader takes a file that is broken off for a whole one."""
    decompressor = zstandard.ZstdDecompressor()
    frame = None
    piece = raw.read(PIECE)
    while piece:
        frame = frame or decompressor.decompressobj()
        if block := frame.decompress(piece):
            yield block
        piece = b""
        if frame.eof:
            piece, frame = frame.unused_data, None
        piece = piece or raw.read(PIECE)
    if frame is not None:
        raise EOFError("the compressed data ends in the middle")


def _batches(blocks: Iterable[bytes], size: int = BATCH) -> Iterator[list[bytes]]:
    """Lines without their ends, size at a time; of an overlong line only the first LINE_LIMIT bytes."""
    lines: list[bytes] = []
    rest: list[bytes] = []  # of the line that goes on in the next block
    kept = 0  # bytes in rest
    for block in blocks:
        first, *others = block.split(b"\n")
        rest.append(first[: LINE_LIMIT - kept])
        kept += len(rest[-1])
        if others:
            lines.append(b"".join(rest))
            rest = [others.pop()]
            kept = len(rest[0])
            lines += others
        while len(lines) >= size:
            yield [line.rstrip(b"\r") for line in lines[:size]]
            del lines[:size]
    if kept:
        lines.append(b"".join(rest))
    if lines:
        yield [line.rstrip(b"\r") for line in lines]
