"""From a record that cannot be used to what is sent to its dead-letter topic."""

from __future__ import annotations

from dataclasses import replace

from agents.kafka.publisher import Outgoing
from schemas.dead_letter import DeadLetter, error_headers

__all__ = ["outgoing", "reason_label"]

NOT_CARRIED = (
    "value left out: the broker refused it for its size; it is at the topic, partition and offset given"
)


def outgoing(letter: DeadLetter, topic: str) -> Outgoing:
    """The record for a dead-letter topic: key, value and headers as they came, and headers that say why.

    Should the broker refuse it for its size, the same without value is sent: the coordinates in its headers
    say where the original is.
    """
    note = replace(letter, headers=[], reason=f"{letter.reason[:200]}; {NOT_CARRIED}")
    return Outgoing(
        topic=topic,
        key=letter.key,
        value=letter.value,
        headers=tuple(error_headers(letter)),
        instead=Outgoing(topic=topic, value=None, headers=tuple(error_headers(note))),
    )


def reason_label(reason: str) -> str:
    """The kind of reason, for a metric: one of a few stable phrases that stand before the first colon."""
    return reason.partition(":")[0][:40]
