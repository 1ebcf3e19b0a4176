"""A Kafka that asks who comes: TLS, SASL, and rights granted one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from agents.demo.worker_process import free_port
from benchmarks.kafka_server import KafkaError, home
from tests.integration.certificates import Authority
from tests.integration.conftest import RealKafka

USER, PASSWORD = "qualm", "correct-horse-battery"
TOPICS = (
    "logs", "logs.dlq", "qualm.salient", "qualm.salient.dlq", "qualm.suspicious", "qualm.suspicious.dlq",
    "qualm.alerts", "qualm.state",
)  # fmt: skip
INNER = TOPICS[1:]
READ = ("logs", "qualm.salient", "qualm.suspicious", "qualm.state")

# Whoever comes without a name (by PLAINTEXT: these tests) may do all; the user qualm what it is granted.
_PROPERTIES = """\
listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_PLAINTEXT://127.0.0.1:{SASL_PLAINTEXT},\
SASL_SSL://127.0.0.1:{SASL_SSL},SSL://127.0.0.1:{SSL},CONTROLLER://127.0.0.1:{{controller}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_PLAINTEXT://127.0.0.1:{SASL_PLAINTEXT},\
SASL_SSL://127.0.0.1:{SASL_SSL},SSL://127.0.0.1:{SSL}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,\
SASL_SSL:SASL_SSL,SSL:SSL
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=(.*)$/$1/
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
_JAAS = (
    "listener.name.{listener}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain."
    'PlainLoginModule required user_{user}="{password}";\n'
    "listener.name.{listener}.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram."
    "ScramLoginModule required;\n"
)


class SecuredKafka(RealKafka):
    """The node; ``at`` has its address by security protocol, ``authority`` is the one that it trusts."""

    def __init__(self, home: Path, directory: Path) -> None:
        self.authority = Authority(directory, "authority")
        certificate, key = self.authority.sign("broker")
        keystore = directory / "keystore.pem"
        keystore.write_bytes(key.read_bytes() + certificate.read_bytes() + self.authority.pem.read_bytes())
        ports = {name: free_port() for name in ("SASL_PLAINTEXT", "SASL_SSL", "SSL")}
        more = _PROPERTIES.format(keystore=keystore, truststore=self.authority.pem, **ports)
        for listener in ("sasl_plaintext", "sasl_ssl"):
            more += _JAAS.format(listener=listener, user=USER, password=PASSWORD)
        super().__init__(home, directory, more)
        self.at = {name: f"127.0.0.1:{port}" for name, port in ports.items()} | {"PLAINTEXT": self.address}

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address})

    def add_scram_user(self) -> None:
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(USER, info, PASSWORD.encode())
        admin = self.admin()
        for future in admin.alter_user_scram_credentials([change]).values():
            future.result()

    def grant(self, operation: AclOperation, *topics: str) -> None:
        self._grant([(ResourceType.TOPIC, topic) for topic in topics], operation)

    def grant_group(self, name: str, operation: AclOperation = AclOperation.READ) -> None:
        self._grant([(ResourceType.GROUP, name)], operation)

    def _grant(self, resources: list[tuple[ResourceType, str]], operation: AclOperation) -> None:
        literal, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
        bindings = [
            AclBinding(kind, name, literal, f"User:{USER}", "*", operation, allow) for kind, name in resources
        ]
        admin = self.admin()
        for future in admin.create_acls(bindings).values():
            future.result()

    def revoke(self, operation: AclOperation, topic: str) -> None:
        self._revoke(ResourceType.TOPIC, topic, operation)

    def revoke_all(self) -> None:
        self._revoke(ResourceType.ANY, None, AclOperation.ANY)

    def _revoke(self, kind: ResourceType, name: str | None, operation: AclOperation) -> None:
        pattern, right = ResourcePatternType.ANY, AclPermissionType.ANY
        admin = self.admin()
        chosen = AclBindingFilter(kind, name, pattern, None, None, operation, right)
        for future in admin.delete_acls([chosen]).values():
            future.result()

    def settings(self, protocol: str, mechanism: str = "SCRAM-SHA-512", **more: object) -> dict[str, object]:
        """Settings of a client that comes to a listener with what it asks for."""
        found: dict[str, object] = {"broker": self.at[protocol], "security_protocol": protocol}
        if protocol.endswith("SSL"):
            found["ssl_cafile"] = self.authority.pem
        if protocol == "SSL":
            found["ssl_certfile"], found["ssl_keyfile"] = self.authority.sign(USER)
        if protocol.startswith("SASL"):
            found |= {"sasl_mechanism": mechanism, "sasl_username": USER, "sasl_password": PASSWORD}
        return found | more


@contextmanager
def secured_kafka(directory: Path) -> Iterator[SecuredKafka]:
    """The node with its topics, or the test is skipped saying what it needs. Nobody may do anything yet."""
    try:
        found = home()
    except KafkaError as error:
        pytest.skip(str(error))
    with SecuredKafka(found, directory) as server:
        server.add_scram_user()
        for topic in TOPICS:
            server.create(topic)
        yield server
