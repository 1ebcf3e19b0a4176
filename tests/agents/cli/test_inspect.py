"""`qualm inspect`: what it says of files, in one object and on a narrow terminal."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from agents.cli.main import main
from tests.agents.kafka.registry_server import running
from tests.troubleshooting import says

SYSLOG = [
    "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
    "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
]


def qualm(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "60"}).invoke(main, [str(argument) for argument in arguments])


def record(number: int) -> str:
    fields = {"ts": 1_767_225_600 + number, "level": "warn", "app": {"name": "pay"}, "msg": f"step {number}"}
    return json.dumps(fields | {"order": f"o{number // 3}"})


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_json_is_one_object_with_the_first_ten_events(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [*map(record, range(15)), '{"broken'])
    result = qualm("inspect", path, "--json", "--source-field", "app.name", "--entity-field", "order")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert list(found) == ["format", "why", "events_read", "not_understood", "events"]
    assert (found["format"], found["events_read"], found["not_understood"]) == ("json", 15, 1 / 16)
    assert found["why"] == "it is a JSON object"
    assert found["events"] == [
        {
            "time": 1_767_225_600 + number, "severity": 13, "source": "pay", "entity": f"o{number // 3}",
            "message": f"step {number}",
        }
        for number in range(10)
    ]  # fmt: skip


def test_text_without_time_has_null_for_it(tmp_path: Path) -> None:
    found = json.loads(qualm("inspect", write(tmp_path / "a.txt", ["hello", "world"]), "--json").stdout)
    assert found["format"] == "text"
    assert "no record is JSON" in found["why"]
    nothing = {"time": None, "severity": 0, "source": "unknown", "entity": ""}
    assert found["events"] == [nothing | {"message": "hello"}, nothing | {"message": "world"}]


def columns(shown: str) -> dict[str, tuple[str, str]]:
    """The table of what is taken from where: share and origin."""
    rows = (line.split(None, 2) for line in shown.splitlines())
    return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3 and row[1].endswith("%")}


def test_fields_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [record(number) for number in range(300)])
    shown = qualm("inspect", path, "--source-field", "app.name").stdout
    assert columns(shown) == {
        "time": ("100.0%", "ts"), "level": ("100.0%", "level"), "source": ("100.0%", "app.name"),
        "entity": ("0.0%", "-"), "message": ("100.0%", "msg"),
    }  # fmt: skip
    assert "Entity that training would take: field order: in 100% of the first events, 100 values of 3" in (
        " ".join(shown.split())
    )
    assert shown.count("\n> ") == 3
    assert "2026-01-01 00:00:00.000  WARN  pay" in shown
    assert shown.splitlines()[-1] == (
        f"Next: qualm replay {path} --source-field app.name  # too few to train on"
    )


def test_fields_of_otlp_are_named_by_their_attribute(tmp_path: Path) -> None:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "pay"}}]}
    log = {"timeUnixNano": "1714566896500000000", "severityNumber": 17, "body": {"stringValue": "refused"}}
    content = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [log]}]}]}
    shown = columns(qualm("inspect", write(tmp_path / "o.jsonl", [json.dumps(content)])).stdout)
    logs = "resourceLogs.scopeLogs.logRecords"
    whole = {
        "time": f"{logs}.timeUnixNano", "level": f"{logs}.severityNumber",
        "message": f"{logs}.body.stringValue",
        "source": "resourceLogs.resource.attributes[service.name]",
    }  # fmt: skip
    # 60 columns have room for 38 characters: the end is what tells paths apart
    assert {name: shown[name][1] for name in whole} == {
        name: "…" + path[-37:] for name, path in whole.items()
    }


def test_otlp_in_protobuf_is_shown_as_its_fields(tmp_path: Path) -> None:
    request = LogsData()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "pay"
    log = group.scope_logs.add().log_records.add(severity_number=17)
    log.time_unix_nano = 1_714_566_896_500_000_000
    log.body.string_value = "refused"
    log.trace_id = bytes(range(16))
    path = tmp_path / "o.txt"
    path.write_bytes(base64.b64encode(gzip.compress(request.SerializeToString())))
    result = CliRunner(env={"COLUMNS": "100"}).invoke(main, ["inspect", str(path)])
    assert {name: where.rsplit(".", 1)[-1] for name, (_, where) in columns(result.stdout).items()} == {
        "time": "timeUnixNano", "level": "severityNumber", "source": "name]", "entity": "traceId",
        "message": "stringValue",
    }  # fmt: skip
    assert "ERROR  pay  000102030405060708090a0b0c0d0e0f" in result.stdout
    assert "service.name" in result.stdout.split("\n> ")[1].splitlines()[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (SYSLOG[0], {"time": "words 1 to 3", "level": "the priority", "source": "word 5"}),
        (SYSLOG[1], {"time": "word 2", "level": "the priority", "source": "word 4"}),
        (
            "E0321 07:09:19.376093     801 logs.go:201] Failed with err",
            {"time": "words 1 to 2", "level": "its first letter", "source": "word 4"},
        ),
        (
            'level=info ts=2018-10-23T14:55:14.499484Z caller=main.go:554 msg="Starting TSDB ..."',
            {"time": "ts", "level": "level", "source": "caller"},
        ),
        (
            "2015-10-18 18:01:47,978 INFO [main] org.apache.Master: Created",
            {"time": "words 1 to 2", "level": "word 3", "source": "word 5"},
        ),
    ],
)
def test_words_of_lines_are_named(line: str, expected: dict[str, str], tmp_path: Path) -> None:
    shown = columns(qualm("inspect", write(tmp_path / "a.log", [line] * 40)).stdout)
    assert {name: shown[name][1] for name in expected} == expected


def test_what_is_missing_and_not_understood_is_said_within_the_terminal(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", ["hello"] * 50 + [""])
    result = qualm("inspect", path)
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    assert (
        "Missing: no time: rates, gaps and silences cannot be judged; no source: all lines count as" in shown
    )
    assert "Not understood: 2.0% of the records" in shown
    assert "line 51: empty" in shown
    assert "No entity (request, block, run: what lines are about) was found" in shown
    *lines, last = result.stdout.splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert last == f"Next: qualm inspect {path} --line '<date> <time> <level> <logger>: <message>'"


def test_the_next_command_keeps_how_lines_were_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a b.log", [f"2026-01-01 00:00:{n % 60:02} job {n}: done" for n in range(600)])
    line = "<date> <time> <logger>: <message>"
    shown = qualm("inspect", path, "--line", line, "--entity-pattern", r"job (\d+)").stdout
    assert shown.splitlines()[-1] == (
        f"Next: qualm train '{path}' --out my-bundle --line '{line}' --entity-pattern 'job (\\d+)'"
    )


def test_avro_behind_a_registry_is_looked_into(tmp_path: Path) -> None:
    """A file whose lines are records, each of the schema 1: strings behind twice their lengths."""
    pytest.importorskip("authlib", reason="needs the extra: pip install 'qualm[registry]'")
    fields = [{"name": name, "type": "string"} for name in ("msg", "job", "my_component")]
    path = tmp_path / "a.log"
    head = b"\0\0\0\0\1"
    line = b"\x0cdid %02d\x08j%03d\x04s%d\n"
    path.write_bytes(b"".join(head + line % (n % 4, n // 4, n % 3) for n in range(400)))
    with running() as registry:
        registry.give(1, {"schema": json.dumps({"type": "record", "name": "E", "fields": fields})})
        shown = qualm("inspect", path, "--schema-registry", f"http://{registry.host}").stdout
        absent = qualm("replay", path, "--schema-registry", f"http://{registry.host}", "--entity-field", "x")
    assert "Entity that training would take: field job" in " ".join(shown.split())
    assert "Source that may be meant: --source-field my_component" in " ".join(shown.split())
    assert '> {"msg":"did 00","job":"j000"' in shown
    says(absent.stderr, "--entity-field … is in none of … events; fields of these records are …")


def test_the_next_command_names_the_schema_registry_again(tmp_path: Path) -> None:
    pytest.importorskip("authlib", reason="needs the extra: pip install 'qualm[registry]'")
    path = write(tmp_path / "a.jsonl", [record(n) for n in range(3)])
    shown = qualm("inspect", path, "--schema-registry", "http://registry:8081").stdout
    assert "--schema-registry http://registry:8081  # too few to train on" in shown.splitlines()[-1]


def test_files_of_several_formats(tmp_path: Path) -> None:
    text = write(tmp_path / "a.log", SYSLOG * 20)
    more = [write(tmp_path / f"{name}.jsonl", [record(1)]) for name in "bcdef"]
    result = qualm("inspect", *more, text)
    assert " and 2 more" in " ".join(result.stdout.split())
    assert "format json: it is a JSON object" in result.stdout
    assert "format text: 32 records held no JSON object" in result.stdout
    assert json.loads(qualm("inspect", *more, text, "--json").stdout)["format"] == "json, text"


def test_the_first_ten_thousand_records_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [record(number) for number in range(10_500)])
    assert json.loads(qualm("inspect", path, "--json").stdout)["events_read"] == 10_000
    other = write(tmp_path / "b.jsonl", [record(number) for number in range(100)])
    assert json.loads(qualm("inspect", path, other, "--json").stdout)["events_read"] == 5_100


def test_nothing_that_can_be_read_is_a_failure(tmp_path: Path) -> None:
    binary = tmp_path / "a.bin"
    binary.write_bytes(b"PAR1\x00\x01\x02\x03" * 30 + b"\n")
    result = qualm("inspect", binary, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["format"], found["events_read"], found["not_understood"]) == ("unknown", 0, 1.0)
    says(result.stderr, "none of the … records could be read as a log event…")
    assert "Parquet" in qualm("inspect", binary).stdout
    (tmp_path / "empty").touch()
    result = qualm("inspect", tmp_path / "empty")
    assert result.exit_code == 1
    says(result.stderr, "the input holds no records; is it the right file or topic?")


def test_a_document_over_many_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([json.loads(record(n)) for n in range(20)], indent=1))
    assert json.loads(qualm("inspect", path, "--json").stdout)["events_read"] == 20


def test_it_is_light() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from agents.cli.main import main\n"
        "done = CliRunner().invoke(main, ['inspect', '-'], input='hello\\n')\n"
        "assert done.exit_code == 0, done.output\n"
        "print(sorted({'torch', 'numba', 'pennylane', 'faust', 'aiokafka'} & sys.modules.keys()))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_letters_that_move_the_cursor_are_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "\x1b[2J.log", ["\x1b[31mred\x1b[0m\u202e " + record(1)])
    assert "\x1b" not in qualm("inspect", path).stdout
