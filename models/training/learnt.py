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
        counts.update(miner.mine(part.message)[0].tolist())
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


def false_alarms(training: Mapping[str, Any], rate: float) -> float:
    """Alerts a day that a rate gives where all units are normal and come as often as in training.

    The rate is the share of normal units that may alert, so this is the rate times the units of a day. Alerts
    of one incident are one page, so pages are fewer. inf where training took no time.
    """
    units, seconds = training["units"], training["to"] - training["from"]
    days = seconds / DAY
    return float(rate * (units["entity"] + units["source"]) / days) if days > 0.0 else float("inf")
