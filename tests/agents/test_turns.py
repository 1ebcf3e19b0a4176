"""Rows of several lanes come out in order of event time, within the bounds that are promised."""

from __future__ import annotations

import json
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from agents.turns import Turns

Rows = list[tuple[float, str]]


def names(due: list[tuple[float, int, str]]) -> list[str]:
    return [row for _, _, row in due]


def test_a_row_waits_until_no_lane_can_tell_an_earlier_one() -> None:
    turns: Turns[str] = Turns()
    assert turns.tell(0, 3, 10.0, [(10.0, "a")]) == []
    assert turns.tell(1, 3, 12.0, [(12.0, "b")]) == []  # lane 2 has said nothing
    assert names(turns.tell(2, 3, 11.0)) == ["a"]
    assert turns.time == 10.0  # lane 0 may still tell something of that time
    assert names(turns.tell(0, 3, 20.0)) == []  # lane 2 may yet tell of 11
    assert names(turns.tell(2, 3, 30.0)) == ["b"]
    assert turns.time == 12.0


def test_at_one_time_lanes_go_by_their_number_and_each_keeps_its_order() -> None:
    turns: Turns[str] = Turns()
    assert names(turns.tell(1, 2, 5.0, [(5.0, "c"), (5.0, "d")])) == []  # lane 0 goes first
    assert names(turns.tell(0, 2, 5.0, [(5.0, "a")])) == ["a"]
    assert names(turns.tell(0, 2, 5.0, [(5.0, "b")])) == ["b"]
    assert names(turns.tell(0, 2, 6.0)) == ["c", "d"]


def test_at_one_time_ties_go_before_lanes_where_they_are_told() -> None:
    turns: Turns[str] = Turns()
    assert names(turns.tell(0, 2, 5.0, [(5.0, "b"), (5.0, "d")], ties=[2.0, 4.0], tie=4.0)) == []
    assert names(turns.tell(1, 2, 5.0, [(5.0, "a"), (5.0, "c")], ties=[1.0, 3.0], tie=3.0)) == ["a", "b", "c"]
    assert names(turns.tell(1, 2, 6.0)) == ["d"]


def test_an_idle_lane_holds_up_nothing_until_it_speaks_again() -> None:
    turns: Turns[str] = Turns()
    turns.tell(0, 2, 5.0, idle=True)
    assert names(turns.tell(1, 2, 9.0, [(9.0, "a")])) == ["a"]
    turns.tell(1, 2, 9.0, idle=True)
    assert turns.time == 9.0  # of the first, when all are idle
    assert names(turns.tell(0, 2, 8.0, [(8.0, "late")])) == ["late"]
    assert turns.time == 8.0
    assert names(turns.tell(1, 2, 10.0, [(10.0, "b")])) == []


def test_a_lane_that_says_nothing_is_not_waited_for_after_the_wait() -> None:
    turns: Turns[str] = Turns(wait=60.0)
    turns.tell(0, 2, 1000.0, stamp=5000.0)
    assert names(turns.tell(1, 2, 1001.0, [(1001.0, "a")], stamp=5001.0)) == []
    assert names(turns.tell(1, 2, 1002.0, stamp=5060.0)) == []
    assert names(turns.tell(1, 2, 1003.0, stamp=5060.5)) == ["a"]
    # It speaks, so it is waited for again.
    turns.tell(0, 2, 1001.0, stamp=5070.0)
    assert names(turns.tell(1, 2, 1004.0, [(1004.0, "b")], stamp=5071.0)) == []


