"""Sending what a worker produced, and knowing that the broker has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from faust.exceptions import ProducerSendError

from agents.records import Headers

log = logging.getLogger("qualm.publish")

# Waits between attempts while the broker does not take records.
FIRST_WAIT_SECONDS = 0.5
LAST_WAIT_SECONDS = 30.0
TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class PublishingStoppedError(Exception):
    """The worker is told to stop while the broker does not take records: they will be read and made again."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to send."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None  # None: by the key
    # What is sent instead when the broker refuses this record for its size.
    instead: Outgoing | None = None


class Publisher:
    """Sends records through Faust's producer and waits for their acknowledgement.

    ``first_wait`` and ``last_wait`` are seconds: the waits between attempts double from the one to the other.
    """

    def __init__(
        self, producer: Any, first_wait: float = FIRST_WAIT_SECONDS, last_wait: float = LAST_WAIT_SECONDS
    ) -> None:
        self._producer = producer
        self._first_wait = first_wait
        self._last_wait = last_wait
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Give up on records that the broker does not take; what it takes is still sent."""
        self._stopping.set()

    async def publish(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        """Send records in order and return once the broker has acknowledged every one of them.

        Retries for as long as the broker fails. Records of one partition arrive in order, repeated from the
        first failed one after a failure. What replaces a refused record is sent in the attempt that follows,
        before what is repeated from behind it; records behind it may have been taken by then.

        Returns:
            the records that were refused for their size; their ``instead``, where there is one, was sent.

        Raises:
            PublishingStoppedError: ``stop`` was called and the broker still fails.
        """
        waiting = list(records)
        refused: list[Outgoing] = []
        wait = self._first_wait
        while waiting:
            results = await self._attempt(waiting)
            failures = [index for index, result in enumerate(results) if _failed(result)]
            refused += [record for record, result in zip(waiting, results, strict=False) if _refused(result)]
            waiting = _next_attempt(waiting, results, failures[0] if failures else len(waiting))
            if not failures:
                continue
            error = results[failures[0]]
            assert isinstance(error, BaseException)
            if self._stopping.is_set():
                raise PublishingStoppedError(f"{len(waiting)} records are not acknowledged") from error
            log.warning(
                "The broker did not take %d records (%s). Trying again in %.1f s.", len(waiting), error, wait
            )
            await self._pause(wait)
            wait = min(wait * 2, self._last_wait)
        return refused

    async def _attempt(self, records: Sequence[Outgoing]) -> list[Any]:
        """Send once. Returns what came of each, an exception where it failed, up to the first not sent.

        Raises what is neither the broker's nor the network's fault: trying again would not help.
        """
        pending: list[asyncio.Future[Any] | BaseException] = []
        for record in records:
            pending.append(await self._send(record))
            if _failed(pending[-1]):
                break  # what follows must not overtake it
        futures = [each for each in pending if not isinstance(each, BaseException)]
        acknowledged = iter(await asyncio.gather(*futures, return_exceptions=True))
        results = [each if isinstance(each, BaseException) else next(acknowledged) for each in pending]
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, KafkaError | ProducerSendError):
                raise result
        return results

    async def _send(self, record: Outgoing) -> asyncio.Future[Any] | BaseException:
        headers: Headers | None = list(record.headers) or None
        # aiokafka refuses a record with neither; an empty value is the nearest that it takes.
        value = b"" if record.value is None and record.key is None else record.value
        try:
            future: asyncio.Future[Any] = await self._producer.send(
                record.topic, record.key, value, record.partition, None, headers
            )
        except ProducerSendError as error:
            # Faust wraps what aiokafka raised; the cause says whether another attempt can help.
            return error.__cause__ or error
        return future

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


def _refused(result: Any) -> bool:
    """Whether the broker will never take the record, for its size."""
    return isinstance(result, TOO_LARGE)


def _failed(result: Any) -> bool:
    """Whether the record has to be sent again."""
    return isinstance(result, BaseException) and not _refused(result)


def _next_attempt(records: Sequence[Outgoing], results: Sequence[Any], first_failed: int) -> list[Outgoing]:
    """What is left to send, in order: all from the first failure on, and what replaces those refused."""
    left: list[Outgoing] = []
    for index, record in enumerate(records):
        if index < len(results) and _refused(results[index]):
            if record.instead is not None:
                left.append(record.instead)
        elif index >= first_failed:
            left.append(record)
    return left
