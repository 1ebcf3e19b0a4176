"""Salient events, alerts and dead letters: what is written is what is read, and nothing foreign gets in."""

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.alert import Alert, Driver, Scores, cloudevents_headers, fingerprint, rfc3339
from schemas.dead_letter import ERROR_HEADERS, DeadLetter, dead_letter_topic, error_headers
from schemas.salient import SalientEvent, event_id
from schemas.suspicious import Suspicious, Unusual, decode_suspicious
from schemas.watermark import Watermark, decode_salient

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TIME = st.floats(0, 253_402_300_799)
SALIENT: dict[str, Any] = {
    "id": "0" * 32,
    "topic": "logs",
    "partition": 3,
    "offset": 12,
    "record": 0,
    "bundle": "ab" * 16,
    "trigger": "event",
    "time": 1.7e9,
    "watermark": 1.7e9,
}
ALERT: dict[str, Any] = {
    "id": "1" * 32,
    "fingerprint": "2" * 16,
    "incident": "1" * 32,
    "status": "firing",
    "time": 1_714_566_896.789,
    "first_seen": 1_714_566_800.0,
    "last_seen": 1_714_566_896.789,
    "count": 3,
    "source": "checkout",
    "entity": "order-7",
    "severity": "ERROR",
    "kind": "new pattern",
    "template": "no route to <*>",
    "template_id": "3" * 16,
    "example": "no route to host é",
    "p_value": 1e-6,
    "features": [Driver(name="novelty", value=9.5, expected=0.5)],
    "open_wires": [1, 0, 0],
    "scores": Scores(prefilter=0.1, twin=0.01, hybrid=1e-6),
    "bundle": "ab" * 16,
    "topic": "logs",
    "partition": 0,
    "offset": 99,
    "labels": {"alertname": "new pattern", "service": "checkout"},
    "annotations": {"summary": "checkout says something new"},
}


@given(
    st.lists(FINITE, max_size=64),
    st.lists(st.floats(-1, 1), max_size=16),
    FINITE,
    st.text(st.characters(codec="utf-8"), max_size=50),
)
def test_a_salient_event_survives_exactly(x: list[float], a: list[float], logit: float, text: str) -> None:
    bits = [int(value > 0) for value in a]
    fields = SALIENT | {
        "features": x,
        "wires": a,
        "open_wires": bits,
        "prefilter": logit,
        "message": text,
        "entity": text,
    }
    event = SalientEvent(**fields)
    assert decode_salient(event.encode()) == event


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": math.nan},
        {"watermark": 253_402_300_800.0},
        {"watermark": -1.0},
        {"features": [math.inf]},
        {"features": [0.0] * 65},
        {"wires": [1.5], "open_wires": [1]},
        {"wires": [0.5], "open_wires": []},
        {"open_wires": [2], "wires": [0.5]},
        {"id": "G" * 32},
        {"trigger": "other"},
        {"partition": -1},
        {"partition": "1"},
        {"severity": 25},
        {"message": "x" * 1001},
        {"template_id": "12"},
    ],
)
def test_a_salient_event_with_a_wrong_field_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SalientEvent(**(SALIENT | wrong))
    if "time" not in wrong and wrong.get("features") != [math.inf]:
        with pytest.raises(ValueError, match="not a salient event"):
            decode_salient(orjson.dumps(SALIENT | wrong))


@given(st.binary(max_size=80))
def test_foreign_bytes_are_refused(value: bytes) -> None:
    for decode in (decode_salient, decode_suspicious, Alert.decode):
        with pytest.raises(ValueError, match=r"^not an? "):
            decode(value)


@given(TIME, st.integers(0, 2**31), st.text(st.characters(codec="utf-8"), max_size=50))
def test_a_watermark_survives_exactly_and_is_no_salient_event(
    time: float, partition: int, topic: str
) -> None:
    notice = Watermark(topic=topic, partition=partition, bundle="ab", watermark=time)
    assert decode_salient(notice.encode()) == notice
    assert orjson.loads(notice.encode())["type"] == "watermark"


@pytest.mark.parametrize(
    "wrong", [{"watermark": "soon"}, {"partition": -1}, {"topic": None}, {"bundle": "G"}, {"type": "mark"}]
)
def test_a_watermark_with_a_wrong_field_is_refused(wrong: dict[str, Any]) -> None:
    right = {"type": "watermark", "topic": "logs", "partition": 0, "bundle": "ab", "watermark": 1.7e9}
    assert isinstance(decode_salient(orjson.dumps(right)), Watermark)
    with pytest.raises(ValueError, match="not a"):
        decode_salient(orjson.dumps(right | wrong))


@given(st.floats(0, 4e9), TIME)
def test_a_suspicious_event_survives_exactly_though_its_alert_is_to_the_microsecond(
    time: float, watermark: float
) -> None:
    times = dict.fromkeys(("time", "first_seen", "last_seen"), time)
    said = Suspicious(watermark=watermark, time=time, alert=Alert(**(ALERT | times)))
    again = decode_suspicious(said.encode())
    assert again == said
    assert (again.topic, again.partition) == ("logs", 0)
    assert orjson.loads(said.encode())["alert"] == said.alert.to_json()


