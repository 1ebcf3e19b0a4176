"""The last lines of entities and sources: five of each, in order, none twice, and not for ever."""

import math

import pytest

from agents import line_history
from agents.line_history import LineHistory
from models.context.columns import short_name
from schemas.events import EventBatch, Row


def batch(*lines: tuple[int, str, str], record: int = 0) -> EventBatch:
    """Events by offset, source and entity."""
    rows: list[Row] = [
        (1e9 + offset, 17, source, entity, f"line {offset}", None, offset, record, "")
        for offset, source, entity in lines
    ]
    return EventBatch.of(rows)


def offsets(history: LineHistory, source: str, entity: str = "") -> list[int]:
    return [line.offset for line in history.of(source, entity)]


def test_the_last_five_of_an_entity_or_a_source() -> None:
    history = LineHistory()
    history.add(batch(*((i, "s", "even" if i % 2 == 0 else "odd") for i in range(20))))
    history.add(batch((20, "t", "even"), (21, "t", "")))
    assert offsets(history, "s", "even") == [12, 14, 16, 18, 20]
    assert offsets(history, "s", "odd") == [11, 13, 15, 17, 19]
    assert offsets(history, "s") == [15, 16, 17, 18, 19]
    assert offsets(history, "t") == [20, 21]
    assert offsets(history, "u") == offsets(history, "s", "nobody") == []
    assert history.of("t", "")[1] == (21, 0, 1e9 + 21, "ERROR", "t", "", "line 21")


def test_up_to_a_place_and_the_line_there() -> None:
    history = LineHistory()
    line = history.add(batch((0, "s", "e"), (1, "s", "e"), (2, "s", "e")), (1, 0))
    assert line is not None
    assert (line.offset, line.message) == (1, "line 1")
    assert offsets(history, "s", "e") == [0]
    assert history.add(batch((1, "s", "e"), record=0), (1, 1)) is None  # another event of the record
    assert offsets(history, "s", "e") == [0, 1]


def test_what_comes_again_is_taken_once() -> None:
    history = LineHistory()
    history.add(batch((0, "s", "e"), (1, "s", "e")))
    history.add(batch((1, "s", "e"), (2, "s", "e")))
    assert offsets(history, "s", "e") == [0, 1, 2]


def test_the_longest_quiet_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_history, "MOST", 3)
    history = LineHistory()
    history.add(batch((0, "a", "x"), (1, "b", "y"), (2, "c", "z"), (3, "a", "x"), (4, "d", "w")))
    assert [offsets(history, name) for name in "abcd"] == [[0, 3], [], [2], [4]]
    assert [offsets(history, "", name) for name in "xyzw"] == [[0, 3], [], [2], [4]]


def test_messages_are_cut_and_long_names_found_by_their_short_form() -> None:
    history, name = LineHistory(), "é" * 100
    history.add(EventBatch.of([(math.nan, 0, "s", name, "m" * 5000, None, 7, 0, "")]))
    short = short_name(name).decode("utf-8", "replace")
    assert short != name
    (line,) = history.of("s", short)
    assert (line.entity, line.message, line.severity) == (name, "m" * 1000, "UNKNOWN")
