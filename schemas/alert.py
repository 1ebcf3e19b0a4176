"""The alert: what ``qualm.alerts`` carries to people on call, and how it is written on Kafka."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, get_args

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from schemas.decoding import problems
from schemas.salient import EXAMPLE_CHARS, Bit, Digest, Finite, Reason
from schemas.timestamps import LATEST, TimestampReader

__all__ = [
    "CLOUDEVENTS_TYPE",
    "Alert",
    "Driver",
    "Kind",
    "Scores",
    "cloudevents_headers",
    "fingerprint",
    "rfc3339",
]

CLOUDEVENTS_TYPE = "io.qualm.alert"
"""``ce_type`` is this, then a dot and the status."""

Kind = Literal["new pattern", "sequence", "frequency", "silence", "level", "parameter", "clock"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Update = Literal["opened", "grown", "continues", "reopened", "resolved"]
Urgency = Literal["info", "warning", "critical"]

LARGEST = 2**63 - 1
"""Of Kafka's offsets, and the largest number that can be written; a text can name larger ones."""
SOURCES_TOLD = 16
"""Most sources that an alert names,"""
ENTITIES_TOLD = 8
"""and entities."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(time: float) -> str:
    """Unix seconds as RFC 3339 in UTC, to the microsecond: ``2024-05-01T12:34:56.789000Z``.

    Raises:
        ValueError: not between 1970 and 9999.

    """
    if not 0 <= time <= LATEST:
        raise ValueError(f"time {time!r} is outside the years 1970 to 9999")
    moment = _EPOCH + timedelta(microseconds=round(time * 1_000_000))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(value: object) -> object:
    """Unix seconds of an RFC 3339 string; anything else is left to the next validator."""
    if not isinstance(value, str):
        return value
    seconds = TimestampReader().text(value)
    if math.isnan(seconds):
        raise ValueError("not an RFC 3339 time")
    return seconds


Time = Annotated[
    float,
    Field(ge=0, le=LATEST, allow_inf_nan=False),
    BeforeValidator(_seconds),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Label = Annotated[str, StringConstraints(max_length=1_024)]
Labels = Annotated[
    dict[Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")], Label], Field(max_length=64)
]


class Driver(BaseModel):
    """A feature that drove the alert, with its value and what was expected, in the feature's own unit."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, StringConstraints(max_length=128)]
    value: Finite
    expected: Finite


class Scores(BaseModel):
    """P-values of the event by each of the detector's three scores."""

    model_config = ConfigDict(frozen=True)

    prefilter: Probability
    twin: Probability
    hybrid: Probability


