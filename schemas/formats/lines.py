"""One line of text to time, level, source, entity and message, whichever family of lines it belongs to.

Every line is looked at for itself, so that neither batches nor what came before decide how it is read, and a
topic may mix them. A line inside of another (klog in syslog, JSON in a container's log) is read as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from schemas.events import UNKNOWN_SOURCE, Row
from schemas.formats.access_log import read_access
from schemas.formats.cri import STREAMS, Parts, content
from schemas.formats.error_log import read_apache, read_nginx
from schemas.formats.errors import DecodeError
from schemas.formats.headers import LEVEL_TOKENS, Header
from schemas.formats.klog import read_klog
from schemas.formats.leading import HEAD_CHARS, HEAD_WORDS, LeadingReader
from schemas.formats.logfmt import Logfmt
from schemas.formats.syslog import MONTHS, read_file, read_kernel, read_syslog
from schemas.timestamps import EARLIEST, LATEST, TimestampReader

__all__ = ["LineReader", "ReadJson"]

ReadJson = Callable[[bytes, int, float | None, list[Row]], None]
"""The method `read` of a format of JSON."""

_DEEPEST = 2  # lines inside of others
_COOKIE = "@cee:"
_HEADED = frozenset("[0123456789")


class LineReader:
    """Reads lines of any family; its caches change no result.

    Args:
        entity_field: field of the entity in logfmt, preferred to the usual names.
        source_field: field of the source in logfmt, preferred to the usual names.
        time_field: field of the time in logfmt, likewise.
        read_json: reader of the JSON objects that are the content of container logs and syslog, if any.
    """

    def __init__(
        self,
        *,
        entity_field: str | None = None,
        source_field: str | None = None,
        time_field: str | None = None,
        read_json: ReadJson | None = None,
    ) -> None:
        self.reference_time = time.time()
        """Where the year of lines without one comes from if their record has no time: Unix seconds."""
        self.parts = Parts()
        """Container lines whose end has yet to come; the only state that later results depend on."""
        self._read_json = read_json
        self._times = TimestampReader()
        self._leading = LeadingReader(self._times)
        self._logfmt = Logfmt(
            self._times, entity_field=entity_field, source_field=source_field, time_field=time_field
        )
        self._begun: dict[str, Callable[[str, float, int], Header | None]] = {
            "<": self._syslog, "[": self._bracket, **dict.fromkeys("ACDEFIJMNOSW", self._letter),
        }  # fmt: skip

    def read(
        self, line: str, record_time: float | None = None, owner: str = "", depth: int = 0
    ) -> Header | None:
        """What a line says; None for a part of a container's line whose end has yet to come.

        Args:
            line: the line, without its end.
            record_time: plausible time of its record in Unix seconds, or None.
            owner: whose line it is, such as a container, where one reader reads those of many.
            depth: how many other lines it is inside of; only a line inside of none can be a container's.

        """
        family = self._begun.get(line[:1])
        if family is not None:
            reference = self.reference_time if record_time is None else record_time
            if (found := family(line, reference, depth)) is not None:
                return found
        words = line[:HEAD_CHARS].split(None, HEAD_WORDS)
        found = None
        if len(words) > 5 and words[3][0] == "[" and (found := read_access(line, words, self._times)):
            return found
        lead = self._leading.time(words)
        used = lead[1]
        if used == 2:
            if line[4] == "/":
                found = read_nginx(line, self._times)
        elif used == 0:
            if len(words) > 5 and words[4][0] == "[":
                found = read_access(line, words, self._times)
            elif len(words) > 1 and "=" in words[0]:
                found = self._logfmt.read(line)
        elif used == 1 and len(words) > 2:
            if words[1] in STREAMS and not depth and (cri := content(line)):
                stream, more, text = cri
                whole = self.parts.join(f"{owner}/{stream}", more, text)
                if whole is None:
                    return None
                outer = (lead[0], 0, "", "", whole or line, None)
                return self._inside(outer, 0) if whole else outer
            if words[2][-1] in ":]" and (found := read_file(line, words, self._times)):
                return self._inside(found, depth)
        return self._leading.read(line, words, lead) if found is None else found

    def _syslog(self, line: str, reference: float, depth: int) -> Header | None:
        found = read_syslog(line, self._times, reference)
        return found and self._inside(found, depth)

    def _letter(self, line: str, reference: float, depth: int) -> Header | None:
        if line[1:5].isdecimal():
            return read_klog(line, self._times, reference)
        if line[:3] in MONTHS:
            return self._syslog(line, reference, depth)
        return self._leading.read_basic(line) if ":" in line[4:9] else None

    def _bracket(self, line: str, reference: float, depth: int) -> Header | None:
        if line[1:4].isalpha():
            return read_apache(line, self._times)
        return self._leading.read_elastic(line) if line[1:2] == "2" else read_kernel(line)

    def _inside(self, outer: Header, depth: int) -> Header:
        """A line with what its message says for itself; time and source stay the outer ones where known."""
        stamp, severity, source, entity, message, _ = outer
        if message.startswith(("{", _COOKIE)) and (found := self._json(outer)):
            return found
        if depth >= _DEEPEST or (source and not _has_header(message)):
            return outer
        inner = self.read(message, stamp if stamp == stamp else None, depth=depth + 1)
        if inner is None or not inner[2]:
            return outer
        return (
            stamp if stamp == stamp else inner[0],
            inner[1] or severity,
            inner[2] if source in ("", UNKNOWN_SOURCE) else source,
            entity or inner[3],
            inner[4],
            inner[5],
        )

    def _json(self, outer: Header) -> Header | None:
        """The event of a message that is a JSON object, with what only the line around it says."""
        if self._read_json is None:
            return None
        stamp, severity, source, entity, message, _ = outer
        rows: list[Row] = []
        content = message.removeprefix(_COOKIE).lstrip(" ").encode("utf-8", "replace")
        try:
            self._read_json(content, 0, stamp if EARLIEST <= stamp <= LATEST else None, rows)
        except DecodeError:
            return None
        if len(rows) != 1:
            return None
        own_time, own_severity, own_source, own_entity, own_message, numbers, *_ = rows[0]
        if own_source == UNKNOWN_SOURCE and source:
            own_source = source
        return own_time, own_severity or severity, own_source, own_entity or entity, own_message, numbers


def _has_header(message: str) -> bool:
    """Whether a message of syslog looks as if it had a header of its own; most have none."""
    if message[:1] in _HEADED or message[1:5].isdecimal():
        return True
    word = message[:64].partition(" ")[0]
    return "=" in word or word in LEVEL_TOKENS
