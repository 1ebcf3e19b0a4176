import gzip
import math
from collections import Counter
from itertools import pairwise, takewhile

import orjson
import pytest

from agents.demo.services import BACKGROUND, FLOWS, LINES, PERIODIC, RESTART, SLOW_MS, UNSEEN
from agents.demo.simulation import (
    DEMO_START,
    SERVICES,
    Incident,
    SimulatedEvent,
    demo_incidents,
    simulate,
    truths,
    write_file,
    write_labels,
)
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

MINUTES = 60.0


def run(*incidents: Incident, seed: int = 3, duration: float = 10 * MINUTES) -> list[SimulatedEvent]:
    return list(simulate(seed, duration, 60.0, incidents=incidents))


def during(events: list[SimulatedEvent], incident: Incident, service: str) -> list[SimulatedEvent]:
    begin = DEMO_START + incident.start
    return [e for e in events if begin <= e.time < begin + incident.duration and e.service == service]


def latencies(events: list[SimulatedEvent]) -> list[float]:
    values = [e.body.get("latency_ms") for e in events]
    return [value for value in values if isinstance(value, float)]


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def test_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first = [e.encode() for e in simulate(1, MINUTES, incidents="demo")]
    assert first == [e.encode() for e in simulate(1, MINUTES, incidents="demo")]
    assert first != [e.encode() for e in simulate(2, MINUTES, incidents="demo")]


def test_events_come_in_event_time_order_at_about_the_rate() -> None:
    events = run()
    assert all(a.time <= b.time for a, b in pairwise(events))
    assert events[0].time >= DEMO_START
    assert events[-1].time < DEMO_START + 10 * MINUTES + 60
    assert len(events) == pytest.approx(60 * 600, rel=0.35)


@pytest.mark.parametrize("rate", [0.5, 5.0, 1000.0])
def test_rate_is_kept_from_slow_to_fast(rate: float) -> None:
    duration = 20_000 / rate
    count = sum(1 for _ in simulate(4, duration, rate))
    assert count == pytest.approx(20_000, rel=0.45)


def test_every_event_says_what_a_producer_of_logs_would() -> None:
    levels: Counter[str] = Counter()
    for event in run(duration=2 * MINUTES):
        body = orjson.loads(event.encode())
        assert set(body) - {"trace_id", "latency_ms", "amount"} == {
            "timestamp",
            "level",
            "service",
            "message",
        }
        assert body["service"] == event.service
        assert body["service"] in SERVICES
        assert "{" not in body["message"], "a placeholder was left unfilled"
        assert body.get("trace_id", "") == event.trace_id
        levels[body["level"].upper()[:4]] += 1
    assert levels["INFO"] > 0.8 * levels.total()
    assert levels["WARN"] > 0
    assert levels["ERRO"] > 0, "a benign error now and then, so that alerts are not just any ERROR line"


def test_decoder_reads_source_entity_time_severity_and_numbers() -> None:
    events = run(duration=MINUTES)
    decoder = TopicDecoder(ReadOptions())
    values = [event.encode() for event in events]
    decoded = decoder.decode(values, range(len(values)), [event.time for event in events])
    assert decoded.failures == []
    assert decoded.events.source == [event.service for event in events]
    assert decoded.events.entity == [event.trace_id for event in events]
    assert decoded.events.time == pytest.approx([event.time for event in events])
    assert 0 not in decoded.events.severity
    assert sum("latency_ms" in (numbers or {}) for numbers in decoded.events.numbers) > len(events) / 4


def test_the_shop_is_large_enough_to_be_realistic() -> None:
    assert 8 <= len(SERVICES) <= 12
    assert len(LINES) >= 60
    counts = Counter(len(e.trace_id) > 0 and e.trace_id for e in run())
    del counts[False]
    assert median([float(n) for n in counts.values()]) >= 4, "requests pass through several services"


def test_data_names_only_lines_and_services_that_exist() -> None:
    named = [*BACKGROUND, *PERIODIC, *SLOW_MS, *(name for name, _ in RESTART)]
    for flow in FLOWS:
        for step in flow.steps:
            named += [step.line, *(name.rstrip("!") for _, names in step.variants for name in names)]
            assert sum(p for p, _ in step.variants) < 1
    assert set(named) <= set(LINES)
    assert sum(flow.weight for flow in FLOWS) == pytest.approx(1.0)
    assert set(UNSEEN) == set(SERVICES)
    assert {f"{service}.error" for service in SERVICES} <= set(LINES)


