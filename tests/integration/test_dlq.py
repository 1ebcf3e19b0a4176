"""`qualm dlq` on a real Kafka: what a worker could not use is looked at, sent back, and used."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest
from click.testing import CliRunner, Result

from agents.cli.main import main
from tests.integration.conftest import Broker, WorkerUnderTest, wait_until
from tests.integration.test_worker import settings_for
from tests.troubleshooting import says

pytestmark = pytest.mark.kafka
Start = Callable[..., WorkerUnderTest]
LINE = b"2026-01-01T00:00:00Z INFO api: accepted"


def dlq(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(main, ["dlq", *arguments])


def produce(broker: Broker, topic: str, values: list[tuple[int, bytes, bytes]]) -> None:
    producer = broker.producer()
    for partition, key, value in values:
        producer.produce(topic, value, key, partition, headers=[("trace", key)])
    assert producer.flush(30) == 0


def is_read(broker: Broker, name: str, count: int) -> bool:
    """Whether a worker has committed so many records, so that what came of them is there."""
    return broker.committed(name, f"{name}.logs") == count


def test_what_was_read_wrongly_is_sent_back_and_used(kafka: Broker, unique: str, start_worker: Start) -> None:
    settings = settings_for(kafka, unique) | {"role": "triage"}
    topic = kafka.create(settings["topics"], 3)
    url = f"kafka://{kafka.address}/{topic}.dlq"
    # Half of a JSON object is none on a topic of JSON, and a line on one of text.
    values = [(partition, b"%d" % n, b'{"half": %d' % n) for n, partition in enumerate([0, 1, 1, 2])]
    produce(kafka, topic, [*values, (0, b"large", b"{" + b"x" * 2_000)])
    worker = start_worker(**settings, format="json", max_record_bytes=1_000)
    wait_until(lambda: worker.metric("qualm_dead_letters_total") == 5, 60, "all are dead letters")
    assert worker.stop() == 0

    shown = dlq("show", url)
    assert shown.exit_code == 0, shown.output
    assert "5 dead letters" in shown.stdout
    assert f"from {topic}[1] offset 1" in shown.stdout
    assert '> {"half": 2' in shown.stdout
    objects = [
        json.loads(line) for line in dlq("show", url, "--json", "--reason", "not JSON").stdout.splitlines()
    ]
    assert sorted(each["value"] for each in objects) == [value.decode() for _, _, value in values]
    assert {each["key"] for each in objects} == {"0", "1", "2", "3"}
    assert objects[0]["headers"] == [{"name": "trace", "value": objects[0]["key"]}]

    ends = kafka.ends(topic)
    dry = dlq("retry", url, "--reason", "not JSON")
    assert dry.stdout.startswith(f"Would send 4 dead letters back to topic {topic}.\n")
    assert "--yes" in dry.stdout
    assert kafka.ends(topic) == ends, "nothing was sent"
    sent = dlq("retry", url, "--reason", "not JSON", "--yes", "--json")
    assert sent.exit_code == 0, sent.output
    assert json.loads(sent.stdout) == {"topic": topic, "chosen": 4, "sent": 4, "left_out": {}}
    came = [record for record in kafka.read(topic) if dict(record.headers()).get("qualm.retries")]
    # Their letters lie in several partitions, so the order of records with different keys may be another.
    assert sorted((record.partition(), record.key(), record.value()) for record in came) == sorted(values)
    for record in came:
        assert record.headers() == [("trace", record.key()), ("qualm.retries", b"1")]
    worker = start_worker(**settings, format="text")
    wait_until(lambda: worker.metric("qualm_events_total") == 4, 60, "they are used")
    assert worker.stop() == 0


def test_a_record_that_can_never_be_used_goes_round_three_times(
    kafka: Broker, unique: str, start_worker: Start
) -> None:
    settings = settings_for(kafka, unique)
    topic = kafka.create(settings["topics"])
    url = f"kafka://{kafka.address}/{topic}.dlq"
    produce(kafka, topic, [(0, b"k", b"{]")])
    worker = start_worker(**settings, role="triage")
    for round_number in range(3):
        wait_until(partial(is_read, kafka, unique, round_number + 1), 60, "it is a dead letter again")
        sent = dlq("retry", url, "--offset", f"0:{round_number}", "--yes")
        assert (sent.exit_code, sent.stdout) == (0, f"Sent 1 dead letters back to topic {topic}.\n")
    wait_until(partial(is_read, kafka, unique, 4), 60, "it is a dead letter again")
    last = dlq("retry", url, "--offset", "0:3", "--yes")
    assert last.stdout == (
        f"Sent 0 dead letters back to topic {topic}.\nLeft out 1: sent back 3 times before.\n"
    )
    assert worker.stop() == 0


def test_topics_without_dead_letters(kafka: Broker, unique: str) -> None:
    kafka.create(f"{unique}.dlq")
    url = f"kafka://{kafka.address}/{unique}.dlq"
    assert dlq("show", url).exit_code == 0
    says(dlq("retry", url, "--all").stderr, "no topic … at … to send them back to")
    kafka.create(unique)
    empty = dlq("retry", url, "--all")
    assert (empty.exit_code, empty.stdout) == (0, f"Would send 0 dead letters back to topic {unique}.\n")
    produce(kafka, f"{unique}.dlq", [(0, b"", LINE)])
    other = dlq("show", url)
    assert other.exit_code == 1
    says(other.stderr, "no dead letters in …; TOPIC.dlq holds those of TOPIC")
    says(
        dlq("retry", f"kafka://{kafka.address}/{unique}", "--all").stderr,
        "topic …: dead letters are in topics that end with …",
    )
