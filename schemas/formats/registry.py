"""The formats that are told apart by themselves, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from schemas.events import Row
from schemas.formats.azure import AZURE
from schemas.formats.cloudtrail import CLOUDTRAIL
from schemas.formats.cloudwatch import CLOUDWATCH
from schemas.formats.ecs import ECS
from schemas.formats.family import Family, FamilyFormat, Tools
from schemas.formats.fluentbit import FLUENT_BIT
from schemas.formats.gcp import GCP
from schemas.formats.gelf import GELF
from schemas.formats.journald import JOURNALD
from schemas.formats.json import JsonFormat
from schemas.formats.kubernetes_audit import KUBERNETES_AUDIT
from schemas.formats.lines import LineReader
from schemas.formats.msgpack import MessagePackFormat, why_message_pack
from schemas.formats.options import Format, ReadOptions
from schemas.formats.otlp import OtlpFormat, why_otlp
from schemas.formats.otlp_proto import OtlpProtoFormat, why_otlp_proto
from schemas.formats.otlp_records import OtlpRows
from schemas.formats.patterns import entity_finder
from schemas.formats.syslog_json import SYSLOG_JSON
from schemas.formats.text import TextFormat
from schemas.formats.vector import VECTOR

__all__ = ["BINARY", "Readers", "why_binary", "why_object"]

# What has names that nothing else has comes before what has usual ones.
FAMILIES: Final[dict[Format, Family]] = {
    "cloudtrail": CLOUDTRAIL,
    "cloudwatch": CLOUDWATCH,
    "k8s_audit": KUBERNETES_AUDIT,
    "gcp": GCP,
    "azure": AZURE,
    "gelf": GELF,
    "journald": JOURNALD,
    "syslog_json": SYSLOG_JSON,
    "ecs": ECS,
    "fluentbit": FLUENT_BIT,
    "vector": VECTOR,
}
OBJECTS: Final[dict[Format, Callable[[dict[str, Any]], str]]] = {
    "otlp": why_otlp,
    **{name: family.why for name, family in FAMILIES.items()},
}
BINARY: Final[dict[Format, Callable[[bytes], str]]] = {
    "otlp_proto": why_otlp_proto,
    "msgpack": why_message_pack,
}
"""Formats whose records are no text."""


class Reader(Protocol):
    """What reads the records of one format."""

    def read(self, value: bytes, offset: int, record_time: float | None, rows: list[Row]) -> None:
        """Append the events of a record to ``rows``, or raise DecodeError and append nothing."""


def why_object(record: dict[str, Any]) -> tuple[Format, str]:
    """The format of a JSON object, and why."""
    for name, why in OBJECTS.items():
        if reason := why(record):
            return name, reason
    return "json", "it is a JSON object"


def why_binary(value: bytes) -> tuple[Format, str]:
    """The format of a binary record, and why; ``"auto"`` where it is none that can be read."""
    for name, why in BINARY.items():
        if reason := why(value):
            return name, reason
    return "auto", ""


@dataclass(frozen=True, slots=True)
class Readers:
    """A reader for every format, by the operator's options."""

    text: TextFormat
    inner: LineReader
    """Reads the lines that collectors carry in their records."""
    by_name: dict[Format, Reader]

    @classmethod
    def of(cls, options: ReadOptions) -> Readers:
        """Make them; they share what they remember of layouts and names, which changes no result."""
        find = entity_finder(options.entity_pattern) if options.entity_pattern else None
        said: dict[str, Any] = {
            "entity_field": options.entity_field, "source_field": options.source_field,
            "time_field": options.time_field, "find_entity": find,
        }  # fmt: skip
        text, json, records = (
            TextFormat(line=options.line, **said),
            JsonFormat(**said),
            OtlpRows(**said),
        )
        names = {name: said[name] for name in ("entity_field", "source_field", "time_field")}
        lines = LineReader(**names, read_json=json.read)
        lines.parts = text.lines.parts  # so that one snapshot has them all
        tools = Tools(json, lines, find)
        families = {name: FamilyFormat(family, json, tools, **said) for name, family in FAMILIES.items()}

        def read_parsed(parsed: Any, raw: bytes, offset: int, time: float | None, rows: list[Row]) -> None:
            first = next(iter(parsed), None) if type(parsed) is list else parsed
            name = why_object(first)[0] if type(first) is dict else "json"
            if name in families:
                families[name].read_parsed(parsed, raw, offset, time, rows)
            else:
                json.read_parsed(parsed, raw, offset, time, rows)

        readers: dict[Format, Reader] = {
            "text": text,
            "json": json,
            "otlp": OtlpFormat(records),
            "otlp_proto": OtlpProtoFormat(records),
            "msgpack": MessagePackFormat(read_parsed),
            **families,
        }
        return cls(text, lines, readers)
