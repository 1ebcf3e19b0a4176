"""JSON Schema of what is on each topic: ``python -m schemas.json_schema`` writes schemas/json/*.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.alert import Alert
from schemas.dead_letter import ERROR_HEADERS
from schemas.salient import SalientEvent
from schemas.suspicious import Suspicious, Unusual
from schemas.watermark import Watermark

__all__ = ["DIRECTORY", "LogEvent", "documents", "write"]

DIRECTORY = Path(__file__).parent / "json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class LogEvent(BaseModel):
    """A log event in its canonical JSON spelling; other spellings are read as well, and no field is required.

    Further numeric fields, such as ``latency_ms``, are compared with what is usual for the message.
    """

    model_config = ConfigDict(extra="allow")

    timestamp: Annotated[
        AwareDatetime | float | None,
        Field(
            description="Event time: RFC 3339, or a number of s, ms, us or ns since 1970. Else the record's."
        ),
    ] = None
    level: Annotated[
        str | int | None,
        Field(description="Severity: INFO, warn, E ..., bunyan's 10 to 60, or OpenTelemetry's 1 to 24."),
    ] = None
    service: Annotated[str | None, Field(description="Who speaks; the first 256 characters count.")] = None
    message: Annotated[
        str | None,
        Field(description="The message; the first 65,536 characters count. Else all other fields."),
    ] = None
    trace_id: Annotated[
        str | None, Field(description="What it speaks about; the first 256 characters count.")
    ] = None


def _dead_letter() -> dict[str, Any]:
    """Schema of the headers; the value is bytes, of which JSON Schema can say nothing."""
    return {
        "title": "DeadLetter",
        "description": "Headers that qualm adds to a record of <topic>.dlq, each decoded from UTF-8. Key, "
        "value and the record's own headers are the original bytes: no schema describes those.",
        "type": "object",
        "properties": {
            name: {"type": "string", "description": meaning}
            | ({"pattern": "^[0-9]+$"} if name.endswith((".partition", ".offset")) else {})
            for name, meaning in ERROR_HEADERS.items()
        },
        "required": list(ERROR_HEADERS),
    }


def documents() -> dict[str, dict[str, Any]]:
    """Schema by file name."""
    schemas = {
        "log_event": LogEvent.model_json_schema(),
        "salient": SalientEvent.model_json_schema(mode="serialization"),
        "watermark": Watermark.model_json_schema(mode="serialization"),
        "suspicious": Suspicious.model_json_schema(mode="serialization"),
        "unusual": Unusual.model_json_schema(mode="serialization"),
        "alert": Alert.model_json_schema(mode="serialization"),
        "dead_letter": _dead_letter(),
    }
    return {f"{name}.schema.json": {"$schema": _DIALECT, **schema} for name, schema in schemas.items()}


def write(directory: Path = DIRECTORY) -> None:
    """Write every schema into a directory, which is made if needed."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, schema in documents().items():
        (directory / name).write_text(render(schema), encoding="utf-8")


def render(schema: dict[str, Any]) -> str:
    """A schema as the text of its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write()
