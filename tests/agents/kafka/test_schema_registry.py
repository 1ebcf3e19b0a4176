"""The client of a schema registry against a small registry over HTTP: what it asks, keeps and says."""

import base64
import io
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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

for needed in ("fastavro", "authlib"):
    pytest.importorskip(needed, reason="needs the extra: pip install 'qualm[registry]'")

SCHEMA = json.dumps({"type": "record", "name": "R", "fields": [{"name": "message", "type": "string"}]})
AVRO = b"\0\0\0\0\x07\x12disk full"
"""By hand: magic byte, id 7, and a string of nine letters."""


class Registry(ThreadingHTTPServer):
    """Answers `GET /schemas/ids/N` as Confluent's REST API documents it, and notes what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: dict[int, tuple[int, Any]] = {7: (200, {"schema": SCHEMA})}
        self.asked: list[str] = []
        self.credentials: set[str | None] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        self.server.credentials.add(self.headers.get("Authorization"))
        unknown = (404, {"error_code": 40403, "message": "Schema not found"})
        status, body = self.server.answers.get(int(path.removeprefix("/schemas/ids/")), unknown)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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
    assert ask(7) == Schema("AVRO", SCHEMA)
    assert registry.asked == ["/schemas/ids/9", "/schemas/ids/7"]
    clock.now += 31
    registry.answers[9] = (200, {"schema": "{}", "schemaType": "JSON"})
    assert ask(9) == Schema("JSON", "{}")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {"error_code": 401, "message": "no"}), "refuses (401); set schema_registry_auth"),
        ((503, b"busy"), "answers with status 503; see its own log"),
        ((200, b"<html>"), "cannot be reached or understood (JSONDecodeError); see that it runs"),
        ((200, []), "cannot be reached or understood ("),
    ],
)
def test_a_registry_that_fails_is_left_alone_for_half_a_minute(
    registry: Registry, answer: tuple[int, Any], reason: str
) -> None:
    clock = Clock()
    ask = SchemaRegistry(f"http://{registry.host}", "reader:s3cret", clock)
    registry.answers[8] = answer
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
    start = f"no schema: id 8: the registry at {registry.host} cannot be reached or understood ("
    assert found.failures[0][1].startswith(start)


def test_a_registry_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_registry, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ask = SchemaRegistry(f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert [why(ask, number).endswith("(ReadTimeout); see that it runs") for number in (1, 2)] == [
            True
        ] * 2
        assert time.monotonic() - started < 4.0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"schema": SCHEMA, "references": [{"name": "a", "subject": "a", "version": 1}]}, "has it with ref"),
        ({"schema": 5}, "gives no text of it"),
        ({}, "gives no text of it"),
        ({"schema": " " * 300_000}, "has it with more than 262144 characters"),
    ],
)  # fmt: skip
def test_an_answer_without_a_schema_that_can_be_used(registry: Registry, body: Any, reason: str) -> None:
    ask = SchemaRegistry(f"http://{registry.host}")
    registry.answers[8] = (200, body)
    assert reason in why(ask, 8)
    assert ask(7).kind == "AVRO"


def test_the_schemas_used_last_are_kept(registry: Registry) -> None:
    ask = SchemaRegistry(f"http://{registry.host}")
    registry.answers |= {number: (200, {"schema": SCHEMA}) for number in range(100, 100 + KEPT)}
    for number in range(100, 100 + KEPT):
        ask(7), ask(number)
    assert registry.asked.count("/schemas/ids/7") == 1
    ask(100)
    assert registry.asked.count("/schemas/ids/100") == 2


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"schema_registry": "http://reader:s3cret@registry:8081"}, "go into schema_registry_auth"),
        ({"schema_registry": "registry:8081"}, "is not an address such as http://registry:8081"),
        ({"schema_registry": "http://a", "schema_registry_auth": "s3cret"}, "is not user:password"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_said(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        load_settings(**given)
    assert "s3cret" not in str(caught.value)


def test_without_the_extra_the_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(SettingsError, match=r"pip install 'qualm\[registry\]'"):
        load_settings(schema_registry="http://without-extra:8081")


def test_the_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(Settings(schema_registry="http://a:1", schema_registry_auth="reader:s3cret"))  # type: ignore[arg-type]  # as the environment gives it


def test_real_bytes_of_the_library_and_those_by_hand_are_the_same() -> None:
    import fastavro

    out = io.BytesIO()
    fastavro.schemaless_writer(out, json.loads(SCHEMA), {"message": "disk full"})
    assert AVRO[5:] == out.getvalue()
