"""The notice: what triage tells of a stream itself, and no circuit judges.

It travels from ``qualm.salient`` to ``qualm.suspicious`` as watermarks do, in its place among the others.
"""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from pydantic import ConfigDict, Field

from schemas.lane import OfLane
from schemas.salient import Digest, EventTime, Finite

__all__ = ["Notice"]


class Notice(OfLane):
    """A source's clock is found to be wrong, or right again."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    type: Annotated[Literal["notice"], Field(description="What kind of record this is.")] = "notice"
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="Deterministic id.")]
    topic: Annotated[str, Field(max_length=249, description="Input topic.")]
    partition: Annotated[int, Field(ge=0, description="Partition of the input topic.")]
    offset: Annotated[int, Field(ge=-1, description="Offset of the log record that showed it.")]
    bundle: Annotated[Digest, Field(description="Digest of the bundle of the triage that sent it.")]
    watermark: Annotated[
        EventTime, Field(description="Event time up to which the partition is complete, Unix seconds.")
    ]
    source: Annotated[str, Field(max_length=256, description="Whose clock it is.")]
    ahead: Annotated[
        Finite, Field(description="Seconds that it is ahead of the others; less than 0: behind.")
    ]
    state: Annotated[
        Literal["wrong", "once", "right"],
        Field(
            description="Whether it is wrong, so that its times are set right; was so in one event, which is "
            "used without its time; or is right again."
        ),
    ]

    def encode(self) -> bytes:
        """The value of a Kafka record: JSON, floats exact."""
        return orjson.dumps(self.__dict__)
