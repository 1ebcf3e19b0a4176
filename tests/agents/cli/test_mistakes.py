"""Mistakes that people make, and what they are told: every message is a row of docs/troubleshooting.md."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli.main import main
from tests.troubleshooting import says

ROOT = Path(__file__).parents[3]
START = 1_767_225_600  # 2026-01-01
FAST = ("--steps", 3, "--wires", 2)


def qualm(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refusal(result: Result, code: int = 1) -> str:
    """What a command that fails says in its last line: the reason, and no traceback."""
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("qualm: ")
    return last


def record(number: int, **more: object) -> bytes:
    service = ("api", "checkout")[number % 2]
    fixed = {"timestamp": START + number, "level": "INFO", "service": service, "request": f"r{number // 4}"}
    return json.dumps({**fixed, "message": f"step {number % 4} done", **more}).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good.jsonl: 1,200 events; untimed.log: as many lines of text that say nothing but their message."""
    path = tmp_path_factory.mktemp("mistakes")
    (path / "good.jsonl").write_bytes(b"\n".join(record(number) for number in range(1200)))
    (path / "untimed.log").write_bytes(b"".join(b"step %d done\n" % (n % 4) for n in range(1200)))
    return path


def labels(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_inputs_that_are_not_there(folder: Path, tmp_path: Path) -> None:
    says(
        refusal(qualm("replay", tmp_path / "absent")),
        "…: no such file; give files, globs, '-' or kafka://host:port/topic",
    )
    says(refusal(qualm("replay", tmp_path)), "…: a folder; name its files, for example …")
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(os.urandom(9000).hex().encode())[:4000])
    says(refusal(qualm("replay", cut)), "…: cannot be read beyond line …")
    says(
        refusal(qualm("replay", folder / "good.jsonl", "kafka://h:1/t")),
        "give either files or topics, not both in one run",
    )
    says(
        refusal(qualm("replay", "kafka://nowhere")),
        "…://…' is not kafka://host:port/topic, for example …",
    )
    many = tmp_path / "many"
    many.mkdir()
    for number in range(801):
        (many / f"{number}.txt").touch()
    says(
        refusal(qualm("replay", f"{many}/*")),
        "… files are too many to be merged by time, 800 are the most; …",
    )


