"""Incidents over several partitions of a topic: one trouble, whichever is read first, told by the slowest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from agents.incidents import Incidents
from agents.partition_clocks import PartitionClocks
from schemas.alert import Alert
from tests.agents.test_incidents import suspicious

QUIET = 300.0  # s until an incident is over


@dataclass(frozen=True)
class Said:
    """What a partition says: that it is at a time, and what is suspicious there; trouble -1: nothing."""

    partition: int
    time: float
    trouble: int = -1
    number: int = 0


class Topic:
    """The incidents of a topic, and what was published of them."""

    def __init__(self, pages_per_hour: int = 100) -> None:
        self.incidents = Incidents(QUIET, pages_per_hour)
        self.published: list[Alert] = []

    def take(self, said: Said) -> None:
        self.published += self.incidents.advance(said.partition, said.time)
        if said.trouble >= 0:
            # Of one trouble: one source, and one template of the evidence of all its entities.
            source, why = f"s{said.trouble}", f"trouble {said.trouble}"
            alert = suspicious(said.time, source, said.number, f"r{said.number}", why, "INFO")
            alert = alert.model_copy(update={"partition": said.partition})
            self.published += self.incidents.observe(alert)[1]

    def of(self, updates: str) -> list[tuple[float, int]]:
        return [(each.time, each.count) for each in self.published if each.update in updates.split()]


def all_of(said: Iterable[Said]) -> Topic:
    topic = Topic()
    for each in said:
        topic.take(each)
    return topic


def test_an_incident_of_two_partitions_is_over_when_both_have_come_so_far() -> None:
    topic = all_of([Said(0, 0.0, 7, 1), Said(1, 10.0, 7, 2), Said(0, 3000.0)])
    assert topic.of("opened") == [(0.0, 1)]
    assert topic.of("continues resolved") == []
    topic.take(Said(1, 309.0))
    assert topic.of("continues resolved") == []
    topic.take(Said(1, 310.0))
    assert topic.of("continues resolved") == [(310.0, 2)]


def test_a_heartbeat_too_waits_for_the_slowest() -> None:
    said = [Said(t % 2, float(t), 7, t) for t in range(0, 600, 25)]
    topic = all_of([*said, Said(0, 800.0), Said(1, 599.0)])
    assert topic.of("continues resolved") == []
    topic.take(Said(1, 600.0))
    assert topic.of("continues resolved") == [(600.0, 24)]


def test_an_incident_does_not_wait_for_partitions_that_it_has_nothing_from() -> None:
    topic = all_of([Said(1, 0.0), Said(0, 0.0, 7, 1), Said(1, 5.0, 8, 2), Said(0, 300.0)])
    # What begins within a minute is one trouble: that is of both.
    assert topic.of("resolved") == []
    alone = all_of([Said(1, 0.0), Said(0, 0.0, 7, 1), Said(0, 300.0)])
    assert alone.of("resolved") == [(300.0, 1)]


def test_a_unit_that_is_still_unusual_in_a_partition_makes_its_incident_wait_for_it() -> None:
    topic = all_of([Said(0, 0.0, 7, 1), Said(1, 0.0)])
    topic.incidents.keep(1, "s7", "r1", 50.0)
    topic.take(Said(0, 1000.0))
    assert topic.of("resolved") == []
    topic.take(Said(1, 350.0))
    assert topic.of("resolved") == [(350.0, 1)]


def test_a_partition_that_is_silent_for_an_hour_of_the_others_holds_nothing_up() -> None:
    topic = all_of([Said(0, 0.0, 7, 1), Said(1, 10.0, 7, 2), Said(0, 3610.0)])
    assert topic.of("continues resolved") == []
    topic.take(Said(0, 3611.0))
    assert topic.of("continues resolved") == [(310.0, 2)]


def test_what_a_late_partition_adds_opens_the_incident_again_without_a_page_until_the_end_it_really_had() -> (
    None
):
    topic = all_of([Said(0, 0.0, 7, 1), Said(0, 3000.0)])
    assert topic.of("resolved") == [(300.0, 1)]
    topic.take(Said(1, 200.0, 7, 2))
    topic.take(Said(1, 5000.0))
    told = [(each.update, each.page, each.time, each.count, each.incident) for each in topic.published]
    name = f"{1:032x}"
    assert told == [
        ("opened", True, 0.0, 1, name),
        ("resolved", False, 300.0, 1, name),
        ("reopened", False, 200.0, 2, name),
        ("resolved", False, 500.0, 2, name),  # 300 s later, not the 600 of one that is flapping
    ]


def test_an_end_is_remembered_for_partitions_that_are_behind_but_not_for_what_begins_anew() -> None:
    topic = all_of([Said(0, 0.0, 7, 1), Said(0, 1201.0, 7, 2)])  # FLAPPING after its end, and a second
    assert [each.update for each in topic.published] == ["opened", "resolved", "opened"]


def test_a_page_that_the_hour_has_no_room_for_is_tried_again_with_the_heartbeat() -> None:
    """An incident becomes critical while others have taken all pages of the hour."""
    incidents = Incidents(QUIET, pages_per_hour=1)
    published = incidents.observe(suspicious(0.0, level="INFO"))[1]
    published += incidents.observe(suspicious(61.0, number=1, level="FATAL"))[1]
    for second in range(200, 3800, 200):
        published += incidents.advance(0, float(second))
        published += incidents.observe(suspicious(float(second), number=second, level="INFO"))[1]
    told = [(each.update, each.time, each.page) for each in published]
    assert told[0] == ("opened", 0.0, True)
    assert [each for each in told if each[2]][1:] == [("grown", 3600.0, True)]
    assert [time for update, time, _ in told if update == "continues"] == [
        60.0,
        660.0,
        1260.0,
        1860.0,
        2460.0,
        3060.0,
    ]


def test_growth_counts_what_partitions_say_at_the_turn_of_a_while() -> None:
    """Ten times as many in one while of five minutes, though a partition is still in the one before."""
    steady = [Said(t % 2, 300.0 + 150.0 * t, 7, t) for t in range(8)]  # two in each while, up to 1350
    many = [Said(t % 2, 1510.0 - 20.0 * (t % 2) + t, 7, 100 + t) for t in range(25)]
    topic = all_of([*steady, *many])
    assert [(each.update, each.count) for each in topic.published if each.page] == [
        ("opened", 1),
        ("grown", 28),
    ]


def test_pages_of_partitions_that_are_apart_share_the_room_of_an_hour() -> None:
    topic = Topic(pages_per_hour=2)
    for number, (partition, time) in enumerate(
        [(0, 3000.0), (1, 100.0), (0, 3650.0), (0, 3750.0), (0, 6500.0)]
    ):
        topic.take(Said(partition, time, number, number))
    # At 3650 those of 3000 and 100 are less than an hour ago; at 3750 only one is.
    pages = [each.time for each in topic.published if each.update == "opened" and each.page]
    assert pages == [3000.0, 100.0, 3750.0]


@st.composite
def interleaved(draw: st.DrawFn, parts: st.SearchStrategy[list[list[Said]]]) -> list[Said]:
    """The messages of two partitions in any order that keeps that of each; at last, time has passed."""
    left = [list(part) for part in draw(parts)]
    merged: list[Said] = []
    while any(left):
        from_first = bool(left[0]) and (not left[1] or draw(st.booleans()))
        merged.append(left[not from_first].pop(0))
    return [*merged, Said(0, 1e9), Said(1, 1e9), Said(0, 2e9), Said(1, 2e9)]


def numbered(parts: list[list[Said]]) -> list[list[Said]]:
    return [
        [Said(p, each.time, each.trouble, 1000 * p + n) for n, each in enumerate(part)]
        for p, part in enumerate(parts)
    ]


def parts_of(times: st.SearchStrategy[list[tuple[float, int]]]) -> st.SearchStrategy[list[list[Said]]]:
    """Of two partitions, (time, trouble) in order."""
    said = times.map(lambda found: [Said(0, time, trouble) for time, trouble in sorted(found)])
    return st.tuples(said, said).map(list).map(numbered)


ANYTHING = parts_of(st.lists(st.tuples(st.integers(0, 9000).map(float), st.integers(-1, 4)), max_size=25))
# Troubles that begin two minutes apart or more, each shorter than what makes it over, all within the hour by
# which partitions may be apart.
TROUBLES = parts_of(
    st.lists(
        st.tuples(st.integers(0, 11), st.integers(0, 30)).map(
            lambda each: (200.0 * each[0] + each[1], each[0])
        ),
        max_size=25,
    )
)


@given(interleaved(ANYTHING))
def test_in_any_order_every_event_is_in_one_incident_that_opens_once_and_ends_once_for_each_beginning(
    said: list[Said],
) -> None:
    """All that holds when partitions are hours apart: which events make one incident may then differ."""
    topic = all_of(said)
    assert len(topic.incidents) == 0
    last: dict[str, int] = {}
    by_incident = sorted(topic.published, key=lambda each: each.incident)  # stable: in their order
    for name, group in groupby(by_incident, key=lambda each: each.incident):
        told = list(group)
        states = [each.update for each in told]
        assert states[0] == "opened"
        assert states.count("opened") == 1
        assert states[-1] == "resolved"
        assert states.count("resolved") == 1 + states.count("reopened")
        last[name] = told[-1].count
    assert sum(last.values()) == sum(each.trouble >= 0 for each in said)
    assert len({each.id for each in topic.published}) == len(topic.published)


@given(interleaved(TROUBLES))
def test_in_any_order_the_same_troubles_are_paged_once_and_end_alike(said: list[Said]) -> None:
    """What is invariant: each trouble, its page, and its end with all that belongs to it."""
    topic = all_of(said)
    expected = {}
    for trouble in {each.trouble for each in said if each.trouble >= 0}:
        times = [each.time for each in said if each.trouble == trouble]
        expected[f"s{trouble}"] = (min(times), max(times), max(times) + QUIET, len(times))
    ends = {}
    for each in topic.published:
        if each.update == "resolved":  # the last one says all
            ends[each.source] = (each.first_seen, each.last_seen, each.time, each.count)
    assert ends == expected
    assert sorted(each.source for each in topic.published if each.page) == sorted(expected)


@given(interleaved(ANYTHING), st.integers(0, 50))
def test_a_snapshot_between_any_two_messages_changes_nothing(said: list[Said], cut: int) -> None:
    first, second = all_of(said[:cut]), Topic()
    second.incidents.resume(json.loads(json.dumps(first.incidents.snapshot())))
    for each in said[cut:]:
        second.take(each)
    told = [each.encode() for each in first.published + second.published]
    assert told == [each.encode() for each in all_of(said).published]


@given(parts_of(st.lists(st.tuples(st.integers(0, 9000).map(float), st.integers(-1, 4)), max_size=60)))
def test_of_one_partition_it_does_not_matter_how_often_time_is_told(parts: list[list[Said]]) -> None:
    """Evaluate passes on few of the watermarks that triage sends."""
    often = [*parts[0], Said(0, 1e6)]
    seldom = [each for each in often if each.trouble >= 0 or each.time == 1e6]
    assert [each.encode() for each in all_of(often).published] == [
        each.encode() for each in all_of(seldom).published
    ]


def test_clocks_never_go_back_and_unknown_partitions_are_at_no_time() -> None:
    clocks = PartitionClocks()
    assert clocks.reached(3) == float("-inf")
    clocks.advance(0, 100.0)
    clocks.advance(0, 50.0)
    clocks.advance(1, 70.0)
    assert (clocks.reached(0), clocks.reached(1)) == (100.0, 70.0)
    assert clocks.slowest([0, 1]) == 1
    clocks.advance(0, 3701.0)  # more than an hour after partition 1 was last heard, when the first was at 100
    assert clocks.reached(1) == 3701.0
    clocks.advance(1, 80.0)  # far behind, but it speaks
    assert clocks.reached(1) == 80.0
