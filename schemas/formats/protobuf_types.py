"""How the fields of Protobuf messages are said as JSON, and what a message of few bytes can come to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

__all__ = ["Types"]

_KNOWN: Final[dict[str, Callable[[Any], Any]]] = {
    "google/protobuf/timestamp.proto": lambda message: _time(message),
    "google/protobuf/duration.proto": lambda message: message.seconds + message.nanos / 1e9,
    "google/protobuf/wrappers.proto": lambda message: _text(message.value),
    "google/protobuf/struct.proto": lambda message: _of_struct(message),
}
"""Files whose messages are plain values: the registry never gives these, they are the library's own."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BYTES_OF_MESSAGE, _BYTES_OF_FIELD, _BYTES_OF_DEFAULT = 256, 16, 64
"""In memory, roughly: an empty message and its object, a field of a message, a default in its object."""


class _Type:
    """One type of message."""

    __slots__ = ("defaults", "fields")

    def __init__(self) -> None:
        self.fields: dict[FieldDescriptor, tuple[str, Callable[[Any], Any]]] = {}
        """Name in JSON, and what JSON holds for a value."""
        self.defaults: dict[str, Any] = {}

    def plain(self, message: Message) -> dict[str, Any]:
        found = self.defaults.copy()
        for each, value in message.ListFields():
            if known := self.fields.get(each):  # extensions are not
                found[known[0]] = known[1](value)
        return found


class Types:
    """The types of messages that a message may hold, by full name.

    Fields have their name in the schema, or the JSON name that it gives them. Numbers, booleans and
    enumerations without presence are there with their default where they are not set, which is what Protobuf
    means by it; of an enumeration the name, without that of the enumeration in front (``LEVEL_ERROR`` of
    ``Level`` is ``ERROR``). Timestamps are RFC 3339, durations seconds, bytes text; wrappers and `Struct` are
    what is in them.

    Args:
        root: the type of the records.

    """

    def __init__(self, root: Descriptor) -> None:
        self._types: dict[str, _Type] = {root.full_name: _Type()}
        self._inside: set[str] = set()
        self._longest_name = self._longest_symbol = 1
        self._waiting = [root]
        while self._waiting:
            kind = self._waiting.pop()
            self._fill(self._types[kind.full_name], kind)
        self.plain = self._types[root.full_name].plain
        """The object that a message of the root's type is."""

    def of_one_byte(self) -> tuple[int, int]:
        """Bytes in memory and characters of JSON that one byte of a message can come to, roughly."""
        inside = [self._types[name] for name in self._inside]
        memory = max((_memory(each) for each in inside), default=0) // 2  # an empty message has two bytes
        names = max((_chars(each) for each in inside), default=0) // 2
        return max(memory, 1), max(names, self._longest_name // 2 + self._longest_symbol)

    def _fill(self, found: _Type, kind: Descriptor) -> None:
        for each in kind.fields:
            name = _name(each)
            self._longest_name = max(self._longest_name, len(name))
            symbols = _symbols(each.enum_type) if each.enum_type else {}
            self._longest_symbol = max(self._longest_symbol, *map(len, symbols.values()), 1)
            found.fields[each] = name, self._reader(each, symbols)
            if not each.has_presence and each.default_value not in ([], "", b""):
                value = symbols.get(each.default_value, each.default_value)
                if not str(value).endswith("UNSPECIFIED"):
                    found.defaults[name] = value

    def _reader(self, each: FieldDescriptor, symbols: dict[int, str]) -> Callable[[Any], Any]:
        one = self._one(each, symbols)
        if each.default_value != []:  # so it is for repeated fields, in every version of the library
            return one
        if each.message_type and each.message_type.GetOptions().map_entry:
            value = each.message_type.fields_by_number[2]
            inner = self._one(value, _symbols(value.enum_type) if value.enum_type else {})
            return lambda values: {_key(key): inner(values[key]) for key in values}
        return lambda values: [one(value) for value in values]

    def _one(self, each: FieldDescriptor, symbols: dict[int, str]) -> Callable[[Any], Any]:
        if kind := each.message_type:
            self._inside.add(kind.full_name)
            if kind.full_name not in self._types:
                self._types[kind.full_name] = _Type()
                self._waiting.append(kind)
            return _KNOWN.get(kind.file.name, self._types[kind.full_name].plain)
        if symbols:
            return lambda value: symbols.get(value, value)
        return _text if each.type == each.TYPE_BYTES else _same


def _memory(kind: _Type) -> int:
    fields = len(kind.fields) * _BYTES_OF_FIELD + len(kind.defaults) * _BYTES_OF_DEFAULT
    return _BYTES_OF_MESSAGE + fields


def _chars(kind: _Type) -> int:
    return sum(len(name) + len(str(value)) + 4 for name, value in kind.defaults.items())


def _name(each: FieldDescriptor) -> str:
    """The name in the schema, unless it gives another for JSON; compilers give one in camel case anyway."""
    words = str(each.name).split("_")
    camel = words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])
    return str(each.name if each.json_name == camel else each.json_name)


def _symbols(kind: EnumDescriptor) -> dict[int, str]:
    """Names by number, without that of the enumeration, with which the style guide begins each of them."""
    names = [str(each.name) for each in kind.values]
    prefix = (
        "".join(f"_{letter}" if letter.isupper() else letter for letter in kind.name).strip("_").upper() + "_"
    )
    cut = len(prefix) if all(len(name) > len(prefix) and name.startswith(prefix) for name in names) else 0
    found: dict[int, str] = {}
    for each, name in zip(kind.values, names, strict=True):
        found.setdefault(each.number, name[cut:])
    return found


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _same(value: Any) -> Any:
    return value


def _time(message: Any) -> datetime | None:
    """The time, as RFC 3339 in JSON; None of a year beyond 9999, so that the time of the record is taken."""
    try:
        return _EPOCH + timedelta(0, message.seconds, message.nanos // 1_000)
    except OverflowError:
        return None


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _of_struct(message: Any) -> Any:
    """What a `Struct`, `ListValue` or `Value` holds."""
    name = message.DESCRIPTOR.name
    if name == "Struct":
        return {key: _of_struct(message.fields[key]) for key in message.fields}
    if name == "ListValue":
        return [_of_struct(each) for each in message.values]
    kind = message.WhichOneof("kind")
    if kind in ("struct_value", "list_value"):
        return _of_struct(getattr(message, kind))
    return None if kind in (None, "null_value") else getattr(message, kind)
