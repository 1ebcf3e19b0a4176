"""What Confluent's own serializers write is read; they register with a small registry over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.serialization import MessageField, SerializationContext

from agents.kafka.schema_registry import SchemaRegistry
from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from tests.agents.kafka.registry_server import Registry, running
from tests.schemas.formats.protobuf_files import classes, file, log_file, message

for needed in ("fastavro", "authlib"):
    pytest.importorskip(needed, reason="needs the extra: pip install 'qualm[registry]'")

VALUE = SerializationContext("logs", MessageField.VALUE)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with running() as server:
        yield server


def client(registry: Registry) -> Any:
    from confluent_kafka.schema_registry import SchemaRegistryClient

    return SchemaRegistryClient({"url": f"http://{registry.host}"})


def read(registry: Registry, *values: bytes) -> EventBatch:
    decoder = TopicDecoder(ReadOptions(schema_of=SchemaRegistry(f"http://{registry.host}")))
    found = decoder.decode(values, range(len(values)), [None] * len(values))
    assert found.failures == []
    return found.events


AVRO = json.dumps({"type": "record", "name": "E", "fields": [
    {"name": "level", "type": {"type": "enum", "name": "Level", "symbols": ["INFO", "ERROR"]}},
    {"name": "message", "type": "string"}, {"name": "service", "type": "shop.Service"}]})  # fmt: skip
SERVICE = json.dumps(
    {"type": "record", "name": "shop.Service", "fields": [{"name": "name", "type": "string"}]}
)


def test_avro_with_a_reference(registry: Registry) -> None:
    from confluent_kafka.schema_registry import Schema, SchemaReference
    from confluent_kafka.schema_registry.avro import AvroSerializer

    own = client(registry)
    own.register_schema("services", Schema(SERVICE, "AVRO"))
    schema = Schema(AVRO, "AVRO", [SchemaReference("shop.Service", "services", 1)])
    write = AvroSerializer(own, schema)
    said = {"level": "ERROR", "message": "payment refused", "service": {"name": "pay"}}
    events = read(registry, write(said, VALUE))
    assert (events.severity, events.message, events.source) == ([17], ["payment refused"], ["pay"])


def test_json_schema(registry: Registry) -> None:
    pytest.importorskip("jsonschema", reason="needs confluent-kafka[json]")
    from confluent_kafka.schema_registry.json_schema import JSONSerializer

    schema = {"title": "E", "type": "object", "properties": {"message": {"type": "string"}}}
    write = JSONSerializer(json.dumps(schema), client(registry))
    said = {"level": "error", "message": "payment refused", "service": "pay"}
    value = write(said, VALUE)
    assert value[:5] == b"\0\0\0\0\1"
    events = read(registry, value)
    assert (events.severity, events.message, events.source) == ([17], ["payment refused"], ["pay"])


def protobuf(registry: Registry, made: Any) -> bytes:
    pytest.importorskip("google.type.date_pb2", reason="needs confluent-kafka[protobuf]")
    from confluent_kafka.schema_registry.protobuf import ProtobufSerializer

    write = ProtobufSerializer(type(made), client(registry), {"use.deprecated.format": False})
    value = write(made, VALUE)
    assert isinstance(value, bytes)
    return value


def test_protobuf(registry: Registry) -> None:
    kinds = classes(log_file())
    made = kinds["shop.LogEvent"](level=2, message="payment refused", trace_id="4bf92f", took_ms=12.5)
    made.time.FromJsonString("2024-05-01T12:34:56Z")
    made.service.name = "pay"
    inner = kinds["shop.LogEvent"].Inner(message="inside")
    first = kinds["shop.Service"](name="first")
    events = read(registry, *(protobuf(registry, each) for each in (made, inner, first)))
    assert (events.time[0], events.severity[0], events.source[0]) == (1_714_566_896.0, 17, "pay")
    assert (events.message[:2], events.entity[0]) == (["payment refused", "inside"], "4bf92f")
    assert events.numbers[0] == {"took_ms": 12.5, "big": 0.0}
    assert registry.asked.count("/schemas/ids/1?format=serialized") == 1


def test_protobuf_of_two_files(registry: Registry) -> None:
    common, made = file("common/service.proto"), file("log.proto", "common/service.proto")
    message(common, "Service", "string name")
    message(made, "E", "string message", ".shop.Service service")
    written = classes(common, made)["shop.E"](message="payment refused", service={"name": "pay"})
    events = read(registry, protobuf(registry, written))
    assert (events.message, events.source) == (["payment refused"], ["pay"])
    assert len(registry.schemas) == 2