@given(TIME, TIME, st.text(st.characters(codec="utf-8"), max_size=50))
def test_a_note_and_a_watermark_survive_among_suspicious_events(time: float, mark: float, text: str) -> None:
    note = Unusual(topic="logs", partition=3, watermark=mark, time=time, source=text, entity=text)
    assert decode_suspicious(note.encode()) == note
    notice = Watermark(topic="logs", partition=3, bundle="ab", watermark=mark)
    assert decode_suspicious(notice.encode()) == notice


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"alert": {}}, "suspicious: alert.id: Field required"),
        ({"alert": 3}, "suspicious: alert: "),
        ({"time": -1.0}, "suspicious: time: "),
        ({"time": "2024-05-01T12:34:56Z"}, "suspicious: time: "),
        ({"watermark": None}, "suspicious: watermark: "),
        ({"type": "unusual"}, "unusual: topic: Field required"),
        ({"type": "salient"}, "type is none of suspicious, unusual, watermark"),
        ({"type": ["suspicious"]}, "type is none of"),
    ],
)
def test_a_suspicious_event_with_a_wrong_field_is_refused(wrong: dict[str, Any], why: str) -> None:
    alert = Alert(**ALERT)
    right = orjson.loads(Suspicious(watermark=1.0, time=1.0, alert=alert).encode())
    assert isinstance(decode_suspicious(orjson.dumps(right)), Suspicious)
    with pytest.raises(ValueError, match=f"^not a suspicious event: {why}"):
        decode_suspicious(orjson.dumps(right | wrong))


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_ids_depend_on_every_part(text: str) -> None:
    base = ("logs", 0, 1, 0, "ab", "event", text)
    ids = {event_id(*base)}
    for i, part in enumerate(base):
        other = part + 1 if isinstance(part, int) else f"{part}!"
        ids.add(event_id(*(*base[:i], other, *base[i + 1 :])))  # type: ignore[arg-type]
    assert len(ids) == len(base) + 1
    assert all(len(one) == 32 for one in ids)


def test_ids_are_the_same_on_every_worker() -> None:
    assert event_id("logs", 0, 1, 0, "ab", "event") == "608fc535c2bc68f3b293ff6a03f17549"
    assert fingerprint("checkout", "sequence", "0" * 16) == "e47361252ec09936"
    assert fingerprint("a", "b", "c") != fingerprint("ab", "", "c")


def test_an_alert_survives() -> None:
    alert = Alert(**ALERT)
    value = orjson.loads(alert.encode())
    assert value["time"] == "2024-05-01T12:34:56.789000Z"
    assert value["features"] == [{"name": "novelty", "value": 9.5, "expected": 0.5}]
    assert value["scores"] == {"prefilter": 0.1, "twin": 0.01, "hybrid": 1e-6}
    again = Alert.decode(alert.encode())
    assert again.encode() == alert.encode()
    assert again.features == alert.features
    assert again.first_seen == alert.first_seen


@given(st.floats(0, 4e9))
def test_times_survive_to_the_microsecond(time: float) -> None:
    again = Alert.decode(Alert(**(ALERT | {"time": time})).encode())
    assert again.time == pytest.approx(time, abs=1e-6)
    assert rfc3339(again.time) == rfc3339(time)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "gone"},
        {"count": 0},
        {"p_value": 1.5},
        {"p_value": math.nan},
        {"kind": "x"},
        {"time": -1},
        {"time": "soon"},
        {"severity": "LOUD"},
        {"labels": {"a b": "x"}},
        {"fingerprint": ""},
        {"bundle": "zz"},
    ],
)
def test_an_alert_with_a_wrong_field_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Alert(**(ALERT | wrong))


def test_cloudevents_headers() -> None:
    headers = dict(cloudevents_headers(Alert(**ALERT)))
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_id": b"1" * 32,
        "ce_source": b"/kafka/logs/0",
        "ce_type": b"io.qualm.alert.firing",
        "ce_time": b"2024-05-01T12:34:56.789000Z",
        "ce_subject": b"2" * 16,
        "content-type": b"application/json",
    }


def test_a_dead_letter_keeps_its_headers_and_says_why() -> None:
    own = [("trace", b"\xff\x00"), ("trace", b"twice")]
    letter = DeadLetter("logs", 2, 41, None, b"\xffraw", own, "not JSON: " + "x" * 1000)
    headers = error_headers(letter)
    assert headers[:2] == own
    added = dict(headers[2:])
    assert list(added) == list(ERROR_HEADERS)
    assert added["qualm.error.reason"].startswith(b"not JSON")
    assert len(added["qualm.error.reason"]) == 500
    assert added["qualm.error.topic"] == b"logs"
    assert (added["qualm.error.partition"], added["qualm.error.offset"]) == (b"2", b"41")
    assert dead_letter_topic("logs") == "logs.dlq"
