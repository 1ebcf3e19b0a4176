"""`qualm explain` as people and programs meet it: what it shows, its JSON, exit codes, hostile alerts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli.main import main
from schemas.alert import Alert
from tests.story import tell
from tests.story.bundle import make_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story's bundle, its records, what is suspicious in it as alerts, and the end of its incident."""
    folder = tmp_path_factory.mktemp("explain")
    bundle = make_bundle(folder / "bundle")
    tell.written(folder / "story.jsonl")
    alerts, published, _ = tell.directly(bundle, 84)
    (folder / "resolved.json").write_bytes(published[-1].encode())
    (folder / "alerts.jsonl").write_bytes(b"".join(alert.encode() + b"\n" for alert in alerts))
    return folder


@pytest.fixture(scope="module")
def alerts(folder: Path) -> list[Alert]:
    return [Alert.decode(line) for line in (folder / "alerts.jsonl").read_bytes().splitlines()]


def explain(folder: Path, alert: object, *options: str, given: bytes | None = None) -> Result:
    arguments = ["explain", str(alert), str(folder / "story.jsonl"), "--bundle", str(folder / "bundle")]
    return CliRunner().invoke(main, [*arguments, *options], input=given)


def refused(result: Result, code: int, *says: str) -> None:
    """One clear line on standard error, nothing on standard output."""
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    (message,) = result.stderr.strip().splitlines()[-1:]
    assert message.startswith("qualm: ")
    assert message.isprintable()
    for part in says:
        assert part in message
    assert result.stdout == ""


def test_without_inputs_the_alert_says_where_it_comes_from(folder: Path, alerts: list[Alert]) -> None:
    """Its topic on the broker of the settings, where nobody listens here; files it cannot name."""
    of_topic = alerts[0].model_copy(update={"topic": "orders"}).encode()
    (folder / "of_topic.json").write_bytes(of_topic)
    bundle = ["--bundle", str(folder / "bundle")]
    environment = {"QUALM_BROKER": "127.0.0.1:1"}
    runner = CliRunner()
    refused(runner.invoke(main, ["explain", str(folder / "alerts.jsonl"), *bundle]), 1, "comes from files")
    for alert in (str(folder / "of_topic.json"), alerts[0].id):
        refused(runner.invoke(main, ["explain", alert, *bundle], env=environment), 1, "127.0.0.1:1")


def test_an_alert_for_people(folder: Path, alerts: list[Alert]) -> None:
    """The last firing one: request r8, accepted and never done."""
    result = explain(folder, alerts[10].id)
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    shown = " ".join(result.stdout.split())
    for part in (
        "Reproduced: the same id",
        "api r8",
        "UTC, INFO, sequence, trigger entity_end",
        "request <*> accepted",
        "p 0.15, and up to 0.2 alerts: an alert",
        "topic file, partition 0, offset 81",
        "has ended after “request <*> accepted”, as 0.0% of such entities do",
        "unit_ending",
        "no alert",
        "wire 1",
        "> ",
        "tick",
    ):
        assert part in shown


def test_an_alert_for_programs(folder: Path, alerts: list[Alert]) -> None:
    result = explain(folder, folder / "alerts.jsonl", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["reproduced"] is True
    assert found["p_value"] == found["p_value_given"] == alerts[0].p_value
    assert found["alert"] == alerts[0].to_json()
    assert found["p_limit"] == 0.2
    assert found["trigger"] == "silence"
    assert [part["name"] for part in found["features"]] == ["source_silence"]
    assert found["features"][0].keys() == {"name", "value", "usual", "score", "p_value", "adds"}
    assert [part["name"] for part in found["wires"]] == ["1"]
    assert [line["message"] for line in found["before"]] == [f"disk {i} is well" for i in range(45, 50)]
    assert found["line"]["offset"] == 58
    assert found["line"]["time"].endswith("Z")


def test_an_alert_over_many_lines_or_on_standard_input(
    folder: Path, alerts: list[Alert], tmp_path: Path
) -> None:
    pretty = tmp_path / "alert.json"
    pretty.write_bytes(b"\xef\xbb\xbf\n" + json.dumps(alerts[5].to_json(), indent=2).encode())
    for result in (
        explain(folder, pretty, "--json"),
        explain(folder, "-", "--json", given=pretty.read_bytes()),
        explain(folder, alerts[5].id.upper(), "--json"),
    ):
        assert json.loads(result.stdout)["alert"]["id"] == alerts[5].id


def test_another_p_value_is_a_failure_that_is_shown(
    folder: Path, alerts: list[Alert], tmp_path: Path
) -> None:
    other = tmp_path / "alert.json"
    other.write_bytes(alerts[5].model_copy(update={"p_value": 0.01}).encode())
    result = explain(folder, other)
    assert result.exit_code == 1
    assert "Not reproduced: p is 0.2 here and 0.01 in the alert" in result.stdout
    assert "read other records before it" in result.stderr
    result = explain(folder, other, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["reproduced"] is False


def test_fewer_false_alarms_than_the_bundles(folder: Path, alerts: list[Alert]) -> None:
    shown = explain(folder, alerts[5].id, "--false-alarms", "0.1/unit").stdout
    assert "p 0.2, and up to 0.1 alerts: an alert only if more is accepted" in shown


def test_an_unknown_id_exits_2(folder: Path) -> None:
    refused(explain(folder, "0" * 32), 2, "84 records were read", "--entity-field", "--bundle")
    refused(explain(folder, "0" * 32, "--json"), 2, "no alert 0000")


def test_the_wrong_alert_or_bundle(folder: Path, alerts: list[Alert]) -> None:
    refused(explain(folder, folder / "resolved.json"), 1, "goes on or is over", alerts[0].id)
    arguments = ["explain", str(folder / "alerts.jsonl"), str(folder / "story.jsonl")]
    refused(CliRunner().invoke(main, arguments), 1, alerts[0].bundle[:16], "--bundle")
    refused(explain(folder, "abc"), 1, "no such file", "32 hexadecimal")
    refused(explain(folder, folder), 1)
    refused(CliRunner().invoke(main, ["explain", "-", "-"], input=b""), 1, "standard input")


HOSTILE = {
    "empty": b"",
    "no JSON": b"\x00\xff\x1b[31mred\n",
    "cut": b'{"id": "00',
    "a list": b"[1, 2]",
    "a number": b"7",
    "deep": b"[" * 100_000,
    "huge": b"x" * (2 << 20),
    "huge JSON": b'{"a": "' + b"x" * (2 << 20) + b'"}',
    "other fields": b'{"id": "x", "\x1b[31m": 1}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_alerts_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "alert.json"
    file.write_bytes(HOSTILE[name])
    refused(explain(folder, file), 1, "alert.json")


def test_wrong_fields_are_named(folder: Path, alerts: list[Alert], tmp_path: Path) -> None:
    file = tmp_path / "alert.json"
    content = alerts[0].to_json()
    for field, value in (
        ("id", "../../etc"),
        ("offset", -7),
        ("p_value", 2.0),
        ("time", "soon"),
        ("topic", 1),
    ):
        file.write_text(json.dumps(content | {field: value}))
        refused(explain(folder, file), 1, "not an alert", field)