@pytest.mark.parametrize("command", ["replay", "train"])
def test_inputs_in_which_nothing_is_read(command: str, tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.log", tmp_path / "broken.jsonl"
    empty.touch()
    broken.write_bytes(b'{"a": \n' * 3)
    out = ("--out", tmp_path / "bundle" / "deep") if command == "train" else ()
    says(refusal(qualm(command, empty, *out)), "the input holds no records; is it the right file or topic?")
    result = qualm(command, broken, *out)
    says(refusal(result), "none of the … records could be read as a log event…")
    says(result.stderr, "…: … of … records are no log events, left out: …")
    assert f"{broken}, line 1: " in result.stderr
    assert not (tmp_path / "bundle").exists()


def test_records_that_are_left_out_are_counted_with_file_line_and_reason(
    folder: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(record(0) + b"\n" + b'{"broken\n' + record(1) + b"\n" + b'{"broken\n' * 4)
    good = folder / "good.jsonl"
    for result in (
        qualm("train", good, bad, "--out", tmp_path / "b", *FAST),
        qualm("replay", good, bad),
    ):
        assert result.exit_code == 0, result.output
        says(result.stderr, "…: … of … records are no log events, left out: …")
        said = next(line for line in result.stderr.splitlines() if "no log events" in line)
        assert said.startswith(f"qualm: {bad}: 5 of 7 records are no log events")
        assert [f"{bad}, line {line}: " in said for line in (1, 2, 3, 4, 5, 6)] == [
            False, True, False, True, True, False,
        ]  # fmt: skip


def test_lines_without_time_source_and_level_say_what_that_costs(folder: Path, tmp_path: Path) -> None:
    untimed = folder / "untimed.log"
    result = qualm("replay", untimed)
    assert result.exit_code == 0, result.output
    says(result.stderr, "…: no time: rates, gaps and silences cannot be judged; …")
    says(result.stderr, "…: …no source: all lines count as one, …")
    says(result.stderr, "…: …no level: errors are not told from the rest…")
    assert str(untimed) in result.stderr
    assert "--line" in result.stderr
    assert "no time" not in qualm("replay", folder / "good.jsonl").stderr
    trained = qualm("train", untimed, "--out", tmp_path / "b")
    says(
        refusal(trained),
        "no time was found in any of … events, and what is usual is learnt over time; …",
    )
    assert "label" not in trained.stderr
    assert not (tmp_path / "b").exists()


def test_a_time_in_a_field_of_an_unusual_name(folder: Path, tmp_path: Path) -> None:
    """What is said names the option; with it, the bundle remembers the field, and a replay reads by it."""
    logs, bundle = tmp_path / "odd.jsonl", tmp_path / "b"
    records = (json.loads(record(number)) for number in range(1200))
    logs.write_text("\n".join(json.dumps({"at": {"ms": r.pop("timestamp") * 1000}, **r}) for r in records))
    refused = refusal(qualm("train", logs, "--out", bundle))
    says(refused, "no time was found in any of … events, and what is usual is learnt over time; …")
    assert refused.endswith(
        "--time-field names its field, and fields of these records are at, level, message, request, service"
    )
    inspected = qualm("inspect", logs)
    assert "--time-field names its field" in " ".join(inspected.stdout.split())
    assert inspected.stdout.splitlines()[-1] == f"Next: qualm inspect {logs} --time-field FIELD"
    trained = qualm("train", logs, "--out", bundle, "--time-field", "at.ms", "--json", *FAST)
    assert trained.exit_code == 0, trained.output
    assert (json.loads(trained.stdout)["from"], json.loads(trained.stdout)["to"]) == (START, START + 1199)
    replayed = qualm("replay", logs, "--bundle", bundle)
    assert replayed.exit_code == 0, replayed.output
    assert "no time" not in replayed.stderr


def test_syslog_without_priorities_is_not_asked_for_a_line_header(tmp_path: Path) -> None:
    for name, head in (("old", "Oct 11 22:14:15"), ("new", "2026-01-01T00:00:00.000000+00:00")):
        logs = tmp_path / f"{name}.log"
        logs.write_text(f"{head} web-1 sshd[7]: session opened\n" * 200)
        said = qualm("replay", logs).stderr
        says(said, "…: …no level: errors are not told from the rest…")
        assert "let the daemon write it" in said
        assert "--line" not in said
    (tmp_path / "other.log").write_text("2026-01-01 00:00:00 web-1 session opened\n" * 200)
    assert "--line" in qualm("replay", tmp_path / "other.log").stderr


def test_an_entity_that_is_nowhere(folder: Path, tmp_path: Path) -> None:
    good, out = folder / "good.jsonl", ("--out", tmp_path / "b")
    refused = refusal(qualm("train", good, *out, "--entity-field", "reqest"))
    says(refused, "--entity-field … is in none of … events; fields of these records are …")
    assert refused.endswith("level, message, request, service, timestamp")
    says(
        refusal(qualm("train", good, *out, "--entity-pattern", "blk_[0-9]+")),
        "--entity-pattern … is found in no message of … events; …",
    )
    assert not (tmp_path / "b").exists()
    replayed = qualm("replay", good, "--entity-field", "reqest")
    assert replayed.exit_code == 0
    says(replayed.stderr, "--entity-field … is in none of … events; fields of these records are …")
    assert "entity-field" not in qualm("replay", good, "--entity-field", "request").stderr


def test_alerts_that_are_none(folder: Path) -> None:
    good = folder / "good.jsonl"
    says(
        refusal(qualm("explain", "alert", good)),
        "…: no such file, and no id of an alert, which has 32 hexadecimal digits",
    )
    says(refusal(qualm("explain", "0" * 32, good), 2), "no alert … in these inputs: …")


def test_too_little_to_train_on(folder: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "b")
    few, moment = tmp_path / "few.jsonl", tmp_path / "moment.jsonl"
    few.write_bytes(b"\n".join(record(number) for number in range(20)))
    moment.write_bytes(b"\n".join(record(number, timestamp=START) for number in range(600)))
    says(refusal(qualm("train", few, *out)), "… events are too few to train on: give at least 500")
    says(refusal(qualm("train", moment, *out)), "all events are of one moment, …")
    assert not (tmp_path / "b").exists()
    kept = tmp_path / "kept"
    kept.mkdir()
    assert qualm("train", few, "--out", kept).exit_code == 1
    assert kept.is_dir()  # it was there before
    says(
        refusal(qualm("train", few, "--out", few / "bundle")),
        "…: no bundle can be written there: …; choose another --out",
    )


def test_labels_that_match_nothing(folder: Path, tmp_path: Path) -> None:
    good, out = folder / "good.jsonl", ("--out", tmp_path / "b")
    interval = f"{START + 100},{START + 200}"
    typo = labels(tmp_path, f"source,start,end\nchekout,{interval}\n")
    for command in (("train", good, *out), ("replay", good)):
        result = qualm(*command, "--labels", typo)
        says(result.stderr, "… of … labels name no source of these events: … (is … meant?)")
        assert (
            "1 of 1 labels name no source of these events: 'chekout' (is 'checkout' meant?)" in result.stderr
        )
        assert result.exit_code == (command[0] == "train")
    says(
        refusal(qualm("train", good, *out, "--labels", typo)),
        "no label names an entity or source of …",
    )
    partly = labels(tmp_path, f"source,start,end\nchekout,{interval}\napi,{interval}\n")
    assert "1 of 2 labels name no source" in qualm("replay", good, "--labels", partly).stderr
    entities = labels(tmp_path, "entity,label\nr1,1\nr2,0\nnobody,1\n")
    result = qualm("replay", good, "--labels", entities, "--entity-field", "request")
    says(result.stderr, "… of … labels name no entity of these events: …")
    assert "1 of 3 labels name no entity of these events: 'nobody'" in result.stderr
    assert not (tmp_path / "b").exists()


def test_intervals_at_another_time(folder: Path, tmp_path: Path) -> None:
    good = folder / "good.jsonl"
    off = labels(tmp_path, f"source,start,end\napi,{START - 7200},{START - 7100}\n")
    refused = refusal(qualm("train", good, "--out", tmp_path / "b", "--labels", off))
    says(refused, "no event is in any of the labelled intervals; check their times and their time zone")
    assert "in any of the labelled intervals" in qualm("replay", good, "--labels", off).stderr


def test_labels_that_are_wrong(folder: Path, tmp_path: Path) -> None:
    good = folder / "good.jsonl"

    def told(text: str) -> str:
        return refusal(qualm("replay", good, "--labels", labels(tmp_path, text)))

    both = told("entity,label\nr1,1\nr2,0\nr2,0\nr1,Normal\n")
    says(both, "…, line …: entity … is labelled …, and the opposite in line …; keep one of them")
    assert "labels.csv, line 5: entity 'r1' is labelled 'Normal', and the opposite in line 2" in both
    says(
        told("entity,label\nr1,perhaps\n"),
        "…, line …: label … is none of 0, 1, Normal, Anomaly, NO_FAILURE, FAILURE",
    )
    says(
        told("name,verdict\nr1,1\n"),
        "…, line …: expected the columns entity,label[,start] or source,start,end",
    )


def worker(tmp_path: Path, *arguments: str, **settings: str) -> str:
    """What a worker says that cannot start: one line, and code 2."""
    given = {f"QUALM_{name.upper()}": value for name, value in settings.items()}
    given = {"QUALM_METRICS_PORT": "0", "QUALM_BROKER": "127.0.0.1:1", "PYTHONPATH": str(ROOT)} | given
    command = [sys.executable, "-m", "agents.cli", "worker", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | given)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("qualm: ")
    return line


def test_a_worker_that_cannot_start(tmp_path: Path) -> None:
    says(worker(tmp_path, "--bundle", "/nope"), "…: no bundle here (…")
    says(worker(tmp_path, shots="100"), "auto draws no shots; name one of …")
    says(worker(tmp_path, device="abacus"), "no device '…'…")
    says(worker(tmp_path, broker="localhost"), "… is not host:port, for example 127.0.0.1:9092 …")
    (tmp_path / "qualm.toml").write_text("brokers = 'h:1'\n")
    says(worker(tmp_path), "…: no such setting; docs/configuration.md lists them all")


def test_a_topic_of_a_broker_that_is_not_there() -> None:
    says(refusal(qualm("replay", "kafka://127.0.0.1:1/logs")), "No Kafka broker answers at … (…): …")
