"""Whatever is on qualm's own topics: the worker lives, and says of each record that it cannot use why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.demo.simulation import simulate
from models.bundle import Bundle
from schemas.suspicious import decode_suspicious
from schemas.watermark import SalientMessage, decode_salient
from tests.agents.test_worker_steps import Bench, suspicious

HUGE = "x" * 100_000
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from([HUGE, 1e308, -1e308, 5e-324, 9e15, 2**53, "1" * 4_000, "NaN", "", [], {}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(st.sampled_from([1e308, -1e308, 1e-308, 0.0, 1.0, -1.0, 50.0]), max_size=30)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.default()


@pytest.fixture(scope="module")
def salient(bundle: Bundle) -> list[SalientMessage]:
    """What triage sends to evaluate."""
    bench = Bench(bundle, role="triage")
    lines = [event.encode() for event in simulate(seed=3, duration=240.0, rate=20.0, incidents="demo")]
    bench.triage(bench.batch("logs", 0, 0, lines))
    bench.tasks.close()
    return [decode_salient(sent.value) for sent in bench.stored("qualm.salient")]


@pytest.fixture(scope="module")
def told(bundle: Bundle, salient: list[SalientMessage]) -> Iterator[list[bytes]]:
    """Records of the suspicious topic, one of each type."""
    bench = Bench(bundle, role="evaluate", false_alarms="0.9999/unit")
    bench.evaluate(bench.batch("qualm.salient", 0, 0, [event.encode() for event in salient]))
    by_type = {orjson.loads(sent.value)["type"]: sent.value for sent in bench.stored("qualm.suspicious")}
    assert {"suspicious", "watermark"} <= by_type.keys()
    yield list(by_type.values())
    bench.tasks.close()


def changed(record: dict[str, Any], changes: dict[int, Any]) -> bytes:
    """A record with some of its values replaced, also inside of what it holds."""
    paths: list[tuple[dict[str, Any], str]] = []
    holders = [record]
    for holder in holders:
        paths += [(holder, name) for name in holder]
        holders += [value for value in holder.values() if isinstance(value, dict)]
    for number, value in changes.items():
        holder, name = paths[number % len(paths)]
        holder[name] = value
    return orjson.dumps(record, default=str, option=orjson.OPT_NON_STR_KEYS)


def lives(bench: Bench, topic: str, value: bytes, good: bytes) -> None:
    """A worker takes the record in, or makes a dead letter of it byte for byte; what follows is used."""
    before = bench.read.get(9, 0)
    bench.read[9] = before + 2
    batch = bench.batch(topic, 0, before, [value, good])
    (bench.evaluate if topic == "qualm.salient" else bench.group)(batch)
    assert not bench.worker.app._crashed.is_set()
    assert bench.position(topic) == before + 2
    dead = bench.stored(f"{topic}.dlq")
    assert [sent.value for sent in dead] in ([], [value])
    assert all(dict(sent.headers)["qualm.error.reason"] for sent in dead)
    bench.broker.stored.clear()
    bench.broker.sent.clear()


def says_why(decode: Callable[[bytes], object], value: bytes) -> None:
    """A decoder takes it, or raises nothing but ValueError, without the hostile values in its text."""
    why = ""
    try:
        decode(value)
    except ValueError as error:
        why = str(error)
    assert len(why) < 2_000


@pytest.fixture(scope="module")
def worker(bundle: Bundle) -> Iterator[Bench]:
    bench = Bench(bundle, role="evaluate", false_alarms="0.9999/unit")
    yield bench
    bench.tasks.close()


MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(changes=st.dictionaries(st.integers(0, 40), JUNK, max_size=3))
def test_a_salient_record_of_any_values(
    worker: Bench,
    salient: list[SalientMessage],
    changes: dict[int, Any],
) -> None:
    event = suspicious(salient)
    value = changed(orjson.loads(event.encode()), changes)
    says_why(decode_salient, value)
    lives(worker, "qualm.salient", value, event.encode())


@MANY
@given(
    features=ROWS,
    wires=st.lists(st.sampled_from([1.0, -1.0, 0.0, 1e-320]), max_size=12),
    prefilter=st.sampled_from([0.0, 1e308, -1e308, 1e30]),
    pace=st.tuples(*[st.sampled_from([1.0, 5e-324, 1e308])] * 2),
    time=st.sampled_from([0.0, 1e9, 253_402_300_799.0, 253_402_300_800.0, -1.0, 1e300]),
)
def test_a_salient_event_of_the_right_digest_and_any_numbers(
    worker: Bench,
    salient: list[SalientMessage],
    features: list[float],
    wires: list[float],
    prefilter: float,
    pace: tuple[float, float],
    time: float,
) -> None:
    event = suspicious(salient)
    n = len(event.features)
    for x, a in (
        (features, wires),
        ((features * n)[:n] or event.features, event.wires),
        ([1.0], event.wires),
    ):
        fields = {
            "features": x, "wires": a, "open_wires": [1] * len(a), "prefilter": prefilter, "pace": list(pace),
            "time": time,
        }  # fmt: skip
        value = orjson.dumps(orjson.loads(event.encode()) | fields)
        lives(worker, "qualm.salient", value, event.encode())


@MANY
@given(which=st.integers(0, 5), changes=st.dictionaries(st.integers(0, 60), JUNK, max_size=3))
def test_a_suspicious_record_of_any_values(
    worker: Bench, told: list[bytes], which: int, changes: dict[int, Any]
) -> None:
    good = told[which % len(told)]
    value = changed(orjson.loads(good), changes)
    says_why(decode_suspicious, value)
    lives(worker, "qualm.suspicious", value, good)


@MANY
@given(st.binary(max_size=60) | JUNK.map(orjson.dumps))
def test_a_record_of_any_bytes(
    worker: Bench, told: list[bytes], salient: list[SalientMessage], value: bytes
) -> None:
    for decode in (decode_salient, decode_suspicious):
        with pytest.raises(ValueError, match=r"^not a "):
            decode(value)
    lives(worker, "qualm.salient", value, suspicious(salient).encode())
    lives(worker, "qualm.suspicious", value, told[0])


@pytest.mark.parametrize("where", ["partition", "offset", "count", "known", "units", "source_count"])
def test_a_number_that_cannot_be_written(worker: Bench, told: list[bytes], where: str) -> None:
    """A text may hold a number of any size, where one in JSON may not."""
    record = next(orjson.loads(each) for each in told if b'"suspicious"' in each)
    record["alert"][where] = "9" * 30
    lives(worker, "qualm.suspicious", orjson.dumps(record), told[0])


def test_the_last_moment_there_is_does_not_end_the_worker(worker: Bench, told: list[bytes]) -> None:
    """An incident of the end of the year 9999 would be over after it, which no alert can write."""
    last = 253_402_300_799.0
    record = next(orjson.loads(each) for each in told if b'"suspicious"' in each)
    record |= {"time": last, "watermark": last}
    for _ in range(3):
        lives(worker, "qualm.suspicious", orjson.dumps(record), told[0])
