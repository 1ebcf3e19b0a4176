"""What is said about inputs: once for each, as soon as enough was read, and together where it is the same."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest

from agents.inputs.inputs import Inputs
from agents.inputs.merge import in_order
from agents.inputs.tally import Tallies
from agents.records import RecordBatch
from agents.replay import Replay
from agents.settings import load_settings
from models.bundle import Bundle
from schemas.formats.options import ReadOptions


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Four without time, source and level, one with all of them, and one with a level alone."""
    for name in "abcd":
        (tmp_path / f"{name}.txt").write_text("something happened\n" * 200)
    (tmp_path / "e.txt").write_text(
        '{"time": "2026-01-01T00:00:00Z", "level": "info", "service": "s", "message": "m"}\n' * 200
    )
    (tmp_path / "f.txt").write_text('{"level": "info", "message": "m"}\n' * 99)
    return [f"{tmp_path}/*"]


def test_what_is_missing_is_said_once_and_together(files: list[str]) -> None:
    inputs = Inputs(files, load_settings())
    tallies = Tallies(inputs, ReadOptions())
    assert list(tallies.missing()) == []
    for _ in in_order(inputs.streams(), tallies.of_stream):
        pass
    (text,) = tallies.missing()
    folder = Path(inputs.files[0]).parent
    assert text.startswith(f"{folder}/a.txt, {folder}/b.txt, {folder}/c.txt and 1 more: no time: rates")
    assert "no source" in text
    assert "no level" in text
    assert "--line" in text
    assert list(tallies.missing()) == []
    (text,) = tallies.missing(1)  # at the end, what few events are without as well
    assert text.startswith(f"{folder}/f.txt: no time")
    assert "no source" in text
    assert "no level" not in text
    assert "--source-field" in text
    assert tallies.no_time() is False


def test_failures_are_counted_by_partition_with_their_offsets(tmp_path: Path) -> None:
    inputs = Inputs(["kafka://127.0.0.1:1/logs"], load_settings())
    tallies = Tallies(inputs, ReadOptions(format="json"))
    for partition in range(5):
        n = partition + 1
        values: list[bytes | None] = [b"{"] * n
        batch = RecordBatch("logs", partition, [*range(7, 7 + n)], values, [nan] * n, [None] * n, [[]] * n)
        decoder = tallies.of_partition(batch.topic, batch.partition)
        decoder.decode(batch.values, batch.offsets, batch.timestamps)
    *worst, rest = tallies.failed()
    assert [text.split(" records")[0] for text in worst] == [
        f"logs[{k}]: {k + 1} of {k + 1}" for k in (4, 3, 2)
    ]
    assert "logs[4] offset 7: " in worst[0]
    assert "logs[4] offset 9: " in worst[0]
    assert "offset 10" not in worst[0]
    assert rest == "2 more inputs have 3 records that are no log events"


def test_what_is_missing_is_said_up_front(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("something happened\n" * 10_000)
    order: list[str] = []
    replay = Replay(Bundle.default(), ReadOptions())
    inputs = Inputs([str(path)], load_settings())
    replay.run(inputs, lambda _: None, lambda _: order.append("read"), order.append)
    assert [text[:4] for text in order if text != "read"] == [str(path)[:4]]
    assert order[1:] == ["read", "read", "read"]
