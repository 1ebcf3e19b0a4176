"""What spreading a topic over partitions costs, with and without `key_by`: `python -m benchmarks.keyed FILE`.

The lines of a file are spread over partitions as producers do: at random, one batch to each (sticky), by who
speaks, in turn. The worker's code reads them, and what it finds is held against one partition: the entities
that are flagged, and the incidents. Speed is that of all stages together, in one process without a broker, in
events a second of processor time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from random import Random
from typing import Final

from agents.evaluate import SalientEvaluation
from agents.group import Grouping
from agents.inputs.inputs import InputError, Inputs
from agents.key import KeyBy, PartitionKeying
from agents.keyed_triage import KeyedTriage
from agents.records import RecordBatch
from agents.settings import load_settings
from agents.triage import PartitionTriage
from models.bundle import Bundle, BundleError
from models.warm_up import warm_up
from schemas.formats.detection import TopicDecoder
from schemas.watermark import SalientMessage

TOPIC: Final = "logs"
FETCH: Final = 2_000  # records of one partition in a batch, on average
WRITTEN: Final = 1.8e9  # s, when the first record was
STICKY: Final = 200  # records that a producer without keys puts in one partition, at most
WAYS: Final = ("random", "sticky", "by source", "round robin")


@dataclass
class Found:
    """What came of a topic."""

    events_per_second: float = 0.0  # of processor time
    entities: set[str] = field(default_factory=set)  # flagged
    opened: set[tuple[float, str, str]] = field(default_factory=set)  # time, source, entity of incidents
    alerts: int = 0


def spread(way: str, sources: list[str], partitions: int) -> list[int]:
    """The partition of each line."""
    chance = Random(1)
    if way == "random":
        return [chance.randrange(partitions) for _ in sources]
    if way == "round robin":
        return [row % partitions for row in range(len(sources))]
    if way == "by source":
        number = {name: each % partitions for each, name in enumerate(sorted(set(sources)))}
        return [number[name] for name in sources]
    found: list[int] = []
    while len(found) < len(sources):
        found += [chance.randrange(partitions)] * chance.randint(1, STICKY)
    return found[: len(sources)]


def batches(lines: list[bytes | None], where: list[int], partitions: int) -> Iterator[RecordBatch]:
    """As they are fetched while all partitions are written to, in any order."""
    chance = Random(2)
    given = [0] * partitions
    stamps: list[list[float]] = [[] for _ in range(partitions)]  # a millisecond from line to line
    for row, partition in enumerate(where):
        stamps[partition].append(WRITTEN + 0.001 * row)
    for first in range(0, len(lines), FETCH * partitions):
        parts: list[list[bytes | None]] = [[] for _ in range(partitions)]
        for line, partition in zip(lines[first : first + FETCH * partitions], where[first:], strict=False):
            parts[partition].append(line)
        for partition in chance.sample(range(partitions), partitions):
            n = len(parts[partition])
            if n:
                start = given[partition]
                given[partition] = end = start + n
                yield RecordBatch(
                    TOPIC, partition, list(range(start, end)), parts[partition],
                    stamps[partition][start:end], [None] * n, [[]] * n,
                )  # fmt: skip


class Plain:
    """Triage of each partition by itself."""

    def __init__(self, bundle: Bundle, partitions: int) -> None:
        reading = bundle.manifest.read_options()
        self._triage = [
            PartitionTriage(bundle, TopicDecoder(reading), TOPIC, each, partitions)
            for each in range(partitions)
        ]

    def process(self, batch: RecordBatch) -> list[SalientMessage]:
        """What triage tells of a batch."""
        return self._triage[batch.partition].process(batch).messages

    def ends(self) -> list[SalientMessage]:
        """What it tells at the end."""
        return [each.idle() for each in self._triage]


class Keyed:
    """All events through the keyed topic, of one partition."""

    def __init__(self, bundle: Bundle, partitions: int, by: KeyBy) -> None:
        reading = bundle.manifest.read_options()
        self._keying = [
            PartitionKeying(TopicDecoder(reading), TOPIC, each, partitions, by, 1)
            for each in range(partitions)
        ]
        self._triage = KeyedTriage(0, lambda name: PartitionTriage(bundle, TopicDecoder(reading), name, 0))
        self._written = 0

    def process(self, batch: RecordBatch) -> list[SalientMessage]:
        """What triage tells of a batch."""
        parts = self._keying[batch.partition].process(batch).parts
        return self._take([value for _, part in parts for value in part.encode()])

    def ends(self) -> list[SalientMessage]:
        """What it tells at the end."""
        parts = [part for keying in self._keying for part in keying.idle()]
        return self._take([value for _, part in parts for value in part.encode()])

    def _take(self, values: list[bytes]) -> list[SalientMessage]:
        n = len(values)
        offsets = list(range(self._written, self._written + n))
        self._written += n
        batch = RecordBatch("keyed", 0, offsets, list(values), [nan] * n, [None] * n, [[]] * n)
        return [
            message for each in self._triage.process(batch).by_topic.values() for message in each.messages
        ]


def run(bundle: Bundle, triage: Plain | Keyed, read: Iterator[RecordBatch]) -> Found:
    """Everything that comes of a topic."""
    found, records = Found(), 0
    evaluation, grouping = SalientEvaluation(bundle), Grouping()
    grouping.on_suspicious = lambda alert, _: found.entities.add(alert.entity)

    def take(messages: list[SalientMessage]) -> None:
        for alert in grouping.process(evaluation.process(messages)):
            found.alerts += 1
            if alert.update == "opened":
                found.opened.add((alert.time, alert.source, alert.entity))

    start = time.process_time()
    for batch in read:
        records += len(batch)
        take(triage.process(batch))
    take(triage.ends())
    found.events_per_second = records / (time.process_time() - start)
    found.entities.discard("")
    return found


def _lines(bundle: Bundle, name: str, most: int) -> tuple[list[bytes | None], list[str]]:
    """Lines of a file and the source of each; lines that are no event are left out."""
    (stream,) = Inputs([name], load_settings(), most).streams()
    decoder = TopicDecoder(bundle.manifest.read_options())
    lines: list[bytes | None] = []
    sources: list[str] = []
    for batch in stream:
        events = batch.decode(decoder).events
        lines += [batch.values[offset - batch.offsets[0]] for offset in events.offset]
        sources += events.source
    return lines, sources


def _show(name: str, found: Found, one: Found) -> None:
    both, either = found.entities & one.entities, found.entities | one.entities
    same, opened = found.opened & one.opened, found.opened | one.opened
    print(
        f"{name:<28} {found.events_per_second:>9,.0f} events/s  {len(found.entities):>6,} entities flagged, "
        f"{len(both):,} of {len(either):,} as in one  {len(found.opened):>5,} incidents, "
        f"{len(same):,} of {len(opened):,} as in one"
    )


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keyed", description=__doc__)
    parser.add_argument("input", metavar="FILE")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--lines", type=int, default=300_000, help="the first ones, at most")
    given = parser.parse_args()
    try:
        bundle = Bundle.load(given.bundle) if given.bundle else Bundle.default()
        lines, sources = _lines(bundle, given.input, given.lines)
    except (BundleError, InputError, ValueError, OSError) as error:
        sys.exit(str(error))
    warm_up()
    one = run(bundle, Plain(bundle, 1), batches(lines, [0] * len(lines), 1))
    _show("one partition", one, one)
    _show("one, key_by", run(bundle, Keyed(bundle, 1, "entity"), batches(lines, [0] * len(lines), 1)), one)
    for way in WAYS:
        where = spread(way, sources, given.partitions)
        read = batches(lines, where, given.partitions)
        _show(way, run(bundle, Plain(bundle, given.partitions), read), one)
        read = batches(lines, where, given.partitions)
        _show(f"{way}, key_by", run(bundle, Keyed(bundle, given.partitions, "entity"), read), one)


if __name__ == "__main__":
    _main()
