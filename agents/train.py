"""Training as a user runs it: inputs to events, events to a bundle, with progress."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from agents.entities import SAMPLE, find_entity
from agents.inputs.inputs import InputError, Inputs, writable
from agents.partitions import PartitionStates
from agents.records import RecordBatch
from models.bundle import MANIFEST, Bundle
from models.labels import Labels
from models.options import TrainingOptions
from models.training.rows import build
from models.training.train import train
from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

MOST_EVENTS: Final = 5_000_000  # held in memory at once, about 1 KB each
Progress = Callable[[str, int, int], None]


def choose_entity(
    batches: Iterator[RecordBatch], options: ReadOptions
) -> tuple[list[RecordBatch], ReadOptions, str]:
    """The first batches of the inputs, the options with an entity if they show one, and why that one."""
    sample: list[RecordBatch] = []
    if options.entity_field or options.entity_pattern:
        return sample, options, ""
    values: list[bytes | None] = []
    for batch in batches:
        sample.append(batch)
        values += batch.values
        if len(values) >= SAMPLE:
            break
    values = values[:SAMPLE]
    events = TopicDecoder(options).decode(values, range(len(values)), [None] * len(values)).events
    found = find_entity(values, events, options)
    return (sample, options, "") if found is None else (sample, found.options, found.sentence())


def read_events(
    batches: Iterable[RecordBatch], inputs: Inputs, options: ReadOptions, progress: Progress
) -> EventBatch:
    """All events of the batches in order of time. Raises InputError for none or more than MOST_EVENTS."""
    decoders = PartitionStates(lambda topic, partition: TopicDecoder(options))
    columns: list[list[object]] = [[] for _ in EventBatch.__slots__]
    for batch in batches:
        decoder = decoders.of(batch.topic, batch.partition)
        events = decoder.decode(batch.values, batch.offsets, batch.timestamps).events
        for column, name in zip(columns, EventBatch.__slots__, strict=True):
            column += getattr(events, name)
        if len(columns[0]) > MOST_EVENTS:
            raise InputError(f"more than {MOST_EVENTS:,} events: train on a shorter stretch of time")
        progress("read", inputs.done, inputs.total)
    if not columns[0]:
        raise InputError(
            f"none of the {inputs.records:,} records could be read as a log event; check --format and --line"
        )
    events = EventBatch(*columns)  # type: ignore[arg-type]  # the columns are EventBatch's own, in its order
    return events if len(decoders) < 2 else _by_time(events)


def _by_time(events: EventBatch) -> EventBatch:
    """Partitions of a topic are read side by side: one stream in order of time."""
    order = sorted(range(len(events)), key=events.time.__getitem__)
    return EventBatch(*([getattr(events, name)[i] for i in order] for name in EventBatch.__slots__))


def run_training(
    inputs: Inputs,
    reading: ReadOptions,
    labels: Labels | None,
    options: TrainingOptions,
    out: Path,
    progress: Progress,
) -> Bundle:
    """Read, train, write the bundle to a folder. Raises InputError and ValueError, which say what to do."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        writable(out / MANIFEST)
    except OSError as error:
        raise InputError(
            f"{out}: no bundle can be written there: {error.strerror}; choose another --out"
        ) from None
    batches = iter(inputs)
    sample, reading, entity = choose_entity(batches, reading)
    events = read_events(chain(sample, batches), inputs, reading, progress)
    rows = build(events, labels, reading, options, progress)
    if entity:
        rows.summary["entity"] = entity
    return train(rows, options, progress).save(out)
