"""Rights on topics, on a Kafka that grants them one by one: doctor names the one that a worker will miss."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AclOperation

from agents.check import Check
from agents.doctor_topics import broker_and_topics
from agents.settings import load_settings
from tests.integration.conftest import wait_until
from tests.integration.secured_kafka import TOPICS, SecuredKafka, secured_kafka
from tests.troubleshooting import says


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("guarded")) as server:
        server.grant_group("qualm")
        yield server


def topics_of(server: SecuredKafka, **more: str) -> dict[str, Check]:
    settings = load_settings(**server.settings("SASL_PLAINTEXT", "PLAIN", **more))
    checks = broker_and_topics(settings, None, lambda text: None)
    return {check.name: check for check in checks if check.name.startswith("topic ")}


@pytest.mark.kafka
def test_doctor_names_the_rights_that_a_worker_will_miss(guarded: SecuredKafka) -> None:
    guarded.grant(AclOperation.READ, *TOPICS)
    guarded.grant(AclOperation.WRITE, "qualm.alerts")
    wait_until(lambda: topics_of(guarded)["topic qualm.alerts"].status == "ok", 20, "the rights to be known")
    found = topics_of(guarded)
    assert {name: check.status for name, check in found.items()} == {
        "topic logs": "ok",
        "topic logs.dlq": "fail",
        "topic qualm.salient": "fail",
        "topic qualm.salient.dlq": "fail",
        "topic qualm.suspicious": "fail",
        "topic qualm.suspicious.dlq": "fail",
        "topic qualm.alerts": "ok",
        "topic qualm.state": "fail",
    }
    check = found["topic qualm.salient"]
    assert check.text == "1 partitions, but this user may not write"
    says(f"topic …: {check.text}", "topic …: … partitions, but this user may not …")
    assert check.advice == "Grant this user write on the topic."
    assert topics_of(guarded, role="evaluate")["topic qualm.salient"].status == "ok"  # it only reads there
    guarded.grant(AclOperation.WRITE, *TOPICS[1:])
    wait_until(
        lambda: {check.status for check in topics_of(guarded).values()} == {"ok"},
        20,
        "all rights to be there",
    )
