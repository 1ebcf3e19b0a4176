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

# Waits between attempts while the broker does not take records: doubles from the first to the last.
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
    # What is sent instead when the broker refuses this record for its size.
    instead: Outgoing | None = None


class Publisher:
    """Sends records through Faust's producer and waits for their acknowledgement."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Give up on records that the broker does not take; what it takes is still sent."""
        self._stopping.set()

    async def publish(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        """Send records in order and return once the broker has acknowledged every one of them.

        Retries for as long as the broker fails. Records of one partition arrive in order, repeated from the
        first failed one after a failure.

        Returns:
            the records that were refused for their size; their ``instead``, where there is one, was sent.

        Raises:
            PublishingStoppedError: ``stop`` was called and the broker still fails.
        """
        waiting = list(records)
        refused: list[Outgoing] = []
        wait = FIRST_WAIT_SECONDS
        while waiting:
            failed, too_large, error = await self._attempt(waiting)
            refused += too_large
            waiting = [record.instead for record in too_large if record.instead is not None] + failed
            if not failed:
                continue
            if self._stopping.is_set():
                raise PublishingStoppedError(f"{len(failed)} records are not acknowledged") from error
            log.warning(
                "The broker did not take %d records (%s). Trying again in %.1f s.", len(failed), error, wait
            )
            await self._pause(wait)
            wait = min(wait * 2, LAST_WAIT_SECONDS)
        return refused

    async def _attempt(
        self, records: Sequence[Outgoing]
    ) -> tuple[list[Outgoing], list[Outgoing], BaseException | None]:
        """Send once. Returns (those from the first failure on, those too large, why the first failed)."""
        pending: list[asyncio.Future[Any] | BaseException] = []
        for record in records:
            pending.append(await self._send(record))
            if isinstance(pending[-1], BaseException) and not isinstance(pending[-1], TOO_LARGE):
                break  # what follows must not overtake it
        futures = [each for each in pending if not isinstance(each, BaseException)]
        acknowledged = iter(await asyncio.gather(*futures, return_exceptions=True))
        results = [each if isinstance(each, BaseException) else next(acknowledged) for each in pending]
        too_large = [r for r, result in zip(records, results, strict=False) if isinstance(result, TOO_LARGE)]
        for index, result in enumerate(results):
            if isinstance(result, BaseException) and not isinstance(result, TOO_LARGE):
                if not isinstance(result, KafkaError | ProducerSendError):
                    raise result
                failed = [record for record in records[index:] if record not in too_large]
                return failed, too_large, result
        return [], too_large, None

    async def _send(self, record: Outgoing) -> asyncio.Future[Any] | BaseException:
        headers: Headers | None = list(record.headers) or None
        # aiokafka refuses a record with neither; an empty value is the nearest that it takes.
        value = b"" if record.value is None and record.key is None else record.value
        try:
            future: asyncio.Future[Any] = await self._producer.send(
                record.topic, record.key, value, None, None, headers
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
