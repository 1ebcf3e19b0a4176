"""Lanes: what triage reads side by side, and where in its lane a message belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

__all__ = ["MOST_LANES", "OfLane", "Places"]

MOST_LANES = 100_000


class OfLane(BaseModel):
    """What every message between the agents says of the lane that it comes from.

    A lane is a partition that triage reads, with a state of its own: of the input topic, or of the topic that
    is keyed anew. The messages of one lane are in order, or come again from some position on.
    """

    lane: Annotated[
        int, Field(ge=0, lt=MOST_LANES, description="The partition that triage read, with its state.")
    ] = 0
    lanes: Annotated[
        int, Field(ge=1, le=MOST_LANES, description="How many of them the topic has; 1 waits for none.")
    ] = 1
    position: Annotated[
        int, Field(ge=-1, description="Offset in that partition of the record that brought this; -1: none.")
    ] = -1


@dataclass(frozen=True, slots=True)
class Places:
    """Where the events of a batch stand in their lane, and which partition of the topic each came from."""

    positions: Sequence[int]
    partitions: Sequence[int]
