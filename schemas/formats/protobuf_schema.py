"""What a compiled schema of Protobuf may come to.

It comes from outside, as the records do: each has a descriptor pool of its own, and a record may have fewer
bytes the more a message inside of it can come to.
"""

from __future__ import annotations

import importlib
import re
from base64 import b64decode
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from schemas.formats.errors import DecodeError
from schemas.formats.protobuf_types import Types

__all__ = ["Plan", "References", "plan"]

References = tuple[tuple[str, str], ...]

_MOST_BYTES = 1 << 20
_MOST_MEMORY = 1 << 27
_MOST_JSON = 1 << 26
"""What a record may come to, roughly."""
_NAME = "qualm/record.proto"
_SHIPPED = re.compile(r"(google/(protobuf|type)|confluent(/types?)?)/[a-z_]+\.proto")
"""Files that are imported without a reference, because Protobuf's and Confluent's libraries bring them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to read one type of message of one schema."""

    message: Any = None
    """Its class."""
    types: Any = None
    """`Types`, from the message on."""
    most: int = 0
    """Bytes of a message."""
    problem: str = ""
    """Why its records are not read; ``""`` where they are."""


@lru_cache(256)
def plan(schema: str, references: References, indexes: tuple[int, ...]) -> Plan:
    """How to read the messages of a type, given by its index in the schema and in the types around it."""
    file = _file(schema, references)
    if isinstance(file, str):
        return Plan(problem=f"not Protobuf: its schema {file}")
    found, types = None, list(file.message_types_by_name.values())
    for index in indexes:
        if not 0 <= index < len(types):
            return Plan(problem=f"not Protobuf: its schema has no message {'.'.join(map(str, indexes))}")
        found = types[index]
        types = found.nested_types
    try:
        if found is None or found.GetOptions().map_entry:
            return Plan(problem="not Protobuf: its schema has an entry of a map there, and no message")
        known = Types(found)
        memory, chars = known.of_one_byte()
        most = min(_MOST_BYTES, _MOST_MEMORY // memory, _MOST_JSON // chars)
        return Plan(GetMessageClass(found), known, most)
    except Exception as error:  # what the library lets pass in a schema, and stumbles over later
        return Plan(problem=f"not Protobuf: its schema is wrong ({type(error).__name__})")


@lru_cache(256)
def _file(schema: str, references: References) -> FileDescriptor | str:
    """The schema in a pool of its own, or what is wrong with it."""
    pool = DescriptorPool()
    try:
        for name, text in references:
            if _shipped(name) is None:
                _add(pool, name, text)
        _add(pool, _NAME, schema)
        return pool.FindFileByName(_NAME)
    except DecodeError as error:
        return str(error)
    except Exception as error:  # whatever the library raises for a wrong schema
        return f"is wrong ({type(error).__name__})"


def _add(pool: DescriptorPool, name: str, text: str) -> None:
    try:
        serialized = b64decode(text, validate=True)
    except ValueError:
        raise DecodeError(
            "came as text, not compiled: the registry does not know format=serialized, as Confluent's does"
        ) from None
    file = FileDescriptorProto.FromString(serialized)
    file.name = name
    if not all(map(_is_sound, file.message_type)):
        raise DecodeError("has a map that is none")
    for imported in file.dependency:
        if (shipped := _shipped(imported)) is not None:
            _add_shipped(pool, shipped)
        elif not _has(pool, imported):
            raise DecodeError(f"imports {imported[:100]!r}, which the registry has no reference for")
    pool.AddSerializedFile(file.SerializeToString())


def _is_sound(kind: DescriptorProto) -> bool:
    """Whether maps in it are as compilers make them; other entries made the library end the process."""
    entry = [(each.number, each.label) for each in kind.field]
    usual = [(1, FieldDescriptorProto.LABEL_OPTIONAL), (2, FieldDescriptorProto.LABEL_OPTIONAL)]
    is_entry = kind.options.map_entry
    return (not is_entry or entry == usual) and all(map(_is_sound, kind.nested_type))


def _add_shipped(pool: DescriptorPool, file: FileDescriptor) -> None:
    for imported in file.dependencies:
        _add_shipped(pool, imported)
    if not _has(pool, file.name):
        pool.AddSerializedFile(file.serialized_pb)


def _has(pool: DescriptorPool, name: str) -> bool:
    try:
        pool.FindFileByName(name)
    except KeyError:
        return False
    return True


def _shipped(name: str) -> FileDescriptor | None:
    """A file that a library brings; None where it is none of those, or the library is not installed."""
    if not _SHIPPED.fullmatch(name):
        return None
    path = name.removesuffix(".proto").replace("/", ".")
    path = f"confluent_kafka.schema_registry.{path}" if path.startswith("confluent.") else path
    try:
        return importlib.import_module(path + "_pb2").DESCRIPTOR
    except ImportError:
        return None
