"""What Apache Kafka's own console producer writes: lines of text, lines of JSON with keys and headers."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime

import pytest

from benchmarks.kafka_server import KafkaError, home
from tests.integration.conftest import Broker
from tests.integration.topic_events import Said, read_topic

pytestmark = pytest.mark.kafka

NOON = 1_714_566_896.25  # 2024-05-01T12:34:56.25Z
OWN = {"service": "pay", "trace_id": "t1"}
TRACE = "0af7651916cd43dd8448eb211c80319c"


def console_producer(broker: Broker, topic: str, lines: list[str], *options: str) -> None:
    """Give lines to ``kafka-console-producer``, by its class; the test is skipped where there is none."""
    try:
        jars = f"{home()}/libs/*"
    except KafkaError as error:
        pytest.skip(str(error))
    command = ["java", "-Xmx128m", "-Dfile.encoding=UTF-8", "-cp", jars]
    command += ["org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", broker.address]
    content = "".join(f"{line}\n" for line in lines).encode()
    ended = subprocess.run(
        [*command, "--topic", topic, *options],
        input=content,
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert ended.returncode == 0, ended.stderr.decode(errors="replace")


@pytest.mark.parametrize("codec", ["none", "gzip", "zstd"])
def test_lines_of_text(kafka: Broker, unique: str, codec: str) -> None:
    lines: list[str] = []
    expected: list[Said] = []
    for i in range(20):
        stamp = datetime.fromtimestamp(NOON + i, UTC).strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
        lines.append(f"{stamp} [main] ERROR com.acme.Pay - Zahlung {i} abgelehnt: Kärntner Straße ☃")
        expected.append((NOON + i, 17, "com.acme.Pay", "", f"Zahlung {i} abgelehnt: Kärntner Straße ☃"))
        # the next line of a stack trace is a record of its own, whose time is the broker's
        lines.append(f"\tat com.acme.Pay.refuse(Pay.java:{i})")
        expected.append((0.0, 0, "com.acme.Pay", "", f"\tat com.acme.Pay.refuse(Pay.java:{i})"))
    kafka.create(unique)
    before = datetime.now(UTC).timestamp() - 60
    console_producer(kafka, unique, lines, "--compression-codec", codec)
    found = read_topic(kafka, unique)
    assert (found.format, found.failures, found.records) == ("text", [], 40)
    timed = [(time if time < before else 0.0, *rest) for time, *rest in found.events]
    assert timed == expected


def test_keys_and_headers(kafka: Broker, unique: str) -> None:
    kafka.create(unique)
    full = {"timestamp": "2024-05-01T12:34:56.25Z", "level": "warn", "message": "langsam ☃"}
    lines = [
        f"service.name:shop,traceparent:00-{TRACE}-b7ad6b7169203331-01|order-1|{json.dumps(full)}",
        f"service.name:shop,x-request-id:r-8|order-2|{json.dumps(full | OWN)}",
        f"team:a|order-3|{json.dumps(full)}",
    ]
    properties = ["parse.key=true", "key.separator=|", "parse.headers=true", "headers.delimiter=|"]
    options = [part for each in properties for part in ("--reader-property", each)]
    console_producer(kafka, unique, lines, *options)
    found = read_topic(kafka, unique)
    assert (found.format, found.failures) == ("json", [])
    assert found.events == [
        (NOON, 13, "shop", TRACE, "langsam ☃"),
        (NOON, 13, "pay", "t1", "langsam ☃"),
        (NOON, 13, "unknown", "", "langsam ☃"),
    ]
