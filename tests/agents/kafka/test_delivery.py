"""Delivery: the ledger and the publisher together, against a broker that fails in every way it can.

The machine below is a worker's skeleton: it fetches batches of two input partitions, publishes what comes of
them and confirms. Each partition has an agent of its own; both share the publisher, as triage and evaluate
do. What comes of a record is a pure function of its offset, so it is known what must be acknowledged.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agents.kafka.ledger import Ledger
from agents.kafka.publisher import Outgoing, Publisher, PublishingStoppedError
from tests.agents.kafka.simulated_broker import (
    Plan,
    Sent,
    SimulatedBroker,
    Tasks,
    Verdict,
)

PARTITIONS = (0, 1)
CLIENT_LIMIT, BROKER_LIMIT = 1000, 500
# What the broker does with the next sends; it takes all behind them.
PLANS = st.lists(
    st.builds(Plan, st.sampled_from([*Verdict, Verdict.STORED, Verdict.STORED]), st.booleans()), max_size=6
)
FAILED = {"failed", "turned down"}
SMALL, FOR_CLIENT, FOR_BROKER, FOR_BROKER_TOO = 0, CLIENT_LIMIT + 1, BROKER_LIMIT + 1, BROKER_LIMIT + 2
# Sizes of the records that come of an offset, by the offset modulo 6.
SIZES = {
    0: [SMALL],
    1: [SMALL, FOR_BROKER, SMALL],
    2: [],
    3: [FOR_CLIENT, SMALL],
    4: [FOR_BROKER_TOO],
    5: [SMALL, FOR_CLIENT, FOR_BROKER, SMALL],
}


def offsets_from(position: int) -> Iterator[int]:
    """The offsets of an input partition: every fifth is missing, as if a transaction had ended there."""
    while True:
        if position % 5 != 3:
            yield position
        position += 1


def outcome(partition: int, offset: int) -> list[Outgoing]:
    """What comes of an input record. Of those too large, every other kind has a replacement."""
    records = []
    for number, size in enumerate(SIZES[offset % 6]):
        name = b"%d %d %d" % (partition, offset, number)
        instead = None if size == FOR_BROKER_TOO else Outgoing("out", name + b" instead", b"%d" % partition)
        records.append(Outgoing("out", name.ljust(size), b"%d" % partition, instead=instead))
    return records


@dataclass
class Slot:
    """One record of a publish call, with the last send of it and of what replaces it."""

    record: Outgoing
    last: Sent | None = None
    last_instead: Sent | None = None
    # It, or a record before it, has failed since it was sent last.
    may_be_sent_again: bool = False

    @property
    def state(self) -> str:
        """How the last send went of whatever stands in this place now."""
        newest = self.last_instead or self.last
        return "not sent" if newest is None else newest.state

    @property
    def refused(self) -> bool:
        return self.last is not None and self.last.state == "refused"

    @property
    def done(self) -> bool:
        return self.state == "acknowledged" or (
            self.state == "refused" and (self.record.instead is None or self.last_instead is not None)
        )


@dataclass
class Call:
    """One publish call under watch."""

    slots: list[Slot]
    stored_before: int
    failed: bool = False
    fatal: bool = False

    def watch(self, index: int, sent: Sent, stopped: bool) -> None:
        """Whether this record may be sent now."""
        slot, before = self.slots[index], self.slots[:index]
        again = slot.last is not None
        if stopped:
            assert not {slot.state for slot in self.slots} & FAILED, "nothing is tried again after stop"
        assert all(each.state != "not sent" for each in before), "in order"
        assert all(each.state not in FAILED for each in before), "nothing is overtaken"
        if again:
            # When sending starts anew, replacements have taken the places of those refused.
            assert all(
                each.last_instead is not None or each.record.instead is None
                for each in before
                if each.refused
            )
        is_instead = sent.value != slot.record.value
        if is_instead:
            assert slot.refused, "replaced only when refused"
        else:
            assert not slot.refused, "what was refused is not sent again"
        if (slot.last_instead if is_instead else slot.last) is not None:
            assert slot.may_be_sent_again, "sent twice without need"
        slot.may_be_sent_again = False
        if is_instead:
            slot.last_instead = sent
        else:
            slot.last = sent

    def note_failure(self, index: int, fatal: bool) -> None:
        self.failed = True
        self.fatal = self.fatal or fatal
        for slot in self.slots[index:]:
            slot.may_be_sent_again = True


@dataclass
class Batch:
    """A batch in the queue of an agent."""

    offsets: list[int]
    confirm: Callable[[], None]
    epoch: int


class Delivery(RuleBasedStateMachine):
    """A worker that lives through failures, rebalances, stops and restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = SimulatedBroker(CLIENT_LIMIT, BROKER_LIMIT)
        self.broker.on_send = self.sends
        self.broker.on_failure = self.fails
        self.tasks = Tasks(self.broker)
        self.committed = dict.fromkeys(PARTITIONS, 0)
        self.elsewhere: set[tuple[int, int]] = set()
        self.problems: list[BaseException] = []
        self.epoch = 0
        self.running: dict[int, asyncio.Task[None]] = {}
        self.calls: dict[int, Call] = {}
        self.start_worker()

    def start_worker(self) -> None:
        self.ledger: Ledger[int] = Ledger()
        self.publisher = Publisher(self.broker, first_wait=0, last_wait=0)
        self.stopped = False
        self.start_epoch(keep_queued=False)

    def start_epoch(self, keep_queued: bool) -> None:
        self.epoch += 1
        self.start = dict(self.committed)
        self.position = dict(self.committed)
        # Partitions of which a batch of this epoch was given up.
        self.broken: set[int] = set()
        self.taken = dict.fromkeys(PARTITIONS, -1)
        if not keep_queued:
            self.queues: dict[int, deque[Batch]] = {partition: deque() for partition in PARTITIONS}

    # What the broker tells of its sends

    def sends(self, sent: Sent) -> None:
        partition, *name = sent.value.split()
        call = self.calls[int(partition)]
        names = [slot.record.value.split()[1:3] for slot in call.slots if slot.record.value]
        try:
            call.watch(names.index(name[:2]), sent, self.stopped)
        except AssertionError as problem:
            self.problems.append(problem)  # the agent would take it for a failure of the broker
            raise

    def fails(self, sent: Sent) -> None:
        for call in self.calls.values():
            for index, slot in enumerate(call.slots):
                if sent is slot.last or sent is slot.last_instead:
                    call.note_failure(index, sent.fatal)

    # The agent

    async def agent(self, partition: int, batch: Batch) -> None:
        records = [record for offset in batch.offsets for record in outcome(partition, offset)]
        call = self.calls[partition] = Call([Slot(record) for record in records], len(self.broker.stored))
        try:
            refused = await self.publisher.publish(records)
        except BaseException as error:
            if batch.epoch == self.epoch:
                self.broken.add(partition)
            self.check_given_up(call, error)
            return
        try:
            self.check_published(call, refused)
        except AssertionError as problem:
            self.problems.append(problem)
        batch.confirm()

    def check_given_up(self, call: Call, error: BaseException) -> None:
        if isinstance(error, PublishingStoppedError):
            if not (self.stopped and call.failed):
                self.problems.append(error)
        elif isinstance(error, ZeroDivisionError):
            if not call.fatal:
                self.problems.append(error)
        elif not isinstance(error, asyncio.CancelledError):
            self.problems.append(error)

    def check_published(self, call: Call, refused: list[Outgoing]) -> None:
        assert all(slot.done for slot in call.slots)
        assert not call.fatal, "an error that is none of Kafka's is not tried away"
        records = [record for slot in call.slots for record in (slot.record, slot.record.instead) if record]
        too_large = [r.value for r in records if r.value is not None and len(r.value) > BROKER_LIMIT]
        assert sorted(r.value or b"" for r in refused) == sorted(too_large), "each refusal is told once"
        # Keeping the last copy of each, the records that were taken as they are lie in order.
        values = [slot.record.value for slot in call.slots if not slot.refused]
        places = {sent.value: place for place, sent in enumerate(self.broker.stored)}
        found = [places[value or b""] for value in values]
        assert found == sorted(found)
        assert all(place >= call.stored_before for place in found), "published again when read again"
        if not call.failed:
            stored = [sent.value for sent in self.broker.stored[call.stored_before :]]
            assert all(stored.count(value or b"") == 1 for value in values), "nothing twice without a failure"

    # What happens to it

    @rule(partition=st.sampled_from(PARTITIONS), size=st.integers(1, 4))
    def fetch(self, partition: int, size: int) -> None:
        offsets = list(islice(offsets_from(self.position[partition]), size))
        self.position[partition] = offsets[-1] + 1
        confirm = self.ledger.hand_out(partition, offsets[-1])
        self.queues[partition].append(Batch(offsets, confirm, self.epoch))

    @rule(partition=st.sampled_from(PARTITIONS), plans=PLANS)
    def process(self, partition: int, plans: list[Plan]) -> None:
        if self.queues[partition] and self.idle(partition):
            self.broker.plans = deque(plans)
            batch = self.queues[partition].popleft()
            self.running[partition] = self.tasks.start(self.agent(partition, batch))

    @rule(partition=st.sampled_from(PARTITIONS), size=st.integers(1, 4), plans=PLANS)
    def fetch_and_process(self, partition: int, size: int, plans: list[Plan]) -> None:
        self.fetch(partition, size)
        self.process(partition, plans)

    @precondition(lambda self: self.broker.late)
    @rule(data=st.data(), only_one=st.booleans())
    def late_answers_come(self, data: st.DataObject, only_one: bool) -> None:
        for _ in range(1 if only_one else self.broker.late):
            if self.broker.late:  # what waited may have been cancelled meanwhile
                self.broker.answer_late(data.draw(st.integers(0, self.broker.late - 1)))
                self.tasks.settle()

    @rule(arrives=st.booleans())
    def commit(self, arrives: bool) -> None:
        for partition in self.ledger.committable():
            position = self.ledger.take(partition)
            assert position is not None
            assert position > self.taken[partition], "within an epoch, positions only rise"
            self.taken[partition] = position
            if arrives:
                assert position >= self.committed[partition], "nothing is committed back"
                self.committed[partition] = position
                self.check_commit(partition)
            assert self.ledger.take(partition) is None

    def check_commit(self, partition: int) -> None:
        """Everything that comes of the offsets below is acknowledged, or refused and replaced."""
        acknowledged = {sent.value for sent in self.broker.sent if sent.state == "acknowledged"}
        refused = {sent.value for sent in self.broker.sent if sent.state == "refused"}
        for offset in offsets_from(0):
            if offset >= self.committed[partition]:
                break
            for record in outcome(partition, offset):
                if (partition, offset) in self.elsewhere or record.value in acknowledged:
                    continue
                assert record.value in refused, f"{record.value!r} is committed and not acknowledged"
                assert record.instead is None or record.instead.value in acknowledged

    @rule(keep_queued=st.booleans(), others_did=st.sampled_from([0, 0, 1, 6]))
    def rebalance(self, keep_queued: bool, others_did: int) -> None:
        """Others may have had the partitions in between. Batches in queues and agents may live on."""
        for partition in PARTITIONS:
            for offset in islice(offsets_from(self.committed[partition]), others_did):
                self.elsewhere.add((partition, offset))
                self.committed[partition] = offset + 1
        self.ledger.start_afresh()
        self.start_epoch(keep_queued)

    @rule(end=st.booleans(), partition=st.sampled_from(PARTITIONS))
    def an_agent_is_cancelled_or_the_worker_stops(self, end: bool, partition: int) -> None:
        """A stopped worker is followed by a new one."""
        if self.stopped:
            for task in self.running.values():
                task.cancel()
            self.tasks.settle()
            self.start_worker()
        elif end:
            self.publisher.stop()
            self.stopped = True
        elif partition in self.running:
            self.running[partition].cancel()
            self.tasks.settle()

    @rule()
    def calm(self) -> None:
        """Whatever was not given up is published and committed in the end: nothing is held back for good."""
        self.broker.plans.clear()
        for partition in PARTITIONS:
            while self.queues[partition] or not self.idle(partition):
                while self.broker.late:
                    self.broker.answer_late(0)
                    self.tasks.settle()
                self.process(partition, [])
        self.commit(arrives=True)
        for partition in PARTITIONS:
            handed_out = self.position[partition] > self.start[partition]
            if handed_out and partition not in self.broken:
                assert self.taken[partition] == self.position[partition]

    def idle(self, partition: int) -> bool:
        return partition not in self.running or self.running[partition].done()

    @invariant()
    def nothing_was_wrong_on_the_way(self) -> None:
        for problem in self.problems:
            raise problem

    def teardown(self) -> None:
        self.tasks.close()


Delivery.TestCase.settings = settings(
    derandomize=True, deadline=None, database=None, max_examples=300, stateful_step_count=40
)
TestDelivery = Delivery.TestCase
