"""From the bytes of a record to one of the messages that a topic of qualm carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

__all__ = ["decode_message", "problems"]

Message = TypeVar("Message", bound=BaseModel)


def decode_message(
    value: bytes, what: str, types: Mapping[str, type[Message]], untyped: type[Message] | None = None
) -> Message:
    """The message in a record, by its ``type``.

    Args:
        value: of the record.
        what: what is looked for, for the error.
        types: what may be there, by type.
        untyped: what a record of no or another type is; None where there is no such.

    Raises:
        ValueError: none of these; the text names the fields that are wrong, without the (hostile) values.

    """
    try:
        content = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not a {what}: not JSON: {error.msg}") from None
    name = content.get("type") if isinstance(content, dict) else None
    found = types.get(name, untyped) if isinstance(name, str) else untyped
    if found is None:
        raise ValueError(f"not a {what}: type is none of {', '.join(types)}")
    try:
        return found.model_validate(content)
    except ValidationError as error:
        which = f"{name}: " if found is not untyped else ""
        raise ValueError(f"not a {what}: {which}{problems(error)}") from None


def problems(error: ValidationError) -> str:
    """At most five of the fields that are wrong, with the reason, and without the (hostile) values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg']}" for item in found[:5])
