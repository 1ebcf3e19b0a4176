"""What is read from one line of text, and the level words that lines of any family use."""

from __future__ import annotations

from schemas.events import SEVERITY_OF

__all__ = ["ENTITY_NAMES", "LEVEL_TOKENS", "SYSLOG_SEVERITY", "Header", "after"]

Header = tuple[float, int, str, str, str, dict[str, float] | None]
"""Time (Unix seconds, NaN for none), severity, source, entity, message, numbers.

Source is ``""`` for a line without a header, which belongs to whoever wrote the line before.
"""

SYSLOG_SEVERITY = (21, 19, 18, 17, 13, 10, 9, 5)
"""OpenTelemetry severity number by syslog severity 0 (emergency) to 7 (debug): the table of RFC 5424, section
6.2.1, mapped as appendix B of the OpenTelemetry log data model has it."""

ENTITY_NAMES = (
    *("trace_id", "traceId", "traceID", "trace.id", "request_id", "requestId", "requestID", "x_request_id"),
    *("req_id", "reqId", "correlation_id", "correlationId"),
)
"""Names of fields in text that say which request a line is about, best first."""

# Severity words as they stand in lines: capitals, or any case in brackets or after level=. Lower-case words
# on their own ("no error") are prose.
_PLAIN_WORDS = {word: n for word, n in SEVERITY_OF.items() if len(word) >= 3 and word.isupper()}
_MARKED_WORDS = {word: n for word, n in SEVERITY_OF.items() if len(word) >= 3}
_NOT_LEVELS = ("ALL", "OFF", "LOG", "DEFAULT", "SUCCESS", "CONFIG", "FINE", "FINER", "SILLY")
LEVEL_TOKENS: dict[str, int] = {}
"""Severity number by a word that is a level wherever it stands in a header."""
for _word, _number in _PLAIN_WORDS.items():
    if _word not in _NOT_LEVELS:
        LEVEL_TOKENS |= {_word: _number, f"{_word}:": _number, f"{_word},": _number, f"|{_word}|": _number}
for _word, _number in _MARKED_WORDS.items():
    if _word.upper() not in _NOT_LEVELS:
        LEVEL_TOKENS |= {f"[{_word}]": _number, f"[{_word}]:": _number, f"<{_word}>": _number}
        LEVEL_TOKENS |= {f"({_word})": _number, f"level={_word}": _number, f'level="{_word}"': _number}
LEVEL_TOKENS["LOG:"] = 9  # PostgreSQL; without the colon it is a word


def after(line: str, words: int) -> str:
    """What follows the first ``words`` words of a line; the whole line where nothing does."""
    if not words:
        return line
    parts = line.split(None, words)
    if len(parts) <= words:
        return line
    rest = parts[words]
    return rest[2:].lstrip() if rest[:2] in ("- ", "| ", ": ") else rest
