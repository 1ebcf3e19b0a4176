"""A small schema registry over HTTP, as Confluent documents its REST API: for readers and serializers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, Any]

UNKNOWN: Answer = (404, {"error_code": 40403, "message": "Schema not found"})


class Registry(ThreadingHTTPServer):
    """Answers with what it is given in `answers`, by path and format, and with what was registered.

    A schema of Protobuf is registered compiled, and given as text unless it is asked for as ``serialized``.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.credentials: set[str | None] = set()
        self.schemas: list[dict[str, Any]] = []
        """Registered, in the order of their ids, which begin with 1."""
        self.versions: dict[str, list[int]] = {}
        """Ids of the versions of a subject."""
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def give(self, number: int, body: Any, status: int = 200) -> None:
        """Answer so when it is asked for the schema of an id."""
        self.answers[f"/schemas/ids/{number}"] = (status, body)

    def answer(self, method: str, path: str, form: str, body: Any) -> Answer:
        known = self.answers.get(f"{path}?format={form}" if form else path, self.answers.get(path))
        parts = [unquote(part) for part in path.split("/")[1:]]
        if known is not None:
            return known
        if method == "POST" and parts[0] == "subjects":
            return self._registered(parts[1], body)
        if parts[:2] == ["schemas", "ids"] and 0 < int(parts[2]) <= len(self.schemas):
            return 200, self._given(int(parts[2]), form)
        if parts[0] == "subjects" and len(parts) == 4 and parts[1] in self.versions:
            number = self.versions[parts[1]][int(parts[3]) - 1]
            return 200, {"subject": parts[1], "version": int(parts[3]), "id": number} | self._given(
                number, form
            )
        return UNKNOWN

    def _registered(self, subject: str, schema: dict[str, Any]) -> Answer:
        if schema not in self.schemas:
            self.schemas.append(schema)
        number = self.schemas.index(schema) + 1
        versions = self.versions.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return 200, {"subject": subject, "version": versions.index(number) + 1, "id": number} | schema

    def _given(self, number: int, form: str) -> dict[str, Any]:
        schema = self.schemas[number - 1]
        if schema.get("schemaType") == "PROTOBUF" and form != "serialized":
            return schema | {"schema": 'syntax = "proto3"; // what protoc would read'}
        return schema


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self._answer("GET", None)

    def do_POST(self) -> None:
        self._answer("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, method: str, body: Any) -> None:
        url = urlsplit(self.path)
        form = parse_qs(url.query).get("format", [""])[0]
        self.server.asked.append(f"{url.path}?format={form}" if form else url.path)
        self.server.credentials.add(self.headers.get("Authorization"))
        status, said = self.server.answer(method, url.path, form, body)
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def running() -> Iterator[Registry]:
    """A registry that answers until the end of the block."""
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
