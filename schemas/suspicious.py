"""The suspicious event: what evaluate tells, on ``qualm.suspicious``, of the events that it has scored."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from pydantic import ConfigDict, Field

from schemas.alert import Alert
from schemas.decoding import decode_message
from schemas.lane import OfLane
from schemas.notice import Notice
from schemas.salient import EventTime
from schemas.watermark import Watermark

__all__ = ["Suspicious", "SuspiciousMessage", "Unusual", "decode_suspicious"]


class Suspicious(OfLane):
    """A suspicious event, as an alert that knows nothing of its incident yet."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    type: Annotated[Literal["suspicious"], Field(description="What kind of record this is.")] = "suspicious"
    watermark: Annotated[
        EventTime, Field(description="Event time up to which the partition is complete, Unix seconds.")
    ]
    time: Annotated[
        EventTime,
        Field(description="Event time, Unix seconds: exact, where the alert is to the microsecond."),
    ]
    alert: Annotated[
        Alert, Field(strict=False, description="The alert; what it says of its incident is void.")
    ]

    @property
    def topic(self) -> str:
        """Input topic."""
        return self.alert.topic

    @property
    def partition(self) -> int:
        """Partition of the input topic."""
        return self.alert.partition

    def encode(self) -> bytes:
        """The value of a Kafka record: JSON."""
        return orjson.dumps(self.__dict__ | {"alert": self.alert.to_json()})

    def exact(self) -> Suspicious:
        """The same after it was read: its alert has the exact time again."""
        times = dict.fromkeys(("time", "first_seen", "last_seen"), self.time)
        return self.model_copy(update={"alert": self.alert.model_copy(update=times)})


class Unusual(OfLane):
    """A note that a unit is out of the ordinary, though not suspicious: its incident is not over yet."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    type: Annotated[Literal["unusual"], Field(description="What kind of record this is.")] = "unusual"
    topic: Annotated[str, Field(max_length=249, description="Input topic.")]
    partition: Annotated[int, Field(ge=0, description="Partition of the input topic.")]
    watermark: Annotated[
        EventTime, Field(description="Event time up to which the partition is complete, Unix seconds.")
    ]
    time: Annotated[EventTime, Field(description="Event time, Unix seconds.")]
    source: Annotated[str, Field(max_length=256, description="Who speaks.")]
    entity: Annotated[str, Field(max_length=256, description="What it speaks about; empty for nothing.")]

    def encode(self) -> bytes:
        """The value of a Kafka record: JSON, floats exact."""
        return orjson.dumps(self.__dict__)


SuspiciousMessage = Suspicious | Unusual | Watermark | Notice
"""What is on ``qualm.suspicious``: watermarks and notices are those of ``qualm.salient``."""

_TYPES: dict[str, type[Suspicious] | type[Unusual] | type[Watermark] | type[Notice]] = {
    "suspicious": Suspicious,
    "unusual": Unusual,
    "watermark": Watermark,
    "notice": Notice,
}


def decode_suspicious(value: bytes) -> SuspiciousMessage:
    """What is in a record of ``qualm.suspicious``.

    Raises:
        ValueError: none of these; the text names the fields that are wrong.

    """
    message = decode_message(value, "suspicious event", _TYPES)
    return message.exact() if isinstance(message, Suspicious) else message
