"""Files given together: one stream in order of event time, whatever they hold and however they are cut."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.inputs import merge
from agents.inputs.files import FileReader
from agents.inputs.inputs import FILE_LINES, InputError, Inputs
from agents.inputs.merge import in_order, places
from agents.records import RecordBatch
from agents.settings import load_settings
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions


def line(time: float | None, text: str) -> bytes:
    record = {"message": text, "service": "s"} | ({} if time is None else {"timestamp": 1_767_225_600 + time})
    return json.dumps(record).encode()


def stream(values: list[bytes], number: int = 0, size: int = 2) -> Iterator[RecordBatch]:
    """As a file gives it, in batches of a size."""
    n = len(values)
    first = number * FILE_LINES
    whole = RecordBatch("file", 0, [*range(first, first + n)], [*values], [nan] * n, [None] * n, [[]] * n)
    return iter([whole[start : start + size] for start in range(0, n, size)])


def merged(*files: list[bytes], size: int = 2) -> list[RecordBatch]:
    streams = [stream(values, number, size) for number, values in enumerate(files)]
    return list(in_order(streams, lambda _: TopicDecoder(ReadOptions())))


def messages(batches: list[RecordBatch]) -> list[str]:
    return [text for batch in batches if batch.decoded for text in batch.decoded.events.message]


def test_events_go_by_time_and_at_one_time_by_file_and_line() -> None:
    a = [line(1, "a1"), line(3, "a2"), line(3, "a3"), line(9, "a4")]
    b = [line(2, "b1"), line(3, "b2"), line(4, "b3")]
    assert messages(merged(a, b)) == ["a1", "b1", "a2", "a3", "b2", "b3", "a4"]
    assert messages(merged(b, a)) == ["a1", "b1", "b2", "a2", "a3", "b3", "a4"]


def test_lines_without_a_time_stay_behind_the_line_before_them() -> None:
    a = [line(None, "head"), line(5, "a1"), line(None, "trace"), line(None, "trace 2"), line(9, "a2")]
    b = [line(1, "b1"), line(6, "b2")]
    assert messages(merged(a, b)) == ["b1", "head", "a1", "trace", "trace 2", "b2", "a2"]


def test_a_file_without_any_time_is_read_after_all_others() -> None:
    untimed = [line(None, f"u{i}") for i in range(5)]
    assert messages(merged(untimed, [line(1, "b1"), line(2, "b2")])) == [
        "b1",
        "b2",
        "u0",
        "u1",
        "u2",
        "u3",
        "u4",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize("wrong", [1e9, -1e9])
def test_one_wrong_clock_does_not_hold_up_its_file(size: int, wrong: float) -> None:
    a = [line(2 * i, f"a{i}") for i in range(20)]
    a[7] = line(wrong, "wrong")
    b = [line(2 * i + 1, f"b{i}") for i in range(20)]
    got = messages(merged(a, b, size=size))
    others = [text for text in got if text != "wrong"]
    assert others == [text for i in range(20) for text in (f"a{i}", f"b{i}") if text != "a7"]
    assert got.index("a6") < got.index("wrong") < got.index("a8")


def test_each_event_keeps_its_file_and_line_and_each_record_without_one_its_reason() -> None:
    a = [line(1, "a1"), b'{"broken', line(3, "a2")]
    b = [b'{"broken too', line(2, "b1")]
    (batch,) = merged(a, b)
    assert batch.decoded is not None
    assert batch.decoded.events.offset == [0, FILE_LINES + 1, 2]
    assert batch.values == [a[0], b[1], a[2], a[1], b[0]]
    assert [index for index, _ in batch.decoded.failures] == [3, 4]
    part = batch[2:4]  # one event and one record that is none
    assert part.decoded is not None
    assert (part.decoded.events.message, [index for index, _ in part.decoded.failures]) == (["a2"], [1])
    (only,) = merged([b'{"broken'], [b'{"broken'])
    assert len(only) == 2
    assert only.decoded is not None
    assert [index for index, _ in only.decoded.failures] == [0, 1]


def test_each_file_has_its_own_format() -> None:
    text = [b"2026-01-01T00:00:01Z INFO text one", b"2026-01-01T00:00:03Z INFO text two"]
    assert [m[-3:] for m in messages(merged(text, [line(2, "json"), line(4, "json")]))] == [
        "one",
        "son",
        "two",
        "son",
    ]


TIMES = st.lists(st.integers(0, 10_000), unique=True, max_size=60).map(sorted)


@settings(max_examples=60, deadline=None)
@given(TIMES, st.lists(st.integers(0, 4), min_size=60, max_size=60), st.integers(1, 7), st.integers(1, 9))
def test_a_stream_that_is_dealt_to_files_comes_back_as_it_was(
    times: list[int], file_of: list[int], size: int, rows: int
) -> None:
    files: list[list[bytes]] = [[] for _ in range(5)]
    for time, number in zip(times, file_of, strict=False):
        files[number].append(line(time, f"m{time}"))
    whole, merge._ROWS = merge._ROWS, rows  # type: ignore[misc]  # how events are cut into batches changes nothing
    try:
        batches = merged(*files, size=size)
    finally:
        merge._ROWS = whole  # type: ignore[misc]  # as it was
    assert messages(batches) == [f"m{time}" for time in times]
    assert [offset for batch in batches for offset in batch.offsets] == list(range(len(times)))


@given(
    st.lists(st.one_of(st.just(nan), st.floats(0, 100)), max_size=30),
    st.one_of(st.just(nan), st.floats(0, 100)),
)
def test_places_never_fall_and_are_times_of_the_stream(times: list[float], before: float) -> None:
    found = places(times, before)
    assert len(found) == len(times)
    assert found == sorted(found)
    assert set(found) <= {*times, before, inf}


def test_memory_is_one_batch_of_each_file(tmp_path: Path) -> None:
    """Of files that are read at once no more is taken than what is needed to know what comes next."""
    read = [0, 0]

    def counted(number: int, values: list[bytes]) -> Iterator[RecordBatch]:
        for batch in stream(values, number, 100):
            read[number] += len(batch)
            yield batch

    a = [line(i, "a") for i in range(20_000)]
    b = [line(10_000 + i, "b") for i in range(20_000)]
    batches = in_order([counted(0, a), counted(1, b)], lambda _: TopicDecoder(ReadOptions()))
    given = 0
    for batch in batches:
        given += len(batch)
        assert sum(read) - given <= 2 * 100 + 1


def test_many_files_share_what_one_may_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x\n" * 5000)
    assert [len(batch) for batch in FileReader(str(path), files=16)] == [4096, 904]
    assert max(len(batch) for batch in FileReader(str(path), files=160)) == 409


def test_inputs_are_streams_with_names_and_places(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_bytes(b"b\n")
    (tmp_path / "a.log").write_bytes(b"new\n")
    (tmp_path / "a.log.1").write_bytes(b"older\nold\n")
    (tmp_path / "a.log.2.gz").write_bytes(gzip.compress(b"oldest\n"))
    inputs = Inputs([f"{tmp_path}/*", f"{tmp_path}/a.log"], load_settings())  # a.log is read once
    got = [[value for batch in part for value in batch.values] for part in inputs.streams()]
    assert got == [[b"oldest", b"older", b"old", b"new"], [b"b"]]
    assert [Path(name).name for name in inputs.names] == ["a.log (3 files)", "b.log"]
    assert inputs.place("file", 0, FILE_LINES + 1) == f"{tmp_path}/a.log.1, line 2"
    assert inputs.done == inputs.total > 0
    assert inputs.records == 5


def test_a_pipe_is_one_of_several_files(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(line(1, "a1") + b"\n" + line(3, "a2") + b"\n")
    reading, writing = os.pipe()
    os.write(writing, line(2, "piped") + b"\n")
    os.close(writing)
    inputs = Inputs([str(tmp_path / "a.log"), f"/dev/fd/{reading}"], load_settings())
    batches = list(in_order(inputs.streams(), lambda _: TopicDecoder(ReadOptions())))
    os.close(reading)
    assert messages(batches) == ["a1", "piped", "a2"]


def test_more_files_than_can_be_open_are_refused(tmp_path: Path) -> None:
    for number in range(801):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(
        InputError, match=r"801 files are too many to be merged by time, 800 are the most; give fewer"
    ):
        Inputs([f"{tmp_path}/*"], load_settings())
