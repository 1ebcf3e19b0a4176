"""Time, level and logger in front of a message, in the spellings of logging libraries and servers."""

from __future__ import annotations

import math
import re

from schemas.events import MAX_SOURCE_CHARS, SEVERITY_OF, UNKNOWN_SOURCE, severity_number
from schemas.formats.headers import LEVEL_TOKENS, Header, after
from schemas.timestamps import TimestampReader

__all__ = ["HEAD_CHARS", "HEAD_WORDS", "LeadingReader"]

_LEVEL_WITHIN = 10
_HEADER_TOKENS = 3
HEAD_CHARS = 1_024
"""A header is short; a longer first part of a line is not one, and is not searched."""
HEAD_WORDS = _LEVEL_WITHIN + _HEADER_TOKENS
"""How often a line is split for its header."""

_MAX_CACHED = 8_192
_SPRING_WITHIN = 8
# AWS Lambda names the request between time and level, or behind both.
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.ASCII)
_REQUEST_CHARS = 36
_TIME_BEGINS = frozenset("[0123456789")
_LOGGER = re.compile(r"\[?([A-Za-z_][\w$/-]*(?:[.:]{1,2}[\w$-]+)+)\]?:?\Z", re.ASCII)
_ZONE = re.compile(r"(?:[+-]\d\d:?\d\d|UTC|GMT)[\]:,]?\Z", re.ASCII)
# [2024-05-01T12:34:56,789][INFO ][o.e.n.Node               ] [node-1] message
_ELASTIC = re.compile(
    r"\[([\dT:,.+Z-]{19,32})\]\[([A-Z]{4,11}) {0,2}\]\[([^\s\[\]]{1,256}) {0,40}\] ?", re.ASCII
)
# WARNING:root:message, as Python's basicConfig has it.
_BASIC = re.compile(r"([A-Z]{4,8}):([A-Za-z_][\w.]{0,255}):", re.ASCII)
# Lower-case levels are prose ("no error") unless they stand right behind the time, before a tab or colon.
_WORDS = frozenset(word for word in SEVERITY_OF if len(word) >= 4 and word.islower())


