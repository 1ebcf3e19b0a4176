"""Faults change no alert: `python -m benchmarks.chaos` at a size for every day."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import chaos
from benchmarks.kafka_server import KafkaError, KafkaServer, home


@pytest.mark.kafka
@pytest.mark.parametrize("fault", ["zombie", "corrupt-snapshot", "broker-killed"])
def test_a_fault_changes_no_alert(tmp_path: Path, fault: str) -> None:
    try:
        found = home()
    except KafkaError as error:
        pytest.skip(str(error))
    with KafkaServer(found, tmp_path, "log.retention.ms=-1\n") as kafka:
        row = chaos.strike(kafka, tmp_path, fault, times=1, events=8_000, seed=5, zombie_seconds=25.0)
    assert row["alerts"] > 10
    assert {name: row[name] for name in ("lost", "missing", "changed", "extra")} == {
        "lost": 0, "missing": 0, "changed": 0, "extra": 0,
    }  # fmt: skip
