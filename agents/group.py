"""The way of a suspicious event to alerts: the incidents of each input topic, over all its partitions.

Messages come in the order in which workers and partitions happen to be read. Here they wait for the turn of
their event time (``agents.turns``), and what is delivered twice is dropped, so that alerts depend on neither.

No Kafka here: the worker and the replay of files call the same code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Any

from agents.incidents import Incidents
from agents.notices import Notices
from agents.partitions import PartitionStates
from agents.turns import Turns
from models.options import EvaluateOptions
from schemas.alert import Alert
from schemas.notice import Notice
from schemas.suspicious import Suspicious, SuspiciousMessage, Unusual, decode_suspicious
from schemas.watermark import Watermark

__all__ = ["Grouping"]

# Input topics of one partition of the suspicious topic: anybody who may write to it can invent some.
MOST_TOPICS = 1000

Told = Callable[[Alert, str], None]
Row = Suspicious | Unusual | Notice


class _Seen:
    """How far a lane was taken in: its messages rise in position, unless they are delivered again."""

    def __init__(self) -> None:
        self.position = -1
        self.clock = -inf  # event time that it has told
        self.ids: dict[str, None] = {}  # of the suspicious events at this position

    def before(self, message: SuspiciousMessage) -> bool:
        """Whether a message was taken in before; takes note of it.

        What goes back in position and on in event time is no repetition: the topic was made anew.
        """
        if message.position < self.position and message.watermark <= self.clock:
            return True
        self.clock = max(self.clock, message.watermark)
        if message.position != self.position:
            self.position, self.ids = message.position, {}
        if not isinstance(message, Suspicious | Notice):
            return False  # to hear it again at the same position changes nothing
        name = message.id if isinstance(message, Notice) else message.alert.id
        known = name in self.ids
        self.ids[name] = None
        return known


class _Topic:
    """What is kept for one input topic: its incidents, what waits for its turn, and what was taken in."""

    def __init__(self, options: EvaluateOptions) -> None:
        self._incidents = Incidents(options.resolve_after, options.pages_per_hour)
        self._notices = Notices()
        self._turns: Turns[bytes] = Turns()  # messages as in a record: a fifth of the memory
        self._seen: dict[int, _Seen] = {}

    def take(self, message: SuspiciousMessage, stamp: float, told: Told | None) -> list[Alert]:
        """The alerts to publish, in order. stamp: record time of the message (s), NaN for none."""
        lane, turns, time = message.lane, self._turns, message.watermark
        if self._seen.setdefault(lane, _Seen()).before(message):
            return []
        if message.lanes == 1 and not turns.count:  # nobody to wait for
            alerts = self._incidents.advance(lane, time)
            return alerts if isinstance(message, Watermark) else alerts + self._take(lane, message, told)
        rows = [] if isinstance(message, Watermark) else [(time, message.encode())]
        idle = isinstance(message, Watermark) and message.idle
        alerts = self._in_turn(turns.tell(lane, message.lanes, time, rows, idle, stamp), told)
        if lane in turns.behind or turns.is_ahead(time):  # its own clock counts
            alerts += self._incidents.advance(lane, time)
        return [*alerts, *self._incidents.pass_time(turns.time, turns.behind)]

    def rest(self, told: Told | None) -> list[Alert]:
        """What comes of all that waits: the input has ended."""
        return self._in_turn(self._turns.rest(), told)

    def _in_turn(self, due: Sequence[tuple[float, int, bytes]], told: Told | None) -> list[Alert]:
        incidents, turns = self._incidents, self._turns
        alerts: list[Alert] = []
        for place, lane, value in due:
            message = _held(value)
            if lane not in turns.behind:
                alerts += incidents.pass_time(place, turns.behind)
            alerts += incidents.advance(lane, message.watermark)
            alerts += self._take(lane, message, told)
        return alerts

    def _take(self, lane: int, message: Row, told: Told | None) -> list[Alert]:
        if isinstance(message, Notice):
            return self._notices.observe(message)
        if isinstance(message, Unusual):
            self._incidents.keep(lane, message.source, message.entity, message.time)
            return []
        incident, published = self._incidents.observe(message.alert, lane)
        if told is not None:
            told(message.alert, incident)
        return published

    def snapshot(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "seen": [[lane, each.position, each.clock, list(each.ids)] for lane, each in self._seen.items()],
            "turns": self._turns.snapshot(bytes.decode),
            "incidents": self._incidents.snapshot(),
            "notices": self._notices.snapshot(),
        }

    def resume(self, content: dict[str, Any]) -> None:
        """From a snapshot."""
        for lane, position, clock, ids in content["seen"]:
            seen = self._seen.setdefault(int(lane), _Seen())
            seen.position, seen.clock = int(position), float(clock)
            seen.ids = dict.fromkeys(map(str, ids))
        self._turns.resume(content["turns"], _checked)
        self._incidents.resume(content["incidents"])
        self._notices.resume(content["notices"])


def _held(value: bytes) -> Row:
    """A message that waits for its turn. Raises ValueError for what is none."""
    message = decode_suspicious(value)
    if isinstance(message, Watermark):
        raise ValueError("a watermark waits for nothing")
    return message


def _checked(text: Any) -> bytes:
    """A message of a snapshot. Raises ValueError for what is none."""
    value = str(text).encode()
    _held(value)
    return value


class _Topics:
    """What is kept for one partition of the suspicious topic: one _Topic per input topic in it."""

    def __init__(self, options: EvaluateOptions) -> None:
        self._options = options
        self._topics: dict[str, _Topic] = {}

    def of(self, name: str) -> _Topic:
        """That of an input topic; of too many the one that was heard longest ago is forgotten."""
        topic = self._topics.pop(name, None) or _Topic(self._options)
        self._topics[name] = topic
        if len(self._topics) > MOST_TOPICS:
            del self._topics[next(iter(self._topics))]
        return topic

    def all(self) -> list[_Topic]:
        """Those of all input topics."""
        return list(self._topics.values())

    def snapshot(self) -> bytes:
        """All that later alerts depend on, as JSON."""
        # orjson would write null for the -inf of what has not happened yet.
        content = {"topics": [[name, topic.snapshot()] for name, topic in self._topics.items()]}
        return json.dumps(content).encode()

    def resume(self, data: bytes) -> None:
        """Go on from a snapshot. Raises ValueError for anything else."""
        try:
            for name, content in json.loads(data)["topics"]:
                self.of(str(name)).resume(content)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
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
        self,
        messages: Sequence[SuspiciousMessage],
        topic: str = "",
        partition: int = 0,
        stamps: Sequence[float] | None = None,
    ) -> list[Alert]:
        """The alerts to publish, in order.

        Args:
            messages: of each lane in their order.
            topic: where they were read, "" for evaluation in this very process.
            partition: the partition of it.
            stamps: record time of each (s), by which the wait for others is bounded; None: it is not.
        """
        topics = self.states.of(topic, partition)
        alerts: list[Alert] = []
        for index, message in enumerate(messages):
            stamp = nan if stamps is None else stamps[index]
            alerts += topics.of(message.topic).take(message, stamp, self.on_suspicious)
        return alerts

    def rest(self) -> list[Alert]:
        """What comes of all that waits, of evaluation in this very process: the input has ended."""
        topics = self.states.of("", 0)
        return [alert for each in topics.all() for alert in each.rest(self.on_suspicious)]
