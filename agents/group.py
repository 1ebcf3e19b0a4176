"""The way of a suspicious event to alerts: the incidents of each input topic, over all its partitions.

No Kafka here: the worker and the replay of files call the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from agents.incidents import Incidents
from agents.partitions import PartitionStates
from models.options import EvaluateOptions
from schemas.alert import Alert
from schemas.suspicious import Suspicious, SuspiciousMessage, Unusual

__all__ = ["Grouping"]

# Suspicious events whose ids are remembered per input partition, to know one that was delivered twice.
REMEMBERED = 4096


class _Topic:
    """What is kept for one input topic: its incidents, and the ids of the latest events of each partition."""

    def __init__(self, options: EvaluateOptions) -> None:
        self.incidents = Incidents(options.resolve_after, options.pages_per_hour)
        self._ids: dict[int, dict[str, None]] = {}

    def seen(self, alert: Alert) -> bool:
        """Whether an event was delivered before; takes note of it."""
        ids = self._ids.setdefault(alert.partition, {})
        if alert.id in ids:
            return True
        ids[alert.id] = None
        if len(ids) > REMEMBERED:
            del ids[next(iter(ids))]
        return False

    def snapshot(self) -> dict[str, Any]:
        """As JSON types."""
        ids = [[partition, list(each)] for partition, each in self._ids.items()]
        return {"ids": ids, "incidents": self.incidents.snapshot()}

    def resume(self, content: dict[str, Any]) -> None:
        """From a snapshot."""
        self._ids = {int(partition): dict.fromkeys(map(str, each)) for partition, each in content["ids"]}
        self.incidents.resume(content["incidents"])


class _Topics:
    """What is kept for one partition of the suspicious topic: one _Topic per input topic in it."""

    def __init__(self, options: EvaluateOptions) -> None:
        self._options = options
        self._topics: dict[str, _Topic] = {}

    def of(self, name: str) -> _Topic:
        """That of an input topic."""
        if name not in self._topics:
            self._topics[name] = _Topic(self._options)
        return self._topics[name]

    def snapshot(self) -> bytes:
        """All that later alerts depend on, as JSON."""
        return orjson.dumps({"topics": [[name, topic.snapshot()] for name, topic in self._topics.items()]})

    def resume(self, data: bytes) -> None:
        """Go on from a snapshot. Raises ValueError for anything else."""
        try:
            for name, content in orjson.loads(data)["topics"]:
                self.of(str(name)).resume(content)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a snapshot of incidents: {error}") from None


class Grouping:
    """Keeps the incidents of every input topic.

    What is kept for an input topic belongs to the partition of the suspicious topic that it is read from
    (``states``), and is dropped with it.
    """

    def __init__(self, options: EvaluateOptions = EvaluateOptions()) -> None:
        self.states = PartitionStates(lambda topic, partition: _Topics(options))
        # Told of every suspicious event, as an alert that knows nothing of its incident, and the id of that.
        self.on_suspicious: Callable[[Alert, str], None] | None = None

    def process(
        self, messages: Sequence[SuspiciousMessage], topic: str = "", partition: int = 0
    ) -> list[Alert]:
        """The alerts to publish, in order.

        Args:
            messages: of each input partition in their order.
            topic: where they were read, "" for evaluation in this very process.
            partition: the partition of it.
        """
        topics = self.states.of(topic, partition)
        alerts: list[Alert] = []
        for message in messages:
            known = topics.of(message.topic)
            alerts += known.incidents.advance(message.partition, message.watermark)
            if isinstance(message, Unusual):
                known.incidents.keep(message.partition, message.source, message.entity, message.time)
            elif isinstance(message, Suspicious) and not known.seen(message.alert):
                incident, published = known.incidents.observe(message.alert)
                alerts += published
                if self.on_suspicious is not None:
                    self.on_suspicious(message.alert, incident)
        return alerts
