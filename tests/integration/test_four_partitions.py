"""A topic of four partitions, keyed by entity: what troubles all of them is one incident."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from pathlib import Path

import pytest

from agents.inputs.inputs import Inputs
from agents.records import RecordBatch
from agents.replay import Replay
from agents.settings import load_settings
from agents.triage import PartitionTriage
from models.bundle import Bundle
from schemas.alert import Alert
from schemas.formats.detection import TopicDecoder
from schemas.salient import SalientEvent
from schemas.watermark import decode_salient
from tests.integration.conftest import Broker, WorkerUnderTest, wait_until
from tests.story import tell
from tests.story.bundle import make_bundle
from tests.story.events import START, line

Said = tuple[float, str, str, str]  # second, request, level, message
FINE: list[Said] = [(float(n), f"q{n}", "INFO", f"order {n} is fine") for n in range(28)]
REFUSED: list[Said] = [(30.0 + n, f"r{n}", "ERROR", f"payment of {n} EUR refused") for n in range(24)]
# The same sixteen orders go on, so that time passes in every partition and none of them ends.
LATER: list[Said] = [
    (float(second), f"t{n}", "INFO", f"order {n} is fine")
    for second in range(60, 1200, 30)
    for n in range(16)
]


def send(kafka: Broker, topic: str, said: list[Said]) -> set[int]:
    """Write events with their request as key; returns the partitions that they went to."""
    producer = kafka.producer()
    used: set[int] = set()
    for second, request, level, message in said:
        value = line(second, "api", level, message, request)
        producer.produce(topic, value, request, on_delivery=lambda _, sent: used.add(sent.partition()))
    assert producer.flush(60) == 0
    return used


@pytest.mark.kafka
def test_one_trouble_over_four_partitions_is_one_page_and_one_end(
    kafka: Broker, unique: str, tmp_path: Path, start_worker: Callable[..., WorkerUnderTest]
) -> None:
    folder = tmp_path / "bundle"
    bundle = make_bundle(folder)
    topic, suspicious, alerts = (f"{unique}.{name}" for name in ("logs", "suspicious", "alerts"))
    kafka.create(topic, 4)
    worker = start_worker(
        broker=kafka.address, topics=topic, group=unique, bundle=folder, device="compiled",
        salient_topic=f"{unique}.salient", suspicious_topic=suspicious, alerts_topic=alerts,
        resolve_after_seconds=tell.RESOLVE_AFTER,
    )  # fmt: skip
    every = {0, 1, 2, 3}
    assert send(kafka, topic, FINE) == send(kafka, topic, REFUSED) == every
    wait_until(lambda: worker.metric("qualm_events_total") == len(FINE + REFUSED), 90, "the trouble is seen")
    wait_until(
        lambda: worker.metric("qualm_circuits_total") == worker.metric("qualm_salient_total") >= len(REFUSED),
        30,
        "and judged",
    )
    assert send(kafka, topic, LATER) == every
    wait_until(lambda: worker.metric("qualm_alerts_total", status="resolved") > 0, 60, "it is over")
    wait_until(
        lambda: all(
            kafka.committed(unique, suspicious, n) == end for n, end in kafka.ends(suspicious).items() if end
        ),
        30,
        "everything is committed",
    )
    assert worker.stop() == 0
    assert len({record.partition() for record in kafka.read(suspicious)}) == 1
    found = [Alert.decode(record.value()) for record in kafka.read(alerts)]
    assert [each.update for each in found if each.page] == ["opened"]
    (resolved,) = [each for each in found if each.status == "resolved"]
    assert {each.fingerprint for each in found} == {resolved.fingerprint}
    assert resolved.first_seen == START + 30.0
    assert resolved.count >= len(REFUSED)
    assert resolved.time == resolved.last_seen + tell.RESOLVE_AFTER

    again: list[Alert] = []
    paces: dict[str, tuple[float, float]] = {}
    replay = Replay(bundle, bundle.manifest.read_options(), None, tell.OPTIONS)
    replay.evaluation.on_scores = lambda events, _: paces.update((each.id, each.pace) for each in events)
    inputs = Inputs([f"kafka://{kafka.address}/{topic}"], load_settings())
    replay.run(inputs, again.append, lambda _: None)
    assert [each.encode() for each in again] == [each.encode() for each in found]
    salient = [decode_salient(record.value()) for record in kafka.read(f"{unique}.salient")]
    assert paces == {each.id: each.pace for each in salient if isinstance(each, SalientEvent)}
    check_that_the_topic_is_four_times_as_busy(bundle, kafka, topic, paces)


def check_that_the_topic_is_four_times_as_busy(
    bundle: Bundle, kafka: Broker, topic: str, paces: dict[str, tuple[float, float]]
) -> None:
    """As a partition that is alone takes itself to be."""
    records = [record for record in kafka.read(topic) if record.partition() == 0]
    n = len(records)
    values = [record.value() for record in records]
    batch = RecordBatch(topic, 0, list(range(n)), values, [nan] * n, [None] * n, [[]] * n)
    alone = PartitionTriage(bundle, TopicDecoder(bundle.manifest.read_options()), topic, 0)
    found = alone.process(batch).salient
    assert found
    for event in found:
        assert paces[event.id][0] == pytest.approx(4.0 * event.pace[0])
