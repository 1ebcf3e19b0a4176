"""JSON that is laid out over many lines, as exports and `jq` write it: each document is one record.

Where a file begins so, a document goes from a line that opens it to the line that closes it, with `}` or
`]` at its beginning, as every usual writer does. Lines of all other files are records of their own.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

_BOM: Final = b"\xef\xbb\xbf"
_GOES_ON: Final = (b"{", b"[", b",")


class Numbered(NamedTuple):
    """Records, and of each the number of its first line."""

    numbers: list[int]
    records: list[bytes]


def records(batches: Iterator[list[bytes]], first: int, limit: int) -> Iterator[Numbered]:
    """Records of the lines of a file, which come in batches and are numbered from `first` on.

    limit: bytes of a document that are kept: more than any decoder takes.
    """
    documents: _Documents | None = None
    decided = False
    for lines in batches:
        if not decided and (opening := next(filter(None, map(bytes.strip, lines)), b"")):
            decided = True
            documents = _Documents(limit) if opens(opening) else None
        if documents is None:
            yield Numbered(list(range(first, first + len(lines))), lines)
        elif (found := documents.take(lines, first)).records:
            yield found
        first += len(lines)
    if documents is not None and (found := documents.rest()).records:
        yield found


def opens(line: bytes) -> bool:
    """Whether a line begins a JSON document that goes on in the next line."""
    line = line.removeprefix(_BOM).strip()
    if line[:1] == b"[":
        return line.replace(b" ", b"") in (b"[", b"[{", b"[[")
    return line == b"{" or (line[:2] == b'{"' and line.endswith(_GOES_ON))


class _Documents:
    """Puts the lines of documents together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: list[bytes] = []
        self._kept = 0  # bytes in _lines
        self._number = 0  # of the first of them
        self._closing: tuple[bytes, ...] = ()

    def take(self, lines: list[bytes], number: int) -> Numbered:
        """The records that these lines complete; number: of the first line."""
        found = Numbered([], [])
        for line in lines:
            if not self._closing and not opens(line):
                if line.strip():
                    found.numbers.append(number)
                    found.records.append(line)
            else:
                if not self._closing:
                    is_array = line.removeprefix(_BOM).lstrip()[:1] == b"["
                    self._number, self._closing = number, (b"]", b"}]") if is_array else (b"}",)
                self._add(line)
                if line.startswith(self._closing):
                    self._close(found)
            number += 1
        return found

    def rest(self) -> Numbered:
        """The document that the file breaks off in, if any."""
        found = Numbered([], [])
        if self._lines:
            self._close(found)
        return found

    def _add(self, line: bytes) -> None:
        kept = line[: max(0, self._limit - self._kept)]
        if kept:
            self._lines.append(kept)
            self._kept += len(kept) + 1

    def _close(self, found: Numbered) -> None:
        found.numbers.append(self._number)
        found.records.append(b"\n".join(self._lines))
        self._lines, self._kept, self._closing = [], 0, ()
