"""Syslog lines: RFC 5424, RFC 3164 with and without its priority, files of daemons, and the kernel's own.

Sources: https://www.rfc-editor.org/rfc/rfc5424 and https://www.rfc-editor.org/rfc/rfc3164 (whose section 4.3
shows how much of it real senders leave out); https://www.rsyslog.com/doc/configuration/templates.html for the
layouts of files, `RSYSLOG_TraditionalFileFormat` and `RSYSLOG_FileFormat`, which is what omkafka writes, too;
https://syslog-ng.github.io/admin-guide/070_Destinations/110_Kafka_C/ for that of syslog-ng's kafka-c().
"""

from __future__ import annotations

import math
import re
from itertools import islice

from schemas.events import MAX_ENTITY_CHARS, MAX_SOURCE_CHARS, UNKNOWN_SOURCE
from schemas.formats.fields import first_text
from schemas.formats.headers import ENTITY_NAMES, LEVEL_TOKENS, SYSLOG_SEVERITY, Header
from schemas.formats.logfmt import pairs
from schemas.timestamps import TimestampReader

__all__ = ["MONTHS", "is_without_level", "read_file", "read_kernel", "read_syslog", "structured_entity"]

MONTHS = frozenset(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"))
"""How RFC 3164 begins a time."""

_LAST_PRIORITY = 191
_STAMP = re.compile(r"([A-Z][a-z]{2} {1,2}\d{1,2})( \d{4})? (\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?:? +", re.ASCII)
_UPTIME = re.compile(r"\[ {0,12}\d{1,10}\.\d{6}\] ?", re.ASCII)
# One structured data element; possessive, so that no text makes it go back.
_ELEMENT = re.compile(r'\[[^\s="\]]{1,64}(?: [^\s="\]]{1,64}="(?:[^"\\]|\\.)*+")*+ ?\]')
_MOST_ELEMENTS = 32
_TAG = re.compile(r"(?!@)[^\s:\[\]()]{1,128}(?:\([^\s()]{1,64}\))?(\[[^\s\[\]]{1,64}\])?:", re.ASCII)
# What rsyslog makes of the program and process id of RFC 5424: a tag without its colon.
_BARE_TAG = re.compile(r"[^\s:\[\]()]{1,128}\[\d{1,10}\]", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9][\w.:-]{0,254}", re.ASCII)
_FILE_STAMPS = (len("2024-05-01T12:34:56.789012+00:00"), len("2024-05-01T12:34:56+00:00"))


def read_syslog(line: str, times: TimestampReader, reference: float) -> Header | None:
    """A line with a priority, or one that begins with the time of RFC 3164; None for any other.

    The source is the program, or the host where no program is named.
    """
    severity = at = 0
    if line.startswith("<"):
        end = line.find(">", 2, 5)
        digits = line[1:end]
        if end < 0 or not (digits.isascii() and digits.isdecimal()) or int(digits) > _LAST_PRIORITY:
            return None
        severity, at = SYSLOG_SEVERITY[int(digits) & 7], end + 1
        if line.startswith("1 ", at):
            return _rfc5424(line[at + 2 :], severity, times)
    match = _STAMP.match(line, at)
    if match:
        day, year, clock, fraction = match.groups()
        if year:
            time = times.stamp(f"{int(day[4:]):02}/{day[:3]}{year.replace(' ', '/')}:{clock}")
        else:
            time = times.yearless(f"{day} {clock}", reference)
        if time == time:
            if fraction:
                time += float(f"0.{fraction}")
            source, message = _tagged(line[match.end() :])
            return time, severity, source, "", message or line, None
    if not at:
        return None
    rest = line[at:]
    if rest[:4].isdecimal():
        stamp, _, after = rest.partition(" ")
        time = times.text(stamp)
        if time == time:
            source, message = _tagged(after)
            return time, severity, source, "", message or line, None
    if kernel := read_kernel(rest):
        return math.nan, severity, "kernel", "", kernel[4], None
    tag = _TAG.match(rest)
    source, message = _tagged(rest) if tag else (UNKNOWN_SOURCE, rest)
    return math.nan, severity, source, "", message or line, None


def read_file(line: str, words: list[str], times: TimestampReader) -> Header | None:
    """A line as daemons write it to files: an ISO 8601 time, host and ``program[pid]:``; None for any other.

    Without a process id only a time as rsyslog (with microseconds) and syslog-ng (in seconds) write it, with
    an offset in digits, is taken for one: other lines have words with a colon too.
    """
    stamp, _, word = words[:3]
    if not _is_tag(word) or not (word.endswith(("]:", "]")) or _is_file_stamp(stamp)):
        return None
    if words[1] in LEVEL_TOKENS or not _HOST.fullmatch(words[1]):
        return None
    time = times.text(words[0])
    if time != time:
        return None
    source, message = _tagged(line.split(None, 1)[1])
    return time, 0, source, "", message or line, None


def is_without_level(line: str) -> bool:
    """Whether it is a line as daemons write it to files: without the priority, which is the level."""
    words = line.split(None, 3)
    if len(words) < 3 or line[:1] == "<":
        return False
    times = TimestampReader()
    if line[:3] in MONTHS:
        return read_syslog(line, times, 1e9) is not None  # of whichever year
    return words[2][-1] in ":]" and read_file(line, words, times) is not None


def read_kernel(line: str) -> Header | None:
    """A line of ``dmesg``, ``[   12.345678] message``: seconds since the start of the machine, so no time."""
    match = _UPTIME.match(line)
    if match is None:
        return None
    return math.nan, 0, "kernel", "", line[match.end() :] or line, None


def _tagged(rest: str) -> tuple[str, str]:
    """Source and message of ``host program[pid]: message``, where host or program may be left out."""
    words = rest.split(None, 2)
    if not words:
        return UNKNOWN_SOURCE, ""
    first = words[0]
    if _is_tag(first):
        source, message = _program(first), " ".join(words[1:])
    elif len(words) > 1 and _is_tag(words[1]):
        source, message = _program(words[1]), words[2] if len(words) > 2 else ""
    else:
        source, message = first, " ".join(words[1:])
    if source == "kernel" and (match := _UPTIME.match(message)):
        message = message[match.end() :]
    return source[:MAX_SOURCE_CHARS], message


def _is_tag(word: str) -> bool:
    last = word[-1]
    return bool(_TAG.fullmatch(word) if last == ":" else last == "]" and _BARE_TAG.fullmatch(word))


def _is_file_stamp(word: str) -> bool:
    return len(word) in _FILE_STAMPS and word[-6] in "+-"


def _program(tag: str) -> str:
    """``sshd`` of ``sshd[4711]:`` and of ``sshd(pam_unix)[4711]:``."""
    return tag[:-1].partition("[")[0].partition("(")[0]


def _rfc5424(rest: str, severity: int, times: TimestampReader) -> Header | None:
    fields = rest.split(" ", 5)
    if len(fields) < 6:
        return None
    stamp, host, program, _, _, rest = fields
    data, end = "", 0
    if rest.startswith("["):
        for _ in range(_MOST_ELEMENTS):
            match = _ELEMENT.match(rest, end)
            if match is None:
                break
            end = match.end()
        data = rest[:end]
    elif rest.startswith("-"):
        end = 1
    message = rest[end:].lstrip(" ").removeprefix("\ufeff")
    source = next((name for name in (program, host) if name not in ("-", "")), UNKNOWN_SOURCE)
    time = math.nan if stamp == "-" else times.text(stamp)
    return time, severity, source[:MAX_SOURCE_CHARS], structured_entity(data), message or data or rest, None


def structured_entity(data: object) -> str:
    """The request that structured data names, as text or as an object of elements; ``""`` for none."""
    if isinstance(data, dict):
        elements = islice((each for each in data.values() if type(each) is dict), _MOST_ELEMENTS)
        found = next((name for each in elements if (name := first_text(each, ENTITY_NAMES))), "")
    else:
        found = first_text(pairs(data), ENTITY_NAMES) if isinstance(data, str) and "=" in data else ""
    return found[:MAX_ENTITY_CHARS]
