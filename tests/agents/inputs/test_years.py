"""Years that are not in the lines of a file come from the time at which it was last written."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli.main import main
from agents.inputs.inputs import Inputs
from agents.inputs.tally import Tallies
from agents.records import RecordBatch
from agents.settings import load_settings
from agents.train import choose_entity, read_events
from agents.triage import PartitionTriage
from models.bundle import Bundle
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

THIS_YEAR = datetime.now(UTC).year
AGO = THIS_YEAR - 3


def at(year: int, month: int = 6, day: int = 9) -> float:
    return datetime(year, month, day, 12, tzinfo=UTC).timestamp()


def syslog(path: Path, days: list[str], written: float) -> Path:
    path.write_text("".join(f"{day} 06:07:04 combo sshd[19939]: session opened\n" for day in days))
    os.utime(path, (written, written))
    return path


def years(*paths: Path) -> list[int]:
    """Of the events, as training reads them."""
    inputs = Inputs([str(path) for path in paths], load_settings())
    streams, options, _ = choose_entity(inputs.streams(), ReadOptions())
    events = read_events(streams, inputs, Tallies(inputs, options), lambda *_: None)
    return [datetime.fromtimestamp(time, UTC).year for time in events.time]


def test_a_file_of_three_years_ago_is_of_that_year(tmp_path: Path) -> None:
    assert years(syslog(tmp_path / "a.log", ["Jun  9"] * 2, at(AGO))) == [AGO, AGO]


def test_across_new_year(tmp_path: Path) -> None:
    assert years(syslog(tmp_path / "a.log", ["Dec 31", "Jan  1"], at(AGO, 1, 1))) == [AGO - 1, AGO]


def test_each_file_has_its_own(tmp_path: Path) -> None:
    """Merged ones, and the parts of a rotated one."""
    old = syslog(tmp_path / "old.txt", ["Jun  9"], at(AGO))
    new = syslog(tmp_path / "new.txt", ["Jun  9"], at(AGO + 1))
    assert years(new, old) == [AGO, AGO + 1]
    parts = [syslog(tmp_path / f"a.log.{n}", ["Dec 30"], at(AGO - n, 12, 31)) for n in (2, 1)]
    assert years(*parts) == [AGO - 2, AGO - 1]


def test_the_worker_s_own_triage_reads_it_alike(tmp_path: Path) -> None:
    """Which is what replay and explain run records through."""
    path = syslog(tmp_path / "a.log", ["Jun  9"], at(AGO))
    ((batch,),) = [list(stream) for stream in Inputs([str(path)], load_settings()).streams()]
    triage = PartitionTriage(Bundle.default(), TopicDecoder(ReadOptions()), "file", 0)
    assert datetime.fromtimestamp(triage.process(batch).watermark, UTC).year == AGO
    assert batch.timestamps[0] != batch.timestamps[0]  # the file's time is no record's


def test_lines_that_collectors_carry_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = "E0609 07:09:19.376093     801 kuberuntime_logs.go:201] Failed"
    path.write_text(
        json.dumps({"stream": "stderr", "kubernetes": {"container_name": "kubelet"}, "log": line})
    )
    os.utime(path, (at(AGO), at(AGO)))
    assert years(path) == [AGO]


def test_inspect_says_the_same(tmp_path: Path) -> None:
    path = syslog(tmp_path / "a.log", ["Jun  9"], at(AGO))
    found = json.loads(CliRunner().invoke(main, ["inspect", str(path), "--json"]).stdout)
    assert found["events"][0]["time"] == datetime(AGO, 6, 9, 6, 7, 4, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("written", [0.0, 1.0])
def test_a_file_whose_time_nobody_set_is_of_now(written: float, tmp_path: Path) -> None:
    """As some archives and images have it: 1970."""
    (year,) = years(syslog(tmp_path / "a.log", ["Jan  1"], written))
    assert year >= THIS_YEAR


def test_a_pipe_has_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped:
        buffer = io.BufferedReader(io.BytesIO(b"Jan  1 06:07:04 combo sshd[1]: opened\n"))

    monkeypatch.setattr(sys, "stdin", Piped)
    ((batch,),) = [list(stream) for stream in Inputs(["-"], load_settings()).streams()]
    assert batch.written != batch.written


def test_a_part_of_a_batch_keeps_it() -> None:
    batch = RecordBatch("file", 0, [0, 1], [b"a", b"b"], [0.0, 0.0], [None] * 2, [[], []], written=5.0)
    assert batch[1:].written == batch.after(1).written == 5.0
