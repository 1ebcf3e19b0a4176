"""A topic and a file with the same lines tell the same story."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli.main import main
from agents.demo.simulation import DEMO_START, demo_incidents, simulate, write_file
from agents.demo.worker_process import free_port
from agents.explain import Wanted, find
from agents.inputs.inputs import InputError, Inputs
from agents.replay import Replay
from agents.settings import load_settings
from models.bundle import Bundle
from models.false_alarms import FalseAlarms
from models.options import EvaluateOptions
from schemas.alert import Alert
from schemas.formats.options import ReadOptions
from tests.integration.conftest import Broker

DURATION = 300.0


def replayed(source: str) -> tuple[list[Alert], dict[str, Any]]:
    alerts: list[Alert] = []
    inputs = Inputs([source], load_settings(fetch_records=1000))
    options = EvaluateOptions(false_alarms="0.02/unit")
    replay = Replay(Bundle.default(), ReadOptions(), evaluate=options)
    replay.run(inputs, alerts.append, lambda _: None)
    assert inputs.done == inputs.total
    return alerts, replay.metrics()


def told(alert: Alert) -> dict[str, Any]:
    """All that an alert says, but for the name of the topic and the ids that are a digest of it."""
    return alert.model_dump(exclude={"id", "incident", "topic"})


def test_a_topic_gives_the_alerts_of_the_file(broker: Broker, unique: str, tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    write_file(str(path), simulate(3, DURATION, 20.0, DEMO_START, demo_incidents(DURATION)))
    broker.create(unique)
    producer = broker.producer()
    for line in path.read_bytes().splitlines():
        # The record's own time as a producer stamps it; the event's time goes before it.
        stamp = int(1000 * (DEMO_START + DURATION))
        producer.produce(unique, line, partition=0, timestamp=stamp)
    assert producer.flush(30) == 0

    of_file, file_metrics = replayed(str(path))
    url = f"kafka://{broker.address}/{unique}"
    of_topic, topic_metrics = replayed(url)
    assert of_file
    assert [told(alert) for alert in of_topic] == [told(alert) for alert in of_file]
    assert {alert.topic for alert in of_topic} == {unique}
    for same in ("events", "entities", "alerts", "incidents", "dead_letters"):
        assert topic_metrics[same] == file_metrics[same], same
    for same in (
        "prefilter_rate",
        "salient_rate",
        "circuits",
        "threshold",
    ):  # which are audited, the topic says
        assert topic_metrics["gate"][same] == file_metrics["gate"][same], same

    firing = next(alert for alert in of_topic if alert.status == "firing")
    inputs = Inputs([url], load_settings(fetch_records=100))
    accepted = FalseAlarms.parse("0.02/unit")
    found = find(Wanted(firing.id, firing), inputs, Bundle.default(), ReadOptions(), false_alarms=accepted)
    assert found.candidates[0][0].offset == firing.offset
    assert inputs.done < inputs.total  # reading ends there

    (tmp_path / "alert.json").write_bytes(firing.encode())
    # no input: the alert names its topic
    arguments = ["explain", str(tmp_path / "alert.json"), "--json", "--false-alarms", "0.02/unit"]
    explained = CliRunner().invoke(main, arguments, env={"QUALM_BROKER": broker.address})
    assert explained.exit_code == 0, explained.output
    assert json.loads(explained.stdout)["alert"]["id"] == firing.id

    again, _ = replayed(url)  # nothing was committed, and the ids are the same
    assert [alert.encode() for alert in again] == [alert.encode() for alert in of_topic]


def test_a_topic_of_several_partitions_is_read_whole(broker: Broker, unique: str, tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    write_file(str(path), simulate(3, 60.0, 20.0, DEMO_START, ()))
    broker.create(unique, 3)
    producer = broker.producer()
    entities = set()
    for number, line in enumerate(path.read_bytes().splitlines()):
        producer.produce(unique, line, partition=number % 3)
        entities.add(json.loads(line).get("trace_id") or "")
    assert producer.flush(30) == 0
    _, metrics = replayed(f"kafka://{broker.address}/{unique}")
    assert metrics["events"] == number + 1
    assert metrics["entities"] == len(entities - {""})


def test_an_absent_broker_is_an_input_error() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match=address):
        list(Inputs([f"kafka://{address}/logs"], load_settings()).streams()[0])
