"""Rights on topics, on a Kafka that grants them one by one: doctor names the one that a worker will miss."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from agents.check import Check
from agents.demo.worker_process import free_port
from agents.doctor_topics import broker_and_topics
from agents.settings import load_settings
from benchmarks.kafka_server import KafkaError, home
from tests.integration.conftest import RealKafka, wait_until
from tests.troubleshooting import says

TOPICS = (
    "logs", "logs.dlq", "qualm.salient", "qualm.salient.dlq", "qualm.suspicious", "qualm.suspicious.dlq",
    "qualm.alerts",
)  # fmt: skip
# Whoever comes without a name may do all, which is this test; the user qualm what it is granted.
PROPERTIES = """\
listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{{controller}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_PLAINTEXT://127.0.0.1:{sasl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_qualm="secret";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealKafka, str]]:
    """The node, and the address at which users have a name."""
    try:
        found = home()
    except KafkaError as error:
        pytest.skip(str(error))
    sasl = free_port()
    with RealKafka(found, tmp_path_factory.mktemp("guarded"), PROPERTIES.format(sasl=sasl)) as server:
        for topic in TOPICS:
            server.create(topic)
        yield server, f"127.0.0.1:{sasl}"


def grant(server: RealKafka, operation: AclOperation, *topics: str) -> None:
    bindings = [
        AclBinding(
            ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:qualm", "*", operation,
            AclPermissionType.ALLOW,
        )
        for topic in topics
    ]  # fmt: skip
    admin = AdminClient({"bootstrap.servers": server.address})
    for future in admin.create_acls(bindings).values():
        future.result()


def topics_of(address: str, **more: str) -> dict[str, Check]:
    settings = load_settings(
        broker=address, security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_username="qualm",
        sasl_password="secret", **more,
    )  # fmt: skip
    checks = broker_and_topics(settings, None, lambda text: None)
    return {check.name: check for check in checks if check.name.startswith("topic ")}


@pytest.mark.kafka
def test_doctor_names_the_rights_that_a_worker_will_miss(guarded: tuple[RealKafka, str]) -> None:
    server, address = guarded
    grant(server, AclOperation.READ, *TOPICS)
    grant(server, AclOperation.WRITE, "qualm.alerts")
    wait_until(lambda: topics_of(address)["topic qualm.alerts"].status == "ok", 20, "the rights to be known")
    found = topics_of(address)
    assert {name: check.status for name, check in found.items()} == {
        "topic logs": "ok",
        "topic logs.dlq": "fail",
        "topic qualm.salient": "fail",
        "topic qualm.salient.dlq": "fail",
        "topic qualm.suspicious": "fail",
        "topic qualm.suspicious.dlq": "fail",
        "topic qualm.alerts": "ok",
    }
    check = found["topic qualm.salient"]
    assert check.text == "1 partitions, but this user may not write"
    says(f"topic …: {check.text}", "topic …: … partitions, but this user may not …")
    assert check.advice == "Grant this user write on the topic."
    assert topics_of(address, role="evaluate")["topic qualm.salient"].status == "ok"  # it only reads there
    grant(server, AclOperation.WRITE, *TOPICS[1:])
    wait_until(
        lambda: {check.status for check in topics_of(address).values()} == {"ok"},
        20,
        "all rights to be there",
    )
