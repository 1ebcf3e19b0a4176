"""The context of one input partition: what it remembers, and the surprise features x of its events."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.context import clocks, dumps, kernel, reference, silence, tables, units, usual
from models.context.columns import attributes, short_name
from models.context.dumps import Arrays
from models.context.features import WIDTH
from models.context.line import UNKNOWN, Line
from models.context.tables import NAME_BYTES, State
from models.context.templates import TemplateMiner, template_id
from schemas.events import EventBatch

# Slots of each table; docs/operations.md says how much memory they take.
COUNTS, MOMENTS, TEMPLATES, SOURCES, ENTITIES = 1 << 17, 1 << 16, 1 << 12, 1 << 10, 1 << 14
RATES, SHARES, KINDS, NODES, BUCKETS = 1 << 15, 1 << 16, 1 << 6, 1 << 17, 1 << 16
PRODUCTION: Final = reference.LEARN | reference.CALIBRATE | reference.PAIRS
_REFERENCE: Final = ("shares", "kinds")
_LEARNT: Final = ("counts", "moments", "templates", "sources", *_REFERENCE)
# Event times by table: they shift when a bundle's context meets a stream of another time.
_TIMES: Final = {
    "templates": ("first_seen",),
    "shares": ("since",),
    "kinds": ("since", "due_since"),
    "sources": ("since", "last", "spoke", "paused", "weighed", "suspected"),
}


Names = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows of features: the events in order, and between them those that time alone brought.

    x (n, WIDTH) float32; trigger (n,); event (n,) index into the batch of the
    event itself or of the one whose time brought the row; time, watermark (n,) seconds; template, source (n,)
    uint64; severity (n,); of_entity (n,): whether it has an entity; names (n, NAME_BYTES) of the entity, for
    rows that are no event; line (n,): what the row says by itself, in nats beyond what is usual; scale (n,
    2): centre and spread that say so, 0 and 1 for rows that say nothing by themselves; why (n, REASONS) of
    tables.REASON: what adds most to the evidence that the row shows of its entity; pace (n, 2): units that
    begin, entities and minutes of sources, a second and an event of late; known (n,): by how many normal
    units its unit is judged, a source by its minutes; learning (n,): whether these are too few.
    """

    x: NDArray[np.float32]
    trigger: NDArray[np.int8]
    event: NDArray[np.int64]
    time: NDArray[np.float64]
    watermark: NDArray[np.float64]
    template: NDArray[np.uint64]
    source: NDArray[np.uint64]
    severity: NDArray[np.int64]
    of_entity: NDArray[np.bool_]
    names: NDArray[np.uint8]
    line: NDArray[np.float64]
    scale: NDArray[np.float64]
    why: NDArray[np.void]
    pace: NDArray[np.float64]
    known: NDArray[np.float64]
    learning: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.trigger)

    def name(self, row: int) -> str:
        """Entity of a row that is no event."""
        return bytes(self.names[row]).rstrip(b"\0").decode("utf-8", "replace")


class ToldClock(NamedTuple):
    """What an event, by its index in the batch, shows of its source's clock, and seconds that it is ahead."""

    event: int
    source: str
    state: Literal["wrong", "once", "right"]
    ahead: float


def _empty_state() -> State:
    older = np.zeros(ENTITIES + 1, np.int32)
    older[-1] = ENTITIES
    clock = np.zeros(1, tables.CLOCK)
    clock["watermark"] = np.nan
    clock["next_end"] = ENTITIES
    return State(
        np.zeros(COUNTS, tables.COUNT),
        np.zeros(MOMENTS, tables.MOMENT),
        np.zeros(TEMPLATES, tables.TEMPLATE),
        np.zeros(SOURCES, tables.SOURCE),
        np.zeros(SOURCES, np.int32),
        np.zeros(RATES, tables.RATE),
        np.zeros(SHARES, tables.SHARE),
        np.zeros(SHARES, np.uint64),
        np.zeros(KINDS, tables.KIND),
        np.zeros(ENTITIES, tables.ENTITY),
        older,
        older.copy(),
        np.zeros(ENTITIES + 1, np.int32),
        np.zeros(NODES, tables.NODE),
        np.zeros(BUCKETS, np.int32),
        clock,
    )


