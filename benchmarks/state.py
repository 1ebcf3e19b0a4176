"""What keeping state costs: `python -m benchmarks.state`; needs KAFKA_HOME.

The state of a partition is filled by a stream that makes up sources, templates and entities. Measured are the
computing that one snapshot takes, how much of it changes over so many events, and how long a worker takes to
take up the states of many partitions, from a topic on a Kafka on loopback.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from math import nan
from pathlib import Path
from typing import Any, Final

import orjson

from agents.kafka import admin as broker
from agents.kafka.state_topic import TopicShelf
from agents.partitions import PartitionStates
from agents.records import RecordBatch
from agents.settings import Settings, load_settings
from agents.state.blocks import pack
from agents.state.keeper import Keeper, Kept
from agents.state.store import Store
from agents.triage import PartitionTriage
from benchmarks.kafka_server import KafkaError, KafkaServer, home
from benchmarks.table import show
from models.bundle import Bundle
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

TOPIC: Final = "logs"
BATCH: Final = 4096
INTERVAL: Final = 30.0  # s between two snapshots of a partition, the default
START: Final = 1_750_000_000.0


def batch(first: int, chance: random.Random) -> RecordBatch:
    """Events that fill the tables: of 4,000 sources, 50,000 templates and 30,000 entities, ten a second."""
    values: list[bytes | None] = []
    for number in range(first, first + BATCH):
        template, source = chance.randrange(50_000), chance.randrange(4_000)
        values.append(
            orjson.dumps({
                "timestamp": START + number / 10,
                "level": "info",
                "service": f"service-{source:x}",
                "message": f"step{template // 224:x} part{template % 224:x} took {number % 977} ms",
                "request_id": f"{chance.randrange(30_000):08x}",
            })
        )  # fmt: skip
    n = len(values)
    return RecordBatch(TOPIC, 0, list(range(first, first + n)), values, [nan] * n, [None] * n, [[]] * n)


def filled(make: PartitionStates[PartitionTriage], events: int) -> tuple[PartitionTriage, float]:
    """A state that has seen so many events, and seconds per event of the last tenth of them."""
    state, chance = make.of(TOPIC, 0), random.Random(0)
    seconds, counted = 0.0, 0
    for first in range(0, events, BATCH):
        records = batch(first, chance)
        began = time.process_time()
        state.process(records)
        if first > 0.9 * events:
            seconds, counted = seconds + time.process_time() - began, counted + BATCH
    return state, seconds / max(1, counted)


def cost(state: PartitionTriage) -> dict[str, Any]:
    """What one snapshot takes, everything written: bytes and seconds of computing."""
    began = time.perf_counter()
    data = state.snapshot()
    made = time.perf_counter() - began
    cpu = time.process_time()
    _, new = pack(data, ())
    packed = time.process_time() - cpu
    return {
        "state_mb": len(data) / 1e6,
        "compressed_mb": sum(map(len, new.values())) / 1e6,
        "loop_seconds": made,
        "other_thread_seconds": packed,
        "share_of_time": (made + packed) / INTERVAL,
    }


def changed(state: PartitionTriage, first: int) -> list[dict[str, Any]]:
    """How many blocks have changed after more and more events from this one on."""
    chance, rows = random.Random(1), []
    names, _ = pack(state.snapshot(), ())
    for count in (30, 300, 3000):
        state.process(batch(first, chance)[:count])
        first += count
        before = frozenset(names)
        names, new = pack(state.snapshot(), before)
        mb = sum(map(len, new.values())) / 1e6
        rows.append(
            {"events": count, "blocks": len(names), "changed": len(new) / len(names), "written_mb": mb}
        )
    return rows


async def taken_up(
    settings: Settings, states: PartitionStates[PartitionTriage], made: PartitionTriage, partitions: int
) -> dict[str, Any]:
    """Save one state for many partitions, and take all of them up as another worker would."""
    await broker.create_topics(settings, [each for each in broker.own_topics(settings) if each.config])
    data = made.snapshot()
    kinds = {TOPIC: Kept(states, lambda _: "bench")}
    names = [(TOPIC, number) for number in range(partitions)]
    first = Keeper(Store(TopicShelf(settings)), "bench", INTERVAL, kinds)
    for name in names:
        states.resume(*name, data)
        await first.begin({name: 1})
        states.drop(*name)
    await first.close()
    second = Keeper(Store(TopicShelf(settings)), "bench", INTERVAL, kinds)
    began = time.perf_counter()
    positions = await second.take_up(names)
    seconds = time.perf_counter() - began
    await second.close()
    size = len(positions) * len(data) / 1e6
    return {"partitions": len(positions), "mb": size, "seconds": seconds, "mb_per_second": size / seconds}


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=600_000, help="that fill the state")
    parser.add_argument("--partitions", type=int, default=28, help="whose states are taken up")
    given = parser.parse_args()
    bundle = Bundle.default()
    options = ReadOptions(entity_field="request_id")
    states = PartitionStates(
        lambda topic, partition: PartitionTriage(bundle, TopicDecoder(options), topic, partition)
    )
    made, per_event = filled(states, given.events)
    cost(made)  # compiles
    show([{"triage_microseconds": 1e6 * per_event, **cost(made)}])
    show(changed(made, -(-given.events // BATCH) * BATCH))
    try:
        with tempfile.TemporaryDirectory() as folder, KafkaServer(home(), Path(folder)) as kafka:
            settings = load_settings(broker=kafka.address, topics=TOPIC)
            show([asyncio.run(taken_up(settings, states, made, given.partitions))])
    except KafkaError as error:
        sys.exit(f"state: {error}")


if __name__ == "__main__":
    _main()
