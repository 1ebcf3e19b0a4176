from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.incidents import Incidents
from schemas.alert import Alert, Scores, fingerprint


def alert(time: float, source: str = "api", number: int = 0) -> Alert:
    return Alert(
        id=f"{number:032x}",
        fingerprint=fingerprint(source, "level", "0" * 16),
        status="firing",
        time=time,
        first_seen=time,
        last_seen=time,
        count=1,
        source=source,
        kind="level",
        template="t",
        template_id="0" * 16,
        example="e",
        p_value=0.001,
        scores=Scores(prefilter=0.1, twin=0.1, hybrid=0.001),
        bundle="ab",
        topic="logs",
        partition=0,
        offset=number,
    )


def test_an_incident_fires_when_its_count_doubles() -> None:
    incidents = Incidents(300)
    counts = [
        got.count for number in range(10) for got in incidents.observe(alert(1000.0 + number, number=number))
    ]
    assert counts == [1, 2, 4, 8]


def test_it_is_resolved_once_when_event_time_has_passed() -> None:
    incidents = Incidents(300)
    incidents.observe(alert(1000.0, number=1))
    incidents.observe(alert(1100.0, number=2))
    assert incidents.advance(1399.0) == []
    (resolved,) = incidents.advance(1400.0)
    assert (resolved.status, resolved.count, resolved.first_seen, resolved.last_seen, resolved.time) == (
        "resolved",
        2,
        1000.0,
        1100.0,
        1400.0,
    )
    assert incidents.advance(9999.0) == []
    assert incidents.observe(alert(9999.0, number=3))[0].count == 1


def test_sources_are_apart() -> None:
    incidents = Incidents(300)
    assert len(incidents.observe(alert(1.0, "a"))) == len(incidents.observe(alert(1.0, "b"))) == 1
    assert len(incidents) == 2


def test_memory_is_bounded_and_the_quietest_makes_room() -> None:
    incidents = Incidents(300, max_open=10)
    published = [got for n in range(100) for got in incidents.observe(alert(float(n), f"s{n}", n))]
    assert len(incidents) == 10
    assert [got.source for got in published if got.status == "resolved"] == [f"s{n}" for n in range(90)]
    assert all(got.time == got.last_seen for got in published if got.status == "resolved")
    assert len(incidents._due) <= 2 * 10 + 1
    # Those that are left are resolved in their turn, each after its own quiet time.
    assert [(got.source, got.time) for got in incidents.advance(1e9)] == [
        (f"s{n}", n + 300.0) for n in range(90, 100)
    ]


@given(st.lists(st.tuples(st.integers(0, 2000), st.sampled_from("abc")), max_size=60))
def test_every_incident_that_fires_is_resolved_exactly_once(steps: list[tuple[int, str]]) -> None:
    incidents = Incidents(100)
    published: list[Alert] = []
    for number, (time, source) in enumerate(steps):
        published += incidents.observe(alert(float(time), source, number))
        published += incidents.advance(float(time))
    published += incidents.advance(float("inf"))
    open_now: set[str] = set()
    for got in published:
        assert got.first_seen <= got.last_seen
        if got.status == "resolved":
            open_now.remove(got.fingerprint)
        else:
            open_now.add(got.fingerprint)
    assert not open_now
    assert len({got.id for got in published}) == len(published)


def test_a_late_event_moves_the_start_of_an_incident_and_not_its_end() -> None:
    incidents = Incidents(300)
    incidents.observe(alert(1000.0, number=1))
    (late,) = incidents.observe(alert(990.0, number=2))
    assert (late.count, late.first_seen, late.last_seen) == (2, 990.0, 1000.0)
    (resolved,) = incidents.advance(1300.0)
    assert (resolved.first_seen, resolved.last_seen, resolved.time) == (990.0, 1000.0, 1300.0)