class Context:
    """State of one input partition, bounded in memory; a pure function of the events seen, in their order."""

    def __init__(
        self,
        miner: TemplateMiner,
        entity_timeout: float,
        mode: int = PRODUCTION,
        line: Line = UNKNOWN,
        faulty: Collection[str] = (),
    ) -> None:
        """mode: what is learnt of units, by the bits that models/context/reference.py explains.

        line: how what rows say by themselves is weighed, as far as that is known. faulty: entities that
        labels call faulty, in training.
        """
        self.line = line
        self.miner = miner
        self.mode = mode
        self._faulty = np.sort(self._entities(["", *faulty])[0])
        self.entity_timeout = entity_timeout
        self.state = _empty_state()
        self._clocks = clocks.unknown_clocks()
        self._told_clocks: list[ToldClock] = []
        self._known_sources: dict[str, int] = {}
        self._source_names: dict[int, str] = {}
        self._resumed_at: float | None = None

    @property
    def watermark(self) -> float:
        """Highest event time seen (s); NaN before the first event."""
        return float(self.state.clock["watermark"][0])

    @property
    def forgotten(self) -> int:
        """Entities that lost all or part of what they had shown, for want of room, before they ended."""
        return int(self.state.clock["forgotten"][0])

    def source_name(self, key: int) -> str:
        """Name of a source whose hash a row holds; empty when it was not seen since the start."""
        return self._source_names.get(key, "")

    def told_clocks(self) -> list[ToldClock]:
        """What there is to tell of clocks since the batch before the last one."""
        told, self._told_clocks = self._told_clocks, []
        return told

    def update(self, events: EventBatch) -> Rows:
        """Features of a batch, learning from each event after it was scored."""
        if not len(events):
            return self._rows(self._output(0), 0)
        if self._resumed_at is not None:
            untimed = next((i for i, time in enumerate(events.time) if isfinite(time)), 0)
            if untimed:  # still of the training's time, however the stream is cut into batches
                first, second = self.update(_cut(events, 0, untimed)), self.update(_cut(events, untimed))
                self._told_clocks = [each._replace(event=each.event + untimed) for each in self._told_clocks]
                return _joined(first, second, untimed)
            self._resume(events.time[0])
        columns = self._columns(events)
        out = self._output(len(events))
        return self._rows(
            out, kernel.run(self.state, columns, out, self.entity_timeout, self.line, self.mode, self._faulty)
        )

    def names(self, events: EventBatch, rows: Rows) -> Names:
        """Source and entity of every row that update() gave for the events."""
        return [
            (events.source[event], events.entity[event])
            if trigger == kernel.EVENT
            else (self.source_name(source), rows.name(row))
            for row, (trigger, event, source) in enumerate(
                zip(rows.trigger.tolist(), rows.event.tolist(), rows.source.tolist(), strict=True)
            )
        ]

    def _columns(self, events: EventBatch) -> kernel.Input:
        if self.miner.is_full:
            self.miner.forget(self._templates_in_use())
        template, shapes = self.miner.mine(events.message, events.template)
        entity, names = self._entities(events.entity)
        rows, keys, numbers = attributes(events.numbers)
        sources = self._sources(events.source)
        readings = clocks.read(self._clocks, np.asarray(events.time, np.float64), sources)
        self._told_clocks += [
            ToldClock(row, self.source_name(key), clocks.HOW[how], ahead)
            for row, (key, how, ahead) in enumerate(
                zip(readings.told.tolist(), readings.how.tolist(), readings.ahead.tolist(), strict=True)
            )
            if key
        ]
        return kernel.Input(
            readings.time,
            readings.doubted,
            np.asarray(events.severity, np.int64),
            sources,
            entity,
            names,
            template,
            shapes.values,
            shapes.numbers,
            shapes.measured,
            shapes.words,
            rows,
            keys,
            numbers,
        )

    def _templates_in_use(self) -> set[int]:
        """Templates that rows may still name: last ones, what is due, and what makes entities suspicious."""
        state = self.state
        due = (kind["due_template"][: kind["due"]] for kind in state.kinds[state.kinds["key"] != 0])
        told = state.entities["why_template"][state.entities["why_nats"] > 0.0]
        columns = (state.entities["previous"], state.sources["previous"], told, *due)
        return {key for column in columns for key in column.tolist()}

    def due_texts(self) -> dict[str, str]:
        """Texts of the templates that are due in some kind of unit, by their id in hexadecimal."""
        kinds = self.state.kinds[self.state.kinds["key"] != 0]
        due = sorted({key for kind in kinds for key in kind["due_template"][: kind["due"]].tolist()})
        return {f"{key:016x}": text for key in due if (text := self.miner.text(key))}

    def _sources(self, names: Sequence[str]) -> NDArray[np.uint64]:
        known = self._known_sources
        if len(known) > 4 * SOURCES:  # those in the table may still fall silent, and need their name
            in_use = set(self.state.sources["key"].tolist())
            known = self._known_sources = {name: key for name, key in known.items() if key in in_use}
            self._source_names = {key: name for name, key in known.items()}
        for name in set(names) - known.keys():
            known[name] = template_id(name)
            self._source_names[known[name]] = name
        return np.fromiter((known[name] for name in names), np.uint64, len(names))

    @staticmethod
    def _entities(entities: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
        size = NAME_BYTES
        if "".join(entities).isascii() and max(map(len, entities)) <= size:
            fixed = np.array(entities, f"S{size}")
        else:
            fixed = np.array([short_name(entity) for entity in entities], f"S{size}")
        names = fixed.view(np.uint8).reshape(len(entities), size)
        return kernel.hash_names(names), names

    def _output(self, n: int) -> kernel.Output:
        # Of every waiting entity something may be overdue and then it may end, which may make its source
        # suspicious; every source may fall silent; and after them those that these events wake, each of which
        # may do the same. With each event one source may still be silent. One more row, for what turns out to
        # be none.
        size = 6 * n + 3 * ENTITIES + SOURCES + 1 if n else 0
        return kernel.Output(
            np.empty((size, WIDTH), np.float32),
            np.empty(size, np.int8),
            np.empty(size, np.int64),
            np.empty(size),
            np.empty(size),
            np.empty(size, np.uint64),
            np.empty(size, np.uint64),
            np.empty(size, np.int64),
            np.empty(size, np.bool_),
            np.zeros((size, NAME_BYTES), np.uint8),
            np.empty(size),
            np.empty((size, 2)),
            np.empty((size, tables.REASONS), tables.REASON),
            np.empty((size, 2)),
            np.empty(size),
            np.empty(size, np.bool_),
        )

    @staticmethod
    def _rows(out: kernel.Output, n: int) -> Rows:
        return Rows(
            out.x[:n], out.trigger[:n], out.event[:n], out.time[:n], out.watermark[:n],
            out.template[:n], out.source[:n], out.severity[:n], out.of_entity[:n], out.names[:n],
            out.line[:n], out.scale[:n], out.why[:n], out.pace[:n], out.known[:n], out.learning[:n],
        )  # fmt: skip

    def dump(self) -> Arrays:
        """What was learnt, without the live entities, as compact arrays for a bundle."""
        return dumps.dump(self.state, _LEARNT)

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Start from what dump() wrote; times shift so that the stream goes on where training stopped.

        Raises ValueError when the arrays are not of this version's shapes.
        """
        dumps.restore(self.state, _LEARNT, arrays)
        clock = self.state.clock[0]
        for field in ("free_node", "next_node", "timers", "forgotten"):  # there are no live entities
            clock[field] = 0
        clock["next_end"] = ENTITIES
        self._resumed_at = self.watermark

    def reference(self) -> Arrays:
        """What the units seen say is usual, with its deadlines: arrays for `refer_to`. To be called once."""
        if self.mode & reference.LEARN:
            reference.conclude(self.state)
        if self.mode & reference.CALIBRATE:
            usual.make_certain(self.state)
        return dumps.dump(self.state, _REFERENCE)

    def refer_to(self, reference: Mapping[str, NDArray[np.generic]]) -> None:
        """Judge units by what another context has learnt of units. Raises ValueError as `restore` does."""
        clock = self.state.clock.copy()
        dumps.restore(self.state, _REFERENCE, reference)
        self.state.clock[:] = clock

    def snapshot(self) -> tuple[Arrays, dict[str, Any]]:
        """All that later rows depend on, live entities too: arrays, and what is best written as JSON."""
        arrays = dumps.dump(self.state, (*_LEARNT, "entities", "rates"))
        arrays["ring"] = np.array(list(self._ring()), np.int32)
        used = int(self.state.clock["next_node"][0]) + 1
        arrays["nodes"] = self.state.nodes[:used].view(np.uint8).reshape(used, tables.NODE.itemsize).copy()
        arrays |= dumps.dump_clocks(self._clocks)
        texts = {str(key): self.miner.text(key) for key in self._templates_in_use()}
        return arrays, {"sources": list(self._known_sources), "texts": texts, "resumed_at": self._resumed_at}

    def resume(self, arrays: Mapping[str, NDArray[np.generic]], rest: Mapping[str, Any]) -> None:
        """Go on from a snapshot, in a context that has seen nothing yet.

        Raises ValueError or KeyError when it is not of this version's shapes.
        """
        dumps.restore(self.state, (*_LEARNT, "entities", "rates"), arrays, timed=False)
        self._make_ring(arrays["ring"])
        self._make_nodes(arrays["nodes"])
        dumps.restore_clocks(self._clocks, arrays)
        self.miner.remember({int(key): str(text) for key, text in rest["texts"].items()})
        self._sources([str(name) for name in rest["sources"]])
        at = rest["resumed_at"]
        self._resumed_at = None if at is None else float(at)

    def _ring(self) -> Iterator[int]:
        """Slots of the entities, those first that were quiet longest."""
        head = slot = ENTITIES
        while (slot := int(self.state.newer[slot])) != head:
            yield slot

    def _make_ring(self, slots: NDArray[np.generic]) -> None:
        """Make these the entities, the longest quiet first. Raises ValueError for others than the table's."""
        known = np.flatnonzero(self.state.entities["waiting"])
        if slots.dtype != np.int32 or slots.ndim != 1 or not np.array_equal(np.sort(slots), known):
            raise ValueError("the entities in their order are not those of the table")
        ring = np.concatenate(([ENTITIES], slots, [ENTITIES])).astype(np.int32)
        self.state.newer[ring[:-1]] = ring[1:]
        self.state.older[ring[1:]] = ring[:-1]
        waiting = self.state.entities["waiting"][slots.astype(np.intp)] == units.WAITING
        self.state.clock["next_end"] = slots[np.argmax(waiting)] if waiting.any() else ENTITIES

    def _make_nodes(self, records: NDArray[np.generic]) -> None:
        """Take nodes from a snapshot; buckets and deadlines follow from them. Raises ValueError."""
        if records.dtype != np.uint8 or records.ndim != 2 or records.shape[1] != tables.NODE.itemsize:
            raise ValueError("the nodes of the entities are of another version")
        if not 0 < len(records) <= NODES or len(records) != self.state.clock["next_node"][0] + 1:
            raise ValueError("the nodes of the entities do not fit")
        self.state.nodes[: len(records)] = dumps.as_records("nodes", records, tables.NODE)
        if not units.relink(self.state):
            raise ValueError("the nodes are not those of the entities")

    def _resume(self, time: float) -> None:
        if self._resumed_at is None or not isfinite(time):
            return
        shift = time - self._resumed_at
        for name, columns in _TIMES.items():
            for column in columns:
                values = getattr(self.state, name)[column]
                values[values != 0.0] += shift
        clock = self.state.clock[0]
        for field in ("watermark", "start", "tick"):
            clock[field] += shift
        # how busy this stream is, and how much of it comes under suspicion, it has yet to show
        clock["rates_since"] = clock["resumed"] = clock["watermark"]
        clock["silence_due"] = clock["watermark"]
        # until they speak: who is not part of this stream is not silent in it
        self.state.sources["silent"] = silence.UNHEARD
        self._resumed_at = None


def _cut(events: EventBatch, start: int, stop: int | None = None) -> EventBatch:
    return EventBatch(*(getattr(events, name)[start:stop] for name in EventBatch.__slots__))


def _joined(first: Rows, second: Rows, events: int) -> Rows:
    """Rows of two batches as those of one, the first of so many events."""
    columns = {
        field.name: np.concatenate([getattr(first, field.name), getattr(second, field.name)])
        for field in fields(Rows)
    }
    columns["event"][len(first) :] += events
    return Rows(**columns)
