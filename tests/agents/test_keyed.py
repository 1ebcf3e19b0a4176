"""A topic spread over partitions in any way gives what it would give in one, by way of the keyed topic."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import cycle
from math import nan
from typing import Any

import pytest

from agents.demo.simulation import simulate
from agents.evaluate import SalientEvaluation
from agents.group import Grouping
from agents.key import PartitionKeying
from agents.keyed_triage import KeyedTriage
from agents.records import RecordBatch
from agents.triage import PartitionTriage
from models.bundle import Bundle
from models.options import EvaluateOptions
from schemas.alert import Alert
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
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


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """Four minutes of services with incidents, each event at a time of its own: time alone orders them."""
    values = []
    for number, event in enumerate(simulate(3, 240.0, 20.0, incidents="demo")):
        record = json.loads(event.encode())
        record["timestamp"] = 1.7e9 + 0.0625 * number
        values.append(json.dumps(record).encode())
    return values


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
