"""Rows of features to train on: the events as they are, and once more with synthetic faults in them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import compress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.bundle import Arrays
from models.context.context import PRODUCTION, Context, Names, Rows
from models.context.kernel import EVENT, SILENCE, SOURCE
from models.context.reference import CALIBRATE, FAULTS, LEARN, LEAVE_OUT, PAIRS
from models.context.templates import TemplateMiner, find_merges, mask
from models.heads.calibration import MOST_SUSPECTED
from models.labels import Labels
from models.options import MIN_EVENTS, TrainingOptions
from models.training.bags import Bags, bags_of, joined
from models.training.choices import entity_timeout
from models.training.faults import Faulty, inject
from schemas.events import EventBatch
from schemas.formats.options import ReadOptions

BATCH: Final = 5000
FIT_SHARE: Final = 0.7  # of the rows by time fit the weights, the others calibrate
FAULT_WEIGHT: Final = 0.02  # of a synthetic fault, where there are labels
WARM_UP: Final = 0.1  # share of the rows in which a young context is still learning what is usual
MINUTE: Final = 60.0  # s: a source over a minute is a unit, where there is no entity
FAULT_PASSES: Final = 6
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """x (n, d), trigger (n,) and unit (n,) of the events as they are; of_entity (units,): whether a unit is
    an entity, else it is a source over a minute; masks (n,) of the normal rows to fit on and of all normal
    ones; bags to fit; tail: share of the units taken as normal that may be faults nobody reported.

    learnt: what the context has learnt, and texts of what is due in it.

    For choosing a threshold by labels: labelled (n,) is the labelled entity of each row, -1 for none, and
    truth its verdict; calibration (n,) masks the later rows.
    """

    x: NDArray[np.float32]
    trigger: NDArray[np.int8]
    unit: NDArray[np.int64]
    of_entity: NDArray[np.bool_]
    normal_fit: NDArray[np.bool_]
    normal: NDArray[np.bool_]
    calibration: NDArray[np.bool_]
    labelled: NDArray[np.int64]
    truth: NDArray[np.bool_]
    bags_fit: Bags
    tail: float
    entity_timeout: float
    merges: list[str]
    learnt: Arrays
    texts: dict[str, str]
    reading: ReadOptions
    summary: dict[str, Any]


def chunks(events: EventBatch, size: int = BATCH) -> Iterator[EventBatch]:
    """The events in batches."""
    columns = [getattr(events, name) for name in EventBatch.__slots__]
    for start in range(0, len(events), size):
        yield EventBatch(*(column[start : start + size] for column in columns))


def build(
    events: EventBatch,
    labels: Labels | None,
    reading: ReadOptions,
    options: TrainingOptions,
    progress: Progress,
) -> TrainingRows:
    """Rows of the events, and of those with faults, split by time at FIT_SHARE; reading: how they were read.

    Raises ValueError for too few events.
    """
    if len(events) < MIN_EVENTS:
        raise ValueError(f"{len(events)} events are too few to train on: give at least {MIN_EVENTS}")
    fill_times(events)
    if min(events.time) == max(events.time):
        raise ValueError("all events are of one moment, and what is usual is learnt over time; check --line")
    own = (message for message, given in zip(events.message, events.template, strict=True) if not given)
    merges = find_merges({mask(message) for message in own})
    timeout = entity_timeout(events)

    faulty = [] if labels is None else [entity for entity, verdict in labels.entities.items() if verdict]

    def fresh(mode: int) -> Context:
        return Context(TemplateMiner(merges), timeout, mode, faulty=faulty)

    reference = None if options.cold else _reference(fresh, events, labels, progress)
    context = _judging(fresh, reference)
    names, rows = _features(context, events, "features", progress)
    x, trigger, has_entity, time = _stacked(rows)
    unit, of_entity = units(names, time)
    later = np.arange(len(x)) >= int(FIT_SHARE * len(x))
    cut = float(time[later][0])
    young = np.arange(len(x)) < (0 if options.cold else int(WARM_UP * len(x)))
    labelled, truth = _labelled(names, time, labels)
    if labels is not None and not len(truth):
        raise ValueError(
            "no label names an entity of these events; check --entity-field and --entity-pattern"
        )
    normal = np.ones(len(x), bool) if labels is None else (labelled >= 0) & ~truth[labelled]
    bags = _fault_bags(lambda: _judging(fresh, reference), events, options.seed, cut, progress)
    if labels is not None:
        of_labels = _labelled_bags(x, trigger, has_entity, labelled, truth, ~later & ~young)
        bags = joined(of_labels, replace(bags, weight=bags.weight * FAULT_WEIGHT))
    normal &= ~young
    if not (normal & ~later).any() or not (normal & later).any() or not len(bags):
        raise ValueError(
            "too few events are left to learn from; give more, over a longer time"
            if labels is None
            else "the labels leave no normal events to learn from; check that they name these entities"
        )
    return TrainingRows(
        x, trigger, unit, of_entity, normal & ~later, normal, later, labelled, truth, bags,
        0.0 if labels is not None or options.cold else MOST_SUSPECTED, timeout, merges,
        context.dump(), context.due_texts(), reading,
        {
            "events": len(events), "from": float(min(events.time)), "to": float(max(events.time)),
            "calibrated_from": cut, "labels": None if labels is None else len(truth), "bags": len(bags),
        },
    )  # fmt: skip


def _only(events: EventBatch, kept: list[bool]) -> EventBatch:
    return EventBatch(*(list(compress(getattr(events, name), kept)) for name in EventBatch.__slots__))


def _without_faults(events: EventBatch, labels: Labels) -> EventBatch:
    """The events but for those of units that the labels call faulty: the others say what is usual."""
    units = zip(events.source, events.entity, events.time, strict=True)
    return _only(
        events,
        [
            not (labels.at_fault(source, t) or labels.entities.get(entity, False))
            for source, entity, t in units
        ],
    )


def _reference(
    fresh: Callable[[int], Context], events: EventBatch, labels: Labels | None, progress: Progress
) -> Arrays:
    """What the units of the events say is usual, and how those look that labels call faulty; then what
    evidence is usual when each is left out.
    """
    faults = EventBatch()
    if labels is not None:
        faults = _only(events, [labels.entities.get(entity, False) for entity in events.entity])
        events = _without_faults(events, labels)
    learning = fresh(LEARN)
    _features(learning, events, "units", progress)
    pairing = fresh(PAIRS)
    pairing.refer_to(learning.reference())
    _features(pairing, events, "what they lack", progress)
    reference = pairing.reference()
    if len(faults):
        recognising = fresh(FAULTS)
        recognising.refer_to(reference)
        _features(recognising, faults, "known faults", progress)
        reference = recognising.reference()
    calibrating = fresh(CALIBRATE | LEAVE_OUT)
    calibrating.refer_to(reference)
    _features(calibrating, events, "evidence", progress)
    return calibrating.reference()


def _judging(fresh: Callable[[int], Context], reference: Arrays | None) -> Context:
    """A context that judges each unit by all others; one that starts cold by those before it."""
    if reference is None:
        return fresh(PRODUCTION)
    context = fresh(LEAVE_OUT)
    context.refer_to(reference)
    return context


def units(names: Names, time: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Unit (n,) of each row: its entity, else its source over a minute; and which units are entities."""
    index: dict[tuple[str, str, int], int] = {}
    unit = np.empty(len(names), np.int64)
    minutes = np.floor(time / MINUTE).astype(np.int64).tolist()
    for row, ((source, entity), minute) in enumerate(zip(names, minutes, strict=True)):
        key = ("", entity, 0) if entity else (source, "", minute)
        unit[row] = index.setdefault(key, len(index))
    return unit, np.array([entity != "" for _, entity, _ in index], bool)


