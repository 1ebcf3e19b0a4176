"""Publishing by example; ``test_delivery`` holds it against everything a broker can do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from agents.kafka.publisher import Outgoing, Publisher, PublishingStoppedError
from tests.agents.kafka.simulated_broker import Plan, SimulatedBroker, Tasks, Verdict

HOUR = 3600.0


@pytest.fixture
def broker() -> SimulatedBroker:
    return SimulatedBroker(client_limit=20, broker_limit=10)


@pytest.fixture
def tasks(broker: SimulatedBroker) -> Iterator[Tasks]:
    tasks = Tasks(broker)
    yield tasks
    tasks.close()


def record(value: str, instead: str | None = None) -> Outgoing:
    return Outgoing("out", value.encode(), b"key", instead=record(instead) if instead else None)


def test_what_replaces_a_refused_record_takes_its_place(broker: SimulatedBroker, tasks: Tasks) -> None:
    publisher = Publisher(broker, first_wait=0, last_wait=0)
    records = [
        record("first"),
        record("told too late", "note 1"),
        record("fails"),
        record("too large for the client", "note 2"),
        record("last"),
    ]
    broker.plans.extend([Plan(), Plan(), Plan(Verdict.LOST)])
    task: asyncio.Task[list[Outgoing]] = tasks.start(publisher.publish(records))
    assert task.result() == [records[1], records[3]]
    assert [sent.value for sent in broker.stored] == [
        b"first",
        b"last",  # it was on its way when the one before it failed
        b"note 1",
        b"fails",
        b"note 2",
        b"last",
    ]


def test_nothing_overtakes_a_record_that_was_not_even_sent(broker: SimulatedBroker, tasks: Tasks) -> None:
    publisher = Publisher(broker, first_wait=0, last_wait=0)
    broker.plans.extend([Plan(), Plan(Verdict.TURNED_DOWN)])
    tasks.start(publisher.publish([record("a"), record("b"), record("c")]))
    assert [sent.value for sent in broker.stored] == [b"a", b"b", b"c"]


def test_stop_ends_the_wait_for_a_broker_that_fails(broker: SimulatedBroker, tasks: Tasks) -> None:
    publisher = Publisher(broker, first_wait=HOUR, last_wait=HOUR)
    broker.plans.extend([Plan(Verdict.LOST), Plan(Verdict.LOST)])
    task: asyncio.Task[list[Outgoing]] = tasks.start(publisher.publish([record("a")]))
    assert not task.done()
    publisher.stop()
    tasks.settle()
    assert isinstance(task.exception(), PublishingStoppedError)
    assert len(broker.sent) == 2, "one more attempt, then no more"


def test_what_the_broker_takes_is_still_sent_after_stop(broker: SimulatedBroker, tasks: Tasks) -> None:
    publisher = Publisher(broker, first_wait=HOUR, last_wait=HOUR)
    publisher.stop()
    task: asyncio.Task[list[Outgoing]] = tasks.start(publisher.publish([record("a"), record("b" * 11, "c")]))
    assert task.result() == [record("b" * 11, "c")]
    assert [sent.value for sent in broker.stored] == [b"a", b"c"]
