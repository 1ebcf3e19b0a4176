"""The watermark: how far the event time of an input partition has come, told where nothing is salient.

It travels on ``qualm.salient`` between the salient events, in their order, because evaluate resolves
incidents by event time and would else not know that time passes.
"""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from pydantic import ConfigDict, Field

from schemas.decoding import decode_message
from schemas.lane import OfLane
from schemas.notice import Notice
from schemas.salient import Digest, EventTime, SalientEvent

__all__ = ["SalientMessage", "Watermark", "decode_salient"]


class Watermark(OfLane):
    """A notice from triage that one of its partitions is complete up to some event time."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    type: Annotated[Literal["watermark"], Field(description="Tells it from a salient event.")] = "watermark"
    topic: Annotated[str, Field(max_length=249, description="Input topic.")]
    partition: Annotated[int, Field(ge=0, description="Partition that triage read.")]
    bundle: Annotated[Digest, Field(description="Digest of the bundle of the triage that sent it.")]
    watermark: Annotated[
        EventTime, Field(description="Event time up to which the partition is complete, Unix seconds.")
    ]
    idle: Annotated[
        bool, Field(description="Whether it was read to its end, so that no other is to wait for it.")
    ] = False

    def encode(self) -> bytes:
        """The value of a Kafka record: JSON, floats exact."""
        return orjson.dumps(self.__dict__)


SalientMessage = SalientEvent | Watermark | Notice
"""What is on ``qualm.salient``."""


def decode_salient(value: bytes) -> SalientMessage:
    """The salient event, watermark or notice in a record of ``qualm.salient``.

    Raises:
        ValueError: none of them; the text names the fields that are wrong.

    """
    types: dict[str, type[SalientEvent] | type[Watermark] | type[Notice]]
    types = {"watermark": Watermark, "notice": Notice}
    return decode_message(value, "salient event", types, SalientEvent)
