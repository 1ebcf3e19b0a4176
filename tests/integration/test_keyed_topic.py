"""A topic of eight partitions, written without keys: a worker that keys it tells what one partition would."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from agents.evaluate import SalientEvaluation
from agents.explain import Wanted, find, judge
from agents.inputs.inputs import Inputs
from agents.replay import Replay
from agents.settings import load_settings
from models.bundle import Bundle
from models.false_alarms import FalseAlarms
from schemas.alert import Alert
from schemas.formats.options import ReadOptions
from tests.agents.test_keyed import OPTIONS, simulated
from tests.integration.conftest import Broker, WorkerUnderTest, wait_until

OF_PLACE = {"id", "incident", "topic", "partition", "offset"}


def replayed(kafka: Broker, topic: str, keyed: int) -> list[Alert]:
    """keyed: partitions of the keyed topic, 0 for none."""
    alerts: list[Alert] = []
    replay = Replay(Bundle.default(), ReadOptions(), None, OPTIONS, ("entity", keyed) if keyed else None)
    inputs = Inputs([f"kafka://{kafka.address}/{topic}"], load_settings(fetch_records=100))
    replay.run(inputs, alerts.append, lambda _: None)
    return alerts


@pytest.mark.kafka
@pytest.mark.parametrize("keyed", [1, 3])
def test_eight_partitions_without_keys_give_the_alerts_of_one(
    kafka: Broker, unique: str, start_worker: Callable[..., WorkerUnderTest], keyed: int
) -> None:
    lines, chance = simulated(), random.Random(3)
    spread, whole, alerts = (f"{unique}.{name}" for name in ("spread", "whole", "alerts"))
    kafka.create(spread, 8)
    kafka.create(whole, 1)
    producer = kafka.producer()
    for line in lines:
        producer.produce(spread, line, partition=chance.randrange(8))
        producer.produce(whole, line, partition=0)
    assert producer.flush(60) == 0
    worker = start_worker(
        broker=kafka.address, topics=spread, group=unique, device="compiled",
        key_by="entity", keyed_partitions=keyed, keyed_topic=f"{unique}.keyed",
        salient_topic=f"{unique}.salient", suspicious_topic=f"{unique}.suspicious", alerts_topic=alerts,
        fetch_records=100, false_alarms=OPTIONS.false_alarms, resolve_after_seconds=OPTIONS.resolve_after,
    )  # fmt: skip
    wait_until(lambda: worker.metric("qualm_events_total") == len(lines), 120, "every event is seen")
    again = replayed(kafka, spread, keyed=keyed)
    assert len(again) > 3
    wait_until(lambda: worker.metric("qualm_alerts_total") == len(again), 60, "every alert is told")
    wait_until(
        lambda: sum(max(0, kafka.committed(unique, spread, each)) for each in range(8)) == len(lines),
        30,
        "every record is committed",
    )
    assert worker.stop() == 0
    found = [Alert.decode(record.value()) for record in kafka.read(alerts)]
    by_id = {alert.id: alert.encode() for alert in again}
    assert {alert.id: alert.encode() for alert in found} == by_id

    if keyed > 1:
        return
    check_that_an_alert_is_explained(
        kafka, spread, next(each for each in again if each.update == "opened"), records_of(kafka, spread)
    )

    # The same in one partition, but for where each record is.
    records = records_of(kafka, spread)

    def told(alert: Alert, record: bytes) -> dict[str, Any]:
        return alert.model_dump(exclude=OF_PLACE) | {"record": record}

    assert [told(each, records[each.partition, each.offset]) for each in again] == [
        told(each, lines[each.offset]) for each in replayed(kafka, whole, keyed=0)
    ]


def records_of(kafka: Broker, topic: str) -> dict[tuple[int, int], bytes]:
    return {(record.partition(), record.offset()): record.value() for record in kafka.read(topic)}


def check_that_an_alert_is_explained(
    kafka: Broker, topic: str, alert: Alert, records: dict[tuple[int, int], bytes]
) -> None:
    inputs = Inputs([f"kafka://{kafka.address}/{topic}"], load_settings(fetch_records=100))
    bundle, accepted = Bundle.default(), FalseAlarms.parse(str(OPTIONS.false_alarms))
    for wanted in (Wanted(alert.id, alert), Wanted(alert.id)):
        found = find(wanted, inputs, bundle, ReadOptions(), lambda _: None, accepted, ("entity", 1))
        explained = judge(found, alert, bundle, SalientEvaluation(bundle, OPTIONS))
        assert explained.reproduced
        assert found.line is not None
        assert found.line.message == json.loads(records[alert.partition, alert.offset])["message"]
        assert found.before  # of other partitions as well
        name = alert.entity or alert.source
        assert all(name in (each.entity, each.source) for each in found.before)
        assert [each.time for each in found.before] == sorted(each.time for each in found.before)
        inputs = Inputs([f"kafka://{kafka.address}/{topic}"], load_settings(fetch_records=100))
