"""A broker in a few lines, as Faust's producer shows one: it stands in for Faust and aiokafka, not for us."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    RecordListTooLargeError,
)
from faust.exceptions import ProducerSendError

T = TypeVar("T")
# Far more sends than any test needs: a publisher that never gives up fails the test instead of hanging it.
MOST_SENDS = 20_000


class Verdict(Enum):
    """What becomes of one send, other than a refusal for size."""

    STORED = auto()
    LOST = auto()  # not stored, and the answer is an error
    UNHEARD = auto()  # stored, but the answer is an error
    FATAL = auto()  # the answer is an error that is none of Kafka's
    TURNED_DOWN = auto()  # the send itself raises
    TURNED_DOWN_BARE = auto()  # the same, and Faust names no cause
    FATAL_AT_ONCE = auto()  # the send itself raises an error that is none of Kafka's


AT_ONCE = {Verdict.TURNED_DOWN, Verdict.TURNED_DOWN_BARE, Verdict.FATAL_AT_ONCE}


@dataclass(frozen=True)
class Plan:
    """What the broker is to do with a send; a late answer waits until a test asks for it."""

    verdict: Verdict = Verdict.STORED
    late: bool = False


@dataclass(eq=False)
class Sent:
    """One record that reached the producer, and how it went."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    # "waiting", "acknowledged", "failed", "turned down" or "refused"
    state: str = "waiting"
    fatal: bool = False
    partition: int | None = None


class SimulatedBroker:
    """What Faust's producer and the broker behind it do with records.

    Sends follow ``plans`` and, when these have run out, succeed. A record is stored when it is sent, as one
    partition of a broker stores what one client sends in order; when that is heard is another matter.
    ``client_limit`` and ``broker_limit`` are the most bytes of a value that the two take.
    """

    def __init__(self, client_limit: int = 1_000_000, broker_limit: int = 1_000_000) -> None:
        self._client_limit = client_limit
        self._broker_limit = broker_limit
        self.plans: deque[Plan] = deque()
        self.sent: list[Sent] = []
        self.stored: list[Sent] = []
        # Told of every send before anything comes of it.
        self.on_send: Callable[[Sent], None] = lambda sent: None
        # Told of every send whose outcome is an error other than a refusal.
        self.on_failure: Callable[[Sent], None] = lambda sent: None
        self._answers: list[tuple[Sent, Plan, asyncio.Future[Any]]] = []

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: list[tuple[str, bytes]] | None,
    ) -> asyncio.Future[Any]:
        """As Faust's producer: a future of the acknowledgement, or ``ProducerSendError``."""
        assert key is not None or value is not None, "aiokafka refuses a record with neither"
        assert len(self.sent) < MOST_SENDS, "the publisher does not come to an end"
        sent = Sent(topic, key, value or b"", headers or [], partition=partition)
        self.on_send(sent)
        self.sent.append(sent)
        if len(sent.value) > self._client_limit:
            sent.state = "refused"
            raise ProducerSendError("too large") from MessageSizeTooLargeError()
        plan = self.plans.popleft() if self.plans else Plan()
        if plan.verdict in AT_ONCE:
            self._raise(sent, plan.verdict)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        fits = len(sent.value) <= self._broker_limit
        if fits and plan.verdict in {Verdict.STORED, Verdict.UNHEARD}:
            self.stored.append(sent)
        self._answers.append((sent, plan, future))
        return future

    def _raise(self, sent: Sent, verdict: Verdict) -> None:
        sent.state = "turned down"
        sent.fatal = verdict is Verdict.FATAL_AT_ONCE
        self.on_failure(sent)
        if verdict is Verdict.FATAL_AT_ONCE:
            raise ZeroDivisionError("not the broker's fault")
        if verdict is Verdict.TURNED_DOWN_BARE:
            raise ProducerSendError("no cause")
        raise ProducerSendError("timeout") from KafkaTimeoutError()

    @property
    def late(self) -> int:
        """Sends whose answer waits to be asked for."""
        return sum(plan.late for _, plan, _ in self._answers)

    def answer_late(self, index: int) -> None:
        """Let one of the late answers come in."""
        chosen = [each for each in self._answers if each[1].late][index]
        self._answers.remove(chosen)
        self._answer(*chosen)

    def answer_prompt(self) -> bool:
        """Let all other answers come in, the last one first; False when there are none."""
        prompt = [each for each in self._answers if not each[1].late]
        self._answers = [each for each in self._answers if each[1].late]
        for each in reversed(prompt):
            self._answer(*each)
        return bool(prompt)

    def _answer(self, sent: Sent, plan: Plan, future: asyncio.Future[Any]) -> None:
        if future.done():
            return  # whoever sent it was cancelled and does not hear
        if plan.verdict is Verdict.STORED:
            if len(sent.value) <= self._broker_limit:
                sent.state = "acknowledged"
                future.set_result(None)
            else:
                sent.state = "refused"
                future.set_exception(
                    MessageSizeTooLargeError() if len(sent.value) % 2 else RecordListTooLargeError()
                )
            return
        sent.state = "failed"
        sent.fatal = plan.verdict is Verdict.FATAL
        self.on_failure(sent)
        if plan.verdict is Verdict.FATAL:
            future.set_exception(ZeroDivisionError("not the broker's fault"))
        else:
            future.set_exception(NotLeaderForPartitionError())


class Tasks:
    """An event loop that a test turns by hand, so that it decides what happens between two turns."""

    def __init__(self, broker: SimulatedBroker) -> None:
        self._broker = broker
        self._loop = asyncio.new_event_loop()

    def start(self, work: Any) -> asyncio.Task[Any]:
        """Start a coroutine and run it until it waits for a late answer or has ended."""
        task: asyncio.Task[Any] = self._loop.create_task(work)
        self.settle()
        return task

    def settle(self) -> None:
        """Run all tasks until each has ended or waits for a late answer."""
        quiet = 0
        while quiet < 2:
            before = len(self._broker.sent)
            self._turn()
            moved = self._broker.answer_prompt() or len(self._broker.sent) > before
            quiet = 0 if moved else quiet + 1

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, whatever threads it waits for."""
        return self._loop.run_until_complete(work)

    def _turn(self) -> None:
        for _ in range(20):  # more than the callbacks that lie between an answer and the next send
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()

    def close(self) -> None:
        """Cancel what still runs."""
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._turn()
        self._loop.close()
