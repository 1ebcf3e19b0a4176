"""A topic spread over partitions in any way gives what it would give in one, by way of the keyed topic."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from math import nan
from typing import Any

import numpy as np
import pytest

from agents.demo.simulation import simulate
from agents.evaluate import SalientEvaluation
from agents.group import Grouping
from agents.key import KeyBy, PartitionKeying
from agents.keyed_triage import KeyedTriage
from agents.lane import Lane
from agents.records import RecordBatch
from agents.triage import PartitionTriage
from models.bundle import Bundle
from models.context.features import NAMES
from models.options import EvaluateOptions
from schemas.alert import Alert
from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.keyed import KeyedEvents
from schemas.salient import SalientEvent
from schemas.suspicious import decode_suspicious
from schemas.watermark import decode_salient

OPTIONS = EvaluateOptions(false_alarms="0.05/unit", resolve_after=20.0)
READ = ReadOptions(format="json")
PARTITIONS = 8
Spread = Callable[[list[bytes]], list[int]]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.default()


def simulated() -> list[bytes]:
    """Four minutes of services with incidents, each event at a time of its own: time alone orders them."""
    values = []
    for number, event in enumerate(simulate(3, 240.0, 20.0, incidents="demo")):
        record = json.loads(event.encode())
        record["timestamp"] = 1.7e9 + 0.0625 * number
        values.append(json.dumps(record).encode())
    return values


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return simulated()


def at_random(lines: list[bytes]) -> list[int]:
    chance = random.Random(5)
    return [chance.randrange(PARTITIONS) for _ in lines]


def sticky(lines: list[bytes]) -> list[int]:
    """As a producer without keys that fills one batch after the other."""
    chance, found = random.Random(6), list[int]()
    while len(found) < len(lines):
        found += [chance.randrange(PARTITIONS)] * chance.randrange(1, 200)
    return found[: len(lines)]


def by_source(lines: list[bytes]) -> list[int]:
    names = [json.loads(line)["service"] for line in lines]
    of = {name: number % PARTITIONS for number, name in enumerate(sorted(set(names)))}
    return [of[name] for name in names]


def round_robin(lines: list[bytes]) -> list[int]:
    return [next(turn) for turn in [cycle(range(PARTITIONS))] for _ in lines]


class Worker:
    """The agents of a worker one after the other, each fed with what the one before has written."""

    def __init__(
        self, bundle: Bundle, partitions: int = PARTITIONS, lanes: int = 1, by: Any = "entity"
    ) -> None:
        def triage(lane: int) -> KeyedTriage:
            return KeyedTriage(
                lane, lambda name: PartitionTriage(bundle, TopicDecoder(READ), name, lane, lanes)
            )

        self.keying = [
            PartitionKeying(TopicDecoder(READ), "logs", each, partitions, by, lanes)
            for each in range(partitions)
        ]
        self.triage = [triage(lane) for lane in range(lanes)]
        self.evaluation, self.grouping = SalientEvaluation(bundle, OPTIONS), Grouping(OPTIONS)
        self.keyed: list[list[bytes]] = [[] for _ in range(lanes)]
        self.salient: list[SalientEvent] = []
        self.alerts: list[Alert] = []

    def read(self, batch: RecordBatch) -> None:
        for target, part in self.keying[batch.partition].process(batch).parts:
            self.keyed[target] += part.encode()

    def idle(self, partition: int) -> None:
        for target, part in self.keying[partition].idle():
            self.keyed[target] += part.encode()

    def judge(self, lane: int, first: int, end: int) -> None:
        """Records of the keyed topic."""
        output = self.triage[lane].process(batch_of("keyed", lane, self.keyed[lane][first:end], first))
        assert output.dead == []
        for each in output.by_topic.values():
            self.take(each.messages)

    def take(self, messages: list[Any]) -> None:
        read = [decode_salient(each.encode()) for each in messages]
        self.salient += [each for each in read if isinstance(each, SalientEvent) and not each.audit]
        self.alerts += self.grouping.process(
            [decode_suspicious(each.encode()) for each in self.evaluation.process(read)]
        )


def batch_of(topic: str, partition: int, values: list[bytes], first: int) -> RecordBatch:
    n = len(values)
    offsets = list(range(first, first + n))
    return RecordBatch(topic, partition, offsets, list(values), [nan] * n, [None] * n, [[]] * n)


def in_parts(lines: list[bytes], spread: list[int]) -> list[list[bytes]]:
    parts: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for line, partition in zip(lines, spread, strict=True):
        parts[partition].append(line)
    return parts


def through_keyed(worker: Worker, parts: list[list[bytes]], chance: random.Random) -> Worker:
    """Partitions in batches of any size, in any order, some of them again from an earlier record on."""
    at = [0] * len(parts)
    judged = [0] * len(worker.triage)
    while left := [each for each in range(len(parts)) if at[each] < len(parts[each])]:
        each = chance.choice(left)
        size = chance.randrange(1, 120)
        first = max(0, at[each] - chance.choice([0, 0, 30]))
        worker.read(batch_of("logs", each, parts[each][first : at[each] + size], first))
        at[each] += size
        for lane, keyed in enumerate(worker.keyed):
            if chance.random() < 0.3:
                first = max(0, judged[lane] - chance.choice([0, 0, 2]))  # read again
                worker.judge(lane, first, len(keyed))
                judged[lane] = len(keyed)
    for each in range(len(parts)):
        worker.idle(each)
    for lane, keyed in enumerate(worker.keyed):
        worker.judge(lane, judged[lane], len(keyed))
    return worker


Told = list[dict[str, Any]]
OF_PLACE = {"id", "incident", "partition", "offset", "lane", "lanes", "position"}


def told(worker: Worker, parts: list[list[bytes]]) -> tuple[Told, Told]:
    """All that salient events and alerts say; but in place of coordinates and ids, which are digests of them,
    the records they name."""
    return tuple(  # type: ignore[return-value]  # two of them
        [each.model_dump(exclude=OF_PLACE) | {"record": parts[each.partition][each.offset]} for each in every]
        for every in (worker.salient, worker.alerts)
    )


@pytest.fixture(scope="module")
def in_one(bundle: Bundle, lines: list[bytes]) -> tuple[Told, Told]:
    """What a topic of one partition gives, without keys."""
    worker = Worker(bundle)
    triage = PartitionTriage(bundle, TopicDecoder(READ), "logs", 0)
    worker.take(triage.process(batch_of("logs", 0, lines, 0)).messages)
    salient, alerts = told(worker, [lines])
    assert len(salient) > 50
    assert {alert["update"] for alert in alerts} >= {"opened", "resolved"}
    assert any(alert["entity"] for alert in alerts)
    return salient, alerts


@pytest.mark.parametrize("spread", [at_random, sticky, by_source, round_robin])
@pytest.mark.parametrize("seed", [1, 2])
def test_spread_over_eight_partitions_it_gives_the_alerts_of_one(
    bundle: Bundle, lines: list[bytes], in_one: tuple[Told, Told], spread: Spread, seed: int
) -> None:
    parts = in_parts(lines, spread(lines))
    worker = through_keyed(Worker(bundle), parts, random.Random(seed))
    assert told(worker, parts) == in_one


def test_where_many_events_share_a_second_the_times_of_their_records_order_them(
    bundle: Bundle, lines: list[bytes]
) -> None:
    """As in logs whose times are to the second, of a producer that writes one record after the other."""
    coarse = []
    for line in lines:
        record = json.loads(line)
        record["timestamp"] //= 1.0
        coarse.append(json.dumps(record).encode())
    whole = Worker(bundle)
    triage = PartitionTriage(bundle, TopicDecoder(READ), "logs", 0)
    whole.take(triage.process(batch_of("logs", 0, coarse, 0)).messages)
    spread = round_robin(coarse)
    parts, stamps = in_parts(coarse, spread), [list[float]() for _ in range(PARTITIONS)]
    for number, partition in enumerate(spread):
        stamps[partition].append(1.8e9 + 0.001 * number)
    worker = Worker(bundle)
    for first in range(0, len(parts[0]) + 1, 50):
        for each in (3, 1, 7, 0, 2, 5, 4, 6):
            batch = batch_of("logs", each, parts[each][first : first + 50], first)
            batch.timestamps = stamps[each][first : first + 50]
            worker.read(batch)
    for each in range(PARTITIONS):
        worker.idle(each)
    worker.judge(0, 0, len(worker.keyed[0]))
    assert told(worker, parts) == told(whole, [coarse])


def test_lines_of_one_partition_are_as_they_were_without_the_keyed_topic(
    bundle: Bundle, lines: list[bytes], in_one: tuple[Told, Told]
) -> None:
    worker = through_keyed(Worker(bundle, partitions=1), [lines], random.Random(3))
    assert told(worker, [lines]) == in_one


@pytest.mark.parametrize("by", ["entity", "source"])
def test_over_several_partitions_of_it_alerts_do_not_depend_on_the_order_of_reading(
    bundle: Bundle, lines: list[bytes], by: KeyBy
) -> None:
    parts = in_parts(lines, at_random(lines))
    first, second = (
        through_keyed(Worker(bundle, lanes=3, by=by), parts, random.Random(seed)) for seed in (7, 8)
    )
    first.grouping.rest()
    assert len(first.alerts) > 3
    assert [alert.encode() for alert in first.alerts] == [alert.encode() for alert in second.alerts]
    assert len({event.lane for event in first.salient}) == 3
    lane_of: dict[str, int] = {}
    for event in first.salient:
        name = event.entity if by == "entity" and event.entity else event.source
        assert lane_of.setdefault(name, event.lane) == event.lane


def test_every_event_comes_once_in_the_order_of_time_and_what_is_idle_is_not_waited_for(
    lines: list[bytes],
) -> None:
    parts = in_parts(lines, sticky(lines))
    lane = Lane("logs", 0)
    found: list[tuple[int, int]] = []
    for partition in (4, 2, 7, 1, 0, 3, 6, 5):
        keying = PartitionKeying(TopicDecoder(READ), "logs", partition, PARTITIONS, "entity", 1)
        ((_, keyed),) = keying.process(batch_of("logs", partition, parts[partition], 0)).parts
        for told in (keyed, keying.idle()[0][1]):
            batch = lane.tell(told, 0)
            assert batch.decoded
            found += zip(batch.origins or [], batch.decoded.events.offset, strict=True)
    assert [parts[partition][offset] for partition, offset in found] == lines
    assert len(lane) == 0


def one_event(time: float, offset: int) -> EventBatch:
    return EventBatch.of([(time, 9, "s", "", "m", None, offset, 0, "")])


def test_a_topic_that_was_made_anew_is_read_from_its_beginning() -> None:
    lane = Lane("logs", 0)
    events = [one_event(5.0, 100), one_event(6.0, 101)]
    anew = one_event(7.0, 0)

    def times(told: EventBatch) -> list[float]:
        keyed = KeyedEvents("logs", 0, 1, told.time[-1], places=told.time, ties=[0.0], events=told)
        batch = lane.tell(keyed, 0)
        assert batch.decoded
        return batch.decoded.events.time

    assert [times(each) for each in (*events, events[0], anew)] == [[5.0], [6.0], [], [7.0]]


def test_a_clock_far_ahead_of_its_record_does_not_hold_up_what_follows() -> None:
    values = [b'{"timestamp":%d,"message":"m"}' % (1_700_000_000 + time) for time in (0, 40_000, 1)]
    batch = batch_of("logs", 0, values, 0)
    batch.timestamps = [1.7e9, 1.7e9 + 0.5, 1.7e9 + 1.0]
    keying = PartitionKeying(TopicDecoder(READ), "logs", 0, 2, "entity", 1)
    ((_, keyed),) = keying.process(batch).parts
    assert keyed.events.time == [1.7e9, 1.7e9 + 40_000.0, 1.7e9 + 1.0]
    assert keyed.places == [1.7e9, 1.7e9 + 0.5, 1.7e9 + 1.0]
    assert keyed.clock == 1.7e9 + 1.0


def test_a_snapshot_at_any_point_changes_nothing(
    bundle: Bundle, lines: list[bytes], in_one: tuple[Told, Told]
) -> None:
    parts = in_parts(lines, round_robin(lines))
    worker = Worker(bundle)
    for first in range(0, len(parts[0]) + 1, 100):
        for each in range(PARTITIONS):
            worker.read(batch_of("logs", each, parts[each][first : first + 100], first))
        worker.judge(0, 0, len(worker.keyed[0]))  # from its beginning: what was taken in is left out
        other = Worker(bundle)
        for old, new in zip(worker.keying, other.keying, strict=True):
            new.resume(old.snapshot())
        other.triage[0].resume(worker.triage[0].snapshot())
        worker.keying, worker.triage = other.keying, other.triage
    for each in range(PARTITIONS):
        worker.idle(each)
    worker.judge(0, 0, len(worker.keyed[0]))
    assert told(worker, parts) == in_one


def test_hostile_records_of_the_keyed_topic_are_dead_letters_and_cost_nothing(bundle: Bundle) -> None:
    triage = KeyedTriage(0, only_logs(bundle))
    good = KeyedEvents("logs", 0, 1, 5.0, places=[5.0], ties=[0.0], events=one_event(5.0, 0))
    foreign = KeyedEvents("other", 0, 1, 5.0)
    values = [b"", b"{]", *foreign.encode(), b"\x28\xb5\x2f\xfdbroken", *good.encode()]
    output = triage.process(batch_of("keyed", 0, values, 10))
    assert [letter.offset for letter in output.dead] == [10, 11, 12, 13]
    assert all(letter.reason.startswith("not keyed events") for letter in output.dead)
    assert output.by_topic["logs"].events == 1
    for data in (b"", b"{}", b"\x80\x04cposix\nsystem\n", triage.snapshot()[:-9]):
        with pytest.raises(ValueError, match="not a snapshot"):
            KeyedTriage(0, only_logs(bundle)).resume(data)
        with pytest.raises(ValueError, match="not a snapshot"):
            PartitionKeying(TopicDecoder(READ), "logs", 0, 2, "entity", 1).resume(data)


def only_logs(bundle: Bundle) -> Callable[[str], PartitionTriage]:
    def make(name: str) -> PartitionTriage:
        if name != "logs":
            raise ValueError(f"not keyed events: {name}")
        return PartitionTriage(bundle, TopicDecoder(READ), name, 0)

    return make


def test_an_event_that_the_detector_fails_on_is_a_dead_letter_with_its_own_coordinates(
    bundle: Bundle,
) -> None:
    weight = bundle.weights["prefilter.weight"].copy()
    weight[NAMES.index("severity_rank")] = 1e308
    spoilt = replace(bundle, weights=bundle.weights | {"prefilter.weight": weight})
    rows = [(5.0 + n, level, "s", "", "m", None, 70 + n, 0, "") for n, level in enumerate((9, 17, 9))]
    events = EventBatch.of(rows)
    keyed = KeyedEvents("logs", 3, 4, 7.0, places=events.time, ties=[0.0] * 3, events=events)
    triage = KeyedTriage(0, only_logs(spoilt))
    told = [KeyedEvents("logs", each, 4, 0.0, idle=True) for each in (0, 1, 2)]
    told += [keyed, KeyedEvents("logs", 3, 4, 7.0, idle=True)]
    values = [value for each in told for value in each.encode()]
    with np.errstate(all="ignore"):
        output = triage.process(batch_of("keyed", 0, values, 10)).by_topic["logs"]
    assert output.events == 2
    (letter,) = output.dead
    assert (letter.topic, letter.partition, letter.offset, letter.value) == ("logs", 3, 71, None)
    assert letter.reason.startswith("triage failed: ValueError")
