"""Dead letters read back from their topic: what each was, why it is there, whether it may be tried again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

from agents.kafka.dead_letters import NOT_CARRIED
from agents.records import Headers, RecordBatch
from schemas.dead_letter import ERROR_HEADERS, RETRIES_HEADER, DeadLetter

__all__ = ["MOST_RETRIES", "Choice", "ReadLetter", "again", "read_letters", "why_not"]

MOST_RETRIES: Final = 3
"""How often a record is sent back at most: one that fails each time must not go round for ever."""


@dataclass(frozen=True, slots=True)
class ReadLetter:
    """A dead letter as it was read: the record with the headers that it came with, where its letter lies
    (partition and offset of the dead-letter topic), when that was written (Unix seconds, NaN where unknown),
    and how often the record was sent back before.
    """

    letter: DeadLetter
    partition: int
    offset: int
    time: float
    retries: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant.

    reason: a part of the reason, whatever its case; "" for any. places: (partition, offset) in the
    dead-letter topic; empty for any.
    """

    reason: str = ""
    places: Collection[tuple[int, int]] = ()

    def takes(self, read: ReadLetter) -> bool:
        """Whether a dead letter is meant."""
        if self.places and (read.partition, read.offset) not in self.places:
            return False
        return self.reason.lower() in read.letter.reason.lower()


def read_letters(batch: RecordBatch) -> Iterator[ReadLetter | None]:
    """The dead letter in each record of a batch; None for a record that is none."""
    columns = (batch.values, batch.keys, batch.headers, batch.timestamps, batch.offsets)
    for value, key, headers, time, offset in zip(*columns, strict=True):
        letter = _letter(value, key, headers)
        if letter is None:
            yield None
        else:
            yield ReadLetter(letter, batch.partition, offset, time, _retries(letter.headers))


def why_not(read: ReadLetter, topic: str) -> str:
    """Why a dead letter cannot be sent back to the topic that its letters come of; "" where it can."""
    if read.letter.topic != topic:  # somebody else wrote it: it must not name where it is sent
        return "of another topic"
    if NOT_CARRIED in read.letter.reason:
        return "its value was too large to be kept"
    if read.retries >= MOST_RETRIES:
        return f"sent back {MOST_RETRIES} times before"
    return ""


def again(read: ReadLetter) -> DeadLetter:
    """The record to send back: key, value and headers as they came, and one that counts how often it was."""
    headers = [each for each in read.letter.headers if each[0] != RETRIES_HEADER]
    return replace(read.letter, headers=[*headers, (RETRIES_HEADER, b"%d" % (read.retries + 1))])


def _letter(value: bytes | None, key: bytes | None, headers: Headers) -> DeadLetter | None:
    """What the last headers say, which qualm added; those before are the record's own."""
    own, added = headers[: -len(ERROR_HEADERS)], headers[-len(ERROR_HEADERS) :]
    if [name for name, _ in added] != list(ERROR_HEADERS):
        return None
    reason, topic, partition, offset = (said.decode("utf-8", "replace") for _, said in added)
    try:
        return DeadLetter(topic, int(partition[:20]), int(offset[:20]), key, value, own, reason)
    except ValueError:
        return None


def _retries(headers: Headers) -> int:
    """How often a record was sent back, by its last such header; as often as may be for no number."""
    said = [value for name, value in headers if name == RETRIES_HEADER]
    if not said:
        return 0
    return int(said[-1]) if said[-1].isdigit() and len(said[-1]) < 10 else MOST_RETRIES
