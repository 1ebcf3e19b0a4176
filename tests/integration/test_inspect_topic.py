"""`qualm inspect` of a topic: the first records of each partition, and nothing changes on the broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli.main import main
from agents.inputs.topics import KafkaSource
from agents.settings import load_settings
from tests.integration.conftest import Broker
from tests.integration.test_kafka_source import produce

pytestmark = pytest.mark.kafka


def record(number: int) -> bytes:
    return json.dumps(
        {"timestamp": 1_767_225_600 + number, "service": "s", "message": f"m {number}"}
    ).encode()


def test_a_topic_is_inspected(kafka: Broker, unique: str) -> None:
    kafka.create(unique, 2)
    produce(kafka, unique, [record(number) for number in range(600)], 2)
    url = f"kafka://{kafka.address}/{unique}"
    result = CliRunner().invoke(main, ["inspect", url, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["format"], found["events_read"], found["not_understood"]) == ("json", 600, 0.0)
    shown = CliRunner().invoke(main, ["inspect", url]).stdout
    assert f"{unique}[0], {unique}[1]" in shown or f"{unique}[1], {unique}[0]" in shown
    assert f"Next: qualm train {url} --out my-bundle" in shown


def test_of_each_partition_the_first_records_are_read(kafka: Broker, unique: str) -> None:
    kafka.create(unique, 2)
    produce(kafka, unique, [record(number) for number in range(600)], 2)
    with KafkaSource(f"kafka://{kafka.address}/{unique}", load_settings(), 101) as source:
        assert source.total == 102  # alike from both, at least as many as asked for
        offsets = [(batch.partition, offset) for batch in source for offset in batch.offsets]
    assert sorted(offsets) == [(partition, offset) for partition in (0, 1) for offset in range(51)]


def test_settings_for_a_topic(
    kafka: Broker, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.create(unique, 2)
    produce(kafka, unique, [record(number) for number in range(600)], 2)
    monkeypatch.chdir(tmp_path)
    url = f"kafka://{kafka.address}/{unique}"
    result = CliRunner().invoke(main, ["init", url])
    assert result.exit_code == 0, result.output
    settings = load_settings()
    assert (settings.broker, settings.topics, settings.format) == ((kafka.address,), (unique,), "json")
    assert result.stdout.splitlines()[-2:] == [f"  qualm train {url} --out my-bundle", "  qualm worker"]
