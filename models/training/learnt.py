"""What training has seen, in a few figures for people: how much of what, and what is usual."""

from collections import Counter
from collections.abc import Mapping
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.context.templates import TemplateMiner
from models.training.rows import chunks
from schemas.events import EventBatch

DAY: Final = 86_400.0  # s
ERROR: Final = 17  # OpenTelemetry severity number
COMMON: Final = 3  # templates that are named


def learnt(events: EventBatch, of_entity: NDArray[np.bool_], miner: TemplateMiner) -> dict[str, Any]:
    """Figures of the events trained on, as JSON types.

    sources, entities, templates: how many; busiest: the source with most events and its share of them;
    with_entity, errors: share of the events that have an entity, and that are ERROR or worse; entity_events,
    entity_seconds: medians over entities; common: the most frequent templates and their shares; units: how
    many are judged, of each class.

    Args:
        events: in order of time, all with a time.
        of_entity: (units,) whether a unit is an entity.
        miner: that of the bundle.

    """
    counts: Counter[int] = Counter()
    for part in chunks(events):
        counts.update(miner.mine(part.message, part.template)[0].tolist())
    begun: dict[str, float] = {}
    ended: dict[str, float] = {}
    for entity, time in zip(events.entity, events.time, strict=True):
        if entity:
            begun.setdefault(entity, time)
            ended[entity] = time
    shown = Counter(entity for entity in events.entity if entity)
    sources = Counter(events.source)
    busiest, most = sources.most_common(1)[0]
    n, units = len(events), int(of_entity.sum())
    return {
        "sources": len(sources), "busiest": [busiest, most / n],
        "entities": len(shown), "with_entity": shown.total() / n,
        "entity_events": median(shown.values()) if shown else 0,
        "entity_seconds": median(ended[name] - begun[name] for name in shown) if shown else 0.0,
        "templates": len(counts),
        "common": [[miner.text(key), count / n] for key, count in counts.most_common(COMMON)],
        "errors": sum(severity >= ERROR for severity in events.severity) / n,
        "units": {"entity": units, "source": len(of_entity) - units},
    }  # fmt: skip


def pace(training: Mapping[str, Any]) -> NDArray[np.float64]:
    """Units that began in training, a second and an event: (1, 2), as models.false_alarms takes it."""
    units, seconds = sum(training["units"].values()), training["to"] - training["from"]
    return np.array([[units / max(seconds, 1.0), units / training["events"]]])
