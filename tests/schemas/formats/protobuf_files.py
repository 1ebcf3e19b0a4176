"""Schemas of Protobuf for tests, written down as protoc compiles them: there is no protoc here."""

from base64 import b64encode
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Field = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "int32": Field.TYPE_INT32, "int64": Field.TYPE_INT64, "uint64": Field.TYPE_UINT64,
    "double": Field.TYPE_DOUBLE, "bool": Field.TYPE_BOOL, "string": Field.TYPE_STRING,
    "bytes": Field.TYPE_BYTES,
}  # fmt: skip


def file(name: str = "log.proto", *imports: str, package: str = "shop") -> descriptor_pb2.FileDescriptorProto:
    """An empty file of proto3."""
    made = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    made.dependency.extend(imports)
    return made


def message(inside: Any, name: str, *fields: str) -> descriptor_pb2.DescriptorProto:
    """Add a message to a file or message; fields as `[repeated] TYPE name [json_name]`, numbered from 1.

    A type is a scalar, `enum .full.Name` or `.full.Name` of a message.
    """
    kinds = inside.nested_type if isinstance(inside, descriptor_pb2.DescriptorProto) else inside.message_type
    made = kinds.add(name=name)
    for number, text in enumerate(fields, 1):
        words = text.split()
        label = Field.LABEL_REPEATED if words[0] == "repeated" else Field.LABEL_OPTIONAL
        words = words[1:] if words[0] == "repeated" else words
        kind = Field.TYPE_ENUM if words[0] == "enum" else SCALARS.get(words[0], Field.TYPE_MESSAGE)
        words = words[1:] if words[0] == "enum" else words
        field = made.field.add(name=words[1], number=number, type=kind, label=label)
        if words[0] not in SCALARS:
            field.type_name = words[0]
        if len(words) > 2:
            field.json_name = words[2]
    return made


def mapped(
    inside: descriptor_pb2.DescriptorProto, full_name: str, number: int, name: str, *kinds: str
) -> None:
    """Add a map to a message of that name, from and to the types."""
    entry = f"{name.capitalize()}Entry"
    message(inside, entry, f"{kinds[0]} key", f"{kinds[1]} value").options.map_entry = True
    inside.field.add(
        name=name,
        number=number,
        type=Field.TYPE_MESSAGE,
        label=Field.LABEL_REPEATED,
        type_name=f"{full_name}.{entry}",
    )


def compiled(made: descriptor_pb2.FileDescriptorProto) -> str:
    """As a registry gives it for `format=serialized`."""
    return b64encode(made.SerializeToString()).decode()


def classes(*files: descriptor_pb2.FileDescriptorProto) -> dict[str, Any]:
    """Python's classes of all messages in the files, by full name: they write what is read."""
    pool = descriptor_pool.DescriptorPool()
    from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2

    for known in (duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    for each in files:
        pool.AddSerializedFile(each.SerializeToString())
    return message_factory.GetMessageClassesForFiles([each.name for each in files], pool)


def log_file() -> descriptor_pb2.FileDescriptorProto:
    """A log event with the types that log events have."""
    known = ("timestamp", "duration", "wrappers", "struct")
    made = file("log.proto", *(f"google/protobuf/{name}.proto" for name in known))
    level = made.enum_type.add(name="Level")
    for number, name in enumerate(("LEVEL_UNSPECIFIED", "LEVEL_INFO", "LEVEL_ERROR")):
        level.value.add(name=name, number=number)
    message(made, "Service", "string name", "repeated int32 ports")
    event = message(
        made, "LogEvent",
        ".google.protobuf.Timestamp time", "enum .shop.Level level", "string message",
        ".shop.Service service", "string trace_id", "double took_ms", "int64 big", "bool retried",
        "bytes raw",
        ".google.protobuf.Duration age", ".google.protobuf.StringValue zone", ".google.protobuf.Struct extra",
        "repeated .shop.Service peers", "repeated enum .shop.Level levels",
    )  # fmt: skip
    mapped(event, ".shop.LogEvent", 15, "labels", "string", "string")
    mapped(event, ".shop.LogEvent", 16, "flags", "bool", ".shop.Service")
    message(event, "Inner", "string message")
    return made