def fill_times(events: EventBatch) -> None:
    """Give events without a time that of the event before them."""
    last = next((time for time in events.time if time == time), 0.0)
    for i, time in enumerate(events.time):
        if time != time:
            events.time[i] = last
        last = events.time[i]


def _features(
    context: Context, events: EventBatch, stage: str, progress: Progress
) -> tuple[Names, list[Rows]]:
    """Rows of all events, and source and entity of each row."""
    names: Names = []
    parts: list[Rows] = []
    done = 0
    for batch in chunks(events):
        rows = context.update(batch)
        parts.append(rows)
        names += context.names(batch, rows)
        done += len(batch)
        progress(stage, done, len(events))
    return names, parts


def _labelled(
    names: Names, time: NDArray[np.float64], labels: Labels | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Labelled unit of each row (-1 none) and the verdict of each unit."""
    if labels is None:
        return np.full(len(names), -1), np.zeros(0, bool)
    index: dict[str, int] = {}
    truth: list[bool] = []
    unit = np.full(len(names), -1)
    for row, (source, entity) in enumerate(names):
        if labels.intervals:
            verdict: bool | None = labels.at_fault(source, float(time[row]))
            key = f"{source} {verdict}"
        else:
            verdict, key = labels.entities.get(entity), entity
        if verdict is None:
            continue
        unit[row] = index.setdefault(key, len(truth))
        if unit[row] == len(truth):
            truth.append(verdict)
    return unit, np.array(truth, bool)


def _fault_bags(
    context_of: Callable[[], Context], events: EventBatch, seed: int, cut: float, progress: Progress
) -> Bags:
    passes: list[Bags] = []
    for turn in range(FAULT_PASSES):
        faulty = inject(events, seed * FAULT_PASSES + turn)
        names, parts = _features(context_of(), faulty.events, f"faults {turn + 1}/{FAULT_PASSES}", progress)
        bag = _row_bags(faulty, names, parts)
        x, trigger, has_entity, time = _stacked(parts)
        passes.append(bags_of(x, trigger, has_entity, np.where(time < cut, bag, -1)))
    return reduce(joined, passes)


def _row_bags(faulty: Faulty, names: Names, parts: list[Rows]) -> NDArray[np.int64]:
    """The fault that each row may show, -1 for none."""
    trigger = np.concatenate([part.trigger for part in parts])
    time = np.concatenate([part.time for part in parts])
    event = np.concatenate([part.event + i * BATCH for i, part in enumerate(parts)])
    bag = np.where((trigger == EVENT) | (trigger == SOURCE), np.asarray(faulty.bag)[event], -1)
    for row, (source, entity) in enumerate(names):
        if entity in faulty.entities and bag[row] < 0:
            fault, start = faulty.entities[entity]
            if time[row] >= start:
                bag[row] = fault
        elif trigger[row] == SILENCE:
            for silent, start, end, fault in faulty.silences:
                if silent == source and start <= time[row] <= end:
                    bag[row] = fault
    return bag


def _stacked(
    parts: list[Rows],
) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.bool_], NDArray[np.float64]]:
    """x, trigger, of_entity and time of all rows."""
    return (
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.trigger for part in parts]),
        np.concatenate([part.of_entity for part in parts]),
        np.concatenate([part.time for part in parts]),
    )


def _labelled_bags(
    x: NDArray[np.float32],
    trigger: NDArray[np.int8],
    has_entity: NDArray[np.bool_],
    labelled: NDArray[np.int64],
    truth: NDArray[np.bool_],
    usable: NDArray[np.bool_],
) -> Bags:
    positive = usable & (labelled >= 0)
    positive[positive] = truth[labelled[positive]]
    return bags_of(x, trigger, has_entity, np.where(positive, labelled, -1))