@pytest.mark.parametrize("service", SERVICES)
def test_error_burst_raises_the_errors_of_its_service(service: str) -> None:
    incident = Incident("error_burst", 300.0, 120.0, service)
    normal, broken = run(), run(incident)

    def errors(events: list[SimulatedEvent]) -> int:
        return sum(str(e.body["level"]).upper() == "ERROR" for e in during(events, incident, service))

    assert errors(broken) > 10 + 3 * errors(normal)
    assert any(e.incident == 0 for e in broken)


@pytest.mark.parametrize("service", SERVICES)
def test_new_message_is_written_only_during_its_incident(service: str) -> None:
    incident = Incident("new_message", 300.0, 60.0, service)
    start = "".join(takewhile(lambda c: c != "{", UNSEEN[service][1].removeprefix("[txn {txn}]").strip()))
    seen = [e for e in run(incident) if start in str(e.body["message"])]
    assert len(seen) >= 5
    assert seen[0].time >= DEMO_START + 300
    assert seen[-1].time < DEMO_START + 370
    assert not [e for e in run() if start in str(e.body["message"])]


def test_unfinished_requests_are_all_that_reach_the_service_meanwhile() -> None:
    incident = Incident("unfinished", 200.0, 60.0, "checkout")
    events = run(incident)
    (truth,) = truths([incident], DEMO_START)
    touched = [e for e in events if e.incident == 0]
    for event in touched:
        truth.observe(event)
    last = {e.trace_id: e for e in touched}
    assert {e.service for e in last.values()} == {"checkout"}
    assert all(0 <= e.time - truth.start < 60 for e in last.values())
    assert touched[0].service == "gateway"
    ended = Counter(e.trace_id for e in events if e.service == "gateway")
    open_requests = {t for t, n in ended.items() if t and n < 2}
    assert open_requests == truth.entities, "every other request has its last line"
    assert len(open_requests) > 5


def test_latency_jump_slows_only_its_service_and_time() -> None:
    incident = Incident("latency", 200.0, 120.0, "search")
    events = run(incident)
    before = latencies([e for e in events if e.service == "search" and e.time < DEMO_START + 200])
    jump = latencies(during(events, incident, "search"))
    assert median(jump) > 6 * median(before)
    assert median(latencies(during(events, incident, "catalog"))) < 3 * median(before)


@pytest.mark.parametrize("service", ["storage", "search"])
def test_silent_service_says_nothing_and_comes_back(service: str) -> None:
    incident = Incident("silence", 200.0, 120.0, service)
    events = run(incident)
    assert not during(events, incident, service)
    assert [e for e in events if e.service == service and e.time > DEMO_START + 320]


def test_demo_holds_all_five_kinds_apart_from_each_other() -> None:
    incidents = demo_incidents(2400.0)
    assert {i.kind for i in incidents} == {"error_burst", "new_message", "unfinished", "latency", "silence"}
    assert all(a.start + a.duration + 90 < b.start for a, b in pairwise(incidents))
    assert incidents[-1].start + incidents[-1].duration + 120 < 2400


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("fire", 1.0, 1.0, "cart"), "error_burst"),
        (("latency", 1.0, 1.0, "mainframe"), "gateway"),
        (("latency", -1.0, 1.0, "cart"), "start >= 0"),
        (("latency", 1.0, 0.0, "cart"), "duration > 0"),
        (("unfinished", 1.0, 1.0, "storage"), "no request"),
    ],
)
def test_impossible_incidents_are_refused_with_what_is_possible(
    arguments: tuple[str, float, float, str], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        Incident(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_duration_and_rate_must_be_positive(value: float) -> None:
    with pytest.raises(ValueError, match="duration"):
        simulate(1, value)
    with pytest.raises(ValueError, match="rate"):
        simulate(1, 10.0, value)


def test_files_hold_one_event_per_line(tmp_path: object) -> None:
    plain, packed = f"{tmp_path}/logs.jsonl", f"{tmp_path}/logs.jsonl.gz"
    count = write_file(plain, simulate(5, 10.0))
    assert write_file(packed, simulate(5, 10.0)) == count
    with open(plain, "rb") as a, gzip.open(packed) as b:  # noqa: PTH123
        content = a.read()
        assert content == b.read()
    assert len([orjson.loads(line) for line in content.splitlines()]) == count > 100


def test_labels_are_intervals_of_sources(tmp_path: object) -> None:
    path = f"{tmp_path}/labels.csv"
    write_labels(path, truths(demo_incidents(600.0), DEMO_START))
    with open(path) as file:  # noqa: PTH123
        lines = file.read().splitlines()
    assert lines[0] == "source,start,end"
    assert lines[1].startswith("payment,")
    assert len(lines) == 6
