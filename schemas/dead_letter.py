"""The dead letter: a record that could not be decoded, untouched, with the reason in headers."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ERROR_HEADERS", "RETRIES_HEADER", "DeadLetter", "dead_letter_topic", "error_headers"]

ERROR_HEADERS = {
    "qualm.error.reason": "Why the record could not be decoded, at most 500 characters.",
    "qualm.error.topic": "Topic that the record came from.",
    "qualm.error.partition": "Partition that it came from, decimal.",
    "qualm.error.offset": "Offset that it had there, decimal.",
}
"""Headers that are added behind the record's own, with their meaning; all are UTF-8 text."""

RETRIES_HEADER = "qualm.retries"
"""Header of a record that `qualm dlq retry` sent back: how often, decimal. It stays if it fails again."""

_REASON_CHARS = 500


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record on its way to ``<topic>.dlq``: key, value and headers exactly as they were read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    reason: str = ""


def dead_letter_topic(topic: str) -> str:
    """Name of the topic that takes the dead letters of ``topic``."""
    return f"{topic}.dlq"


def error_headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """All headers of the dead letter: the record's own, untouched and first, then one per `ERROR_HEADERS`."""
    values = (letter.reason[:_REASON_CHARS], letter.topic, str(letter.partition), str(letter.offset))
    added = [
        (name, value.encode("utf-8", "replace")) for name, value in zip(ERROR_HEADERS, values, strict=True)
    ]
    return [*letter.headers, *added]
