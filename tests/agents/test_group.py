"""Alerts of a topic do not depend on how its partitions were interleaved, nor on what is delivered again."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.group import Grouping
from agents.turns import MOST_HELD
from models.options import EvaluateOptions
from schemas.alert import Alert
from schemas.suspicious import Suspicious, SuspiciousMessage, Unusual, decode_suspicious
from schemas.watermark import Watermark
from tests.agents.test_incidents import suspicious

OPTIONS = EvaluateOptions(resolve_after=300.0, pages_per_hour=3)
START = 1.7e9


@dataclass(frozen=True)
class Said:
    """What happens in a partition, s after START; trouble -1: time passes; number: of its record."""

    partition: int
    time: float
    number: int
    trouble: int = -1
    unusual: bool = False


def message(said: Said, lane: int, lanes: int) -> SuspiciousMessage:
    time = START + said.time
    of_lane = {"lane": lane, "lanes": lanes, "position": said.number, "watermark": time}
    source, entity = f"s{said.trouble % 3}", f"r{said.trouble}"
    if said.trouble < 0:
        return Watermark(topic="logs", partition=lane, bundle="ab", **of_lane)
    if said.unusual:
        return Unusual(
            topic="logs", partition=said.partition, time=time, source=source, entity=entity, **of_lane
        )
    unique = 1000 * said.partition + said.number
    level = "FATAL" if said.trouble == 3 else "ERROR"
    alert = suspicious(time, source, unique, entity, f"trouble {said.trouble}", level)
    return Suspicious(time=time, alert=alert.model_copy(update={"partition": said.partition}), **of_lane)


def in_one_partition(parts: list[list[Said]]) -> list[Alert]:
    """What must come of it: everything by time, then partition, then its order, as if read from one."""
    every = sorted((said for part in parts for said in part), key=lambda said: (said.time, said.partition))
    told = [message(said, 0, 1).model_copy(update={"position": n}) for n, said in enumerate(every)]
    grouping = Grouping(OPTIONS)
    return [*grouping.process(told), *grouping.process([message(Said(0, 1e7, 10**6), 0, 1)])]


def ends(lanes: int) -> list[SuspiciousMessage]:
    return [message(Said(lane, 1e7 + lane, 10**6), lane, lanes) for lane in range(lanes)]


def same(alerts: list[Alert]) -> list[bytes]:
    return [alert.encode() for alert in alerts]


@st.composite
def partitions(draw: st.DrawFn) -> list[list[Said]]:
    """Three partitions, each in its order; marks wherever."""
    found = []
    for partition in range(3):
        event = st.tuples(st.integers(0, 4000), st.integers(-1, 5), st.booleans())
        events = sorted(draw(st.lists(event, max_size=20)))
        found.append(
            [Said(partition, float(t), n, trouble, odd) for n, (t, trouble, odd) in enumerate(events)]
        )
    return found


@settings(deadline=None)
@given(partitions(), st.randoms(use_true_random=False))
def test_in_any_interleaving_with_repetitions_and_restarts(
    parts: list[list[Said]], chance: random.Random
) -> None:
    grouping = Grouping(OPTIONS)
    at = [0, 0, 0]
    alerts: list[Alert] = []
    while left := [lane for lane in range(3) if at[lane] < len(parts[lane])]:
        lane = chance.choice(left)
        if chance.random() < 0.2:  # whoever reads it starts again from what was committed
            at[lane] = chance.randrange(at[lane] + 1)
        if chance.random() < 0.2:  # so does whoever groups
            data = grouping.states.snapshot()["", 0] if len(grouping.states) else None
            grouping = Grouping(OPTIONS)
            if data:
                grouping.states.resume("", 0, data)
        said = message(parts[lane][at[lane]], lane, 3)
        at[lane] += 1
        alerts += grouping.process([decode_suspicious(said.encode())])
    alerts += grouping.process(ends(3))
    assert same(alerts) == same(in_one_partition(parts))


@settings(deadline=None)
@given(partitions(), st.sets(st.integers(0, 2), min_size=1))
def test_partitions_that_say_they_are_at_their_end_hold_nothing_up(
    parts: list[list[Said]], idle: set[int]
) -> None:
    for lane in idle:
        parts[lane] = []
    notices = [
        Watermark(lane=lane, lanes=3, topic="logs", partition=lane, bundle="ab", watermark=0.0, idle=True)
        for lane in idle
    ]
    grouping = Grouping(OPTIONS)
    alerts = grouping.process(notices)
    rest = [message(said, lane, 3) for lane in range(3) for said in parts[lane]]
    last = [each for each in ends(3) if each.lane not in idle]
    alerts += grouping.process([*rest, *last])
    assert same(alerts) == same(in_one_partition(parts))


def test_the_first_alert_comes_when_the_others_have_come_so_far() -> None:
    grouping = Grouping(OPTIONS)
    assert grouping.process([message(Said(1, 10.0, 0, trouble=0), 1, 2)]) == []
    assert grouping.process([message(Said(0, 9.0, 0), 0, 2)]) == []
    assert [alert.update for alert in grouping.process([message(Said(0, 11.0, 1), 0, 2)])] == ["opened"]


def test_a_partition_whose_owner_is_dead_costs_a_minute_once_by_the_records_of_the_topic() -> None:
    grouping = Grouping(OPTIONS)
    opened = []
    for second in range(200):
        said = Said(1, float(second), second, trouble={0: 0, 150: 1}.get(second, -1))
        alerts = grouping.process([message(said, 1, 2)], stamps=[START + second])
        opened += [(second, alert.time - START) for alert in alerts if alert.update == "opened"]
    assert opened == [(61, 0.0), (150, 150.0)]


def test_what_is_held_is_bounded() -> None:
    grouping = Grouping(OPTIONS)
    said = [message(Said(1, float(n), n, trouble=0), 1, 2) for n in range(MOST_HELD + 10)]
    assert grouping.process(said[:MOST_HELD]) == []
    assert grouping.process(said[MOST_HELD:])


def test_the_end_of_the_input_gives_what_still_waits() -> None:
    grouping = Grouping(OPTIONS)
    assert grouping.process([message(Said(1, 10.0, 0, trouble=0), 1, 2)]) == []
    assert [alert.update for alert in grouping.rest()] == ["opened"]


def test_a_partition_with_a_slow_clock_has_its_own_incidents_told_by_it() -> None:
    """Left behind, it neither holds up the others nor flaps."""
    grouping = Grouping(OPTIONS)
    alerts: list[Alert] = []
    for second in range(0, 2400, 10):
        stamp = START + 20_000.0 + second
        trouble = 1 if second < 1200 else -1
        late = message(Said(0, float(second), second, trouble), 0, 2)
        now = message(Said(1, 20_000.0 + second, second), 1, 2)
        alerts += grouping.process([late, now], stamps=[stamp, stamp])
    told = [(alert.update, round(alert.time - START)) for alert in alerts]
    assert [each for each in told if each[0] in ("opened", "reopened", "resolved")] == [
        ("opened", 0),
        ("resolved", 1190 + 300),
    ]


@pytest.mark.parametrize("broken", ['{"topics": [["logs", {}]]}', "[]", '{"topics": 3}'])
def test_what_is_no_snapshot_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match="not a snapshot"):
        Grouping(OPTIONS).states.resume("", 0, broken.encode())


def test_topics_that_somebody_invents_take_no_room_and_push_out_none_that_is_in_use() -> None:
    grouping = Grouping(OPTIONS)
    opened = grouping.process([message(Said(0, 10.0, 0, trouble=0), 0, 1)])
    for n in range(3_000):
        mark = Watermark(topic=f"invented{n}", partition=0, bundle="ab", watermark=10.0)
        assert grouping.process([mark, message(Said(0, 11.0, 1), 0, 1)]) == []
    snapshot = json.loads(grouping.states.snapshot()["", 0])
    assert len(snapshot["topics"]) == 1_000
    assert [alert.incident for alert in grouping.process(ends(1))] == [opened[0].id]
