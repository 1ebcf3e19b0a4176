"""A topic as its events go through ``qualm.keyed``, without that topic: for whoever reads it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from agents.inputs.inputs import Inputs
from agents.key import KeyBy, PartitionKeying
from agents.lane import Lane
from agents.partitions import PartitionStates
from agents.records import RecordBatch
from schemas.dead_letter import DeadLetter
from schemas.formats.detection import TopicDecoder
from schemas.keyed import KeyedEvents

__all__ = ["rekeyed"]


def rekeyed(
    inputs: Inputs,
    decoder: Callable[[str, int], TopicDecoder],
    by: KeyBy,
    targets: int,
    on_dead: Callable[[DeadLetter], None] = lambda letter: None,
) -> Iterator[RecordBatch]:
    """The events of topics, decoded and in order of event time: of each topic in so many partitions by key.

    Offsets count what was told in a partition; those of the events are of their records, origins have their
    partitions.

    Args:
        inputs: topics.
        decoder: of a topic and partition.
        by: what events of a partition share.
        targets: how many partitions there are.
        on_dead: is told of records that are no log events.
    """
    states = PartitionStates(
        lambda topic, partition: PartitionKeying(
            decoder(topic, partition), topic, partition, inputs.partitions(topic), by, targets
        )
    )
    lanes: dict[tuple[str, int], Lane] = {}
    told: Counter[int] = Counter()

    def turn(target: int, keyed: KeyedEvents) -> Iterator[RecordBatch]:
        lane = lanes.setdefault((keyed.topic, target), Lane(keyed.topic, target))
        told[target] += 1
        if len(due := lane.tell(keyed, told[target])):
            yield due

    (stream,) = inputs.streams()
    for batch in stream:
        keying = states.of(batch.topic, batch.partition)
        output = keying.process(batch)
        inputs.reached(batch.partition, keying.clock)
        for letter in output.dead:
            on_dead(letter)
        for target, keyed in output.parts:
            yield from turn(target, keyed)
        for name in inputs.newly_ended():
            for target, keyed in states.of(*name).idle():
                yield from turn(target, keyed)
    for (_, target), lane in lanes.items():
        if len(rest := lane.rest(told[target] + 1)):
            yield rest
