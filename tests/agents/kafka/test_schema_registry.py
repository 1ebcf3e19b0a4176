"""The client of a schema registry against a small registry over HTTP: what it asks, keeps and says."""

import base64
import io
import json
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from agents.cli.options import read_options
from agents.kafka import schema_registry
from agents.kafka.schema_registry import KEPT, SchemaRegistry
from agents.settings import Settings, SettingsError, load_settings
from schemas.formats.confluent import Schema
from schemas.formats.detection import TopicDecoder
from schemas.formats.errors import DecodeError
from schemas.formats.options import ReadOptions
from tests.agents.kafka.registry_server import Registry, running
from tests.troubleshooting import says

for needed in ("fastavro", "authlib"):
    pytest.importorskip(needed, reason="needs the extra: pip install 'qualm[registry]'")

SCHEMA = json.dumps({"type": "record", "name": "R", "fields": [{"name": "message", "type": "string"}]})
AVRO = b"\0\0\0\0\x07\x12disk full"
"""By hand: magic byte, id 7, and a string of nine letters."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    with running() as server:
        server.give(7, {"schema": SCHEMA})
        yield server


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def why(ask: SchemaRegistry, number: int) -> str:
    with pytest.raises(DecodeError) as caught:
        ask(number)
    return str(caught.value)


def test_a_record_is_read_by_the_address_in_settings(registry: Registry, monkeypatch: Any) -> None:
    monkeypatch.setenv("QUALM_SCHEMA_REGISTRY", f"http://{registry.host}")
    monkeypatch.setenv("QUALM_SCHEMA_REGISTRY_AUTH", "reader:s3cret:x")
    for options in (load_settings().read_options("logs"), read_options(ReadOptions(), {})):
        for _ in range(2):  # partitions share what is kept
            found = TopicDecoder(options).decode([AVRO, AVRO], [0, 1], [None, None])
            assert found.events.message == ["disk full"] * 2
        assert options.remembered() == ReadOptions().remembered()
        assert "s3cret" not in repr(options)
    assert registry.asked == ["/schemas/ids/7"]
    assert registry.credentials == {"Basic " + base64.b64encode(b"reader:s3cret:x").decode()}


def test_the_option_of_a_command_wins_over_settings(registry: Registry, monkeypatch: Any) -> None:
    monkeypatch.setenv("QUALM_SCHEMA_REGISTRY", "http://127.0.0.1:1")
    options = read_options(ReadOptions(), {"schema_registry": f"http://{registry.host}/"})
    assert TopicDecoder(options).decode([AVRO], [0], [None]).events.message == ["disk full"]


def test_an_unknown_id_is_asked_for_again_after_half_a_minute(registry: Registry) -> None:
    clock = Clock()
    ask = SchemaRegistry(f"http://{registry.host}", clock=clock)
    expected = (
        f"no schema: id 9: the registry at {registry.host} does not know it; see that schema_registry is the "
        "one of the producers"
    )
    assert [why(ask, 9), why(ask, 9)] == [expected] * 2
    says(expected, "no schema: id …: the registry at … does not know it; …")
    assert ask(7) == Schema("AVRO", SCHEMA)
    assert registry.asked == ["/schemas/ids/9", "/schemas/ids/7"]
    clock.now += 31
    registry.give(9, {"schema": "{}", "schemaType": "JSON"})
    assert ask(9) == Schema("JSON", "{}")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {"error_code": 401, "message": "no"}), "refuses (401); set schema_registry_auth"),
        ((503, b"busy"), "answers with status 503; see its own log"),
        ((429, b"busy"), "answers with status 429; see its own log"),
        ((200, b"<html>"), "cannot be reached or understood (JSONDecodeError); see that it runs"),
        ((200, []), "cannot be reached or understood ("),
    ],
)
def test_a_registry_that_fails_is_left_alone_for_half_a_minute(
    registry: Registry, answer: tuple[int, Any], reason: str
) -> None:
    clock = Clock()
    ask = SchemaRegistry(f"http://{registry.host}", "reader:s3cret", clock)
    registry.give(8, answer[1], answer[0])
    said = [why(ask, number) for number in (8, 7, 12)]
    for number, text in zip((8, 7, 12), said, strict=True):
        assert text.startswith(f"no schema: id {number}: the registry at {registry.host} {reason}")
        assert "s3cret" not in text
    assert registry.asked == ["/schemas/ids/8"]
    clock.now += 31
    assert ask(7).kind == "AVRO"


def test_a_registry_that_is_not_there_is_said_and_what_is_known_is_read(registry: Registry) -> None:
    ask = SchemaRegistry(f"http://{registry.host}")
    ask(7)
    registry.server_close()
    registry.shutdown()
    decoder = TopicDecoder(ReadOptions(schema_of=ask))
    found = decoder.decode([AVRO, b"\0\0\0\0\x08\x02a", AVRO], [0, 1, 2], [None] * 3)
    assert found.events.offset == [0, 2]
    says(
        found.failures[0][1],
        "no schema: id …: the registry at … cannot be reached or understood (…); see that it runs",
    )
    assert found.failures[0][1].startswith(f"no schema: id 8: the registry at {registry.host} cannot")


def test_a_registry_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_registry, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ask = SchemaRegistry(f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert [why(ask, number).endswith("(ReadTimeout); see that it runs") for number in (1, 2)] == [
            True
        ] * 2
        assert time.monotonic() - started < 4.0


@pytest.mark.parametrize("body", [{"schema": 5}, {}])
def test_an_answer_without_a_schema(registry: Registry, body: Any) -> None:
    ask = SchemaRegistry(f"http://{registry.host}")
    registry.give(8, body)
    says(why(ask, 8), "no schema: id …: the registry at … gives no text of it")
    assert ask(7).kind == "AVRO"


def test_an_answer_that_refers_to_what_is_not_there(registry: Registry) -> None:
    ask = SchemaRegistry(f"http://{registry.host}")
    registry.give(8, {"schema": SCHEMA, "references": [{"name": "a", "subject": "a-b", "version": 3}]})
    says(
        why(ask, 8),
        "no schema: id …: the registry at … has it with a reference to version … of …, which it does not "
        "know; …",
    )
    assert "version 3 of a-b, which it does not know; register that again" in why(ask, 8)
    assert ask(7).kind == "AVRO"


def test_protobuf_is_asked_for_compiled(registry: Registry) -> None:
    registry.give(8, {"schema": "syntax = 'proto3';", "schemaType": "PROTOBUF"})
    registry.answers["/schemas/ids/8?format=serialized"] = (200, {"schema": "CgA=", "schemaType": "PROTOBUF"})
    assert SchemaRegistry(f"http://{registry.host}")(8) == Schema("PROTOBUF", "CgA=")
    assert registry.asked == ["/schemas/ids/8", "/schemas/ids/8?format=serialized"]


def refers(*names: str) -> dict[str, Any]:
    """A schema, by its own name, that refers to others."""
    return {
        "schema": f"refers to {' '.join(names)}",
        "references": [{"name": name, "subject": f"s/{name}", "version": 2} for name in names],
    }


def test_what_a_schema_refers_to_comes_before_it(registry: Registry) -> None:
    registry.give(8, refers("a", "b"))
    registry.answers["/subjects/s%2Fa/versions/2"] = (200, refers("b", "c"))
    registry.answers["/subjects/s%2Fb/versions/2"] = (200, refers("c"))
    registry.answers["/subjects/s%2Fc/versions/2"] = (200, refers())
    found = SchemaRegistry(f"http://{registry.host}")(8)
    assert found.references == (("c", "refers to "), ("b", "refers to c"), ("a", "refers to b c"))
    assert len(registry.asked) == 4


def test_references_in_a_circle_end(registry: Registry) -> None:
    registry.give(8, refers("a"))
    registry.answers["/subjects/s%2Fa/versions/2"] = (200, refers("b"))
    registry.answers["/subjects/s%2Fb/versions/2"] = (200, refers("a"))
    found = SchemaRegistry(f"http://{registry.host}")(8)
    assert found.references == (("b", "refers to a"), ("a", "refers to b"))


def test_references_have_bounds(registry: Registry) -> None:
    ask = SchemaRegistry(f"http://{registry.host}")
    registry.give(8, refers(*map(str, range(65))))
    registry.give(9, refers("0", "1"))
    for number in range(65):
        registry.answers[f"/subjects/s%2F{number}/versions/2"] = (200, {"schema": " " * 140_000})
    registry.give(10, {"schema": " " * 300_000})
    for number in (9, 10):
        assert "has it with more than 262144 characters, which is not read" in why(ask, number)
    for number in range(65):
        registry.answers[f"/subjects/s%2F{number}/versions/2"] = (200, {"schema": " "})
    assert "has it with more than 64 references, which are not read" in why(ask, 8)
    says(why(ask, 8), "no schema: id …: the registry at … has it with more than …, which … not read")
    assert ask(7).kind == "AVRO"


def test_a_registry_that_is_slow_with_references_is_left_alone(registry: Registry) -> None:
    clock = Clock()

    class Slow(Clock):
        def __call__(self) -> float:
            clock.now += 3.0  # for each question
            return clock.now

    registry.give(8, refers(*map(str, range(40))))
    for number in range(40):
        registry.answers[f"/subjects/s%2F{number}/versions/2"] = (200, {"schema": " "})
    ask = SchemaRegistry(f"http://{registry.host}", clock=Slow())
    says(why(ask, 8), "no schema: id …: the registry at … takes too long to give it; see that it runs well")
    assert len(registry.asked) < 6
    assert "takes too long" in why(ask, 7)


def test_what_may_not_be_seen_leaves_the_others(registry: Registry) -> None:
    ask = SchemaRegistry(f"http://{registry.host}")
    registry.give(8, {"error_code": 40301, "message": "no"}, 403)
    registry.give(9, {"error_code": 42201, "message": "no such format"}, 422)
    says(why(ask, 8), "no schema: id …: the registry at … refuses (…); set schema_registry_auth")
    says(why(ask, 9), "no schema: id …: the registry at … answers with status …; see its own log")
    assert ask(7).kind == "AVRO"


def test_the_schemas_used_last_are_kept(registry: Registry) -> None:
    ask = SchemaRegistry(f"http://{registry.host}")
    for number in range(100, 100 + KEPT):
        registry.give(number, {"schema": SCHEMA})
        ask(7), ask(number)
    assert registry.asked.count("/schemas/ids/7") == 1
    ask(100)
    assert registry.asked.count("/schemas/ids/100") == 2


@pytest.mark.parametrize("address", ["http://reader:s3cret@registry:8081", "registry:8081"])
def test_an_address_that_cannot_be_is_said(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(schema_registry=address)
    says(str(caught.value), "schema_registry is not an address such as http://registry:8081; …")
    assert "s3cret" not in str(caught.value)


def test_credentials_that_cannot_be_are_said() -> None:
    with pytest.raises(SettingsError, match="is not user:password") as caught:
        load_settings(schema_registry="http://a", schema_registry_auth="s3cret")
    assert "s3cret" not in str(caught.value)


def test_without_the_extra_the_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(SettingsError) as caught:
        load_settings(schema_registry="http://without-extra:8081")
    says(str(caught.value), "schema_registry needs the extra: pip install 'qualm[registry]'")


def test_the_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(Settings(schema_registry="http://a:1", schema_registry_auth="reader:s3cret"))  # type: ignore[arg-type]  # as the environment gives it


def test_real_bytes_of_the_library_and_those_by_hand_are_the_same() -> None:
    import fastavro

    out = io.BytesIO()
    fastavro.schemaless_writer(out, json.loads(SCHEMA), {"message": "disk full"})
    assert AVRO[5:] == out.getvalue()
