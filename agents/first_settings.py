"""The first `qualm.toml`: what an inspection found, written as settings with comments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from agents.inspection import Inspection
from agents.kafka.schema_registry import address_of
from agents.printable import printable
from agents.settings import Settings
from agents.settings_page import commented, in_order
from schemas.formats.options import ReadOptions

__all__ = ["proposed", "reading_with", "settings_file"]


def reading_with(found: Inspection, reading: ReadOptions) -> ReadOptions:
    """How to read the inputs: as was said, with the entity and the source that were found."""
    given: dict[str, Any] = {}
    if found.entity:
        given |= {name: getattr(found.entity.options, name) for name in ("entity_field", "entity_pattern")}
    if found.source_field:
        given["source_field"] = found.source_field
    return reading.override(given)


def proposed(found: Inspection, reading: ReadOptions) -> dict[str, tuple[str, str]]:
    """Value of each setting about reading, and why; without those that are best left unset."""
    why = {
        "format": found.why,
        "line": "As it was given.",
        "entity_field": found.entity.sentence() if found.entity else "As it was given.",
        "source_field": "No field of a usual name says who speaks.",
        "time_field": "As it was given.",
    }
    why["entity_pattern"] = why["entity_field"]
    chosen = {name: getattr(reading, name) for name in why}
    why["schema_registry"] = "As it was given; user and password go into QUALM_SCHEMA_REGISTRY_AUTH."
    chosen["schema_registry"] = address_of(reading.schema_of)
    is_sure = len(found.found) == 1 and not found.found[0].doubt
    if reading.line is None and is_sure:
        chosen["format"] = found.format
    return {name: (str(value), why[name]) for name, value in chosen.items() if value not in (None, "auto")}


def settings_file(title: str, chosen: Mapping[str, tuple[str, str]], notes: list[str]) -> str:
    """A file in which the chosen settings are set, each with its meaning and why; all others are comments.

    Args:
        title: what the settings are of.
        chosen: value and reason of settings by name.
        notes: what to know about them, put in front.

    """
    lines = _comment(f"Settings of qualm for {title}, by `qualm init`; docs/configuration.md")
    for note in notes:
        lines += _comment(note)
    for name, (value, why) in chosen.items():
        lines += ["", f"# {Settings.model_fields[name].description}", *_comment(why)]
        lines += [f"{name} = {_toml(value)}"]
    lines += ["", "# What follows is unset: the defaults.", ""]
    for name in in_order():
        if name not in chosen:
            lines += commented(name)
    return "\n".join(lines).rstrip("\n") + "\n"


def _comment(text: str) -> list[str]:
    """Lines of a comment; none for no text."""
    return [f"# {line}" for line in wrap(printable(text, 700), 100, break_on_hyphens=False)]


def _toml(text: str) -> str:
    """A string of TOML: as it is between single quotes where that can be, which keeps patterns readable."""
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
