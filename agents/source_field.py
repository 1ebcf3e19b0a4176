"""Finding a field that may say who speaks, where none of a usual name does: to be proposed, not read by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from schemas.formats.errors import DecodeError
from schemas.formats.json import load

__all__ = ["find_source_field"]

_HINTS: Final = (
    *("service", "app", "component", "module", "container", "job", "program", "process", "system", "logger"),
    *("source", "origin", "pod", "host", "node", "category", "name"),
)
_LEAST, _MOST = 2, 200  # values of such a field
_SHARE: Final = 0.9  # of the records that have it
_LOOKED_AT, _CHARS = 1_000, 64
_BYTES: Final = 1 << 16  # of a record; larger ones are not looked into


def find_source_field(values: Sequence[bytes | None]) -> str:
    """A field, dotted inside objects, with a telling name and a few short values; "" for none."""
    seen: dict[str, list[str]] = {}
    step = max(1, len(values) // _LOOKED_AT)
    records = 0
    for value in values[::step]:
        try:
            parsed = load(value) if value and value[:1] == b"{" and len(value) <= _BYTES else None
        except DecodeError:
            continue
        if isinstance(parsed, dict):
            records += 1
            for path, text in _texts(parsed):
                seen.setdefault(path, []).append(text)
    fits = [
        path
        for path, texts in seen.items()
        if len(texts) >= _SHARE * records and _LEAST <= len(set(texts)) <= _MOST
    ]
    ranked = [
        (rank, path)
        for path in fits
        for rank, hint in enumerate(_HINTS)
        if hint in path.rsplit(".", 1)[-1].lower()
    ]
    return min(ranked, default=(0, ""))[1]


def _texts(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Short texts of a record and of the objects in it, two deep."""
    found: list[tuple[str, str]] = []
    for name, value in record.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for key, text in inner:
            if isinstance(text, str) and 0 < len(text) <= _CHARS:
                found.append((f"{name}.{key}" if key else name, text))
    return found
