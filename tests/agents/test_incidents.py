from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.incidents import Incidents
from schemas.alert import Alert, Scores, fingerprint
from schemas.salient import Reason

HOUR = 3600.0


def suspicious(
    time: float, source: str = "api", number: int = 0, entity: str = "", why: str = "", level: str = "ERROR"
) -> Alert:
    """A suspicious event, as an alert that knows nothing of its incident; why: template of its evidence."""
    reasons = [Reason(kind="new", template=why, nats=20.0, share=0.0, age=1.0)] if why else []
    return Alert(
        id=f"{number:032x}", fingerprint=fingerprint(source, "level", "0" * 16), incident=f"{number:032x}",
        status="firing", time=time, first_seen=time, last_seen=time, count=1, source=source, entity=entity,
        severity=level, kind="level", template="t", template_id="0" * 16, example="e", p_value=1e-5,
        p_limit=1e-4, evidence=reasons, scores=Scores(prefilter=0.1, twin=0.1, hybrid=1e-5), bundle="ab",
        topic="logs", partition=0, offset=number,
    )  # fmt: skip


def pages(published: list[Alert]) -> list[Alert]:
    return [each for each in published if each.page]


class Run:
    """Incidents fed one event after the other, with the watermark at each."""

    def __init__(self, pages_per_hour: int = 100, most: int = 1000, partition: int = 0) -> None:
        self.partition = partition
        self.incidents = Incidents(300.0, pages_per_hour, most)
        self.published: list[Alert] = []
        self.number = 0

    def see(
        self, time: float, source: str = "api", entity: str = "", why: str = "", level: str = "ERROR"
    ) -> str:
        self.number += 1
        self.pass_to(time)
        name, published = self.incidents.observe(suspicious(time, source, self.number, entity, why, level))
        self.published += published
        return name

    def pass_to(self, time: float) -> list[Alert]:
        published = self.incidents.advance(self.partition, time)
        self.published += published
        return published


def test_a_source_that_goes_on_is_one_incident_with_one_page_a_heartbeat_and_one_end() -> None:
    run = Run()
    for minute in range(20):
        run.see(1000.0 + 60.0 * minute, level="INFO")
    run.pass_to(1e5)
    told = [(each.update, each.page, each.time, each.count) for each in run.published]
    assert told == [
        ("opened", True, 1000.0, 1),
        ("continues", False, 1600.0, 10),
        ("continues", False, 2200.0, 20),
        ("resolved", False, 2440.0, 20),
    ]
    assert {each.incident for each in run.published} == {f"{1:032x}"}
    assert len({each.id for each in run.published}) == 4
    assert [each.status for each in run.published] == ["firing", "firing", "firing", "resolved"]


def test_ten_times_as_many_suspicious_events_in_five_minutes_are_growth_and_a_steady_flow_is_none() -> None:
    run = Run()
    for second in range(0, 7200, 60):
        run.see(float(second), "pay", f"r{second}", "card refused", "INFO")
    assert [each.urgency for each in pages(run.published)] == ["info"]
    for second in range(7200, 7250):
        run.see(float(second), "pay", f"r{second}", "card refused", "INFO")
    assert [(each.update, each.time) for each in pages(run.published)[1:]] == [("grown", 7249.0)]


def test_entities_with_the_same_evidence_are_one_trouble_and_others_are_not() -> None:
    run = Run()
    first = run.see(0.0, "pay", "r1", "card refused")
    assert run.see(100.0, "shop", "r2", "card refused") == first
    assert run.see(150.0, "shop", "r1", "no reply") == first  # the entity of the first
    other = run.see(200.0, "mail", "r3", "queue is full")
    assert other != first
    assert run.see(290.0, "pay", "r4", "disk is full") != first  # same source, another trouble, a while later
    assert len(run.incidents) == 3


def test_new_evidence_of_one_source_within_a_minute_is_one_trouble() -> None:
    run = Run()
    first = run.see(0.0, "pay", "r1", "card refused")
    assert run.see(59.0, "pay", "r2", "no route to host") == first
    assert run.see(59.0, "pay") == first  # the source as a whole
    assert run.see(290.0, "pay") == first


def test_a_hundred_thousand_equal_failures_are_one_page() -> None:
    run = Run()
    for number in range(100_000):
        run.see(number / 1000.0, "pay", f"r{number}", "card refused")
    assert [(each.update, each.count) for each in pages(run.published)] == [("opened", 1)]
    (resolved,) = run.pass_to(1e6)[-1:]
    assert (resolved.update, resolved.count) == ("resolved", 100_000)
    assert len(resolved.entities) == 8


def test_a_thousand_sources_that_fail_at_once_are_one_page_and_one_more_when_they_go_on() -> None:
    run = Run()
    names = {run.see(number / 500.0, f"s{number}") for number in range(1000)}
    assert len(names) == 1
    assert len(pages(run.published)) == 1
    assert [(each.time, each.page) for each in run.pass_to(100.0)] == [(60.0, True)]  # for all that joined it
    for number in range(1000):
        assert run.see(301.0 + number / 500.0, f"s{number}") in names
    assert [(each.update, each.urgency, each.source_count) for each in pages(run.published)] == [
        ("opened", "warning", 1),
        ("grown", "critical", 1000),
    ]
    (resolved,) = run.pass_to(1e6)
    assert (resolved.update, resolved.source_count, len(resolved.sources)) == ("resolved", 1000, 16)


def test_what_begins_within_a_minute_of_an_incident_is_part_of_it() -> None:
    run = Run()
    first = run.see(0.0, "pay")
    assert run.see(59.0, "gateway") == first
    assert run.see(61.0, "mail") != first


