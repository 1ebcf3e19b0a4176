"""Templates that came with the events, from training to an alert and its explanation, and in the worker."""

from __future__ import annotations

import json
from math import nan
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli.main import main
from agents.records import RecordBatch
from agents.triage import PartitionTriage
from models.bundle import Bundle
from schemas.alert import Alert
from schemas.formats.detection import TopicDecoder
from schemas.salient import SalientEvent

START = 1_767_225_600  # 2026-01-01
WORDS = ("amber", "birch", "cedar", "daisy", "elder", "fern", "ginger", "hazel")
PAID, FAILED = "{user} paid by {method}", "card of {user} was refused by {bank}"


def record(number: int) -> bytes:
    """A payment every second by whoever, each in words of its own; some of the last are refused."""
    words = [WORDS[number // 8**i % 8] for i in range(4)]
    refused = number > 1000 and number % 40 < 3
    said = {"timestamp": START + number, "service": "pay", "level": "ERROR" if refused else "INFO"}
    said |= {"message": " ".join(words), "log.record.template": FAILED if refused else PAID}
    return json.dumps(said).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of normal payments, and what a replay says of those with refused ones."""
    folder = tmp_path_factory.mktemp("templates")
    (folder / "normal.jsonl").write_bytes(b"\n".join(map(record, range(1000))))
    (folder / "today.jsonl").write_bytes(b"\n".join(map(record, range(1000, 1400))))
    bundle, alerts = folder / "bundle", folder / "alerts.jsonl"
    qualm("train", folder / "normal.jsonl", "--out", bundle, "--steps", 10, "--wires", 2)
    rate = ("--false-alarms", "0.2/unit")
    qualm("replay", folder / "today.jsonl", "--bundle", bundle, "--alerts", alerts, *rate)
    return folder


def qualm(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def alerts(folder: Path) -> list[Alert]:
    return [Alert.decode(line) for line in (folder / "alerts.jsonl").read_bytes().splitlines()]


def test_training_knows_the_one_template_of_a_thousand_wordings(folder: Path) -> None:
    training = Bundle.load(folder / "bundle").manifest.training
    assert (training["templates"], training["common"]) == (1, [[PAID, 1.0]])


def test_alerts_name_them_and_explain_finds_the_same_alert(folder: Path, alerts: list[Alert]) -> None:
    assert {alert.template for alert in alerts} <= {PAID, FAILED}
    of_failure = [alert for alert in alerts if alert.template == FAILED]
    assert of_failure
    inputs = (folder / "today.jsonl", "--bundle", folder / "bundle", "--false-alarms", "0.2/unit")
    explained = qualm("explain", of_failure[0].id, *inputs, "--json")
    assert json.loads(explained)["alert"]["template"] == FAILED


def test_the_worker_sees_the_same_however_records_are_cut_also_after_a_restart(folder: Path) -> None:
    bundle = Bundle.load(folder / "bundle")
    values: list[bytes | None] = [record(number) for number in range(1000, 1400)]

    def salient(size: int, restart_at: int = -1) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        triage = PartitionTriage(bundle, TopicDecoder(bundle.manifest.read_options()), "t", 0)
        for first in range(0, len(values), size):
            if first == restart_at:
                saved = triage.snapshot()
                triage = PartitionTriage(bundle, TopicDecoder(bundle.manifest.read_options()), "t", 0)
                triage.resume(saved)
            part = values[first : first + size]
            n = len(part)
            output = triage.process(
                RecordBatch("t", 0, [*range(first, first + n)], part, [nan] * n, [None] * n, [[]] * n)
            )
            for result in output.results:
                events = (each for each in result.messages if isinstance(each, SalientEvent))
                found += [(event.offset, event.template) for event in events]
        return found

    whole = salient(len(values))
    assert FAILED in {template for _, template in whole}
    assert len(whole) > 5
    assert salient(7) == whole
    assert salient(20, restart_at=200) == whole