def test_a_lane_that_is_late_for_longer_than_the_wait_is_left_behind_until_it_has_caught_up() -> None:
    turns: Turns[str] = Turns(wait=60.0)
    held: Rows = []
    for second in range(200):
        now = 10_000.0 + second
        due = turns.tell(0, 2, now - 500.0, stamp=now)  # a clock that is wrong, or a partition that lags
        due += turns.tell(1, 2, now, [(now, f"r{second}")], stamp=now)
        held += [(second, row) for row in names(due)]
    assert held[0] == (61, "r0")
    assert turns.behind == {0}
    assert held[-1] == (199, "r199")  # nothing waits for it any more
    assert names(turns.tell(0, 2, 9_800.0, [(9_800.0, "out of turn")], stamp=10_200.0)) == ["out of turn"]
    turns.tell(0, 2, 10_300.0, stamp=10_300.0)
    assert turns.behind == set()


def test_what_is_old_when_it_comes_may_wait_for_as_long_again() -> None:
    """While a backlog is read, partitions are apart for longer than a minute."""
    turns: Turns[str] = Turns(wait=60.0)
    turns.tell(0, 2, 0.0, stamp=5000.0)
    assert names(turns.tell(1, 2, 4000.0, [(4000.0, "a")], stamp=5000.0)) == []
    assert names(turns.tell(0, 2, 10.0, stamp=6059.0)) == []
    assert names(turns.tell(0, 2, 20.0, stamp=6061.0)) == ["a"]


def test_a_clock_far_ahead_of_its_record_does_not_make_its_rows_wait_for_that_time() -> None:
    turns: Turns[str] = Turns(wait=60.0)
    turns.tell(0, 2, 1000.0, stamp=1000.0)
    assert names(turns.tell(1, 2, 99_000.0, [(99_000.0, "ahead")], stamp=1001.0)) == []
    assert names(turns.tell(0, 2, 1002.0, stamp=1002.0)) == ["ahead"]


def test_no_more_are_held_than_may_be() -> None:
    turns: Turns[str] = Turns(most=3)
    out: list[str] = []
    for second in range(10):
        out += names(turns.tell(1, 2, float(second), [(float(second), f"r{second}")]))
        assert len(turns) <= 3
    assert out == [f"r{second}" for second in range(10)]  # lane 0 was left behind
    assert turns.behind == {0}


def test_at_the_end_everything_comes_out() -> None:
    turns: Turns[str] = Turns()
    turns.tell(1, 3, 7.0, [(5.0, "b"), (7.0, "c")])
    turns.tell(2, 3, 4.0, [(4.0, "a")])
    assert names(turns.rest()) == ["a", "b", "c"]
    assert len(turns) == 0


@st.composite
def told(draw: st.DrawFn) -> list[tuple[int, float, Rows]]:
    """What three lanes tell, in any order that keeps that of each: the lane, its time, its rows."""
    lanes = []
    for lane in range(3):
        times = sorted(draw(st.lists(st.integers(0, 12).map(float), max_size=8)))
        cuts = sorted(draw(st.sets(st.integers(1, 8), max_size=3)))
        rows = [(time, f"{lane}.{number}") for number, time in enumerate(times)]
        parts = [rows[low:high] for low, high in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
        lanes.append([(lane, part[-1][0], part) for part in parts if part])
    mixed = []
    while any(lanes):
        mixed.append(draw(st.sampled_from([each for each in lanes if each])).pop(0))
    return mixed


@given(told(), st.integers(0, 20))
def test_in_any_interleaving_the_order_is_that_of_time_lane_and_number(
    said: list[tuple[int, float, Rows]], cut: int
) -> None:
    every = sorted((time, lane, int(row[2:])) for lane, _, rows in said for time, row in rows)
    turns: Turns[str] = Turns()
    out: list[str] = []
    for index, (lane, time, rows) in enumerate(said):
        if index == cut:  # a snapshot changes nothing
            content = json.loads(json.dumps(turns.snapshot(str)))
            turns = Turns()
            turns.resume(content, str)
        out += names(turns.tell(lane, 3, time, rows))
    for lane in range(3):
        out += names(turns.tell(lane, 3, inf))
    assert out == [f"{lane}.{number}" for _, lane, number in every]
