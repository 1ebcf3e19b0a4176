"""TLS, SASL and rights against a Kafka that asks for them: what works, and what is said where it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation

from agents.check import Check
from agents.demo.simulation import simulate
from agents.doctor_topics import broker_and_topics
from agents.settings import load_settings
from tests.integration.certificates import Authority
from tests.integration.conftest import ROOT, WorkerUnderTest, wait_until
from tests.integration.secured_kafka import INNER, PASSWORD, READ, TOPICS, SecuredKafka, secured_kafka
from tests.troubleshooting import says

pytestmark = pytest.mark.kafka
Start = Callable[..., WorkerUnderTest]
WRONG_PASSWORD = "another-horse-battery"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("secured")) as server:
        yield server


@pytest.fixture
def allowed(secured: SecuredKafka) -> Iterator[SecuredKafka]:
    """The node on which the user may do what a worker does, and no more."""
    secured.grant(AclOperation.READ, *READ)
    secured.grant(AclOperation.WRITE, *INNER)
    secured.grant_group("qualm")
    wait_until(lambda: not failed(doctor(secured.settings("SASL_SSL"))), 20, "the rights to be known")
    yield secured
    secured.revoke_all()


def doctor(settings: Mapping[str, object]) -> list[Check]:
    return list(broker_and_topics(load_settings(**settings), None, lambda text: None))


def failed(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.text for check in checks if check.status == "fail"}


def worker(folder: Path, settings: Mapping[str, object]) -> tuple[int, str]:
    """Exit code and last line of `qualm worker`, which must end by itself; no secret and no traceback."""
    named = {f"QUALM_{name.upper()}": str(value) for name, value in settings.items()}
    found = subprocess.run(
        [sys.executable, "-m", "agents.cli", "worker"],
        env={**os.environ, **named, "QUALM_METRICS_PORT": "0", "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    everything = found.stdout + found.stderr
    assert "Traceback" not in everything
    assert PASSWORD not in everything
    assert WRONG_PASSWORD not in everything
    return found.returncode, found.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [("SSL", ""), ("SASL_SSL", "PLAIN"), ("SASL_SSL", "SCRAM-SHA-512"), ("SASL_PLAINTEXT", "SCRAM-SHA-512")],
)
def test_with_the_right_credentials_everything_works(
    allowed: SecuredKafka, start_worker: Start, protocol: str, mechanism: str
) -> None:
    settings = allowed.settings(protocol, mechanism)
    checks = doctor(settings)
    assert not failed(checks)
    assert {f"topic {name}" for name in TOPICS} <= {each.name for each in checks if each.status == "ok"}
    values = [event.encode() for event in simulate(seed=3, duration=20, rate=20, incidents="demo")]
    producer = allowed.producer()
    for value in values:
        producer.produce("logs", value)
    assert producer.flush(30) == 0
    end = allowed.ends("logs")[0]
    running = start_worker(**settings)
    wait_until(lambda: allowed.committed("qualm", "logs") == end, 60, "all that was produced is committed")
    assert running.metric("qualm_events_total") == len(values)
    assert running.stop() == 0
    assert PASSWORD not in running.log()


def refused(
    secured: SecuredKafka, folder: Path, settings: Mapping[str, object], capfd: pytest.CaptureFixture[str]
) -> str:
    """What worker and doctor say alike of a broker that does not let them in."""
    code, line = worker(folder, settings)
    assert code == 2
    checks = doctor(settings)
    assert [(check.name, check.status) for check in checks] == [("broker", "fail")]
    assert line == f"qualm: {checks[0].text}"
    noise = "".join(capfd.readouterr())
    assert "Traceback" not in noise
    said = json.dumps([checks[0].text, checks[0].advice]) + noise
    assert PASSWORD not in said
    assert WRONG_PASSWORD not in said
    return line


def test_a_certificate_of_an_unknown_authority(
    secured: SecuredKafka, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = Authority(tmp_path, "other").pem
    line = refused(secured, tmp_path, secured.settings("SASL_SSL", ssl_cafile=other), capfd)
    says(line, "The broker at … has a certificate that is not trusted here (…): set ssl_cafile …")


def test_a_certificate_of_another_host(
    secured: SecuredKafka, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    elsewhere = secured.at["SASL_SSL"].replace("127.0.0.1", "localhost")
    line = refused(secured, tmp_path, secured.settings("SASL_SSL", broker=elsewhere), capfd)
    says(line, "The broker at … has a certificate that is not for …: set `broker` to a name that is in it")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password(
    secured: SecuredKafka, tmp_path: Path, capfd: pytest.CaptureFixture[str], mechanism: str
) -> None:
    settings = secured.settings("SASL_SSL", mechanism, sasl_password=WRONG_PASSWORD)
    line = refused(secured, tmp_path, settings, capfd)
    says(line, "The broker at … refuses user …: check sasl_username and sasl_password")


def test_a_mechanism_that_is_not_enabled(
    secured: SecuredKafka, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = refused(secured, tmp_path, secured.settings("SASL_SSL", "SCRAM-SHA-256"), capfd)
    says(line, "The broker at … does not take …: set sasl_mechanism to one that it has enabled")


@pytest.mark.parametrize(
    ("client", "port", "protocol"),
    [
        ("PLAINTEXT", "SSL", "SSL"),
        ("PLAINTEXT", "SASL_PLAINTEXT", "SASL_PLAINTEXT"),
        ("SASL_PLAINTEXT", "SASL_SSL", "SASL_SSL"),
        ("SASL_SSL", "SASL_PLAINTEXT", "SASL_PLAINTEXT"),
        ("SASL_PLAINTEXT", "PLAINTEXT", "PLAINTEXT"),
    ],
)
def test_the_wrong_port_or_protocol(
    secured: SecuredKafka,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    client: str,
    port: str,
    protocol: str,
) -> None:
    line = refused(secured, tmp_path, secured.settings(client, broker=secured.at[port]), capfd)
    says(line, "The broker at … on this port: set security_protocol to …") if "port" in line else says(
        line, "The broker at … asks for a user and a password: set security_protocol to …"
    )
    assert f"set security_protocol to {protocol}" in line


def test_a_client_without_a_certificate(
    secured: SecuredKafka, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = secured.settings("SSL")
    del settings["ssl_certfile"], settings["ssl_keyfile"]
    line = refused(secured, tmp_path, settings, capfd)
    says(line, "The broker at … ends the connection after TLS began: …; set ssl_certfile, ssl_keyfile")


@pytest.mark.parametrize(
    ("operation", "topics", "group", "lacks", "check"),
    [
        (AclOperation.READ, READ[1:], "qualm", "read topic logs", "topic logs"),
        (AclOperation.WRITE, INNER[1:], "qualm", "write topic logs.dlq", "topic logs.dlq"),
        (AclOperation.WRITE, INNER, "another", "read group qualm", "group"),
    ],
)
def test_a_right_that_is_missing(
    secured: SecuredKafka,
    tmp_path: Path,
    operation: AclOperation,
    topics: tuple[str, ...],
    group: str,
    lacks: str,
    check: str,
) -> None:
    """All rights but one: of an operation on some topics only, or on another group."""
    rights = {AclOperation.READ: READ, AclOperation.WRITE: INNER}
    for each, names in (rights | {operation: topics}).items():
        secured.grant(each, *names)
    secured.grant_group(group)
    settings = secured.settings("SASL_SSL")
    try:
        wait_until(lambda: set(failed(doctor(settings))) == {check}, 20, "the rights to be known")
        code, line = worker(tmp_path, settings)
    finally:
        secured.revoke_all()
    assert (code, line) == (2, f"qualm: This user may not {lacks}: grant it these rights.")
    says(line, "This user may not …: grant it these rights.")


def test_rights_that_are_taken_away_lose_nothing(allowed: SecuredKafka, start_worker: Start) -> None:
    """Where the worker writes, it waits for the right; where it reads, it ends with a line that says why."""
    running = start_worker(**allowed.settings("SASL_SSL"))
    send(allowed, b"{]1")
    wait_until(lambda: committed_all(allowed), 60, "the first record is committed")
    allowed.revoke(AclOperation.WRITE, "logs.dlq")
    send(allowed, b"{]2")
    wait_until(lambda: "TopicAuthorizationFailedError: logs.dlq" in running.log(), 30, "the worker says so")
    assert not committed_all(allowed)
    allowed.grant(AclOperation.WRITE, "logs.dlq")
    wait_until(lambda: committed_all(allowed), 60, "it goes on")
    allowed.revoke(AclOperation.READ, "logs")
    send(allowed, b"{]3")
    assert running.process is not None
    assert running.process.wait(40) == 1
    assert "Traceback" not in running.log()
    says(running.log(), "The broker does not let this user go on (…): grant it the right again; …")
    allowed.grant(AclOperation.READ, "logs")
    running.start()
    wait_until(lambda: committed_all(allowed), 60, "it is read again")
    assert running.stop() == 0
    assert [each.value() for each in allowed.read("logs.dlq")][-3:] == [b"{]1", b"{]2", b"{]3"]


def send(server: SecuredKafka, value: bytes) -> None:
    producer = server.producer()
    producer.produce("logs", value)
    assert producer.flush(30) == 0


def committed_all(server: SecuredKafka) -> bool:
    return server.committed("qualm", "logs") == server.ends("logs")[0]