def test_an_incident_pages_again_when_it_grows_and_not_before_five_minutes_have_passed() -> None:
    run = Run()
    run.see(0.0, "pay", "r1", "card refused", "INFO")
    run.see(10.0, "shop", "r2", "card refused", "INFO")  # another source, too soon
    assert len(pages(run.published)) == 1
    run.see(200.0, "shop", "r3", "card refused", "INFO")
    run.see(301.0, "shop", "r4", "card refused", "INFO")
    (_, grown) = pages(run.published)
    assert (grown.update, grown.time, grown.sources, grown.count) == ("grown", 301.0, ["pay", "shop"], 4)


@pytest.mark.parametrize(("fatal", "paged"), [(61.0, 61.0), (6.0, 60.0)])
def test_a_fatal_line_makes_it_critical_and_pages_but_not_within_a_minute(fatal: float, paged: float) -> None:
    run = Run()
    run.see(0.0, level="INFO")
    run.see(fatal, level="FATAL")
    run.pass_to(100.0)
    assert [each.time for each in pages(run.published)] == [0.0, paged]
    assert [each.urgency for each in pages(run.published)] == ["info", "critical"]
    assert [each.labels["severity"] for each in pages(run.published)] == ["info", "critical"]


def test_an_hour_has_no_more_pages_than_asked_for_and_the_others_are_told_without() -> None:
    run = Run(pages_per_hour=2)
    for number in range(5):
        run.see(100.0 * number, f"s{number}", f"r{number}", f"trouble {number}")
    assert [each.page for each in run.published if each.update == "opened"] == [
        True,
        True,
        False,
        False,
        False,
    ]
    for time in range(600, int(HOUR), 200):
        run.see(float(time), "s4", "r4", "trouble 4")
    assert len(pages(run.published)) == 2
    run.see(HOUR, "s4", "r4", "trouble 4")  # the first page is an hour ago: there is room for this one
    (late,) = [each for each in pages(run.published) if each.time == HOUR]
    assert (late.update, late.source, late.first_seen) == ("grown", "s4", 400.0)


def test_what_begins_again_soon_is_the_same_incident_and_takes_longer_to_be_over() -> None:
    run = Run()
    first = run.see(0.0)
    assert [each.time for each in run.pass_to(301.0)] == [300.0]
    assert run.see(900.0) == first
    assert (run.published[-1].update, run.published[-1].page) == ("reopened", False)
    (resolved,) = run.pass_to(1501.0)
    assert (resolved.update, resolved.time) == ("resolved", 1500.0)  # twice 300 s after 900
    assert run.see(1500.0 + 901.0) != first


def test_a_unit_that_is_not_normal_again_keeps_its_incident_open() -> None:
    run = Run()
    run.see(0.0)
    for time in range(60, 500, 60):
        run.incidents.keep(0, "api", "", float(time))
        run.incidents.keep(0, "other", "", float(time))
    assert run.pass_to(779.0)[-1].update == "continues"
    assert [(each.update, each.time) for each in run.pass_to(780.0)] == [("resolved", 780.0)]


def test_memory_is_bounded_and_the_quietest_makes_room() -> None:
    run = Run(most=10)
    for number in range(100):
        run.see(100.0 * number, f"s{number}", f"r{number}", f"trouble {number}")
        assert len(run.incidents._incidents) <= 10
        assert len(run.incidents._known) <= 10 * 3
    crowded = Run(most=10)  # all of them at once: those that were quiet longest end early
    for number in range(30):
        crowded.incidents._opened = ""
        crowded.see(number / 10.0, f"s{number}", f"r{number}", f"trouble {number}")
    ended = [each for each in crowded.published if each.status == "resolved"]
    assert [(each.source, each.time) for each in ended] == [(f"s{n}", n / 10.0) for n in range(20)]


steps = st.lists(
    st.tuples(st.integers(0, 4000), st.sampled_from("abc"), st.sampled_from(["", "x", "y", "z"])), max_size=60
)


@given(steps)
def test_every_incident_that_fires_is_resolved_exactly_once_for_each_time_it_began(
    events: list[tuple[int, str, str]],
) -> None:
    run = Run()
    for time, source, entity in sorted(events):
        run.see(float(time), source, entity, f"trouble {entity}" if entity else "")
    run.pass_to(1e9)
    assert len(run.incidents) == 0
    for name in {each.incident for each in run.published}:
        states = [each.update for each in run.published if each.incident == name]
        assert states[0] == "opened"
        assert states.count("opened") == 1
        assert states[-1] == "resolved"
        assert states.count("resolved") == 1 + states.count("reopened")
    assert len({each.id for each in run.published}) == len(run.published)


@given(steps, st.integers(0, 60))
def test_a_snapshot_goes_on_with_the_same_alerts(events: list[tuple[int, str, str]], cut: int) -> None:
    whole, first, second = Run(), Run(), Run()
    for number, (time, source, entity) in enumerate(sorted(events)):
        if number == cut:
            second.incidents.resume(json.loads(json.dumps(first.incidents.snapshot())))
            second.number = first.number
        part = first if number < cut else second
        for run in (whole, part):
            run.see(float(time), source, entity, f"trouble {entity}" if entity else "")
    (second if len(events) > cut else first).pass_to(1e9)
    whole.pass_to(1e9)
    told = [each.encode() for each in first.published + second.published]
    assert told == [each.encode() for each in whole.published]


@pytest.mark.parametrize("broken", [{}, {"incidents": [{}]}, {"incidents": 3}])
def test_what_is_no_snapshot_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Incidents(300.0, 10).resume(broken)
