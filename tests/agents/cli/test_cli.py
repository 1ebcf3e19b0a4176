"""The command line as people and programs meet it: help, errors, exit codes, JSON and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from agents.cli.main import PLUGINS, add_plugin, main
from models.bundle import Bundle

ROOT = Path(__file__).parents[3]
COMMANDS = (
    *("demo", "inspect", "init", "train", "replay", "explain"),
    *("worker", "tail", "simulate", "bench", "doctor"),
)


def qualm(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result, *says: str) -> None:
    """One clear line on standard error, nothing on standard output, exit code 1."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("qualm: ")
    for part in says:
        assert part in message
    assert result.stdout == ""


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "logs.jsonl.gz"
    labels = path.with_name("truth.csv")
    made = qualm(
        "simulate", "--out", path, "--labels", labels, "--incidents", "--duration", 300, "--rate", 15
    )
    assert made.exit_code == 0, made.output
    return path


@pytest.fixture(scope="module")
def bundle(logs: Path) -> Path:
    """Trained for few steps: enough to be a bundle."""
    out = logs.with_name("bundle")
    made = qualm("train", logs, "--out", out, "--steps", 10, "--wires", 4, "--json")
    assert made.exit_code == 0, made.output
    summary = json.loads(made.stdout)  # JSON and nothing else
    assert summary["bundle"] == str(out)
    assert summary["events"] > 1000
    assert len(summary["digest"]) == 64
    assert summary["not_understood"] == 0
    assert summary["sources"] > 5 < summary["templates"]
    assert summary["false_alarms"] == "1/day"
    assert 0 < summary["p_limit"] < 1e-3
    assert 0 < summary["open_wires_reached"] <= 4
    return out


