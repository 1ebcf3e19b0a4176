"""`qualm tail` of a topic: the latest, then what comes, until it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli.main import main
from tests.agents.cli.test_tail import SALIENT, TIME, WATERMARK, alert
from tests.integration.conftest import ROOT, Broker, wait_until
from tests.integration.test_kafka_source import produce

pytestmark = pytest.mark.kafka


def test_once_shows_the_latest_of_all_partitions(kafka: Broker, unique: str) -> None:
    kafka.create(unique, 2)
    values = [alert(time=TIME + n, example=f"n {n}").encode() for n in range(40)]
    produce(kafka, unique, [*values, *[WATERMARK.encode()] * 600], 2)
    url = f"kafka://{kafka.address}/{unique}"
    result = CliRunner().invoke(main, ["tail", url, "--once", "--json", "-n", "4"])
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["example"] for line in result.stdout.splitlines()] == [
        f"n {n}" for n in range(36, 40)
    ]


def test_what_comes_is_shown_until_it_is_interrupted(kafka: Broker, unique: str, tmp_path: Path) -> None:
    kafka.create(unique, 2)
    produce(kafka, unique, [alert(example="before").encode()])
    out = tmp_path / "out"
    command = [sys.executable, "-m", "agents.cli", "tail", f"kafka://{kafka.address}/{unique}", "--json"]
    with out.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
        )
    try:
        wait_until(lambda: b"before" in out.read_bytes(), 60, "what was there is shown")
        produce(kafka, unique, [SALIENT.encode(), alert(example="after").encode()], 2)
        wait_until(lambda: out.read_bytes().count(b"\n") == 3, 30, "what comes is shown")
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert b"Traceback" not in said
    kinds = [json.loads(line)["type"] for line in out.read_text().splitlines()]
    assert sorted(kinds) == ["alert", "alert", "salient"]


def test_an_empty_topic_has_nothing_to_show(kafka: Broker, unique: str) -> None:
    kafka.create(unique)
    result = CliRunner().invoke(main, ["tail", f"kafka://{kafka.address}/{unique}", "--once"])
    assert (result.exit_code, result.stdout) == (0, "")