class LeadingReader:
    """Reads any line; remembers the logger names that it has seen, which changes no result."""

    def __init__(self, times: TimestampReader) -> None:
        self._times = times
        self._loggers: dict[str, str] = {}

    def read(self, line: str, words: list[str], lead: tuple[float, int, str]) -> Header:
        """What is in front of the message of a line, given its first words and what `time` finds in them.

        Recognised: an optional source or level, a timestamp, within ten words a severity, then a logger.
        """
        time, used, source = lead
        severity, at, header, entity = 0, -1, False, ""
        if source and source in LEVEL_TOKENS:
            severity, source, header = LEVEL_TOKENS[source], "", True
            if used < len(words) and _REQUEST_ID.match(words[used]):
                entity = words[used]
                used += 1
        else:
            for i, word in enumerate(words[used : used + _LEVEL_WITHIN]):
                if word in LEVEL_TOKENS:
                    severity, at = LEVEL_TOKENS[word], used + i
                    break
            else:
                if used:
                    severity, at = self._odd_level(line, words, used)
            # A process id or a thread may stand before the level; more words are a message.
            if 0 <= at - used < _HEADER_TOKENS and (used or at == 0):
                if len(words[used]) == _REQUEST_CHARS and _REQUEST_ID.match(words[used]):
                    entity = words[used]
                used, header = at + 1, True
            elif used and at - used == _HEADER_TOKENS and words[used] == words[used + 2] == "-":
                # <time> - <name> - <level> - <message>, as Python's documentation has it
                source, used, header = source or words[used + 1][:MAX_SOURCE_CHARS], at + 1, True
        if header and used < len(words):
            logger = self._loggers.get(words[used])
            if logger:
                used += 1
            else:
                logger, count = self._logger_at(words, used)
                used += count
            source = source or logger
        message = after(line, used)
        if time != time and not severity:
            return time, 0, "", "", message, None
        if not source and line[:1] == "[" and message[-1:] == ")":
            source, message = self._trailing_logger(message)
        return time, severity, source or UNKNOWN_SOURCE, entity, message, None

    def read_elastic(self, line: str) -> Header | None:
        """A line of Elasticsearch or OpenSearch, whose brackets stand without blanks; None for any other."""
        match = _ELASTIC.match(line)
        if match is None:
            return None
        time, severity = self._times.text(match[1]), severity_number(match[2])
        if time != time or not severity:
            return None
        return time, severity, match[3], "", line[match.end() :] or line, None

    def read_basic(self, line: str) -> Header | None:
        """A line of Python's ``logging.basicConfig``, ``WARNING:root:message``; None for any other."""
        match = _BASIC.match(line)
        if match is None or match[1] not in LEVEL_TOKENS:
            return None
        return math.nan, LEVEL_TOKENS[match[1]], match[2], "", line[match.end() :] or line, None

    def time(self, words: list[str]) -> tuple[float, int, str]:
        """Time at the start of a line (at most `HEAD_WORDS` splits of it), and where it ends.

        Returns Unix seconds, NaN for none; the number of words up to its end, 0 for none; and the source
        before it or ``""``.
        """
        for start in (0, 1):
            if len(words) > start and words[start][0] in _TIME_BEGINS:
                first = words[start].strip("[]")
                second = words[start + 1].strip("[],") if len(words) > start + 1 else ""
                if second[:2].isdigit():
                    time = self._times.text(f"{first} {second}")
                    if time == time:
                        used = start + 2
                        if len(words) > used and words[used][0] in "+-UG" and _ZONE.match(words[used]):
                            time = self._times.text(f"{first} {second} {words[used].rstrip(']:,')}")
                            used += 1
                        return time, used, words[0].rstrip(":|")[:MAX_SOURCE_CHARS] if start else ""
                time = self._times.text(first)
                if time == time:
                    return time, start + 1, words[0].rstrip(":|")[:MAX_SOURCE_CHARS] if start else ""
        return math.nan, 0, ""

    def _odd_level(self, line: str, words: list[str], used: int) -> tuple[int, int]:
        """Severity and place of a level that is one only because of where it stands; (0, -1) for none."""
        word = words[used] if used < len(words) else ""
        if "][" in word and (number := LEVEL_TOKENS.get(word[: word.index("]") + 1])):  # [INFO][88]
            return number, used
        if word[:1].islower() and word.rstrip(":") in _WORDS and (word[-1] == ":" or f"\t{word}\t" in line):
            return SEVERITY_OF[word.rstrip(":")], used
        return 0, -1

    def _logger_at(self, words: list[str], at: int) -> tuple[str, int]:
        """The logger that follows a level, maybe behind a thread, and how many words both are."""
        word = words[at]
        if name := self._logger(word):
            return name, 1
        if at + 1 < len(words):
            if word[0] == "[" and word[-1] == "]" and (name := self._logger(words[at + 1])):
                return name, 2
            if words[at + 1] == "---" and word.isdecimal():  # Spring Boot: <pid> --- [thread] <logger> :
                for i in range(at + 2, min(at + _SPRING_WITHIN, len(words) - 1)):
                    if words[i + 1] == ":":
                        return words[i][:MAX_SOURCE_CHARS], i + 1 - at
        return "", 0

    def _trailing_logger(self, message: str) -> tuple[str, str]:
        """Source and message of ``message (kafka.server.KafkaServer)``, as Apache Kafka puts its loggers."""
        start = message.rfind(" (")
        name = message[start + 2 : -1]
        if start > 0 and self._logger(name) == name:
            return name, message[:start]
        return "", message

    def _logger(self, word: str) -> str:
        """The logger name that a word is, as ``nova.compute.manager`` or ``dfs.DataNode$X:``; else ``""``."""
        known = self._loggers.get(word)
        if known is None:
            match = _LOGGER.match(word) if len(word) <= MAX_SOURCE_CHARS else None
            if len(self._loggers) >= _MAX_CACHED:
                self._loggers.clear()
            known = self._loggers[word] = match[1] if match else ""
        return known