def test_training_ends_with_what_it_learnt(logs: Path, tmp_path: Path) -> None:
    out = tmp_path / "b"
    result = CliRunner(env={"COLUMNS": "60"}).invoke(
        main, ["train", str(logs), "--out", str(out), "--steps", "3", "--wires", "2"]
    )
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    training = Bundle.load(out).manifest.training
    seconds, units = training["to"] - training["from"], training["units"]
    assert lines[0] == f"Learnt from {training['events']:,} events of {seconds / 60:.1f} minutes"
    heads = [line[2:17].strip() for line in lines if line[:2] == "  " and line[2:3].strip()]
    assert heads[:10] == [
        "from",
        "sources",
        "entities",
        "templates",
        "usual",
        "errors",
        "false alarms",
        "tail, entity",
        "tail, source",
        "not understood",
    ]
    assert all(len(line) <= 60 for line in lines[:-2])
    said = " ".join(result.stdout.split())
    a_day = (units["entity"] + units["source"]) * 86_400 / seconds
    told = float(re.search(r"1/day accepted: one unit in ([\d,.]+) may alert", said)[1].replace(",", ""))  # type: ignore[index]  # fails where it is not said
    assert abs(told / a_day - 1) < 0.06
    assert "not understood nothing" in said
    assert units["source"] > 0 < units["entity"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(command: str) -> None:
    result = qualm(command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"qualm {command}" in result.stdout.split("Example", 1)[1].replace("QUALM_BROKER", "")
    assert qualm("--help").stdout.count(command)


def completed(words: str) -> list[str]:
    """What click's own completion gives a shell for the last word."""
    code = "from agents.cli.main import main; main(prog_name='qualm')"
    given = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_QUALM_COMPLETE": "bash_complete"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | given)
    return done.stdout.split()


def test_shells_complete_commands_options_and_files() -> None:
    assert completed("qualm ins") == ["plain,inspect"]
    assert completed("qualm train --entity-p") == ["plain,--entity-pattern"]
    assert completed("qualm train --format otlp_") == ["plain,otlp_proto"]
    for words in ("inspect", "init", "train", "replay", "tail", "explain", "explain x"):
        assert completed(f"qualm {words} app") == ["file,app"], words


def test_help_fits_a_terminal_and_names_the_exit_codes() -> None:
    shown = CliRunner(env={"COLUMNS": "80"}).invoke(main, ["--help"]).stdout
    assert "Exit codes: 0" in shown
    assert "..." not in shown.split("Commands:")[1]  # each of them is told in full
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from agents.cli.main import main\n"
        "assert CliRunner().invoke(main, ['train', '--help']).exit_code == 0\n"
        "heavy = {'torch', 'pennylane', 'numpy', 'onnxruntime', 'faust', 'pydantic', 'sklearn', 'numba'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_train_then_replay(logs: Path, bundle: Path, tmp_path: Path) -> None:
    out = {name: tmp_path / name for name in ("metrics", "alerts", "report")}
    files = [part for name, path in out.items() for part in (f"--{name}", path)]
    labels = ("--labels", logs.with_name("truth.csv"), "--false-alarms", "0.01/unit")
    result = qualm("replay", logs, "--bundle", bundle, *labels, *files)
    assert result.exit_code == 0, result.output
    assert "incidents" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    metrics = json.loads(out["metrics"].read_text())
    alerts = [json.loads(line) for line in out["alerts"].read_text().splitlines()]
    assert metrics["alerts"] == len(alerts) > 0
    assert metrics["entity"]["n_positive"] > 0
    assert {alert["bundle"] for alert in alerts} == {metrics["bundle"]}
    assert out["report"].read_text().startswith("<!doctype html>")


def test_json_is_all_that_replay_prints(logs: Path, bundle: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "agents.cli",
        "replay",
        str(logs),
        "--bundle",
        str(bundle),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["events"] > 1000
    assert done.stderr == ""


def test_a_replay_of_standard_input(logs: Path, bundle: Path) -> None:
    command = [sys.executable, "-m", "agents.cli", "replay", "-", "--bundle", str(bundle), "--json"]
    done = subprocess.run(command, input=logs.read_bytes(), capture_output=True, check=True)
    assert json.loads(done.stdout)["events"] > 1000


def test_a_replay_in_which_nothing_could_be_read_is_a_failure(tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.log", tmp_path / "broken.log"
    empty.write_bytes(b"")
    broken.write_bytes(b'{"a": \n' * 3 + b"\n")
    for json_too in ((), ("--json",)):
        refused(qualm("replay", empty, *json_too), "no records", "right file")
        refused(qualm("replay", broken, *json_too), "none of the 4 records", "--format")


def test_labels_that_name_nothing_are_told(logs: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("entity,label\nnobody,1\n")
    result = qualm("replay", logs, "--labels", labels, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["entity"]["f1"] is None
    assert "no label names" in result.stderr
    refused(qualm("train", logs, "--out", tmp_path / "b", "--labels", labels), "no label names")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,b\n1,2\n", "entity,label[,start]"),
        (b"", "entity,label[,start]"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"entity,label\nx,maybe\n", "line 2"),
        (b"source,start,end\nx,1768382000\n", "columns"),
        (b"source,start,end\nx,1768382005,1768382001\n", "ends before"),
    ],
)
def test_wrong_labels_are_refused(logs: Path, tmp_path: Path, content: bytes, says: str) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_bytes(content)
    refused(qualm("replay", logs, "--labels", labels), "labels.csv", says)
    refused(qualm("train", logs, "--labels", labels, "--out", tmp_path / "b"), "labels.csv", says)


def test_training_refuses_what_it_cannot_learn_from(logs: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "bundle")
    few = tmp_path / "few.log"
    few.write_text("2026-01-01T00:00:00Z INFO something happened\n" * 20)
    refused(qualm("train", few, *out), "too few")
    refused(qualm("train", logs, *out, "--entity-pattern", "(("), "((")
    refused(qualm("train", logs, *out, "--line", "no fields"), "<message>")
    refused(qualm("train", tmp_path / "absent", *out), "absent: no such file")
    refused(qualm("train", tmp_path, *out), "a folder")
    refused(qualm("train", "kafka://nowhere", *out), "kafka://host:port/topic")
    refused(qualm("train", logs, "kafka://h:1/t", *out), "either files or topics")
    refused(qualm("train", logs, "--out", few / "bundle"), "--out")


def test_replay_refuses_before_it_starts(logs: Path, tmp_path: Path) -> None:
    refused(qualm("replay", logs, "--bundle", tmp_path), "no bundle here", "qualm train")
    refused(qualm("replay", logs, "--device", "abacus"), "abacus")
    for option in ("--metrics", "--alerts", "--report"):
        refused(
            qualm("replay", logs, option, tmp_path / "absent" / "out"), "cannot be written", "existing folder"
        )
    kept = tmp_path / "kept"
    kept.write_text("before")
    refused(qualm("replay", tmp_path / "absent", "--alerts", kept), "no such file")
    assert kept.read_text() == "before"


def test_a_broken_off_file_is_a_failure(logs: Path, tmp_path: Path) -> None:
    part = tmp_path / "part.gz"
    part.write_bytes(logs.read_bytes()[:20_000])
    refused(qualm("replay", part, "--json"), "cannot be read beyond line")


def test_wrong_usage_exits_2() -> None:
    for arguments in (
        ("replay",),
        ("train", "x"),
        ("replay", "x", "--false-alarms", "often"),
        ("replay", "x", "--resolve-after", "-1"),
        ("explain",),
        ("simulate", "--rate", "0"),
        ("bench", "everything"),
        ("nonsense",),
    ):
        assert qualm(*arguments).exit_code == 2, arguments


def test_simulate_wants_one_place_to_write_to(tmp_path: Path) -> None:
    refused(qualm("simulate"), "either --out FILE or --broker")
    refused(
        qualm("simulate", "--broker", "127.0.0.1:1", "--labels", tmp_path / "l"), "--labels goes with --out"
    )
    refused(qualm("simulate", "--out", tmp_path / "absent" / "x", "--duration", 1))


def test_doctor_answers_in_json_and_by_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALM_BROKER", "127.0.0.1:1")
    result = qualm("doctor", "--json")
    checks = json.loads(result.stdout)
    assert {"name", "status", "text", "advice"} == checks[0].keys()
    assert result.exit_code == 1  # there is no broker


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"BUNDLE": "/nowhere"}, "no bundle here"),
        ({"DEVICE": "abacus"}, "no device 'abacus'"),
        ({"SHOTS": "100"}, "draws no shots"),
        ({"LINE": "<date> <message>", "FORMAT": "json"}, "give one of them"),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_one_line(
    settings: dict[str, str], says: str, tmp_path: Path
) -> None:
    given = {f"QUALM_{name}": value for name, value in settings.items()}
    given |= {"QUALM_METRICS_PORT": "0", "QUALM_BROKER": "127.0.0.1:1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "agents.cli", "worker"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | given)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("qualm: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_bench_is_a_plugin_of_the_command_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry,) = project["entry-points"][PLUGINS].items()
    group = click.Group("qualm")
    add_plugin(group, EntryPoint(*entry, PLUGINS))
    assert list(group.commands) == ["bench"]
    assert "Example" in CliRunner().invoke(group, ["bench", "--help"]).stdout


def test_a_plugin_whose_package_is_left_out_is_no_command_and_a_broken_one_is_no_secret() -> None:
    group = click.Group("qualm")
    add_plugin(group, EntryPoint("bench", "left_out_of_this_image.command:bench", PLUGINS))
    assert group.commands == {}
    add_plugin(group, EntryPoint("bench", "benchmarks.no_such_file:bench", PLUGINS))
    refused(CliRunner().invoke(group, ["bench"]), "no_such_file")
