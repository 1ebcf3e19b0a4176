"""Training as a user runs it: inputs to events, events to a bundle, with progress."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from agents.entities import SAMPLE, find_entity
from agents.inputs.inputs import InputError, Inputs
from agents.inputs.merge import in_order
from agents.inputs.tally import Tallies
from agents.outputs import folder_for
from agents.partitions import PartitionStates
from agents.records import RecordBatch
from models.bundle import MANIFEST, Bundle
from models.context.templates import TemplateMiner
from models.labels import OUTSIDE, Labels
from models.options import TrainingOptions
from models.training.learnt import learnt
from models.training.rows import build, fill_times
from models.training.train import train
from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

MOST_EVENTS: Final = 5_000_000  # held in memory at once, about 1 KB each
Progress = Callable[[str, int, int], None]


def choose_entity(
    streams: Sequence[Iterator[RecordBatch]], options: ReadOptions
) -> tuple[list[Iterator[RecordBatch]], ReadOptions, str]:
    """The streams of the inputs anew, the options with an entity if the first events show one, and why."""
    if options.entity_field or options.entity_pattern:
        return list(streams), options, ""
    kept: list[list[RecordBatch]] = [[] for _ in streams]
    values: list[bytes | None] = []
    columns = _Columns()
    decoder = TopicDecoder(options)
    for batch in in_order([*map(_keeping, streams, kept)], lambda _: TopicDecoder(options)):
        batch = batch[: SAMPLE - len(values)]
        values += batch.values
        columns.add(batch.decode(decoder).events)
        if len(values) >= SAMPLE:
            break
    anew: list[Iterator[RecordBatch]] = [
        chain(first, rest) for first, rest in zip(kept, streams, strict=True)
    ]
    found = find_entity(values, columns.events(), options)
    return (anew, options, "") if found is None else (anew, found.options, found.sentence())


def _keeping(stream: Iterator[RecordBatch], kept: list[RecordBatch]) -> Iterator[RecordBatch]:
    """The batches of a stream, which are kept as well."""
    for batch in stream:
        kept.append(batch)
        yield batch


class _Columns:
    """Events that come in batches, as the columns of one."""

    def __init__(self) -> None:
        self._columns: list[list[object]] = [[] for _ in EventBatch.__slots__]

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, events: EventBatch) -> None:
        """Take some events."""
        for column, name in zip(self._columns, EventBatch.__slots__, strict=True):
            column += getattr(events, name)

    def events(self) -> EventBatch:
        """All of them."""
        return EventBatch(*self._columns)  # type: ignore[arg-type]  # the columns are EventBatch's own, in its order


def read_events(
    streams: Sequence[Iterator[RecordBatch]],
    inputs: Inputs,
    tallies: Tallies,
    progress: Progress,
    say: Callable[[str], None] = lambda text: None,
) -> EventBatch:
    """All events in order of time; tallies counts them, say gets sentences about what was not understood.

    Raises InputError for no event or more than MOST_EVENTS, and where none has a time, or the entity that was
    asked for.
    """
    decoders = PartitionStates(tallies.of_partition)
    columns = _Columns()
    for batch in in_order(streams, tallies.of_stream):
        columns.add(batch.decode(decoders.of(batch.topic, batch.partition)).events)
        if len(columns) > MOST_EVENTS:
            raise InputError(f"more than {MOST_EVENTS:,} events: train on a shorter stretch of time")
        progress("read", inputs.done, inputs.total)
    for text in (*tallies.failed(), *tallies.missing(1)):
        say(text)
    if not len(columns):
        raise InputError(
            f"none of the {inputs.records:,} records could be read as a log event; check --format and --line"
            if inputs.records
            else "the input holds no records; is it the right file or topic?"
        )
    if tallies.no_time():
        raise InputError(
            f"no time was found in any of {len(columns):,} events, and what is usual is learnt over time; "
            f"{tallies.where_time_stands()}"
        )
    if text := tallies.no_entity():
        raise InputError(f"no event has an entity: {text}")
    events = columns.events()
    return events if len(decoders) < 2 else _by_time(events)


def _by_time(events: EventBatch) -> EventBatch:
    """Partitions of a topic are read side by side: one stream in order of time."""
    fill_times(events)
    order = sorted(range(len(events)), key=events.time.__getitem__)
    return EventBatch(*([getattr(events, name)[i] for i in order] for name in EventBatch.__slots__))


def _check(labels: Labels, events: EventBatch, say: Callable[[str], None]) -> None:
    """Say which labels match no event. Raises InputError where none does."""
    seen = dict.fromkeys(events.source if labels.intervals else events.entity)
    if text := labels.unmatched(seen):
        if not any(name in seen for name in labels.names()):
            raise InputError(
                f"{text}; no label names an entity or source of them: check --entity-field, --entity-pattern "
                "and --source-field"
            )
        say(text)
    rows = zip(events.source, events.time, strict=True)
    if labels.intervals and not any(labels.at_fault(source, time) for source, time in rows):
        raise InputError(OUTSIDE)


def run_training(
    inputs: Inputs,
    reading: ReadOptions,
    labels: Labels | None,
    options: TrainingOptions,
    out: Path,
    progress: Progress,
    say: Callable[[str], None] = lambda text: None,
) -> Bundle:
    """Read, train, write the bundle to a folder; say gets sentences about what was not understood.

    Raises InputError, OutputError and ValueError, which say what to do; a folder made for it is gone then.
    """
    with folder_for(out, MANIFEST):
        streams, reading, entity = choose_entity(inputs.streams(), reading)
        tallies = Tallies(inputs, reading)
        events = read_events(streams, inputs, tallies, progress, say)
        if labels is not None:
            _check(labels, events, say)
        rows = build(events, labels, reading, options, progress)
        rows.summary.update(records=inputs.records, not_understood=tallies.failures)
        rows.summary.update(learnt(events, rows.of_entity, TemplateMiner(rows.merges)))
        if entity:
            rows.summary["entity"] = entity
        return train(rows, options, progress).save(out)