class Alert(BaseModel):
    """What, where, since when and why: a state of an incident. Times: Unix seconds here, RFC 3339 in JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="Deterministic id of this alert.")]
    fingerprint: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{16}$",
            description="Of source, kind and template that the incident began with.",
        ),
    ]
    incident: Annotated[
        str,
        Field(pattern=r"^[0-9a-f]{32}$", description="The incident: the id of the first alert of it."),
    ]
    status: Annotated[Literal["firing", "resolved"], Field(description="State of the incident.")]
    update: Annotated[
        Update,
        Field(
            description="Why this is told: the incident is new; has grown into something else; goes on; goes "
            "on after it was resolved; is over."
        ),
    ] = "opened"
    page: Annotated[bool, Field(description="Whether somebody should be called for this one.")] = True
    urgency: Annotated[
        Urgency, Field(description="From evidence, level, spread and duration of the incident.")
    ] = "warning"
    time: Annotated[Time, Field(description="Event time at which the incident took this state.")]
    first_seen: Annotated[Time, Field(description="Event time of the first event of the incident.")]
    last_seen: Annotated[Time, Field(description="Event time of the last event of the incident.")]
    count: Annotated[int, Field(ge=1, le=LARGEST, description="Suspicious events of the incident so far.")]
    units: Annotated[
        int,
        Field(
            ge=1, le=LARGEST, description="Entities, and sources without one, that these are of, at least."
        ),
    ] = 1
    sources: Annotated[
        list[Annotated[str, Field(max_length=256)]],
        Field(max_length=SOURCES_TOLD, description="Sources of the incident, the first ones."),
    ] = []
    source_count: Annotated[
        int, Field(ge=1, le=LARGEST, description="How many sources there are, at least.")
    ] = 1
    entities: Annotated[
        list[Annotated[str, Field(max_length=256)]],
        Field(max_length=ENTITIES_TOLD, description="Entities of the incident, the first ones."),
    ] = []
    source: Annotated[str, Field(max_length=256, description="Who speaks.")]
    entity: Annotated[str, Field(max_length=256, description="What it speaks about; empty for nothing.")] = ""
    severity: Annotated[
        Literal["UNKNOWN", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"],
        Field(description="Severity of the event that gave the alert."),
    ] = "UNKNOWN"
    kind: Annotated[Kind, Field(description="What is unusual.")]
    template: Annotated[str, Field(max_length=65_536, description="Constant part of the message.")]
    template_id: Annotated[
        str, Field(pattern=r"^([0-9a-f]{16})?$", description="Digest of the template.")
    ] = ""
    example: Annotated[str, Field(max_length=EXAMPLE_CHARS, description="A message of the incident, cut.")]
    p_value: Annotated[
        Probability,
        Field(
            description="Share of normal units that would score at least this high; 1 for a clock, which is "
            "not judged."
        ),
    ]
    p_limit: Annotated[
        Probability, Field(description="Largest p-value that alerts now, by the false alarms accepted.")
    ] = 1.0
    threshold: Annotated[
        Finite, Field(description="Prefilter score from which on rows were salient when the event came.")
    ] = 0.0
    known: Annotated[
        int,
        Field(
            ge=0, le=LARGEST, description="Normal entities, or minutes of the source, that it is judged by."
        ),
    ] = 0
    learning: Annotated[
        bool, Field(description="Whether these are too few to judge anything but errors.")
    ] = False
    features: Annotated[
        list[Driver], Field(max_length=64, description="What drove the score, strongest first.")
    ] = []
    evidence: Annotated[
        list[Reason], Field(max_length=16, description="What makes the entity suspicious, most first.")
    ] = []
    open_wires: Annotated[list[Bit], Field(max_length=64, description="1 for every open wire, else 0.")] = []
    scores: Annotated[Scores, Field(description="P-values by prefilter, classical twin and hybrid.")]
    bundle: Annotated[Digest, Field(description="Digest of the bundle.")]
    topic: Annotated[str, Field(max_length=249, description="Topic that the log record came from.")]
    partition: Annotated[int, Field(ge=0, le=LARGEST, description="Partition that the log record came from.")]
    offset: Annotated[
        int, Field(ge=-1, le=LARGEST, description="Offset of the log record; -1 where there was none.")
    ]
    labels: Annotated[Labels, Field(description="Identifying labels, as Alertmanager has them.")] = {}
    annotations: Annotated[
        Labels, Field(description="Explaining annotations, as Alertmanager has them.")
    ] = {}

    def encode(self) -> bytes:
        """The value of a Kafka record: JSON, with times as RFC 3339 strings to the microsecond."""
        return orjson.dumps(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The alert as JSON types, as `encode` writes it."""
        return self.model_dump(mode="json")

    @classmethod
    def decode(cls, value: bytes) -> Alert:
        """The alert in a Kafka record.

        Raises:
            ValueError: not JSON, or not an alert; the text names the fields that are wrong.

        """
        try:
            return cls.model_validate(orjson.loads(value))
        except ValidationError as error:
            raise ValueError(f"not an alert: {problems(error)}") from None
        except orjson.JSONDecodeError as error:
            raise ValueError(f"not an alert: not JSON: {error.msg}") from None


def fingerprint(source: str, kind: str, template_id: str) -> str:
    """Identity of an incident: 16 hex digits (BLAKE2b) of source, kind and template."""
    key = "\x00".join((source, kind, template_id)).encode("utf-8", "replace")
    return hashlib.blake2b(key, digest_size=8).hexdigest()


def cloudevents_headers(alert: Alert) -> list[tuple[str, bytes]]:
    """Kafka headers of an alert in CloudEvents 1.0 binary mode; ``ce_source`` points to the partition.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
    """
    headers = {
        "ce_specversion": "1.0",
        "ce_id": alert.id,
        "ce_source": f"/kafka/{alert.topic}/{alert.partition}",
        "ce_type": f"{CLOUDEVENTS_TYPE}.{alert.status}",
        "ce_time": rfc3339(alert.time),
        "ce_subject": alert.fingerprint,
        "content-type": "application/json",
    }
    return [(name, value.encode()) for name, value in headers.items()]
