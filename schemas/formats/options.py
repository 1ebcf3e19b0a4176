"""How records are read: the options, what they may not be, and which of them overrides which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from schemas.formats.confluent import SchemaOf
from schemas.formats.names import FORMATS, Format
from schemas.formats.patterns import entity_finder
from schemas.formats.text import LinePattern

__all__ = ["Format", "ReadOptions"]


@dataclass(frozen=True)
class ReadOptions:
    """How the records of a topic are read.

    Attributes:
        format: one of `Format`, or ``auto`` to tell it from the first records.
        line: header of text lines, ``'<date> <time> <pid> <level> <logger>: <message>'``; implies text.
        entity_field: field of the entity, dotted for one inside an object; preferred to the pattern.
        entity_pattern: regular expression (RE2 syntax) searched in the first 4,096 characters of the message;
            its first group, or the whole match, is the entity.
        source_field: field of the source, preferred to the usual names.
        time_field: field of the time, likewise.
        max_record_bytes: larger records are not decoded.
        schema_of: gives the schemas of a registry; None: of Confluent's wire format only JSON is read.

    Raises:
        ValueError: an option that cannot work; the text says what to do.

    """

    format: Format = "auto"
    line: str | None = None
    entity_field: str | None = None
    entity_pattern: str | None = None
    source_field: str | None = None
    time_field: str | None = None
    max_record_bytes: int = 16 * 1024 * 1024
    schema_of: SchemaOf | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"format {self.format!r} is not known; use one of {', '.join(FORMATS)}")
        if self.line is not None:
            if self.format not in ("auto", "text"):
                raise ValueError(
                    f"a line pattern describes text, but the format is {self.format}; give one of them"
                )
            LinePattern.compile(self.line)
        if self.entity_pattern is not None:
            entity_finder(self.entity_pattern)
        if self.max_record_bytes < 1:
            raise ValueError("max_record_bytes must be at least 1")

    def override(self, given: Mapping[str, Any]) -> ReadOptions:
        """These options with others given on top; the one rule for command line, settings and bundles.

        What is given (by name; None is not given) replaces what would contradict it: a format other than text
        replaces the line header and a line header the format; the field of the entity and its pattern replace
        each other, since both say where the entity is.

        Raises:
            ValueError: an option that cannot work, or two given ones that contradict each other.

        """
        chosen = {name: value for name, value in given.items() if value is not None}
        replaced: dict[str, Any] = {}
        if chosen.get("format", "text") != "text":
            replaced["line"] = None
        if "line" in chosen:
            replaced["format"] = "auto"
        if "entity_field" in chosen or "entity_pattern" in chosen:
            replaced |= {"entity_field": None, "entity_pattern": None}
        return replace(self, **(replaced | chosen))

    def remembered(self) -> dict[str, str | None]:
        """What a bundle remembers of them: all but the limit and the registry, which are the reader's own."""
        own = ("max_record_bytes", "schema_of")
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in own}
