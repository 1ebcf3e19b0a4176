"""`qualm tail` of files: what is shown of each kind of record, as text and as JSON."""

from __future__ import annotations

import base64
import json
from math import nan
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli.main import main
from agents.records import RecordBatch
from agents.tail import as_object, messages
from schemas.alert import Alert, Scores
from schemas.dead_letter import DeadLetter, error_headers
from schemas.salient import Reason, SalientEvent, Trigger
from schemas.watermark import Watermark
from tests.troubleshooting import says

TIME = 1_767_225_600.0  # 2026-01-01


def alert(**more: object) -> Alert:
    fields = {
        "id": "ab" * 16, "incident": "ab" * 16, "fingerprint": "cd" * 8, "status": "firing", "time": TIME,
        "first_seen": TIME, "last_seen": TIME, "count": 1, "source": "pay", "entity": "req-1",
        "severity": "ERROR", "kind": "new pattern", "template": "refused <*>", "example": "refused 7",
        "p_value": 0.0002,
        "evidence": [Reason(kind="new", template="refused <*>", nats=3.0, share=0.01, age=2.0)],
        "scores": Scores(prefilter=0.1, twin=0.1, hybrid=0.1), "bundle": "ef" * 16,
        "topic": "logs", "partition": 0, "offset": 7,
    }  # fmt: skip
    return Alert(**(fields | more))  # type: ignore[arg-type]  # the fields of an alert


SALIENT = SalientEvent(
    id="ab" * 16, topic="logs", partition=0, offset=7, record=0, bundle="ef" * 16, trigger=Trigger.EVENT,
    time=TIME + 1, watermark=TIME, severity=17, source="pay", entity="req-1", message="refused 7",
    wires=[0.5, -0.5, 0.0], open_wires=[1, 0, 1],
)  # fmt: skip
WATERMARK = Watermark(topic="logs", partition=0, bundle="ef" * 16, watermark=TIME)


def tail(*arguments: object) -> Result:
    given = [str(argument) for argument in arguments]
    return CliRunner(env={"COLUMNS": "60"}).invoke(main, ["tail", *given])


def write(path: Path, *values: bytes) -> Path:
    path.write_bytes(b"\n".join(values) + b"\n")
    return path


def test_alerts_and_salient_events_are_shown_within_the_terminal(tmp_path: Path) -> None:
    resolved = alert(status="resolved", update="resolved", page=False, time=TIME + 2, count=3)
    path = write(
        tmp_path / "a.jsonl", alert().encode(), WATERMARK.encode(), SALIENT.encode(), resolved.encode()
    )
    result = tail(path)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "2026-01-01 00:00:00 NEW      pay ☎",
        "    warning: new pattern, ERROR, p 0.0002",
        "    req-1",
        "    refused 7",
        "    it shows “refused <*>”, which 1.0% of such entities do,…",
        "2026-01-01 00:00:01 salient event, ERROR, 2 of 3 wires open",
        "  pay req-1",
        "  refused 7",
        "2026-01-01 00:00:02 RESOLVED pay",
        "    3 times in 0 s, since 00:00:00",
    ]


def test_the_latest_are_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *(alert(time=TIME + n, example=f"n {n}").encode() for n in range(30)))
    assert tail(path).stdout.count("NEW") == 10
    last = tail(path, "--last", 2, "--json").stdout.splitlines()
    assert [json.loads(line)["example"] for line in last] == ["n 28", "n 29"]
    assert tail(path, "-n", 0).stdout == ""


def test_json_has_all_of_a_record_and_its_type(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", alert().encode(), SALIENT.encode())
    first, second = map(json.loads, tail(path, "--json").stdout.splitlines())
    assert first == {"type": "alert", **alert().to_json()}
    assert second == {"type": "salient", **json.loads(SALIENT.encode())}


def dead(value: bytes | None, time: float = TIME) -> RecordBatch:
    """A dead letter as it is on its topic."""
    letter = DeadLetter("logs", 3, 41, b"k", value, [("mine", b"1")], "binary: it looks like Parquet")
    return RecordBatch("logs.dlq", 0, [5], [value], [time], [b"k"], [error_headers(letter)])


@pytest.mark.parametrize("value", [b"PAR1 text", b"\xff\x00", b"", None])
def test_dead_letters_are_told_by_their_headers_and_read_again(value: bytes | None, tmp_path: Path) -> None:
    (found,) = messages(dead(value))
    assert found is not None
    content = as_object(found)
    where = {"topic": "logs", "partition": 3, "offset": 41, "reason": "binary: it looks like Parquet"}
    assert content["type"] == "dead_letter"
    assert content["time"] == TIME
    assert where.items() <= content.items()
    if value == b"\xff\x00":
        assert base64.b64decode(content["value_base64"]) == value
    else:
        assert content["value"] == (None if value is None else value.decode())
    path = write(tmp_path / "d.jsonl", json.dumps(content).encode())
    assert json.loads(tail(path, "--json").stdout) == content
    shown = tail(path).stdout.splitlines()
    assert shown[:2] == [
        "2026-01-01 00:00:00 dead letter logs[3] offset 41", "  binary: it looks like Parquet",
    ]  # fmt: skip


def test_a_dead_letter_without_a_time_and_with_wrong_headers_is_shown() -> None:
    batch = dead(b"x", nan)
    batch.headers[0] = [("qualm.error.reason", b"empty"), ("qualm.error.offset", b"many")]
    (found,) = messages(batch)
    assert found is not None
    assert as_object(found) | {"value": 0} == {
        "type": "dead_letter", "time": None, "topic": "logs.dlq", "partition": 0, "offset": 5,
        "reason": "empty", "value": 0,
    }  # fmt: skip


def test_logs_are_none_of_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", b'{"message": "hello"}', b"text", b"", b"[1]", b"\xff")
    result = tail(path)
    assert result.exit_code == 1
    says(result.stderr, "no alerts, salient events or dead letters in …; …")
    mixed = write(tmp_path / "b.jsonl", b"text", alert().encode())
    assert tail(mixed).stdout.count("NEW") == 1


def test_letters_of_strangers_do_not_move_the_cursor(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", alert(example="\x1b[2J gone", source="a\x07", entity="b\u202e").encode()
    )
    shown = tail(path).stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
