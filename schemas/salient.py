"""The salient event: what triage sends to evaluate through ``qualm.salient``."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.lane import OfLane
from schemas.timestamps import LATEST

__all__ = [
    "EXAMPLE_CHARS",
    "TEMPLATE_CHARS",
    "EventTime",
    "Reason",
    "ReasonKind",
    "SalientEvent",
    "Trigger",
    "event_id",
]

TEMPLATE_CHARS = 300
EXAMPLE_CHARS = 1_000
"""Most characters of an example message; whoever makes a `SalientEvent` or an `Alert` cuts to it."""


class Trigger(StrEnum):
    """What brought a row of features: an event by itself or for its source, or the passing of time at one."""

    EVENT = "event"
    ENTITY_END = "entity_end"
    SILENCE = "silence"
    OVERDUE = "overdue"
    SOURCE = "source"

    @property
    def code(self) -> int:
        """The number that stands for it in arrays: its place in the order above."""
        return list(Trigger).index(self)


EventTime = Annotated[float, Field(ge=0.0, le=LATEST, allow_inf_nan=False)]
"""A moment that can be written down. One beyond would be what time it is in a topic, for ever."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
# tanh lies in (-1, 1), but in float32 it reaches the ends.
Unit = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]
Pace = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Bit = Annotated[int, Field(ge=0, le=1)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{1,128}$")]


ReasonKind = Literal["new", "overdue", "repeats", "ending", "known"]


class Reason(BaseModel):
    """Something that makes an entity suspicious, against what other entities of its kind show."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    kind: Annotated[
        ReasonKind,
        Field(
            description="Shown first, not shown by its deadline, shown so often, ended after this, or shown "
            "or lacked as by entities that labels call faulty."
        ),
    ]
    template: Annotated[str, Field(max_length=TEMPLATE_CHARS, description="Of the message, cut.")]
    nats: Annotated[float, Field(ge=0.0, allow_inf_nan=False, description="How much it adds.")]
    share: Annotated[
        float,
        Field(
            ge=0.0,
            le=1.0,
            description="Of such entities those that show as much; of kind known: of those the faulty ones.",
        ),
    ]
    age: Annotated[
        float,
        Field(ge=0.0, allow_inf_nan=False, description="Seconds since the entity began, or its deadline."),
    ]

    def sentence(self) -> str:
        """For people."""
        share = f"{self.share:.1%} of such entities"
        age = f"{self.age:,.0f} s" if self.age >= 100.0 else f"{self.age:.3g} s"
        if self.kind == "overdue":
            return f"lacks “{self.template}”, which {share} show within {age}"
        if self.kind == "known":
            return (
                f"is as faulty ones were in “{self.template}”: {self.share:.1%} of those like it were faulty"
            )
        if self.kind == "ending":
            return f"has ended after “{self.template}”, as {share} do, and lasted {age}"
        often = " so often" if self.kind == "repeats" else ""
        return f"shows “{self.template}”{often}, which {share} do, after {age}"


class SalientEvent(OfLane, BaseModel):
    """An event that passed prefilter and gate, or is audited: what it is, and what the circuit is given."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="Deterministic id, see event_id.")]
    topic: Annotated[str, Field(max_length=249, description="Topic that the log record came from.")]
    partition: Annotated[int, Field(ge=0, description="Partition that the log record came from.")]
    offset: Annotated[int, Field(ge=-1, description="Offset of the log record; -1 where there was none.")]
    record: Annotated[int, Field(ge=0, description="Index of the event inside its record.")]
    bundle: Annotated[Digest, Field(description="Digest of the bundle that triaged the event.")]
    trigger: Annotated[
        Trigger,
        Field(
            strict=False,  # JSON has it as text
            description="event: a log event; entity_end: an entity fell silent unfinished; silence: a source "
            "fell silent; overdue: an entity has not shown in time what others have; source: what a source "
            "has logged in the last minute adds up to something unusual.",
        ),
    ]
    time: Annotated[EventTime, Field(description="Event time, Unix seconds.")]
    watermark: Annotated[
        EventTime, Field(description="Event time up to which the partition is complete, Unix seconds.")
    ]
    severity: Annotated[int, Field(ge=0, le=24, description="OpenTelemetry severity number; 0 unknown.")] = 0
    source: Annotated[str, Field(max_length=256, description="Who speaks.")] = ""
    entity: Annotated[str, Field(max_length=256, description="What it speaks about; empty for nothing.")] = ""
    template_id: Annotated[
        str, Field(pattern=r"^([0-9a-f]{16})?$", description="Digest of the template.")
    ] = ""
    template: Annotated[str, Field(max_length=65_536, description="Constant part of the message.")] = ""
    message: Annotated[str, Field(max_length=EXAMPLE_CHARS, description="The message, cut.")] = ""
    features: Annotated[
        list[Finite], Field(max_length=64, description="Surprise features x, in nats or robust z units.")
    ] = []
    wires: Annotated[
        list[Unit], Field(max_length=64, description="Encoded value of every wire, in [-1, 1].")
    ] = []
    open_wires: Annotated[list[Bit], Field(max_length=64, description="1 for every open wire, else 0.")] = []
    prefilter: Annotated[Finite, Field(description="Prefilter score, a logit.")] = 0.0
    threshold: Annotated[
        Finite, Field(description="Prefilter score from which on rows passed when this one came.")
    ] = 0.0
    audit: Annotated[
        bool,
        Field(description="Whether it did not pass, and is one of the few that are evaluated anyway."),
    ] = False
    evidence: Annotated[
        list[Reason], Field(max_length=16, description="What makes the entity suspicious, most first.")
    ] = []

    pace: Annotated[
        tuple[Pace, Pace],
        Field(strict=False, description="Entities and minutes of sources that begin, a second and an event."),
    ] = (1.0, 1.0)
    known: Annotated[
        int, Field(ge=0, description="Normal entities, or minutes of the source, that it is judged by.")
    ] = 0
    learning: Annotated[bool, Field(description="Whether these are too few to judge by.")] = False

    @model_validator(mode="after")
    def _one_bit_per_wire(self) -> SalientEvent:
        if len(self.wires) != len(self.open_wires):
            raise ValueError("wires and open_wires must have the same length")
        return self

    def encode(self) -> bytes:
        """The value of a Kafka record: JSON, floats exact."""
        return orjson.dumps(self.__dict__ | {"evidence": [reason.__dict__ for reason in self.evidence]})


def event_id(
    topic: str, partition: int, offset: int, record: int, bundle: str, trigger: str, discriminator: str = ""
) -> str:
    """Id of what came of one event: 32 hex digits (BLAKE2b), the same on every worker and in every replay.

    ``discriminator`` tells apart several outcomes of one trigger at one event, such as two entities that end.
    """
    parts = (topic, partition, offset, record, bundle, trigger, discriminator)
    key = orjson.dumps(
        [part.encode("utf-8", "replace").decode() if isinstance(part, str) else part for part in parts]
    )
    return hashlib.blake2b(key, digest_size=16).hexdigest()
